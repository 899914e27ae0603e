//! Errors of reading a process: each names the file, the reason and the remedy.

use std::io;
use std::path::PathBuf;

use crate::text::printable_path;

/// Why a ring file cannot be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The system returned an error.
    #[error("the ring file {} cannot be opened: {source}", printable_path(.path))]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The path is a folder, a device or a link.
    #[error("{} is not a regular file, so it is not a ring file", printable_path(.path))]
    NotAFile {
        /// The path.
        path: PathBuf,
    },
    /// The file does not begin like a ring file.
    #[error("{} is not a ring file", printable_path(.path))]
    NotARing {
        /// The file.
        path: PathBuf,
    },
    /// The file's layout is from another version of loopscope.
    #[error(
        "the ring file {} has layout {found} of {} loopscope, this one reads layout {supported}; use the loopscope that its \
         program was built with",
        printable_path(.path),
        if found > supported { "a newer" } else { "an older" }
    )]
    OtherLayout {
        /// The file.
        path: PathBuf,
        /// The version of its layout.
        found: u32,
        /// The version that can be read.
        supported: u32,
    },
    /// The file begins like a ring file, but the rest is not valid.
    #[error("the ring file {} is damaged: {what}; restart its program to get an intact one", printable_path(.path))]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with the file.
        what: String,
    },
}

/// Why reading cannot continue.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The file is shorter than before.
    #[error("the ring file {} ends too early: it was truncated or is damaged; records already read are intact", printable_path(.path))]
    Truncated {
        /// The file.
        path: PathBuf,
    },
    /// The system returned an error.
    #[error("the ring file {} cannot be read any more: {source}", printable_path(.path))]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
}

impl OpenError {
    /// The file that cannot be opened.
    #[must_use]
    pub fn path(&self) -> &std::path::Path {
        match self {
            Self::Io { path, .. }
            | Self::NotAFile { path }
            | Self::NotARing { path }
            | Self::OtherLayout { path, .. }
            | Self::Damaged { path, .. } => path,
        }
    }
}
