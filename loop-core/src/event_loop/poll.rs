//! The poll, and the timers that are due.

use std::io;
use std::time::Duration;

use loop_probes::clock::Clock;
use loop_probes::event::{ClockPoint, Event, Outcome, Phase, PollReason};
use loop_probes::ids::{Ticks, Timestamp};
use loop_probes::recorder::Running;

use super::EventLoop;
use super::core::Current;
use super::tick::Flow;
use crate::error::LoopError;
use crate::policy::PollRule;
use crate::poller::{Edge, Poller};
use crate::scheduler::{Outside, PollPlan};
use crate::task::Task;

/// What became of a wait.
struct Waited {
    /// When it began to wait; its end is the latest boundary.
    start: Ticks,
    /// How long it waited.
    idle_ns: u64,
    /// When it was awake.
    after: Timestamp,
    result: io::Result<()>,
}

impl<T: Task, C: Clock, P: Poller> EventLoop<T, C, P> {
    /// Waits for readiness, or looks, or leaves that out where the policy says so, or where the loop is wanted back.
    pub(super) fn poll(&mut self, done: &mut dyn FnMut() -> bool) -> Result<Flow, LoopError> {
        if self.policy().poll == PollRule::WhenNoTask && !self.core.scheduler.tasks.is_empty() {
            return Ok(Flow::Next);
        }
        let now = self.pass_time(ClockPoint::BeforePoll);
        if self.looked_just_now(now) {
            return Ok(Flow::Next);
        }
        // Only here: a re-execution tells by the poll that is missing that the answer was yes.
        if done() {
            return Ok(Flow::Done);
        }
        let after = self.wait(now)?;
        (self.now, self.polled) = (Some(after), Some(after));
        Ok(Flow::Next)
    }

    /// Whether there is work to go on with, and the last poll is so recent that another look can wait. Never after a
    /// tick that spent its budget: whoever posts without end must not put off the sources for long.
    fn looked_just_now(&self, now: Timestamp) -> bool {
        let gap_ns = self.policy().poll_gap.as_nanos();
        gap_ns > 0
            && self.core.scheduler.has_work()
            && !self.core.scheduler.budget_spent()
            && self.polled.is_some_and(|polled| u128::from(now.ns_since(polled)) < gap_ns)
    }

    /// How long the loop may be left alone, and whether only news from outside keep it from waiting. From here on it
    /// counts as waiting: who brings news wakes the poller.
    pub(super) fn plan_wait(&mut self, now: Timestamp) -> (PollPlan, bool) {
        let watches_heap = self.watches_heap();
        if self.core.futures.in_use {
            self.settle_futures(Current::NONE);
            self.context().settle_interest();
        }
        // What the loop itself put aside, or began.
        let own = Outside {
            posted: self.shutdown_is_due() || self.core.woken || !self.core.finished.is_empty(),
            signals: false,
            host: self.host.as_ref().is_some_and(|host| host.has_microtasks()),
            until: self.wait_until(),
        };
        let alone = self.core.scheduler.plan_poll(now, own, watches_heap);
        if alone.reason == PollReason::NonBlock {
            return (alone, false);
        }
        let outside = Outside {
            posted: self.has_posts(),
            signals: self.core.signals.as_ref().is_some_and(|signals| signals.pending() > 0),
            ..own
        };
        if !outside.posted && !outside.signals {
            if alone.timeout == Some(Duration::ZERO) {
                return (alone, false);
            }
            // Other threads wake a loop only once it said that it waits: what came before that is looked for here.
            self.core.shared.announce_wait();
            if !self.has_posts() {
                return (alone, false);
            }
        }
        let outside = Outside { posted: true, ..outside };
        (self.core.scheduler.plan_poll(now, outside, watches_heap), true)
    }

    /// Whether something came from other threads that a wait would hold up.
    fn has_posts(&self) -> bool {
        self.core.shared.has_news() || self.core.futures.woken.has_some() || self.core.agenda_has_news()
    }

    fn wait(&mut self, now: Timestamp) -> Result<Timestamp, LoopError> {
        let (plan, has_news) = self.plan_wait(now);
        if has_news && self.core.on {
            self.mark();
            self.core.record(Event::InputNews { ends: false });
        }
        let Waited { start, idle_ns, after, result: waited } = self.wait_by(&plan);
        self.core.shared.awake();
        self.core.woken = false;
        let metrics = &mut self.core.metrics;
        // A fed clock can be at both ends of time.
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
        waited.map_err(|source| LoopError::Wait { tick: self.core.scheduler.tick(), source })?;
        Ok(after)
    }

    /// Asks the poller, and says how long it waited: from right before it blocked until it was awake. What it has to
    /// prepare and to collect is work, and so is a poll that only looks.
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
        let (mut start, mut end) = (core.at, core.at);
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
                    end = clock.ticks();
                }
                after = clock.now();
            }
        });
        core.at = end;
        Waited { start, idle_ns: after.ns_since(before), after, result }
    }

    pub(super) fn run_timers(&mut self) {
        if self.core.scheduler.timer_count() == 0 {
            return;
        }
        let now = self.pass_time(ClockPoint::Timers);
        let Some(pass) = self.core.scheduler.begin_timers(now) else { return };
        let found_due = self.core.at;
        self.begin_phase(Phase::Timers);
        let mut ran = 0;
        while let Some(due) = self.core.scheduler.next_due(&pass, ran) {
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
            // The next period of an interval begins where its callback starts; a one-shot needs no reading.
            let started = if fired.period_ns.is_some() { self.read(ClockPoint::Interval) } else { now };
            let current = Current { task: Some(id), tag, timer: Some(fired.timer), ..Current::NONE };
            let outcome = self.run_as(current, found_due, task);
            self.resume_phase(Phase::Timers);
            self.core.scheduler.timer_ran(fired.timer, started);
            if outcome == Outcome::Reload {
                break;
            }
        }
        if ran > 0 {
            self.end_phase();
            self.now = None;
        }
    }
}
