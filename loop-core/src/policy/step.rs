//! The steps of a turn.

use std::fmt;

/// One step of a turn. A policy lists the steps of `tick()` and of `auto_tick()` in the order in which the loop performs
/// them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Step {
    /// Applies references held and released by other threads, and their requests to stop.
    References,
    /// Queues tasks for signals that arrived, as many as the [`SignalRule`](super::SignalRule) says.
    Signals,
    /// Runs the GC controller's timers, if one is due.
    GcTimers,
    /// Queues all tasks posted by other threads. If the turn has a [`Work`](Self::Work) step, finished jobs are set aside
    /// for that.
    Concurrent,
    /// Queues the completions of finished jobs that were set aside, as many as
    /// [`jobs_per_read`](super::Policy::jobs_per_read) says.
    Work,
    /// Runs the check of the GC controller.
    GcCheck,
    /// Like [`GcCheck`](Self::GcCheck), but only while something keeps the loop alive. For use before a poll that may wait.
    GcCheckIfAlive,
    /// Runs the task queue until it is empty or the tick's budget is spent.
    Tasks,
    /// Runs [`Tasks`](Self::Tasks) in passes. After each pass it takes new posts of other threads and reports rejections;
    /// at the end it drains once more, and continues if the drain added tasks.
    Passes,
    /// Runs the batch of immediates.
    Immediates,
    /// Under [`DrainRule::AfterEveryPass`](super::DrainRule::AfterEveryPass), drains after the previous batch. Does
    /// nothing under the other rule.
    Drain,
    /// Drains all remaining microtasks and deferred callbacks, under either rule.
    LastDrain,
    /// Ends the run here if the exit rule says so. Without this step, a run checks before each turn.
    Exit,
    /// Applies [`release_later`](crate::Context::release_later).
    Releases,
    /// Polls: waits for readiness, unless work is queued.
    Poll,
    /// Calls the sources that the poll found ready, as many as the [`SourceRule`](super::SourceRule) says.
    Io,
    /// Fires due timers, as many as the [`TimerRule`](super::TimerRule) says.
    Timers,
    /// Runs the tasks queued by [`after_loop`](crate::Context::after_loop).
    AfterLoop,
    /// Lets the host report unhandled errors.
    Rejections,
}

impl Step {
    /// All steps.
    pub const ALL: [Self; 19] = [
        Self::References,
        Self::Signals,
        Self::GcTimers,
        Self::Concurrent,
        Self::Work,
        Self::GcCheck,
        Self::GcCheckIfAlive,
        Self::Tasks,
        Self::Passes,
        Self::Immediates,
        Self::Drain,
        Self::LastDrain,
        Self::Exit,
        Self::Releases,
        Self::Poll,
        Self::Io,
        Self::Timers,
        Self::AfterLoop,
        Self::Rejections,
    ];

    /// The step's name in lists and errors.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::References => "references",
            Self::Signals => "signals",
            Self::GcTimers => "gc timers",
            Self::Concurrent => "concurrent",
            Self::Work => "work",
            Self::GcCheck => "gc check",
            Self::GcCheckIfAlive => "gc check if alive",
            Self::Tasks => "tasks",
            Self::Passes => "passes",
            Self::Immediates => "immediates",
            Self::Drain => "drain",
            Self::LastDrain => "last drain",
            Self::Exit => "exit",
            Self::Releases => "releases",
            Self::Poll => "poll",
            Self::Io => "io",
            Self::Timers => "timers",
            Self::AfterLoop => "after loop",
            Self::Rejections => "rejections",
        }
    }

    /// Whether the step may occur more than once per turn.
    pub(super) const fn may_repeat(self) -> bool {
        match self {
            Self::References
            | Self::Concurrent
            | Self::GcTimers
            | Self::GcCheck
            | Self::GcCheckIfAlive
            | Self::Tasks
            | Self::Drain
            | Self::LastDrain
            | Self::Rejections => true,
            Self::Signals
            | Self::Work
            | Self::Passes
            | Self::Immediates
            | Self::Exit
            | Self::Releases
            | Self::Poll
            | Self::Io
            | Self::Timers
            | Self::AfterLoop => false,
        }
    }

    /// Whether every turn needs the step, because without it its work would wait forever, or keep polls from waiting.
    pub(super) const fn is_needed(self) -> bool {
        match self {
            Self::References
            | Self::Signals
            | Self::Concurrent
            | Self::Immediates
            | Self::Releases
            | Self::Poll
            | Self::Io
            | Self::Timers
            | Self::AfterLoop => true,
            Self::GcTimers
            | Self::Work
            | Self::GcCheck
            | Self::GcCheckIfAlive
            | Self::Tasks
            | Self::Passes
            | Self::Drain
            | Self::LastDrain
            | Self::Exit
            | Self::Rejections => false,
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
