//! Finds recorded loops: the rings in the user's runtime folders, and the state of their processes.
//!
//! Removes rings that their process marked as ended and left behind. The ring of a crashed process stays, so that it
//! can still be read.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

use crate::metadata::Metadata;
use crate::process::{OpenError, ProcessState, RingFile, describe};
use crate::shared::create::{self, EXTENSION, EXTENSION_HALF};
use crate::shared::folder::Folder;

pub use crate::shared::folder::{FolderError, runtime_folders};

/// A ring found in a runtime folder.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct RingInfo {
    /// Path of the ring file.
    pub path: PathBuf,
    /// The process id, as the process itself sees it.
    pub pid: u32,
    /// The state of the process.
    pub state: ProcessState,
    /// The process's description of itself. Untrusted: make texts [printable](crate::text::printable) before showing
    /// them.
    pub metadata: Metadata,
}

/// Contents of the runtime folders.
#[derive(Debug, Default)]
pub struct Listing {
    /// Rings of running processes first, then by start, oldest first.
    pub rings: Vec<RingInfo>,
    /// Entries that cannot be read, and why.
    pub problems: Vec<Problem>,
}

/// An entry of a runtime folder that is not a readable ring. Never fatal.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// A folder cannot be used.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// A file cannot be opened as a ring.
    #[error(transparent)]
    File(#[from] OpenError),
}

/// Why there is no single ring to return.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FindError {
    /// No loop is being recorded.
    #[error(
        "no loop is being recorded on this machine; start one with `loopscope demo`, or see `loopscope ps`"
    )]
    None,
    /// Several loops are being recorded.
    #[error("{} loops are being recorded; name one of their pids, see `loopscope ps`", .rings.len())]
    Several {
        /// All rings found.
        rings: Vec<RingInfo>,
    },
    /// The process has no ring.
    #[error("process {pid} has no ring; `loopscope ps` lists those that have")]
    NoSuchPid {
        /// The process id.
        pid: u32,
    },
    /// The ring exists and cannot be read.
    #[error(transparent)]
    Unreadable(#[from] OpenError),
    /// A folder that may hold it cannot be used.
    #[error(transparent)]
    Folder(#[from] FolderError),
}

/// Everything in the [runtime folders](runtime_folders).
#[must_use]
pub fn list() -> Listing {
    list_in(&runtime_folders())
}

/// Everything in `folders`. A missing folder counts as empty.
#[must_use]
pub fn list_in(folders: &[PathBuf]) -> Listing {
    let mut listing = Listing::default();
    for path in folders {
        match Folder::open(path).and_then(|folder| Ok((folder.names()?, folder))) {
            Ok((names, folder)) => names.iter().for_each(|name| look_at(&folder, name, &mut listing)),
            Err(FolderError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {}
            Err(error) => listing.problems.push(error.into()),
        }
    }
    listing.rings.sort_by_key(|ring| (!ring.state.is_alive(), ring.metadata.started.wall_ns, ring.pid));
    listing
}

/// The ring of process `pid`: if it has several, a running one, else the newest.
///
/// # Errors
///
/// [`FindError`] if it has none, or one that cannot be read.
pub fn find(pid: u32) -> Result<RingInfo, FindError> {
    find_in(&runtime_folders(), pid)
}

/// Like [`find`], in `folders`.
///
/// # Errors
///
/// [`FindError`] if it has none, or one that cannot be read.
pub fn find_in(folders: &[PathBuf], pid: u32) -> Result<RingInfo, FindError> {
    let listing = list_in(folders);
    let mine = listing.rings.into_iter().filter(|ring| ring.pid == pid);
    let rank = |ring: &RingInfo| {
        // A copy of the newest ring has the same start.
        let is_copy = ring.state == ProcessState::Unclosed;
        (ring.state.is_alive(), ring.metadata.started.wall_ns, !is_copy)
    };
    if let Some(ring) = mine.max_by_key(rank) {
        return Ok(ring);
    }
    let prefix = format!("{pid}-");
    let named =
        |path: &Path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(&prefix));
    let mut folder = None;
    for problem in listing.problems {
        match problem {
            Problem::File(error) if named(error.path()) => return Err(error.into()),
            Problem::File(_) => {}
            Problem::Folder(error) => folder = Some(error),
        }
    }
    Err(folder.map_or(FindError::NoSuchPid { pid }, FindError::from))
}

/// The only ring whose process is running.
///
/// # Errors
///
/// [`FindError`] if there is none, or several.
pub fn only() -> Result<RingInfo, FindError> {
    only_in(&runtime_folders())
}

/// Like [`only`], in `folders`.
///
/// # Errors
///
/// [`FindError`] if there is none, or several.
pub fn only_in(folders: &[PathBuf]) -> Result<RingInfo, FindError> {
    let Listing { rings, problems } = list_in(folders);
    let mut rings: Vec<RingInfo> = rings.into_iter().filter(|ring| ring.state.is_alive()).collect();
    match (rings.pop(), rings.is_empty()) {
        (None, _) => Err(match problems.into_iter().next() {
            None => FindError::None,
            Some(Problem::Folder(error)) => error.into(),
            Some(Problem::File(error)) => error.into(),
        }),
        (Some(only), true) => Ok(only),
        (Some(last), false) => {
            rings.push(last);
            Err(FindError::Several { rings })
        }
    }
}

fn look_at(folder: &Folder, name: &OsStr, listing: &mut Listing) {
    let path = folder.path().join(name);
    let extension = path.extension().unwrap_or_default();
    if extension == EXTENSION_HALF {
        create::sweep(folder, name);
    }
    if extension != EXTENSION {
        return;
    }
    let mut is_still = false;
    let found = RingFile::open_at(folder, name, &path).and_then(|file| {
        is_still = file.is_still();
        info(&path, file)
    });
    match found {
        // Left over: its process marked it as ended and died before removing it.
        Ok(ring) if ring.state == ProcessState::Ended && is_still => create::remove(folder, name),
        Ok(ring) if ring.state == ProcessState::Ended => {}
        Ok(ring) => listing.rings.push(ring),
        // It vanished while the folder was being read.
        Err(OpenError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {}
        Err(error) => listing.problems.push(error.into()),
    }
}

/// The header of the ring file at `path`, and the state of its process.
///
/// # Errors
///
/// [`OpenError`] if it is not a ring file that this version reads.
pub fn inspect(path: &Path) -> Result<RingInfo, OpenError> {
    info(path, RingFile::open(path)?)
}

fn info(path: &Path, file: RingFile) -> Result<RingInfo, OpenError> {
    let pid = file.identity().pid;
    let (metadata, state) = describe(file)
        .map_err(|error| OpenError::Damaged { path: path.to_owned(), what: error.to_string() })?;
    Ok(RingInfo { path: path.to_owned(), pid, state, metadata })
}

#[cfg(test)]
mod tests;
