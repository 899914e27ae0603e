//! The poll, and the timers that are due.

use std::time::Duration;

use loop_probes::clock::Clock;
use loop_probes::event::{ClockPoint, Event, Outcome, Phase, PollReason};
use loop_probes::ids::Timestamp;
use loop_probes::recorder::Running;

use super::EventLoop;
use super::core::Current;
use super::tick::Flow;
use crate::error::LoopError;
use crate::policy::PollRule;
use crate::poller::Poller;
use crate::scheduler::{Outside, PollPlan};
use crate::task::Task;

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
        let start = self.mark();
        if has_news && self.core.on {
            self.core.record(Event::InputNews { ends: false });
        }
        if self.core.on {
            let deadline = if plan.reason == PollReason::Idle { None } else { plan.deadline };
            self.core.recorder.set_running(start, Running::Poll { deadline });
        }
        let waited = self.poller.wait(plan.timeout, &mut self.ready);
        self.core.shared.awake();
        self.core.woken = false;
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
