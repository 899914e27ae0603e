//! Injects what came from outside: right after the recorded event before it, so that the loop finds it exactly where
//! the recorded one did.

use std::rc::Rc;

use loop_core::low_level::replay::ExternalEvents;
use loop_probes::event::{ClockPoint, Event, Origin, Queue, RefKind, StopReason};
use loop_probes::ids::{Tag, TaskId};
use loop_probes::text::printable;

use super::super::window::ComparedEvent;
use super::{MOST, Mode, Replay, ReplaySession, Replayed};
use crate::RerunError;
use crate::act::{Act, Done};

impl ReplaySession {
    /// Injects the loop's next input, if that input came from outside.
    pub(super) fn prepare(&mut self, replay: &Rc<Replay>) {
        let place = self.recorded.place;
        if self.prepared == Some(place) || self.mode == Mode::Starting {
            return;
        }
        self.prepared = Some(place);
        let Some(ComparedEvent { event, .. }) = self.recorded.front().copied() else { return };
        let Some(outside) = self.outside.clone() else { return };
        match event {
            Event::InputBatch { queue: Queue::Concurrent, taken } => {
                self.inject_batch(replay, &outside, taken)
            }
            Event::Wake { coalesced, .. } if !self.is_in_batch() => outside.wake(coalesced.saturating_add(1)),
            Event::RefChanged { what: RefKind::Agenda, delta, .. } => {
                outside.agenda(self.agenda.saturating_add_signed(delta));
            }
            Event::InputRefs { delta } => outside.hold(delta.into()),
            Event::InputStop { outside: true } => outside.stop(),
            Event::InputShutdown { outside: true, within_ns } => outside.shutdown(within_ns),
            // Whether a failure ends the run depends on the program.
            Event::LoopStopped { reason: StopReason::Failed } if self.may_fail => {
                if let Some(local) = &self.local {
                    local.with(|cx| cx.replay().fail_run());
                }
            }
            Event::InputClock { point: ClockPoint::Shutdown, .. } if self.shutdown_begins() => {
                if let Some(local) = &self.local {
                    let replay = Rc::clone(replay);
                    local.with(move |cx| replay.expect_shutdown(cx));
                }
            }
            _ => {}
        }
        while self.recorded.unowned.front().is_some_and(|(at, _)| *at <= place) {
            let Some((_, done)) = self.recorded.unowned.pop_front() else { break };
            let unowned = &mut self.recorded.unowned;
            let arms = match done.act {
                Act::Read => {
                    unowned.iter().take_while(|(_, done)| matches!(done.act, Act::Arm { .. })).count()
                }
                _ => 0,
            };
            let arms: Vec<Done> = unowned.drain(..arms).map(|(_, done)| done).collect();
            if let Some(local) = &self.local {
                let replay = Rc::clone(replay);
                local.with(move |cx| replay.perform_outside(cx, done, &arms));
            }
        }
    }

    /// Whether the next event is the clock reading with which a shutdown begins.
    fn shutdown_begins(&self) -> bool {
        self.recorded.ahead().nth(1).is_some_and(|entry| matches!(entry.event, Event::ShutdownBegan { .. }))
    }

    /// Whether the next wakeup belongs to a batch.
    fn is_in_batch(&self) -> bool {
        matches!(
            self.history.back().map(|entry| entry.event),
            Some(Event::InputBatch { queue: Queue::Concurrent, .. })
        ) || matches!(
            self.history.back().map(|entry| entry.event),
            Some(Event::TaskQueued { place, .. }) if matches!(place.origin, Origin::Concurrent | Origin::Work)
        )
    }

    fn inject_batch(&mut self, replay: &Rc<Replay>, outside: &ExternalEvents<Replayed>, taken: u32) {
        if taken > MOST {
            let name = printable(self.recorded.name());
            self.failed = Some(RerunError::Damaged { name, tick: self.tick, what: "a batch of posts" });
            return;
        }
        let (mut wakes, mut posts) = (0, Vec::new());
        for entry in self.recorded.ahead().skip(1) {
            match entry.event {
                Event::TaskQueued { task, tag, place, poster, .. } => {
                    posts.push((task, tag, place.origin, poster))
                }
                Event::Wake { coalesced, .. } => {
                    wakes = coalesced.saturating_add(1).saturating_sub(taken);
                    break;
                }
                Event::Exception { .. } => {}
                _ => break,
            }
        }
        for (task, tag, origin, poster) in &posts {
            let remote = replay.remote(*tag);
            match origin {
                Origin::Work => outside.finish(*task, Some(remote)),
                _ => outside.post(remote, *poster),
            }
        }
        let rest = u64::from(taken).saturating_sub(posts.len() as u64);
        let rest = usize::try_from(self.afford(rest)).unwrap_or(0);
        if self.start.sets_jobs_aside {
            for job in self.jobs_set_aside(rest) {
                outside.finish(job, Some(replay.remote(Tag(0))));
            }
        } else {
            // Results of jobs that are no longer awaited.
            (0..rest).for_each(|_| outside.finish(TaskId(u64::MAX), None));
        }
        outside.wake(wakes);
    }

    /// The next finished jobs, in the order in which they are taken from those put aside.
    pub(in crate::check) fn jobs_set_aside(&mut self, count: usize) -> Vec<TaskId> {
        let wanted = self.set_aside.saturating_add(count);
        let jobs = loop {
            let jobs = jobs_taken(self.recorded.ahead(), wanted);
            if jobs.len() >= wanted {
                break jobs;
            }
            match self.recorded.pay(0).and_then(|()| self.recorded.look_further()) {
                Ok(true) => {}
                Ok(false) => break jobs,
                Err(error) => {
                    self.failed = Some(error);
                    break jobs;
                }
            }
        };
        let mut jobs: Vec<_> = jobs.into_iter().skip(self.set_aside).collect();
        jobs.resize(count, TaskId(u64::MAX));
        self.set_aside = wanted;
        jobs
    }
}

/// The jobs taken from those put aside, in order; a taken job that became no task was cancelled.
fn jobs_taken<'a>(ahead: impl Iterator<Item = &'a ComparedEvent>, most: usize) -> Vec<TaskId> {
    let (mut jobs, mut open) = (Vec::new(), 0_u32);
    for entry in ahead {
        match entry.event {
            Event::TaskQueued { task, place, .. } if open > 0 && place.origin == Origin::Work => {
                jobs.push(task);
                open -= 1;
                continue;
            }
            _ => {}
        }
        let unknown = (std::mem::take(&mut open) as usize).min(most - jobs.len());
        jobs.extend((0..unknown).map(|_| TaskId(u64::MAX)));
        if jobs.len() >= most {
            break;
        }
        if let Event::InputBatch { queue: Queue::Work, taken } = entry.event {
            open = taken;
        }
    }
    jobs
}
