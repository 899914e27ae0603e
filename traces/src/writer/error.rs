//! Why a trace cannot be written: what failed, where, and what is saved nevertheless.

use std::io;
use std::path::PathBuf;

use super::Change;
use crate::format::{BLOCKS_MAX, METADATA_BYTES_MAX};

/// Why a trace cannot be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// The file cannot be created.
    #[error("cannot create {path}: {source}")]
    Create {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is the ring of a process: truncating it would crash the process, or destroy its last records.
    #[error("{path} is the ring file of a process, which must not be overwritten: choose another name")]
    IsRing {
        /// The file.
        path: PathBuf,
    },
    /// The file is already being written to.
    #[error("{path} is being written by another loopscope: choose another name, or wait until it ends")]
    Busy {
        /// The file.
        path: PathBuf,
    },
    /// Writing failed, for example because the disk is full.
    #[error("cannot write {path} beyond byte {offset}: {source}{}", kept(*.events))]
    Write {
        /// The file.
        path: PathBuf,
        /// Its length, at the end of its last whole block.
        offset: u64,
        /// Events in it.
        events: u64,
        /// Why.
        source: io::Error,
    },
    /// Another program changed the file while it was written.
    #[error("{path} {how}")]
    Changed {
        /// The file.
        path: PathBuf,
        /// How.
        how: Change,
    },
    /// An earlier write failed.
    #[error("{path} takes nothing more since an earlier write failed")]
    Failed {
        /// The file.
        path: PathBuf,
    },
    /// The metadata is too long.
    #[error("the metadata of {path} has {bytes} bytes, more than the {METADATA_BYTES_MAX} allowed")]
    Metadata {
        /// The file.
        path: PathBuf,
        /// Its length.
        bytes: usize,
    },
    /// The trace has reached its block limit.
    #[error("{path} has {BLOCKS_MAX} blocks, the most that a trace can have: go on in a new file")]
    Full {
        /// The file.
        path: PathBuf,
    },
}

fn kept(events: u64) -> String {
    match events {
        0 => "; nothing of it is saved".to_owned(),
        1 => "; the event before is saved and readable".to_owned(),
        events => format!("; the {events} events before are saved and readable"),
    }
}
