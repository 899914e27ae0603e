//! Which loops there are: the rings in the user's runtime folders, and how their processes are.
//!
//! A ring whose process said that it ended is removed here if it is still there. One whose process crashed
//! stays: somebody may want to read it.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

use crate::clock::Anchor;
use crate::metadata::Metadata;
use crate::process::{OpenError, Opened, ProcessState, RingFile};
use crate::shared::create::{self, EXTENSION, EXTENSION_HALF};
use crate::shared::folder::Folder;

pub use crate::shared::folder::{FolderError, runtime_folder, runtime_folders};

/// A ring that was found.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct RingInfo {
    /// Its file.
    pub path: PathBuf,
    /// The process id, as the process itself sees it.
    pub pid: u32,
    /// The program's name, as it gave it: to be made [printable](crate::text::printable) before it is shown.
    pub program: String,
    /// The loop's policy, as the program gave it.
    pub policy: String,
    /// When recording began.
    pub started: Anchor,
    /// How the process is.
    pub state: ProcessState,
    /// Everything it says about itself.
    pub metadata: Metadata,
}

/// What was found in the folders.
#[derive(Debug, Default)]
pub struct Listing {
    /// Rings, those that run first, then by start, oldest first.
    pub rings: Vec<RingInfo>,
    /// What is there but cannot be read, and why.
    pub problems: Vec<Problem>,
}

/// Something in a runtime folder that is no ring we can read. Never fatal.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// A folder.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// A file.
    #[error(transparent)]
    File(#[from] OpenError),
}

/// Why there is not the one ring that was asked for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FindError {
    /// There is none at all.
    #[error(
        "no loop is being recorded on this machine; start one with `loopscope demo`, or see `loopscope ps`"
    )]
    None,
    /// There are several.
    #[error("{} loops are being recorded; name one of their pids, see `loopscope ps`", .rings.len())]
    Several {
        /// All of them.
        rings: Vec<RingInfo>,
    },
    /// None of this process.
    #[error("process {pid} has no ring; `loopscope ps` lists those that have")]
    NoSuchPid {
        /// The process id.
        pid: u32,
    },
    /// Its ring is there and cannot be read.
    #[error(transparent)]
    Unreadable(#[from] OpenError),
    /// A folder where it may be cannot be used.
    #[error(transparent)]
    Folder(#[from] FolderError),
}

/// Everything in the [runtime folders](runtime_folders).
#[must_use]
pub fn list() -> Listing {
    list_in(&runtime_folders())
}

/// Everything in `folders`. A folder that does not exist is an empty one.
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
    let gone = |state| matches!(state, ProcessState::Crashed | ProcessState::Ended);
    listing.rings.sort_by_key(|ring| (gone(ring.state), ring.started.wall_ns, ring.pid));
    listing
}

/// The ring of process `pid`: of several, one that runs, else the youngest.
///
/// # Errors
///
/// [`FindError`] where it has none, or one that cannot be read.
pub fn find(pid: u32) -> Result<RingInfo, FindError> {
    find_in(&runtime_folders(), pid)
}

/// As [`find`], in `folders`.
///
/// # Errors
///
/// As [`find`].
pub fn find_in(folders: &[PathBuf], pid: u32) -> Result<RingInfo, FindError> {
    let listing = list_in(folders);
    let runs = |ring: &RingInfo| matches!(ring.state, ProcessState::Running | ProcessState::Stopped);
    let mine = listing.rings.into_iter().filter(|ring| ring.pid == pid);
    if let Some(ring) = mine.max_by_key(|ring| (runs(ring), ring.started.wall_ns)) {
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

/// The one ring whose process runs.
///
/// # Errors
///
/// [`FindError`] where there is none, or several.
pub fn only() -> Result<RingInfo, FindError> {
    only_in(&runtime_folders())
}

/// As [`only`], in `folders`.
///
/// # Errors
///
/// As [`only`].
pub fn only_in(folders: &[PathBuf]) -> Result<RingInfo, FindError> {
    let runs = |ring: &RingInfo| matches!(ring.state, ProcessState::Running | ProcessState::Stopped);
    let Listing { rings, problems } = list_in(folders);
    let mut rings: Vec<RingInfo> = rings.into_iter().filter(runs).collect();
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
    match RingFile::open_at(folder, name, &path).and_then(|opened| info(&path, opened)) {
        // Left over: its process marked it and did not get to removing it.
        Ok(ring) if ring.state == ProcessState::Ended => create::remove(folder, name),
        Ok(ring) => listing.rings.push(ring),
        // It vanished while the folder was read.
        Err(OpenError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {}
        Err(error) => listing.problems.push(error.into()),
    }
}

/// What the ring file at `path` says, and how its process is.
///
/// # Errors
///
/// [`OpenError`] where it is no ring file that this version reads.
pub fn inspect(path: &Path) -> Result<RingInfo, OpenError> {
    info(path, RingFile::open(path)?)
}

fn info(path: &Path, (file, metadata, _): Opened) -> Result<RingInfo, OpenError> {
    let pid = file.who().pid;
    let state = file
        .state()
        .map_err(|error| OpenError::Damaged { path: path.to_owned(), what: error.to_string() })?;
    Ok(RingInfo {
        path: path.to_owned(),
        pid,
        program: metadata.program.clone(),
        policy: metadata.policy.clone(),
        started: metadata.started,
        state,
        metadata,
    })
}

#[cfg(test)]
mod tests;
