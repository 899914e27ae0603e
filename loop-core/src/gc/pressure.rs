//! Memory-pressure notices from the system: a file that becomes ready when memory runs short.
//!
//! On Linux the file is a pressure stall (PSI) file, the system's or a cgroup's `memory.pressure`. A trigger is written
//! into it, and the kernel then reports `POLLPRI` (Documentation/accounting/psi.rst). A FIFO works on any system: a byte
//! written into it is a notice. If neither is available, opening fails with the reason. A program can also call
//! [`GcController::pressure`](super::GcController::pressure) directly.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;

use loop_probes::text::printable;

use crate::poller::{Interest, Source};

/// The pressure file of the whole system.
pub const SYSTEM_PATH: &str = "/proc/pressure/memory";

/// Triggers when some task stalled on memory for 200 ms within 2 s: systemd's default threshold, with a window that
/// needs no privileges (a multiple of 2 s). The kernel requires the final NUL.
const TRIGGER: &[u8] = b"some 200000 2000000\0";

/// Why memory pressure cannot be watched.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PressureError {
    /// The file cannot be opened, or accepts no trigger.
    #[error("cannot watch {path} for memory pressure")]
    Watch {
        /// The file, made printable.
        path: String,
        /// The system's error.
        source: io::Error,
    },
}

/// A file that gives notice of memory pressure. Add [`source`](Self::source) with
/// [`interest`](Self::interest) to the poller and call [`acknowledge`](Self::acknowledge) when it is ready.
#[derive(Debug)]
pub struct PressureWatch {
    file: Arc<File>,
    is_fifo: bool,
}

impl PressureWatch {
    /// Watches the whole system.
    ///
    /// # Errors
    ///
    /// [`PressureError`] if the kernel keeps no pressure statistics, or grants this process no trigger.
    pub fn system() -> Result<Self, PressureError> {
        Self::open(Path::new(SYSTEM_PATH))
    }

    /// Watches `path`: a PSI file, or a FIFO.
    ///
    /// # Errors
    ///
    /// [`PressureError`] if `path` cannot be opened or is neither.
    pub fn open(path: &Path) -> Result<Self, PressureError> {
        Self::try_open(path)
            .map_err(|source| PressureError::Watch { path: printable(&path.to_string_lossy()), source })
    }

    fn try_open(path: &Path) -> io::Result<Self> {
        // Opened for reading and writing, so that a FIFO neither blocks nor hangs up when its writers close it.
        const O_NONBLOCK: i32 = rustix::fs::OFlags::NONBLOCK.bits() as i32;
        let mut file = OpenOptions::new().read(true).write(true).custom_flags(O_NONBLOCK).open(path)?;
        let kind = file.metadata()?.file_type();
        let is_fifo = kind.is_fifo();
        if !is_fifo {
            // Writing a trigger into an ordinary file would damage it. PSI files have size 0.
            if !kind.is_file() || file.metadata()?.len() > 0 || !is_psi(&file)? {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidInput,
                    "neither a pressure stall file nor a FIFO",
                ));
            }
            file.write_all(TRIGGER)?;
        }
        Ok(Self { file: Arc::new(file), is_fifo })
    }

    /// The source to add to the poller.
    #[must_use]
    pub fn source(&self) -> Source {
        Arc::clone(&self.file) as Source
    }

    /// The interest to register the source with.
    #[must_use]
    pub const fn interest(&self) -> Interest {
        if self.is_fifo { Interest::READABLE } else { Interest::PRIORITY }
    }

    /// Clears the notice, so that the next one is reported. Returns true if there was one; then call
    /// [`GcController::pressure`](super::GcController::pressure).
    #[must_use]
    pub fn acknowledge(&self) -> bool {
        // The kernel clears a PSI notice when it reports it.
        if !self.is_fifo {
            return true;
        }
        let (mut bytes, mut is_noticed) = ([0; 256], false);
        while (&*self.file).read(&mut bytes).is_ok_and(|read| read > 0) {
            is_noticed = true;
        }
        is_noticed
    }
}

/// A PSI file starts with `some avg10=…`.
fn is_psi(mut file: &File) -> io::Result<bool> {
    let mut start = [0; 5];
    let read = file.read(&mut start)?;
    Ok(&start[..read] == b"some ")
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use std::time::Duration;

    use rustix::fs::{CWD, FileType, Mode};

    use super::*;
    use crate::poller::os::OsPoller;
    use crate::poller::{Poller, Readiness, Ready};

    #[test]
    fn b17_a_byte_in_a_fifo_is_a_notice() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pressure");
        rustix::fs::mknodat(CWD, &path, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
        let watch = PressureWatch::open(&path).unwrap();
        let mut poller = OsPoller::new().unwrap();
        poller.add(watch.source(), watch.interest(), 3).unwrap();
        let mut ready = Vec::new();
        poller.wait(Some(Duration::ZERO), &mut ready).unwrap();
        assert_eq!((ready.as_slice(), watch.acknowledge()), ([].as_slice(), false));
        OpenOptions::new().write(true).open(&path).unwrap().write_all(b"!!").unwrap();
        poller.wait(None, &mut ready).unwrap();
        assert_eq!(ready, [Ready { key: 3, readiness: Readiness::READABLE }]);
        assert!(watch.acknowledge());
        poller.wait(Some(Duration::ZERO), &mut ready).unwrap();
        assert_eq!(ready, []);
    }

    #[test]
    fn an_ordinary_file_is_refused_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in [("empty", ""), ("text", "some text of mine")] {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            assert!(PressureWatch::open(&path).is_err());
            assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
        }
        let error = PressureWatch::open(&folder.path().join("missing")).unwrap_err();
        assert!(error.to_string().ends_with("missing for memory pressure"), "{error}");
    }

    /// If the kernel keeps pressure statistics and grants a trigger, the file can be polled and reports nothing yet;
    /// otherwise the error names the file.
    #[test]
    fn b17_the_systems_pressure_file_is_watched_or_named() {
        // Check whether the file can be watched, independently of the code under test.
        let file = OpenOptions::new().read(true).write(true).open(SYSTEM_PATH);
        let can = file.and_then(|mut file| file.write_all(b"some 200000 2000000\0"));
        match (can, PressureWatch::system()) {
            (Ok(()), Err(error)) => panic!("it can be watched: {error}"),
            (Err(error), Ok(_)) => panic!("it should not be watchable: {error}"),
            (Err(_), Err(error)) => assert!(error.to_string().contains(SYSTEM_PATH)),
            (Ok(()), Ok(watch)) => {
                let mut poller = OsPoller::new().unwrap();
                poller.add(watch.source(), watch.interest(), 0).unwrap();
                let mut ready = Vec::new();
                poller.wait(Some(Duration::ZERO), &mut ready).unwrap();
                assert!(ready.iter().all(|one| one.readiness == Readiness::READABLE));
                assert!(watch.acknowledge());
            }
        }
    }
}
