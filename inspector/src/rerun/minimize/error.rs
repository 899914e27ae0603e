//! Why nothing was minimized.

use std::path::PathBuf;

use loop_traces::source::SourceError;
use loop_traces::units::duration;

use crate::rerun::RerunError;

/// Why nothing was minimized.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MinimizeError {
    /// What is to be kept is not there.
    #[error("{condition} does not hold in {name}: it is {value}")]
    NotThere {
        /// What was to be kept.
        condition: String,
        /// The recording.
        name: String,
        /// What it is.
        value: String,
    },
    /// What is to be kept is lost in a re-execution.
    #[error(
        "{condition} holds in {name}, where it is {recorded}, and not in its re-execution, where it is {again}: what made \
         it so is nothing that a re-execution repeats, such as a machine that was busy otherwise"
    )]
    NotAgain {
        /// What was to be kept.
        condition: String,
        /// The recording.
        name: String,
        /// What it is there.
        recorded: String,
        /// What it is in its re-execution.
        again: String,
    },
    /// It was stopped before there was anything to save.
    #[error("stopped by you after {tries}: nothing smaller was found yet, and nothing is saved")]
    Stopped {
        /// How many re-executions it was.
        tries: String,
    },
    /// The time was over before anything is known of it.
    #[error(
        "the {} of --budget were over before the recording was executed again once: nothing is known to be enough, and \
         nothing is saved",
        duration(*.budget_ns)
    )]
    OutOfTime {
        /// The time that there was.
        budget_ns: u64,
    },
    /// What was found cannot be put where it belongs.
    #[error("cannot write {path}: {error}")]
    Output {
        /// Where.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// It cannot be read, executed again or written.
    #[error(transparent)]
    Rerun(#[from] RerunError),
    /// There is no place for the recording in between.
    #[error("cannot make a temporary file: {0}")]
    Temporary(std::io::Error),
}

impl From<SourceError> for MinimizeError {
    fn from(error: SourceError) -> Self {
        Self::Rerun(error.into())
    }
}
