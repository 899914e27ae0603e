//! The progress of an import, and why it failed.

use std::io;

use crate::chrome::read::ReadError;
use crate::writer::WriteError;

/// The progress of an import.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Progress {
    /// Reading the file.
    Reading {
        /// Bytes taken from the input, before decompression.
        bytes: u64,
        /// Events so far.
        events: u64,
    },
    /// Sorting the records.
    Sorting {
        /// Records processed so far.
        records: u64,
    },
    /// Writing the trace.
    Writing {
        /// Events so far.
        events: u64,
    },
}

/// Why an import failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// The file cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The temporary file failed, for example because the disk is full.
    #[error("cannot use a temporary file (in TMPDIR) for events that do not fit into memory: {0}")]
    Temporary(#[source] io::Error),
    /// No thread has the requested name.
    #[error("no thread is named {asked}; the threads are {known}")]
    NoThread {
        /// The name asked for.
        asked: String,
        /// The threads that exist.
        known: String,
    },
    /// Threads asked for by name, whose names appear so late in the file that some of their events were already left
    /// out. Reading it again with these threads as `PID/TID` among those asked for finds all their events.
    #[error("the thread is named too late in the file: ask for it as {first}")]
    NamedTooLate {
        /// Each as `PID/TID`.
        threads: Vec<String>,
        /// The first of them.
        first: String,
    },
    /// None of its threads looks like a loop.
    #[error("has no event loop: {0}")]
    NoLoop(String),
    /// The trace cannot be written.
    #[error(transparent)]
    Write(#[from] WriteError),
}
