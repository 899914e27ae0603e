//! Polls, runs due timers, and calls the ready sources: all of them, or one direction of one source.
//!
//! Ready sources that are not called are handed back to the poller, which reports them again. None starves, because the
//! direction that was not called for the longest time goes first.

use std::io;
use std::time::Duration;

use loop_probes::clock::Clock;
use loop_probes::event::{ClockPoint, Event, Origin, Outcome, Phase, PollReason, RefKind};
use loop_probes::ids::{IoSource, Ticks, Timestamp};
use loop_probes::recorder::Running;

use super::EventLoop;
use super::tick::Flow;
use crate::core::{Current, IoReadiness};
use crate::error::RunError;
use crate::failure::OnError;
use crate::policy::{PollRule, SourceRule};
use crate::poller::{Edge, Interest, Poller, Readiness, Ready};
use crate::scheduler::{ExternalState, PollPlan};
use crate::task::Task;

/// Outcome of a wait.
struct Waited {
    /// Start of the wait. Its end is the latest boundary.
    start: Ticks,
    /// Time spent waiting, in nanoseconds.
    idle_ns: u64,
    /// When the wait ended.
    after: Timestamp,
    result: io::Result<()>,
}

/// One direction of a source: the readiness reported, and the interests that request it.
struct Direction {
    report: Readiness,
    interests: [Interest; 2],
}

/// Both directions. Reading comes first, and so wins if both have waited equally long.
const DIRECTIONS: [Direction; 2] = [
    Direction { report: Readiness::READABLE, interests: [Interest::READABLE, Interest::PRIORITY] },
    Direction { report: Readiness::WRITABLE, interests: [Interest::WRITABLE, Interest::WRITABLE] },
];

impl<T: Task, C: Clock, P: Poller> EventLoop<T, C, P> {
    /// Waits for readiness, polls without waiting, or skips the poll if the policy says so or `done` returns true.
    pub(super) fn poll(&mut self, done: &mut dyn FnMut() -> bool) -> Result<Flow, RunError> {
        if self.policy().poll == PollRule::WhenNoTask && !self.core.scheduler.tasks.is_empty() {
            return Ok(Flow::Next);
        }
        let now = self.pass_time(ClockPoint::BeforePoll);
        if self.looked_just_now(now) {
            return Ok(Flow::Next);
        }
        // Ask only here, just before the poll: re-execution recognises a true answer by the missing poll.
        if done() {
            return Ok(Flow::Done);
        }
        let after = self.wait(now)?;
        (self.now, self.polled) = (Some(after), Some(after));
        Ok(Flow::Next)
    }

    /// Whether work is waiting and the last poll is less than [`poll_gap`](crate::Policy::poll_gap) ago. False after a
    /// tick that spent its budget, so that tasks that post themselves do not delay sources.
    fn looked_just_now(&self, now: Timestamp) -> bool {
        let gap_ns = self.policy().poll_gap.as_nanos();
        gap_ns > 0
            && self.core.scheduler.has_work()
            && !self.core.scheduler.budget_spent()
            && self.polled.is_some_and(|polled| u128::from(now.ns_since(polled)) < gap_ns)
    }

    /// Decides how long the loop may sleep, and whether only external events prevent a wait. Announces the wait, so that
    /// new events wake the poller.
    pub(super) fn plan_wait(&mut self, now: Timestamp) -> (PollPlan, bool) {
        let watches_heap = self.watches_heap();
        if self.core.futures.in_use {
            self.settle_futures(Current::NONE);
            self.context().settle_interest();
        }
        // Work of the loop itself that prevents a wait.
        let own = ExternalState {
            posted: self.shutdown_is_due() || self.core.woken || !self.core.finished.is_empty(),
            signals: false,
            host: self.host.as_ref().is_some_and(|host| host.has_microtasks()),
            until: self.wait_until(),
        };
        let alone = self.core.scheduler.plan_poll(now, own, watches_heap);
        if alone.reason == PollReason::NonBlock {
            return (alone, false);
        }
        let outside = ExternalState {
            posted: self.has_posts(),
            signals: self.core.signals.as_ref().is_some_and(|signals| signals.pending() > 0),
            ..own
        };
        if !outside.posted && !outside.signals {
            if alone.timeout == Some(Duration::ZERO) {
                return (alone, false);
            }
            // Other threads wake the loop only after it announced its wait, so check for earlier events afterwards.
            self.core.shared.announce_wait();
            if !self.has_posts() {
                return (alone, false);
            }
        }
        let outside = ExternalState { posted: true, ..outside };
        (self.core.scheduler.plan_poll(now, outside, watches_heap), true)
    }

