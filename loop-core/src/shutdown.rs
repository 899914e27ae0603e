//! Shutdown: the loop accepts no new work, and finishes or cancels waiting work as its owner chose, within a deadline.
//! Work cut off by the deadline is reported.
//!
//! From the request on:
//!
//! 1. Posts of other threads are refused and handed back; new jobs, sources and futures are refused with
//!    [`RequestError::ShuttingDown`](crate::RequestError::ShuttingDown). Queued tasks, and tasks that they post, still
//!    run.
//! 2. Work that its owner marked [`OnShutdown::Cancel`] is cancelled; other work may finish. The defaults:
//!
//!    | work | default | reason |
//!    |---|---|---|
//!    | a source of readiness | `Cancel`: removed and closed | a listener closes at once |
//!    | a timer, an interval | `Cancel`: cleared | an interval would never end |
//!    | a job of the pool | `Finish` | its result is wanted |
//!    | a future | `Finish` | a connection answers what it has read |
//!
//!    Futures are notified: [`LocalHandle::shutting_down`](crate::future::LocalHandle::shutting_down) completes, an
//!    interval's `tick` returns false, a listener's `accept` returns `None`. Sources and timers of a future end with that
//!    future.
//! 3. The loop runs until nothing referenced is left or the deadline has passed.
//! 4. Remaining work is dropped, the workers are joined within the rest of the deadline, signals are restored,
//!    the recorder catches up, and [`run`](crate::EventLoop::run) returns
//!    [`StopReason::Shutdown`](loop_probes::event::StopReason::Shutdown).

use std::fmt;
use std::time::Duration;

use loop_probes::ids::{Ticks, Timestamp};

use crate::keep_alive::Pending;

/// A request to shut down.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use loop_core::sim::Sim;
/// use loop_core::{Builtin, EventLoop, Shutdown};
/// use loop_probes::event::StopReason;
///
/// let sim = Sim::new();
/// let mut event_loop = sim.build(EventLoop::<Builtin>::builder());
/// event_loop.spawn("polite", |lp| async move {
///     lp.shutting_down().await;
///     lp.sleep(Duration::from_millis(20)).await; // says goodbye
/// });
/// event_loop.spawn("stubborn", |lp| async move { lp.sleep(Duration::MAX).await });
/// event_loop.with(|cx| cx.shutdown(Shutdown::within(Duration::from_secs(1))));
/// assert_eq!(event_loop.run()?, StopReason::Shutdown);
///
/// let report = event_loop.shutdown_report().expect("it was shut down");
/// assert_eq!((report.finished, report.left.len()), (1, 1));
/// assert_eq!(report.left[0].name, "stubborn");
/// assert_eq!(sim.elapsed(), Duration::from_secs(1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Shutdown {
    /// How long the shutdown may take by the loop's clock, counted from when the loop sees the request.
    pub deadline: Duration,
}

impl Shutdown {
    /// A shutdown that may take as long as `deadline`.
    #[must_use]
    pub const fn within(deadline: Duration) -> Self {
        Self { deadline }
    }
}

/// What a shutdown does with a piece of waiting work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnShutdown {
    /// The work may finish until the deadline.
    Finish,
    /// The work is cancelled at once.
    Cancel,
}

/// The outcome of a shutdown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ShutdownReport {
    /// Futures, jobs, timers and sources that finished during the shutdown.
    pub finished: u32,
    /// Futures, jobs, timers and sources that were cancelled, because their owners chose that or because they did not keep
    /// the loop alive.
    pub cancelled: u32,
    /// Work cut off by the deadline, by name.
    pub left: Vec<Pending>,
    /// Workers of the pool that were still in a job at the deadline.
    pub unjoined_workers: u32,
    /// Jobs that no worker had started.
    pub jobs_handed_back: u32,
    /// Posts of other threads that were accepted but not taken by the loop.
    pub posts_dropped: u32,
    /// How long the shutdown took, by the loop's clock.
    pub elapsed: Duration,
}

impl ShutdownReport {
    /// Whether the deadline cut off no work.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        let Self { left, unjoined_workers, jobs_handed_back, posts_dropped, .. } = self;
        left.is_empty() && (*unjoined_workers, *jobs_handed_back, *posts_dropped) == (0, 0, 0)
    }
}

impl fmt::Display for ShutdownReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { finished, cancelled, left, unjoined_workers, jobs_handed_back, posts_dropped, elapsed } =
            self;
        write!(f, "shut down in {elapsed:.1?}: {finished} finished, {cancelled} cancelled")?;
        for Pending { what, name, count } in left {
            write!(f, ", left: {count} {what} {name}")?;
        }
        let counts = [
            (*unjoined_workers, "workers not joined"),
            (*jobs_handed_back, "jobs not begun"),
            (*posts_dropped, "posts not taken"),
        ];
        counts
            .iter()
            .filter(|(count, _)| *count > 0)
            .try_for_each(|(count, what)| write!(f, ", {count} {what}"))
    }
}

/// Progress of a shutdown.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    /// The nearest deadline of requests that the loop has not handled.
    asked: Option<Duration>,
    running: Option<ShutdownInProgress>,
    report: Option<ShutdownReport>,
}

/// A shutdown in progress.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ShutdownInProgress {
    pub(crate) began: Timestamp,
    pub(crate) start: Ticks,
    pub(crate) deadline: Timestamp,
    pub(crate) cancelled: u32,
    /// Number of pieces of work that may still finish.
    pub(crate) waited_for: u32,
}

impl Progress {
    /// Requests a shutdown. Among several requests the nearest deadline counts.
    pub(crate) fn ask(&mut self, deadline: Duration) {
        self.asked = Some(self.asked.map_or(deadline, |asked| asked.min(deadline)));
    }

    pub(crate) fn is_asked(&self) -> bool {
        self.asked.is_some()
    }

    pub(crate) fn take_asked(&mut self) -> Option<Duration> {
        self.asked.take()
    }

    /// Whether a shutdown has begun, so that new work is refused.
    #[inline]
    pub(crate) fn has_begun(&self) -> bool {
        self.running.is_some() || self.report.is_some()
    }

    pub(crate) fn begin(&mut self, running: ShutdownInProgress) {
        self.running = Some(running);
    }

    pub(crate) fn running(&self) -> Option<ShutdownInProgress> {
        self.running
    }

    /// Handles a further request, which can only bring the deadline forward.
    pub(crate) fn shorten(&mut self, deadline: Timestamp) {
        if let Some(running) = &mut self.running {
            running.deadline = running.deadline.min(deadline);
        }
    }

    pub(crate) fn end(&mut self, report: ShutdownReport) {
        (self.running, self.report) = (None, Some(report));
    }

    pub(crate) fn report(&self) -> Option<&ShutdownReport> {
        self.report.as_ref()
    }
}
