//! The event loop: the only place that calls a clock or a poller.
//!
//! It asks the [`Scheduler`] for the next step, performs it, and records each boundary: one reading of the record
//! clock serves as the end of one thing and the start of the next.

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
    /// The scheduler's latest reading of the monotonic clock, until the next tick has looked at it.
    latest: Option<Timestamp>,
    /// The reading used by the steps of this tick until something ran.
    now: Option<Timestamp>,
    /// When this tick's time budget for tasks ends, once it has begun.
    tasks_until: Option<Timestamp>,
    /// When the last poll took place.
    polled: Option<Timestamp>,
    /// Whether the policy has an exit check of its own within the turn.
    exits_in_turn: bool,
    /// When the caller of `run_until` wants the loop back.
    until: Option<Timestamp>,
    /// Whether a run is in progress.
    running: bool,
    /// Whether a task reloaded the program and what it left is not drained yet.
    owes_drain: bool,
    signals_dropped: u64,
}

impl<T: Task, C: Clock, P: Poller> EventLoop<T, C, P> {
    /// Asks the run to end after the current turn; called before a run, it makes that run return at once.
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

    /// A handle for other threads.
    #[must_use]
    pub fn handle(&self) -> Handle<T> {
        Handle::new(Arc::clone(&self.core.shared))
    }

    /// Everything referenced that keeps the loop alive, by name.
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

    /// The policy in force.
    #[must_use]
    pub const fn policy(&self) -> &Policy {
        self.core.scheduler.policy()
    }

    /// The scheduler, for inspection.
    #[must_use]
    pub const fn scheduler(&self) -> &Scheduler<T> {
        &self.core.scheduler
    }

    /// Environment variables and streams of the tools that run on it.
    #[must_use]
    pub fn environment(&self) -> &Environment {
        self.core.environment()
    }

    /// The recorder.
    #[must_use]
    pub const fn recorder(&self) -> &Recorder {
        &self.core.recorder
    }

    /// The clock.
    #[must_use]
    pub const fn clock(&self) -> &C {
        &self.clock
    }

    /// Ends the loop: from here on posts are refused and handed back. Returns what other threads had posted and the
    /// loop had not taken. Dropping the loop does the same.
    pub fn close(&mut self) -> Vec<T::Remote> {
        let was_open = !self.core.shared.queue.is_closed();
        self.core.on = self.core.recorder.is_enabled();
        let posted = self.release_all();
        self.mark();
        // Without this, its timers would be taken for overdue from here on.
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

    /// Reads the record clock, if anything records it: the boundary between two things.
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
