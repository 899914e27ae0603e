//! Why a trace cannot be written: what failed, where, and what is saved nevertheless.

use std::io;
use std::path::{Path, PathBuf};

use loop_probes::text::printable_path;

use super::Change;
use crate::format::{BLOCKS_MAX, METADATA_BYTES_MAX};
use crate::units::count;

/// Why a trace cannot be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// The file cannot be created.
    #[error("cannot create {shown}: {source}", shown = printable_path(.path))]
    Create {
        /// The file.
        path: PathBuf,
        /// The I/O error.
        source: io::Error,
    },
    /// The file is the ring of a process: truncating it would crash the process, or destroy its last records.
    #[error("{shown} is the ring file of a process, which must not be overwritten: choose another name", shown = printable_path(.path))]
    IsRing {
        /// The file.
        path: PathBuf,
    },
    /// The file is already being written to.
    #[error("{shown} is being written by another loopscope: choose another name, or wait until it ends", shown = printable_path(.path))]
    Busy {
        /// The file.
        path: PathBuf,
    },
    /// The file that would be replaced is write-protected.
    #[error("{shown} is write-protected: choose another name, or make it writable to replace it", shown = printable_path(.path))]
    WriteProtected {
        /// The file.
        path: PathBuf,
    },
    /// Nothing reads the named pipe.
    #[error("{shown} is a named pipe that no program reads: start its reader first", shown = printable_path(.path))]
    Unread {
        /// The pipe.
        path: PathBuf,
    },
    /// Writing failed, for example because the disk is full.
    #[error("cannot write {shown} beyond byte {}: {source}{}", count(*.offset), kept(.path, *.events), shown = printable_path(.path))]
    Write {
        /// The file.
        path: PathBuf,
        /// The file's length, at the end of its last whole block.
        offset: u64,
        /// Events in the file.
        events: u64,
        /// The I/O error.
        source: io::Error,
    },
    /// Another program changed the file while it was written.
    #[error("{shown} {how}", shown = printable_path(.path))]
    Changed {
        /// The file.
        path: PathBuf,
        /// How it changed.
        how: Change,
    },
    /// An earlier write failed.
    #[error("{shown} is closed: an earlier write failed", shown = printable_path(.path))]
    Failed {
        /// The file.
        path: PathBuf,
    },
    /// The metadata is too long.
    #[error("the metadata of {shown} has {bytes} bytes, more than the {METADATA_BYTES_MAX} allowed", shown = printable_path(.path))]
    Metadata {
        /// The file.
        path: PathBuf,
        /// The length of the metadata, in bytes.
        bytes: usize,
    },
    /// The trace has reached its block limit.
    #[error("{shown} has {BLOCKS_MAX} blocks, the maximum: continue in a new file", shown = printable_path(.path))]
    Full {
        /// The file.
        path: PathBuf,
    },
}

fn kept(path: &Path, events: u64) -> String {
    match events {
        0 => format!("; nothing was saved{}", untouched(path)),
        1 => "; the event before it is saved and readable".to_owned(),
        events => format!("; the {} events before it are saved and readable", count(events)),
    }
}

/// The part of an error message that says whether the file to be replaced is intact.
#[must_use]
pub fn untouched(path: &Path) -> &'static str {
    match std::fs::metadata(path) {
        Ok(found) if found.is_file() => "; the file that was there is unchanged",
        Ok(_) => "",
        Err(_) => "; no file was made",
    }
}
