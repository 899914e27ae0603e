//! Carries out a shutdown: begins it between two turns, checks it before each turn, and ends it when no work is left or
//! the deadline has passed. See [`crate::shutdown`].

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use loop_probes::clock::Clock;
use loop_probes::event::{ClockPoint, Event, Phase, StopReason};
use loop_probes::ids::Timestamp;

use super::EventLoop;
use crate::core::Current;
use crate::future::inbox::JoinError;
use crate::poller::Poller;
use crate::shutdown::{OnShutdown, Shutdown, ShutdownInProgress, ShutdownReport};
use crate::task::Task;
use crate::timer::due_after;
use crate::work_pool::PendingWork;

impl<T: Task, C: Clock, P: Poller> EventLoop<T, C, P> {
    /// Requests a shutdown, which the current or the next run carries out.
    pub fn shutdown(&mut self, shutdown: Shutdown) {
        self.core.shared.ask_to_shut_down(shutdown.deadline);
    }

    /// The outcome of the shutdown, once it is complete.
    #[must_use]
    pub fn shutdown_report(&self) -> Option<&ShutdownReport> {
        self.core.shutdown.report()
    }

    /// Checks requests and the deadline before a turn. Once the shutdown is complete, returns the reason to end the run.
    pub(super) fn advance_shutdown(&mut self) -> Option<StopReason> {
        if self.core.shutdown.report().is_some() {
            return Some(StopReason::Shutdown);
        }
        if let Some(within) = self.core.shared.take_shutdown() {
            self.core.shutdown.ask(within);
            if self.core.on {
                let within_ns = u64::try_from(within.as_nanos()).unwrap_or(u64::MAX);
                self.core.record(Event::InputShutdown { outside: true, within_ns });
            }
        }
        if let Some(within) = self.core.shutdown.take_asked() {
            self.carry_out_outside();
            self.begin_shutdown(within);
        }
        let running = self.core.shutdown.running()?;
        let is_alive = self.core.scheduler.is_alive();
        let idle = !is_alive && !self.has_news();
        if !is_alive && !idle && self.core.on {
            self.core.record(Event::InputNews { ends: true });
        }
        let now = self.read(ClockPoint::Shutdown);
        if idle || now >= running.deadline {
            self.end_shutdown(running, now);
            return Some(StopReason::Shutdown);
        }
        None
    }

    /// Whether the next check begins or ends the shutdown, so that a poll must not wait.
    pub(super) fn shutdown_is_due(&self) -> bool {
        let shutdown = &self.core.shutdown;
        shutdown.is_asked() || (shutdown.running().is_some() && !self.core.scheduler.is_alive())
    }

    /// When a poll's wait must end at the latest.
    pub(super) fn wait_until(&self) -> Option<Timestamp> {
        let deadline = self.core.shutdown.running().map(|running| running.deadline);
        [self.until, deadline].into_iter().flatten().min()
    }

    fn begin_shutdown(&mut self, within: Duration) {
        let now = self.read(ClockPoint::Shutdown);
        let deadline = due_after(now, within);
        if self.core.shutdown.running().is_some() {
            self.core.shutdown.shorten(deadline);
            return;
        }
        let start = self.mark();
        self.begin_phase(Phase::Shutdown);
        if self.core.on {
            self.core.record(Event::ShutdownBegan { deadline });
        }
        self.core.shared.refuse_posts();
        let running = ShutdownInProgress { began: now, start, deadline, cancelled: 0, waited_for: 0 };
        self.core.shutdown.begin(running);
        let cancelled =
            self.cancel_sources() + self.cancel_timers() + self.cancel_jobs() + self.cancel_futures();
        let waited_for = self.waited_for();
        self.core.shutdown.begin(ShutdownInProgress { cancelled, waited_for, ..running });
        // Futures that wait for the shutdown are woken now and run in the next tick.
        self.guarded(|this| this.core.futures.begin_shutdown());
        self.mark();
        self.end_phase();
    }

    fn cancel_sources(&mut self) -> u32 {
        let cancelled = |on_shutdown: OnShutdown| on_shutdown == OnShutdown::Cancel;
        let sources = self.core.sources.iter().filter(|(_, source)| cancelled(source.on_shutdown));
        let mut sources: Vec<_> = sources.map(|(source, _)| loop_probes::ids::IoSource(*source)).collect();
        sources.sort_unstable();
        for source in &sources {
            self.guarded(|this| {
                // Fails only if the poller has already dropped the source.
                let _ = this.context().remove(*source);
            });
        }
        sources.len() as u32
    }