    /// Whether other threads sent something that a wait would delay.
    fn has_posts(&self) -> bool {
        self.core.shared.has_news() || self.core.futures.woken.has_some() || self.core.agenda_has_news()
    }

    fn wait(&mut self, now: Timestamp) -> Result<Timestamp, RunError> {
        let (plan, has_news) = self.plan_wait(now);
        if has_news && self.core.on {
            self.mark();
            self.core.record(Event::InputNews { ends: false });
        }
        let Waited { start, idle_ns, after, result: waited } = self.wait_by(&plan);
        self.core.shared.awake();
        self.core.woken = false;
        let metrics = &mut self.core.metrics;
        // Saturates, because a replayed clock may jump.
        metrics.idle_ns = metrics.idle_ns.saturating_add(idle_ns);
        metrics.polls += 1;
        metrics.events += self.ready.len() as u64;
        if plan.timeout == Some(Duration::ZERO) {
            metrics.events_waiting += self.ready.len() as u64;
        }
        self.latest = Some(after);
        if self.core.on {
            self.core.record(Event::InputClock { point: ClockPoint::AfterPoll, now: after });
            let timeout_ns = plan.timeout.map(|wait| u64::try_from(wait.as_nanos()).unwrap_or(u64::MAX));
            let ready = self.ready.len() as u32;
            self.core.record(Event::Poll { reason: plan.reason, ready, timeout_ns, start });
        }
        waited.map_err(|source| RunError::Wait { tick: self.core.scheduler.tick(), source })?;
        Ok(after)
    }

    /// Calls the poller, and measures how long it blocked. The poller's preparation and its collection of results count as
    /// work, and so does a poll that does not wait.
    fn wait_by(&mut self, plan: &PollPlan) -> Waited {
        let Self { core, clock, poller, ready, .. } = self;
        let deadline = if plan.reason == PollReason::Idle { None } else { plan.deadline };
        if plan.timeout == Some(Duration::ZERO) {
            if core.on {
                core.recorder.set_running(core.at, Running::Poll { deadline });
            }
            let result = poller.wait(plan.timeout, ready);
            let start = self.mark();
            return Waited { start, idle_ns: 0, after: self.clock.now(), result };
        }
        let mut start = core.at;
        let (mut before, mut after) = (Timestamp(0), Timestamp(0));
        let result = poller.wait_between(plan.timeout, ready, &mut |edge| match edge {
            Edge::Asleep => {
                before = clock.now();
                if core.on {
                    start = clock.ticks();
                    core.recorder.set_running(start, Running::Poll { deadline });
                }
            }
            Edge::Awake => {
                if core.on {
                    core.at = clock.ticks();
                }
                after = clock.now();
            }
        });
        Waited { start, idle_ns: after.ns_since(before), after, result }
    }

    pub(super) fn run_timers(&mut self) {
        if self.core.scheduler.timer_count() == 0 {
            return;
        }
        let now = self.pass_time(ClockPoint::Timers);
        let Some(pass) = self.core.scheduler.timers.begin_pass(now) else { return };
        self.begin_phase(Phase::Timers);
        let mut ran = 0;
        while let Some(due) = self.core.scheduler.timers.pop_due(&pass, ran) {
            ran += 1;
            let (fired, tag, task) = (due.fired, due.tag, due.task);
            let id = self.core.scheduler.new_id();
            if self.core.on {
                self.core.record(Event::TimerFired {
                    timer: fired.timer.id(),
                    tag,
                    task: id,
                    due: fired.due,
                    fired: fired.fired,
                    skipped: u32::try_from(fired.skipped).unwrap_or(u32::MAX),
                });
            }
            // The next period of an interval begins when its callback starts; a one-shot needs no clock reading.
            let started = if fired.period_ns.is_some() { self.read(ClockPoint::Interval) } else { now };
            let current = Current { task: Some(id), tag, timer: Some(fired.timer), ..Current::NONE };
            let outcome = self.run_as(current, self.core.at, task);
            self.resume_phase(Phase::Timers);
            self.core.scheduler.timers.ran(fired.timer, started);
            if outcome == Outcome::Reload {
                break;
            }
        }
        if ran > 0 {
            self.end_phase();
            self.now = None;
        }
    }

    pub(super) fn run_ready(&mut self) {
        if self.ready.is_empty() {
            return;
        }
        let mut ready = std::mem::take(&mut self.ready);
        if self.policy().sources == SourceRule::OnePerTurn {
            self.record_ready(&ready);
            self.keep_longest_waiting(&mut ready);
        }
        self.begin_phase(Phase::Io);
        let mut called = 0;
        for Ready { key, readiness } in &ready {
            called += 1;
            if self.run_source(*key, *readiness) == Outcome::Reload {
                break;
            }
        }
        if called < ready.len() {
            self.poller.hand_back(&ready[called..]);
        }
        self.ready = ready;
        self.ready.clear();
        self.end_phase();
    }

