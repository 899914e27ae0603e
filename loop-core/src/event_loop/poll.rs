//! The poll, and what it brings: readiness callbacks, then due timers.

use std::time::Duration;

use loop_probes::clock::Clock;
use loop_probes::event::{ClockPoint, Event, Origin, Phase, PollReason};
use loop_probes::ids::{IoSource, Timestamp};
use loop_probes::recorder::Running;

use super::EventLoop;
use super::core::{Current, IoReadiness};
use crate::error::LoopError;
use crate::poller::{Poller, Ready};
use crate::scheduler::Outside;
use crate::task::Task;

impl<T: Task, C: Clock, P: Poller> EventLoop<T, C, P> {
    /// Polls, runs the callbacks of ready sources, then all due timers.
    pub(super) fn poll_and_fire(&mut self) -> Result<(), LoopError> {
        let mut now = self.read(ClockPoint::BeforePoll);
        self.slow.observe(self.core.at, now);
        let watches_heap = self.watches_heap();
        if watches_heap && self.core.scheduler.is_alive() && self.gc_check(now) {
            now = self.read(ClockPoint::BeforePoll);
        }
        let after = self.wait(now, watches_heap)?;
        self.run_ready();
        if watches_heap {
            self.gc_timers(after);
        }
        self.run_timers(after);
        Ok(())
    }

    fn wait(&mut self, now: Timestamp, watches_heap: bool) -> Result<Timestamp, LoopError> {
        let outside = Outside {
            posted: self.core.shared.has_news() || self.core.agenda_has_news(),
            signals: self.core.signals.as_ref().is_some_and(|signals| signals.pending() > 0),
            host: self.host.as_ref().is_some_and(|host| host.has_microtasks()),
            until: self.until,
        };
        let plan = self.core.scheduler.plan_poll(now, outside, watches_heap);
        let start = self.mark();
        if self.core.on {
            let deadline = if plan.reason == PollReason::Idle { None } else { plan.deadline };
            self.core.recorder.set_running(start, Running::Poll { deadline });
        }
        let waited = self.poller.wait(plan.timeout, &mut self.ready);
        self.mark();
        let metrics = &mut self.core.metrics;
        metrics.polls += 1;
        metrics.events += self.ready.len() as u64;
        if plan.timeout == Some(Duration::ZERO) {
            metrics.events_waiting += self.ready.len() as u64;
        }
        let after = self.read(ClockPoint::AfterPoll);
        self.core.metrics.idle_ns += after.ns_since(now);
        if self.core.on {
            let timeout_ns = plan.timeout.map(|wait| u64::try_from(wait.as_nanos()).unwrap_or(u64::MAX));
            let ready = self.ready.len() as u32;
            self.core.record(Event::Poll { reason: plan.reason, ready, timeout_ns, start });
        }
        waited.map_err(|source| LoopError::Wait { tick: self.core.scheduler.tick(), source })?;
        Ok(after)
    }

    fn run_ready(&mut self) {
        if self.ready.is_empty() {
            return;
        }
        self.begin_phase(Phase::Io);
        let ready = std::mem::take(&mut self.ready);
        for Ready { key, readiness } in &ready {
            // Removed since, by a callback of this very pass: never called again.
            let Some(registration) = u32::try_from(*key).ok().and_then(|key| self.core.sources.get(&key))
            else {
                continue;
            };
            let (tag, Some(task)) = (registration.tag, registration.task.again()) else { continue };
            let source = IoSource(*key as u32);
            let id = self.core.scheduler.new_id();
            let start = self.core.at;
            let current = Current {
                task: Some(id),
                tag,
                origin: Origin::Io,
                ready: Some(IoReadiness { source, readiness: *readiness }),
                ..Current::NONE
            };
            if self.core.on {
                self.core.recorder.set_running(start, Running::Task { task: id, tag });
            }
            let _ = self.invoke(current, |cx| task.run(cx));
            self.core.metrics.io_ready += 1;
            if self.core.on {
                let readiness = readiness.bits();
                self.core.record(Event::IoReady { source, tag, readiness, task: id, start });
                self.check_slow(id, tag, start);
            }
            self.drain_after(id);
            self.relieve();
        }
        self.ready = ready;
        self.ready.clear();
        self.end_phase();
    }

    fn run_timers(&mut self, now: Timestamp) {
        let Some(mut pass) = self.core.scheduler.begin_timers(now) else { return };
        let found_due = self.core.at;
        self.begin_phase(Phase::Timers);
        let mut ran = 0;
        while let Some(due) = self.core.scheduler.next_due(&mut pass, ran) {
            ran += 1;
            let (fired, tag, task) = (due.fired, due.tag, due.task);
            let id = self.core.scheduler.new_id();
            if self.core.on {
                self.core.record(Event::TimerFired {
                    timer: fired.timer,
                    tag,
                    task: id,
                    due: fired.due,
                    fired: fired.fired,
                    skipped: u32::try_from(fired.skipped).unwrap_or(u32::MAX),
                });
            }
            // The next period of an interval begins where its callback starts; a one-shot needs no reading.
            let started = if fired.period_ns.is_some() { self.read(ClockPoint::Interval) } else { now };
            let current = Current { task: Some(id), tag, timer: Some(fired.timer), ..Current::NONE };
            self.run_as(current, found_due, task);
            self.core.scheduler.timer_ran(fired.timer, started);
        }
        if ran > 0 {
            self.end_phase();
        }
    }
}
