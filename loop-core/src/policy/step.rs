//! The steps of a turn: what a policy puts in an order.

use std::fmt;

/// One step of a turn. A policy lists those of `tick()` and of `auto_tick()`; the loop does them in that order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Step {
    /// What other threads hold, release and stop takes effect.
    References,
    /// Signals that arrived become tasks, as many as the [`SignalRule`](super::SignalRule) says.
    Signals,
    /// The GC controller's own timers, where one is due.
    GcTimers,
    /// The whole batch that other threads posted becomes tasks. Where the turn has a [`Work`](Self::Work) step,
    /// finished jobs are put aside for it.
    Concurrent,
    /// Finished jobs that were put aside become tasks, as many as the policy reads at once.
    Work,
    /// The check of the GC controller.
    GcCheck,
    /// The same, only while something keeps the loop alive: in front of a poll that may wait.
    GcCheckIfAlive,
    /// Runs the task queue until it is empty or the tick's budget is spent.
    Tasks,
    /// The same again and again: after each pass it takes what other threads posted meanwhile and reports
    /// rejections, at the end it does a last drain, and goes on where that brought tasks.
    Passes,
    /// Runs the batch of immediates.
    Immediates,
    /// Drains what [`DrainRule::AfterEveryPass`](super::DrainRule::AfterEveryPass) left to the end of a batch;
    /// nothing under the other rule.
    Drain,
    /// Drains what is left, under each rule.
    LastDrain,
    /// Ends the run here where the exit rule says so. Without this step, a run looks before each turn.
    Exit,
    /// References that were to be released at the end of the turn are released.
    Releases,
    /// Waits for readiness, or only looks where something waits to be done.
    Poll,
    /// Calls the sources that the poll found ready, as many as the [`SourceRule`](super::SourceRule) says.
    Io,
    /// Fires timers that are due, as many as the [`TimerRule`](super::TimerRule) says.
    Timers,
    /// Runs what was put off to the end of the turn.
    AfterLoop,
    /// The host reports errors that nobody handled.
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

    /// Its name, as lists and errors have it.
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

    /// Whether a turn may have it more than once.
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

    /// Whether a turn must have it: what nobody serves keeps a poll from waiting, or waits for ever.
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
