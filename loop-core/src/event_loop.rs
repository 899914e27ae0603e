//! The event loop: the only code that calls a clock or a poller.
//!
//! The loop asks the [`Scheduler`] for the next step, performs it, and records each boundary: one reading of the record
//! clock is the end of one activity and the start of the next.

mod batches;
mod builder;
mod call;
mod gc;
mod inbound;
mod observe;
mod outside;
mod poll;
mod restore;
mod run;
mod sampling;
mod shutdown;
mod snapshot;
mod tick;
mod validator;

pub use crate::core::Metrics;
pub use builder::Builder;
pub use restore::LowLevel;

use std::fmt;
use std::sync::Arc;

use loop_probes::clock::{Clock, SystemClock};
use loop_probes::event::{ClockPoint, Event, StopReason};
use loop_probes::ids::{TaskId, Ticks, Timestamp};
use loop_probes::recorder::Recorder;

use self::sampling::{SAMPLED, SlowLimit};
use self::validator::Validator;
use crate::core::Core;
use crate::environment::Environment;
use crate::future::{JoinHandle, LocalHandle};
use crate::handle::Handle;
use crate::host::Host;
use crate::keep_alive::Pending;
use crate::options::Options;
use crate::policy::Policy;
use crate::poller::os::OsPoller;
use crate::poller::{Poller, Ready};
use crate::scheduler::Scheduler;
use crate::task::Context;
use crate::task::Task;

/// An event loop over the application's own task enum. See the [crate docs](crate).
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use loop_core::{Builtin, EventLoop};
///
/// let mut event_loop = EventLoop::<Builtin>::new()?;
/// event_loop.with(|cx| {
///     cx.set_timeout(Duration::from_millis(1), Builtin::once("later", |_| ()));
/// });
/// event_loop.run()?; // ends when nothing referenced is pending
/// assert_eq!(event_loop.metrics().tasks_run, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct EventLoop<T: Task, C: Clock = SystemClock, P: Poller = OsPoller> {
    core: Core<T>,
    clock: C,
    poller: P,
    host: Option<Box<dyn Host<T>>>,
    validator: Validator,
    slow: SlowLimit,
    ready: Vec<Ready>,
    /// Queue depths last recorded, by queue.
    depths: [u32; SAMPLED],
    snapshot_due: Option<Timestamp>,
    /// The latest reading of the monotonic clock, for the snapshot check of the next tick.
    latest: Option<Timestamp>,
    /// The clock reading shared by the steps of this tick. Reset after a callback, which takes time.
    now: Option<Timestamp>,
    /// When this tick's time budget for tasks ends, once the first task has started.
    tasks_until: Option<Timestamp>,
    /// When the last poll took place.
    polled: Option<Timestamp>,
    /// Whether the policy checks for the end of the run within the turn ([`Step::Exit`](crate::policy::Step::Exit)).
    exits_in_turn: bool,
    /// Deadline of the current `run_until`.
    until: Option<Timestamp>,
    /// Whether a run is in progress.
    running: bool,
    /// Whether a task reloaded the program and its microtasks and deferred callbacks are not drained yet.
    owes_drain: bool,
    signals_dropped: u64,
}

impl<T: Task, C: Clock, P: Poller> EventLoop<T, C, P> {
    /// Ends the run after the current turn. If no run is in progress, the next one returns at once.
    pub fn stop(&mut self) {
        self.core.shared.ask_to_stop();
    }

    /// Queues a task.
    pub fn post(&mut self, task: T) -> TaskId {
        self.with(|cx| cx.post(task))
    }

    /// Spawns a future; see [`Context::spawn`].
    pub fn spawn<F, R>(
        &mut self,
        options: impl Into<Options<T>>,
        make: impl FnOnce(LocalHandle<T>) -> F,
    ) -> JoinHandle<R>
    where
        F: Future<Output = R> + 'static,
        R: 'static,
    {
        self.with(|cx| cx.spawn(options, make))
    }

