//! The end of the loop: its shutdown and the result of that, and why the loop stopped.

use loop_probes::event::StopReason;
use loop_probes::ids::Timestamp;

/// Why and when the loop stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stopped {
    /// When the loop stopped.
    pub at: Timestamp,
    /// Why the loop stopped.
    pub reason: StopReason,
}

/// The end of a shutdown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ShutdownEnd {
    /// When the shutdown ended.
    pub at: Timestamp,
    /// Duration of the shutdown, in nanoseconds.
    pub run_ns: u64,
    /// Pieces of work that ran to completion during the shutdown.
    pub finished: u32,
    /// Pieces of work cancelled, as their owners had chosen.
    pub cancelled: u32,
    /// Pieces of work that the deadline cut off.
    pub left: u32,
}

/// A shutdown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Shutdown {
    /// When it began.
    pub began: Timestamp,
    /// Deadline of the shutdown; `None` if its beginning was not seen.
    pub deadline: Option<Timestamp>,
    /// How it ended; `None` while it is in progress.
    pub ended: Option<ShutdownEnd>,
}

impl Shutdown {
    /// Whether it ended, or is still running, past its deadline.
    #[must_use]
    pub fn is_overdue(&self, now: Timestamp) -> bool {
        let until = self.ended.map_or(now, |ended| ended.at);
        self.deadline.is_some_and(|deadline| until > deadline)
    }
}
