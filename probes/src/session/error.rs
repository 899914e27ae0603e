//! Why a session cannot be created, and what it no longer shares.

use std::path::PathBuf;

use crate::shared::folder::{FolderError, way_out};
use crate::text::printable_path;

/// Why a shared session cannot be created. A program can continue with
/// [`SessionBuilder::private`](super::SessionBuilder::private) or [`Session::disabled`](super::Session::disabled).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SessionError {
    /// The folder is unsuitable.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The file cannot be created, most often because the filesystem is full.
    #[error("cannot create a ring file of {bytes} bytes in {}: {source}; {}", printable_path(.folder), way_out(.source, "set LOOPSCOPE_DIR to a folder with room"))]
    File {
        /// The folder.
        folder: PathBuf,
        /// The size of the file's fixed part, in bytes.
        bytes: usize,
        /// The system's error.
        source: std::io::Error,
    },
    /// The file would exceed the process's limit on file sizes.
    #[error(
        "a ring file of {bytes} bytes is over this process's limit on file sizes, {limit} bytes; raise it (ulimit -f)"
    )]
    FileLimit {
        /// The size of the file's fixed part, in bytes.
        bytes: usize,
        /// The limit.
        limit: u64,
    },
    /// The handler for [`SessionBuilder::survive_truncation`](super::SessionBuilder::survive_truncation) cannot be installed.
    #[error("no handler of SIGBUS can be installed: {0}")]
    Handler(#[source] std::io::Error),
}

/// What a shared session no longer shares.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SharingError {
    /// The file was truncated: nothing is recorded any more. See
    /// [`SessionBuilder::survive_truncation`](super::SessionBuilder::survive_truncation).
    #[error("recording is off: the ring file {} was truncated", printable_path(.path))]
    Truncated {
        /// The file.
        path: PathBuf,
    },
    /// Rings did not fit into the file. Readers in this process still see them.
    #[error("other processes cannot see {rings} rings of this one: {} has no room for them: {reason}", printable_path(.path))]
    NoRoom {
        /// The file.
        path: PathBuf,
        /// Number of rings.
        rings: u64,
        /// Why the last of these rings did not fit.
        reason: String,
    },
}