    /// Records the ready sources.
    fn record_ready(&self, ready: &[Ready]) {
        for Ready { key, readiness } in ready.iter().filter(|_| self.core.on) {
            let source = IoSource(u32::try_from(*key).unwrap_or(u32::MAX));
            self.core.record(Event::InputReady { source, readiness: readiness.bits() });
        }
    }

    fn run_source(&mut self, key: usize, readiness: Readiness) -> Outcome {
        // An earlier callback of this pass may have removed the source, which is then not called.
        let registration = u32::try_from(key).ok().and_then(|key| self.core.sources.get(&key));
        let Some((tag, Some(task))) = registration.map(|source| (source.tag, source.task.again())) else {
            return Outcome::Cancelled;
        };
        let source = IoSource(key as u32);
        let id = self.core.scheduler.new_id();
        let start = self.core.at;
        let current = Current {
            task: Some(id),
            tag,
            origin: Origin::Io,
            ready: Some(IoReadiness { source, readiness }),
            ..Current::NONE
        };
        if self.core.on {
            self.core.recorder.set_running(start, Running::Task { task: id, tag });
        }
        self.core.heap_may_change();
        let (outcome, _) = self.invoke(current, |cx| cx.run(task));
        if matches!(outcome, Outcome::Failed | Outcome::Panicked) {
            self.source_failed(source, current);
        }
        self.core.metrics.io_ready += 1;
        if self.core.on {
            if outcome == Outcome::Reload {
                self.core.record(Event::InputReturned { task: id, value: 0 });
            }
            let readiness = readiness.bits();
            self.core.record(Event::IoReady { source, tag, readiness, task: id, start });
            self.check_slow(id, tag, start);
        }
        if outcome != Outcome::Reload {
            self.drain_after(id);
        } else {
            self.owes_drain = true;
        }
        if self.core.futures.in_use {
            self.settle_futures(current);
        }
        self.pause_to_drain();
        self.resume_phase(Phase::Io);
        outcome
    }

    /// Applies the owner's error rule after the callback of a source failed.
    #[cold]
    fn source_failed(&mut self, source: IoSource, current: Current) {
        let message = self.core.failure.take().unwrap_or_default();
        let Some(registration) = self.core.sources.get_mut(&source.0) else { return };
        let (name, rule) = (registration.name(), std::mem::take(&mut registration.on_error));
        let close = matches!(rule, OnError::Close);
        let _ = self.invoke_unmarked(current, |cx| {
            let rule = cx.apply_rule(rule, RefKind::Io, || name, &message);
            if close {
                // Fails only if the poller has already dropped the source.
                let _ = cx.remove(source);
            } else if let Some(registration) = cx.core.sources.get_mut(&source.0) {
                registration.on_error = rule;
            }
        });
    }

    /// Keeps only one direction of one source in `ready`, and hands the rest back to the poller.
    fn keep_longest_waiting(&mut self, ready: &mut Vec<Ready>) {
        let mut next: Option<(u64, usize, usize, Ready)> = None;
        let mut rest = Vec::new();
        for Ready { key, readiness } in ready.drain(..) {
            let Some(source) = u32::try_from(key).ok().and_then(|key| self.core.sources.get(&key)) else {
                continue;
            };
            let troubles = Readiness::ERROR | Readiness::HANG_UP;
            let trouble = Readiness::from_bits_truncate(readiness.bits() & troubles.bits());
            for (index, direction) in DIRECTIONS.iter().enumerate() {
                let asked = direction.interests.iter().any(|interest| source.interest.contains(*interest));
                // An error or hang-up of a source without interest counts as reading.
                let reported = asked || (index == 0 && source.interest.is_empty());
                if !reported || !readiness.contains(direction.report) && trouble.is_empty() {
                    continue;
                }
                let one = Ready { key, readiness: direction.report | trouble };
                let place = (source.called[index], index, rest.len(), one);
                if next.is_none_or(|(called, first, ..)| (place.0, place.1) < (called, first)) {
                    next = Some(place);
                }
                rest.push(Ready { key, readiness: direction.report });
            }
        }
        let Some((_, index, at, one)) = next else { return };
        rest.remove(at);
        self.poller.hand_back(&rest);
        ready.push(one);
        self.core.calls += 1;
        if let Some(source) = u32::try_from(one.key).ok().and_then(|key| self.core.sources.get_mut(&key)) {
            source.called[index] = self.core.calls;
        }
    }
}