    /// Spawns a future that can fail; see [`Context::spawn_checked`].
    pub fn spawn_checked<F, R, E>(
        &mut self,
        options: impl Into<Options<T>>,
        make: impl FnOnce(LocalHandle<T>) -> F,
    ) -> JoinHandle<Result<R, E>>
    where
        F: Future<Output = Result<R, E>> + 'static,
        R: 'static,
        E: fmt::Display + 'static,
    {
        self.with(|cx| cx.spawn_checked(options, make))
    }

    /// Returns a handle for other threads.
    #[must_use]
    pub fn handle(&self) -> Handle<T> {
        Handle::new(Arc::clone(&self.core.shared))
    }

    /// The active handles: what keeps the loop alive, by name.
    #[must_use]
    pub fn pending(&self) -> Vec<Pending> {
        self.core.pending()
    }

    /// Whether anything keeps the loop alive.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.core.scheduler.is_alive()
    }

    /// Counters since the loop began.
    #[must_use]
    pub const fn metrics(&self) -> Metrics {
        self.core.metrics
    }

    /// The loop's policy.
    #[must_use]
    pub const fn policy(&self) -> &Policy {
        self.core.scheduler.policy()
    }

    /// The scheduler, for inspection.
    #[must_use]
    pub const fn scheduler(&self) -> &Scheduler<T> {
        &self.core.scheduler
    }

    /// Environment variables and streams for tools that run on this loop.
    #[must_use]
    pub fn environment(&self) -> &Environment {
        self.core.environment()
    }

    /// The recorder of this loop's events.
    #[must_use]
    pub const fn recorder(&self) -> &Recorder {
        &self.core.recorder
    }

    /// The loop's clock: monotonic time for timers, and the record clock.
    #[must_use]
    pub const fn clock(&self) -> &C {
        &self.clock
    }

    /// Ends the loop: later posts are refused and handed back. Returns the posts of other threads that the loop had not
    /// taken. Dropping the loop also ends it.
    pub fn close(&mut self) -> Vec<T::Remote> {
        let was_open = !self.core.shared.queue.is_closed();
        self.core.on = self.core.recorder.is_enabled();
        let posted = self.release_all();
        self.mark();
        // Without this event, readers would take the loop's timers for overdue.
        if was_open && self.core.on {
            self.core.record(Event::LoopStopped { reason: StopReason::Closed });
        }
        posted
    }

    fn release_all(&mut self) -> Vec<T::Remote> {
        self.end_futures();
        self.mark();
        self.core.close()
    }

    fn context(&mut self) -> Context<'_, T> {
        Context { core: &mut self.core, clock: &self.clock, poller: &mut self.poller }
    }

    /// Reads the record clock at a boundary, if events are recorded.
    #[inline]
    fn mark(&mut self) -> Ticks {
        if self.core.on {
            self.core.at = self.clock.ticks();
        }
        self.core.at
    }

    /// Reads the monotonic clock for the scheduler, and records the reading.
    fn read(&mut self, point: ClockPoint) -> Timestamp {
        let now = self.clock.now_at(point);
        self.latest = Some(now);
        if self.core.on {
            self.core.record(Event::InputClock { point, now });
        }
        now
    }

    fn has_news(&self) -> bool {
        self.core.shared.has_news()
            || self.core.agenda_has_news()
            || self.core.futures.has_news()
            || self.core.shutdown.is_asked()
            || self.core.signals.as_ref().is_some_and(|signals| signals.pending() > 0)
            || self.host_has_microtasks()
    }
}

impl<T: Task, C: Clock, P: Poller> Drop for EventLoop<T, C, P> {
    fn drop(&mut self) {
        self.close();
    }
}

impl<T: Task, C: Clock, P: Poller> fmt::Debug for EventLoop<T, C, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventLoop")
            .field("policy", &self.policy().name)
            .field("metrics", &self.core.metrics)
            .field("pending", &self.pending())
            .finish_non_exhaustive()
    }
}
