//! Reasons why a recording cannot be minimized.

use loop_traces::source::SourceError;
use loop_traces::summary::Summary;
use loop_traces::units::{count, counted, duration};

use crate::RerunError;

/// Why a recording cannot be minimized.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MinimizeError {
    /// The condition does not hold in the recording.
    #[error("{condition} does not hold in {name}: it is {value}")]
    NotThere {
        /// Text of the condition.
        condition: String,
        /// Name of the recording.
        name: String,
        /// Value of the metric in the recording.
        value: String,
    },
    /// The condition holds only because of the tick in which the recording ends.
    #[error(
        "{condition} holds in {name}, where it is {recorded}, only because of {tick}; only whole ticks are re-executed, \
         and without that one it is {without}"
    )]
    OnlyInOpenTick {
        /// Text of the condition.
        condition: String,
        /// Name of the recording.
        name: String,
        /// The value in the recording.
        recorded: String,
        /// The tick, described.
        tick: String,
        /// The value without it.
        without: String,
    },
    /// The condition does not hold in a re-execution.
    #[error(
        "{condition} holds in {name}, where it is {recorded}, and not in its re-execution, where it is {again}: {why}"
    )]
    NotAgain {
        /// Text of the condition.
        condition: String,
        /// Name of the recording.
        name: String,
        /// The value in the recording.
        recorded: String,
        /// The value in its re-execution.
        again: String,
        /// The reason, as far as it is known.
        why: String,
    },
    /// The condition does not hold in the re-execution of the one loop that was selected.
    #[error(
        "{condition} holds in {name}, where it is {recorded}, and not in the re-execution of its loop {only}, where it is \
         {again}; to minimize another loop, name it in the condition: loop.NAME.{condition}"
    )]
    NotInLoop {
        /// Text of the condition.
        condition: String,
        /// Name of the recording.
        name: String,
        /// The value in the recording.
        recorded: String,
        /// The loop that was re-executed.
        only: String,
        /// The value in its re-execution.
        again: String,
    },
    /// The search was stopped before there was anything to save.
    #[error("stopped by you after {tries}: nothing smaller was found yet, and nothing is saved")]
    Stopped {
        /// The number of re-executions so far.
        tries: String,
    },
    /// The time ran out before the first re-execution was complete.
    #[error(
        "the {} of --budget ran out before the recording was re-executed once: nothing is known to be enough, and \
         nothing is saved",
        duration(*.budget_ns)
    )]
    OutOfTime {
        /// The time budget, in nanoseconds.
        budget_ns: u64,
    },
    /// The result cannot be written to its destination.
    #[error("cannot write the result: {0}")]
    Output(std::io::Error),
    /// The recording cannot be read, re-executed or written.
    #[error(transparent)]
    Rerun(#[from] RerunError),
    /// There is no place for intermediate recordings.
    #[error("cannot make a temporary file: {0}")]
    Temporary(std::io::Error),
}

impl From<SourceError> for MinimizeError {
    fn from(error: SourceError) -> Self {
        Self::Rerun(error.into())
    }
}

/// Why a condition does not hold in the re-execution of a whole recording: the model did not repeat the program, or the
/// cause is outside of it.
pub(super) fn why_not_again(before: &Summary, after: &Summary) -> String {
    let fired = |summary: &Summary| summary.timers.fired.unwrap_or(0);
    let tasks = (before.tasks.count, after.tasks.count, "task", "tasks");
    let differs = [tasks, (fired(before), fired(after), "timer firing", "timer firings")];
    let differs = differs.into_iter().filter(|(before, after, ..)| before != after);
    let differs: Vec<String> = differs
        .map(|(before, after, one, many)| {
            format!("{} instead of {}", counted(after, one, many), count(before))
        })
        .collect();
    if differs.is_empty() {
        "what made it so is nothing that a re-execution repeats, such as a machine that was busy otherwise"
            .to_owned()
    } else {
        format!("the re-execution does not repeat the recording: {}", differs.join(", "))
    }
}
