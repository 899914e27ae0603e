//! Where a trace goes: anything that can be cut back, and the file that may be made or emptied for it.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use rustix::fs::{FlockOperation, OFlags, fcntl_getfl, fcntl_setfl, flock};
use rustix::io::Errno;

use super::WriteError;

/// The first bytes of a ring file.
const RING_MAGIC: [u8; 8] = *b"LOOPRING";

/// Where a trace is written to.
pub trait TraceOutput: Write {
    /// Cuts the output back to its first `len` bytes and goes on writing there.
    ///
    /// # Errors
    ///
    /// What the output says.
    fn truncate(&mut self, len: u64) -> io::Result<()>;
}

impl TraceOutput for File {
    fn truncate(&mut self, len: u64) -> io::Result<()> {
        self.set_len(len)?;
        self.seek(SeekFrom::Start(len)).map(|_| ())
    }
}

impl<W: TraceOutput> TraceOutput for &mut W {
    fn truncate(&mut self, len: u64) -> io::Result<()> {
        (**self).truncate(len)
    }
}

impl TraceOutput for Vec<u8> {
    fn truncate(&mut self, len: u64) -> io::Result<()> {
        Self::truncate(self, usize::try_from(len).unwrap_or(usize::MAX));
        Ok(())
    }
}

/// Makes the file at `path`, or empties the one that is there, unless somebody needs it: the ring of a process
/// is never emptied (that would crash the process), nor a file that another writer holds. The file is locked
/// as long as it is open.
///
/// # Errors
///
/// [`WriteError`] when it cannot be made, or is not to be overwritten.
pub fn create(path: &Path) -> Result<File, WriteError> {
    let failed = |source: io::Error| WriteError::Create { path: path.to_owned(), source };
    // Emptied only once it is known to be ours; a FIFO that nobody reads must not keep us here.
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false).custom_flags(OFlags::NONBLOCK.bits() as i32);
    let file = options.open(path).map_err(failed)?;
    if !file.metadata().map_err(failed)?.is_file() {
        let flags = fcntl_getfl(&file).map_err(|errno| failed(errno.into()))?;
        fcntl_setfl(&file, flags - OFlags::NONBLOCK).map_err(|errno| failed(errno.into()))?;
        return Ok(file);
    }
    if is_ring(path) {
        return Err(WriteError::IsRing { path: path.to_owned() });
    }
    // Filesystems without locks have nobody to ask.
    if flock(&file, FlockOperation::NonBlockingLockExclusive) == Err(Errno::WOULDBLOCK) {
        return Err(WriteError::Busy { path: path.to_owned() });
    }
    file.set_len(0).map_err(failed)?;
    Ok(file)
}

fn is_ring(path: &Path) -> bool {
    let mut magic = [0; RING_MAGIC.len()];
    // What may be written but not read is no ring of ours.
    File::open(path).and_then(|mut file| file.read_exact(&mut magic)).is_ok() && magic == RING_MAGIC
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_written_is_not_emptied() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.looptrace");
        let mut first = create(&path).unwrap();
        first.write_all(b"kept").unwrap();
        assert!(matches!(create(&path), Err(WriteError::Busy { .. })));
        assert_eq!(std::fs::read(&path).unwrap(), b"kept");
        drop(first);
        drop(create(&path).unwrap());
        assert_eq!(std::fs::read(&path).unwrap(), b"");
    }

    #[test]
    fn a_ring_is_never_emptied() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("1-1-0.ring");
        std::fs::write(&path, b"LOOPRING and more").unwrap();
        assert!(matches!(create(&path), Err(WriteError::IsRing { .. })));
        assert_eq!(std::fs::read(&path).unwrap(), b"LOOPRING and more");
    }
}