    fn cancel_timers(&mut self) -> u32 {
        let timers = self.core.scheduler.timers.to_cancel();
        for timer in &timers {
            self.guarded(|this| {
                this.context().clear_timer(*timer);
            });
        }
        timers.len() as u32
    }

    fn cancel_jobs(&mut self) -> u32 {
        let jobs = self.core.work.iter().filter(|(_, job)| job.on_shutdown == OnShutdown::Cancel);
        let mut jobs: Vec<_> = jobs.map(|(task, _)| *task).collect();
        jobs.sort_unstable();
        for job in &jobs {
            self.guarded(|this| {
                let taken = this.core.pool.as_mut().and_then(|pool| pool.take_back(*job));
                // A running job continues; its result is dropped.
                this.settle(*job);
                drop(taken);
            });
        }
        jobs.len() as u32
    }

    fn cancel_futures(&mut self) -> u32 {
        let mut wakers = Vec::new();
        self.core.futures.each(|entry| {
            if entry.on_shutdown == OnShutdown::Cancel {
                entry.cancelled = true;
                wakers.push(entry.waker());
            }
        });
        let cancelled = wakers.len() as u32;
        wakers.into_iter().for_each(std::task::Waker::wake);
        cancelled
    }

    /// Number of pieces of work that may still finish.
    fn waited_for(&mut self) -> u32 {
        let mut futures = 0;
        self.core.futures.each(|entry| futures += u32::from(!entry.cancelled));
        let sources = self.core.sources.values().filter(|source| !source.is_awaited()).count();
        let jobs = self.core.work.values().filter(|job| !job.is_awaited()).count();
        futures + (sources + jobs) as u32 + self.core.scheduler.timers.to_finish()
    }

    fn end_shutdown(&mut self, running: ShutdownInProgress, now: Timestamp) {
        self.mark();
        self.begin_phase(Phase::Shutdown);
        let left = if now >= running.deadline { self.core.pending() } else { Vec::new() };
        let unfinished = self.waited_for();
        let left_count = left.iter().map(|pending| pending.count).sum::<u32>();
        // Unfinished work is cancelled if it did not keep the loop alive.
        let unreferenced = if left.is_empty() { unfinished } else { 0 };
        self.end_futures();
        for timer in self.core.scheduler.timers.ids() {
            self.guarded(|this| {
                this.context().clear_timer(timer);
            });
        }
        let mut sources: Vec<_> = self.core.sources.keys().copied().collect();
        sources.sort_unstable();
        for source in sources {
            self.guarded(|this| {
                let _ = this.context().remove(loop_probes::ids::IoSource(source));
            });
        }
        let (mut unjoined_workers, mut jobs_handed_back) = (0, 0);
        let time_left = Duration::from_nanos(running.deadline.ns_since(now));
        if let Some(pool) = &mut self.core.pool {
            let ended = pool.shutdown(PendingWork::HandBack, Some(time_left));
            (unjoined_workers, jobs_handed_back) = (ended.unjoined as u32, ended.handed_back.len() as u32);
            // Dropping the loop must not wait for workers that the shutdown gave up on.
            pool.detach();
        }
        let posts_dropped = self.release_all().len() as u32;
        let ended = self.read(ClockPoint::Shutdown);
        let report = ShutdownReport {
            finished: running.waited_for.saturating_sub(unfinished),
            cancelled: running.cancelled + unreferenced,
            left,
            unjoined_workers,
            jobs_handed_back,
            posts_dropped,
            elapsed: Duration::from_nanos(ended.ns_since(running.began)),
        };
        self.mark();
        self.end_phase();
        if self.core.on {
            let (finished, cancelled) = (report.finished, report.cancelled);
            let start = running.start;
            self.core.record(Event::ShutdownEnded { finished, cancelled, left: left_count, start });
        }
        self.core.shutdown.end(report);
    }

    /// Drops all futures. Their join handles return [`JoinError::Cancelled`].
    pub(super) fn end_futures(&mut self) {
        while let Some(key) = self.core.futures.first() {
            self.note_heap();
            let entry = self.context().take_future(key);
            // In a call, because dropping a future requests the release of its timers and sources.
            let _ = self.invoke_unmarked(Current::OUTSIDE, |_| {
                if let Some(entry) = entry {
                    entry.end(JoinError::Cancelled);
                }
            });
        }
    }

    /// Runs code that drops or wakes application values. A panic is caught and recorded.
    fn guarded(&mut self, f: impl FnOnce(&mut Self)) {
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| f(self))) {
            self.panicked(Current::NONE, payload);
        }
    }
}
