//! External arrivals at the start of a tick: references, signals, and posts of other threads.

use std::rc::Rc;
use std::sync::Arc;

use loop_probes::clock::Clock;
use loop_probes::event::{Event, Origin, Phase, Placement, Queue, RefKind};
use loop_probes::ids::{Tag, TaskId, Ticks};

use super::EventLoop;
use crate::body::Body;
use crate::body::Queued;
use crate::core::{Core, Current, Outstanding, Poster, Then};
use crate::inbound::Inbound;
use crate::policy::SignalRule;
use crate::poller::Poller;
use crate::queue::concurrent::Posted;
use crate::sync::yield_now;
use crate::task::Task;
use crate::work_pool::{FinishedJob, PendingWork};

/// Label under which references held by other threads are listed.
const OTHER_THREADS: &str = "other threads";

impl<T: Task, C: Clock, P: Poller> EventLoop<T, C, P> {
    /// Applies changes of the references held by other threads.
    pub(super) fn apply_refs(&mut self) {
        self.core.take_stop();
        let delta = self.core.shared.take_refs();
        if delta != 0 {
            self.core.scheduler.refs.hold(OTHER_THREADS, delta);
            let delta = delta.clamp(i32::MIN.into(), i32::MAX.into()) as i32;
            if self.core.on {
                self.core.record(Event::InputRefs { delta });
            }
            self.core.ref_changed(RefKind::Handle, delta);
        }
        let (tasklets, known) =
            (self.core.shared.agenda.pending(), self.core.scheduler.count(RefKind::Agenda));
        if tasklets != known {
            let delta = i64::from(tasklets) - i64::from(known);
            let delta = delta.clamp(i32::MIN.into(), i32::MAX.into()) as i32;
            self.core.add_ref(RefKind::Agenda, delta);
        }
    }

    /// Queues tasks for signals in the ring, as many as the policy allows.
    pub(super) fn drain_signals(&mut self) {
        let Some(mut signals) = self.core.signals.take() else { return };
        let (mut taken, mut delivered) = (0, false);
        // Later arrivals wait for the next tick, so that a storm of signals does not delay other work.
        let waiting = signals.pending();
        for left in (1..=waiting).rev() {
            if delivered && self.policy().signals == SignalRule::OnePerTurn {
                break;
            }
            let Some(arrival) = signals.take() else { break };
            if taken == 0 {
                self.begin_phase(Phase::Signals);
                self.mark();
            }
            taken += 1;
            let arrived = arrival.arrived;
            if self.core.on {
                let arrived = arrived.min(self.core.at);
                self.core.record(Event::SignalArrived { signo: arrival.signo, depth: left, arrived });
            }
            let Some(handler) = self.core.handlers.get(&arrival.signo) else { continue };
            let (tag, task) = (handler.tag, handler.task.again().map(Body::Task));
            let Some(task) = task else { continue };
            let id = self.core.scheduler.new_id();
            let queued =
                Queued { task, id, tag, origin: Origin::Signal, signo: arrival.signo, queued: arrived };
            self.core.queue(queued, None, None);
            delivered = true;
        }
        let dropped = signals.dropped();
        self.core.signals = Some(signals);
        if dropped > self.signals_dropped {
            self.signals_dropped = dropped;
            if self.core.on {
                self.core.record(Event::SignalDropped { total: dropped });
            }
        }
        if taken > 0 && self.core.on {
            self.core.record(Event::InputBatch { queue: Queue::Signals, taken });
            self.mark();
            self.end_phase();
        }
    }

    /// Takes all posts of other threads. Returns how many.
    pub(super) fn take_concurrent(&mut self) -> u32 {
        if self.core.futures.in_use {
            self.settle_futures(Current::NONE);
        }
        let shared = &self.core.shared;
        let wakes = shared.take_wakes();
        if wakes == 0 && shared.queue.is_empty() {
            return 0;
        }
        let shared = Arc::clone(shared);
        let batch = shared.queue.take_batch();
        let taken = batch.len() as u32;
        if wakes == 0 && taken == 0 {
            // A producer is in the middle of a push: let it finish.
            yield_now();
            return 0;
        }
        self.core.woken |= wakes > 0;
        self.begin_phase(Phase::Concurrent);
        self.mark();
        if self.core.on && taken > 0 {
            self.core.record(Event::InputBatch { queue: Queue::Concurrent, taken });
        }
        let mut woken_by = None;
        for Posted { item, poster, queued } in batch {
            woken_by = woken_by.or(poster);
            let task = match item {
                Inbound::Post(remote) => self.received(queued, || remote),
                Inbound::Kept(node) => self.received(queued, || node.taken()),
                Inbound::Work(finished) if self.core.sets_jobs_aside => {
                    self.core.finished.push_back(*finished);
                    continue;
                }
                Inbound::Work(finished) => self.completed(*finished),
            };
            // `None` if making the task panicked.
            let Some((queued, parent)) = task else { continue };
            self.core.queue(queued, parent, poster);
        }
        if self.core.on {
            let coalesced = (taken + wakes).saturating_sub(1);
            self.core.record(Event::Wake { from: woken_by, coalesced });
            self.mark();
            self.end_phase();
        }
        taken
    }

    /// Queues the completions of finished jobs that were set aside, as many as the policy allows.
    pub(super) fn take_finished(&mut self) {
        let waiting = self.core.finished.len();
        let most = self.policy().jobs_per_read.map_or(waiting, |most| waiting.min(most as usize));
        if most == 0 {
            return;
        }
        self.begin_phase(Phase::Concurrent);
        self.mark();
        if self.core.on {
            self.core.record(Event::InputBatch { queue: Queue::Work, taken: most as u32 });
        }
        for _ in 0..most {
            let Some(finished) = self.core.finished.pop_front() else { break };
            if let Some((queued, parent)) = self.completed(finished) {
                self.core.queue(queued, parent, None);
            }
        }
        self.mark();
        self.end_phase();
    }

    /// Makes the task of a post. `None` if that panicked; the panic is recorded.
    fn received(
        &mut self,
        queued: Ticks,
        make: impl FnOnce() -> T::Remote,
    ) -> Option<(Queued<T>, Option<TaskId>)> {
        let current = Current { origin: Origin::Concurrent, ..Current::NONE };
        let task = self.invoke_unmarked(current, |_| make().into()).1?;
        let (id, tag) = (self.core.scheduler.new_id(), self.core.tag(&task));
        let task = Body::Task(task);
        Some((Queued { task, id, tag, origin: Origin::Concurrent, signo: 0, queued }, None))
    }

    /// Makes the completion of a finished job. Also returns the task that scheduled the job.
    fn completed(&mut self, finished: FinishedJob<Option<T::Remote>>) -> Option<(Queued<T>, Option<TaskId>)> {
        let FinishedJob { task: id, end, result, .. } = finished;
        // The job stays in the table, and so keeps the loop alive and listed, until its completion has run.
        let Outstanding { tag, parent, then, .. } = self.core.work.get_mut(&id)?;
        let (tag, parent, then) = (*tag, *parent, then.take()?);
        let current = Current { task: Some(id), tag, ..Current::NONE };
        let (_, task) = self.invoke_unmarked(current, |_| match (result, then) {
            (Ok(Some(remote)), _) => Some(Body::Task(remote.into())),
            (Err(reason), Then::Task(rejected)) => Some(Body::Task(rejected(reason))),
            (Err(reason), Then::Future(job)) => {
                job.reject(reason);
                Some(Body::Wake(Rc::clone(&job.wait)))
            }
            (Ok(None), Then::Future(job)) => Some(Body::Wake(Rc::clone(&job.wait))),
            (Ok(None), Then::Task(_)) => None,
        });
        let Some(task) = task.flatten() else {
            // Making the completion panicked, so there is nothing to run.
            self.settle(id);
            return None;
        };
        Some((Queued { task, id, tag, origin: Origin::Work, signo: 0, queued: end }, parent))
    }

    /// Settles a job if the task that ran was its completion.
    pub(super) fn settle(&mut self, task: TaskId) {
        self.core.settle_work(task);
    }
}

impl<T: Task> Core<T> {
    /// Applies a stop requested from outside a callback.
    pub(super) fn take_stop(&mut self) {
        if self.shared.take_stop() {
            self.scheduler.stop();
            if self.on {
                self.record(Event::InputStop { outside: true });
            }
        }
    }

    /// Refuses later posts. Records and returns the posts in the queue, which will never run.
    fn close_concurrent(&mut self) -> Vec<T::Remote> {
        let shared = Arc::clone(&self.shared);
        let batch = shared.queue.close();
        let mut posts = Vec::new();
        // Finished jobs that were set aside count as waiting, too.
        let aside = std::mem::take(&mut self.finished);
        let mut depth = (aside.len() + batch.len()) as u32;
        for finished in aside {
            self.never_taken(Some((finished.task, finished.tag)), None, finished.end, &mut depth);
        }
        for Posted { item, poster, queued } in batch {
            let job = match &item {
                Inbound::Work(finished) => Some((finished.task, finished.tag)),
                Inbound::Post(_) | Inbound::Kept(_) => None,
            };
            self.never_taken(job, poster, queued, &mut depth);
            match item {
                Inbound::Post(remote) => posts.push(remote),
                // The owner keeps a kept post, so it is not returned.
                Inbound::Kept(node) => node.is_taken(),
                Inbound::Work(_) => {}
            }
        }
        posts
    }

    /// Records that an entry of the concurrent queue will never run: the completion of `job`, or a post. The tag of a post
    /// is unknown, because no task was made from it.
    fn never_taken(&mut self, job: Option<(TaskId, Tag)>, poster: Poster, queued: Ticks, depth: &mut u32) {
        if self.on {
            let (task, tag) = job.unwrap_or_else(|| (self.scheduler.new_id(), Tag::default()));
            let origin = if job.is_some() { Origin::Work } else { Origin::Concurrent };
            let place = Placement { queue: Queue::Concurrent, origin, depth: *depth };
            let queued = queued.min(self.at);
            self.record(Event::TaskQueued { task, tag, place, parent: None, poster, queued });
            if self.recorder.should_drain() {
                self.recorder.pause_to_drain();
            }
        }
        *depth = depth.saturating_sub(1);
    }

    pub(crate) fn settle_work(&mut self, task: TaskId) {
        if let Some(Outstanding { tag, .. }) = self.work.remove(&task) {
            if self.on {
                self.record(Event::WorkSettled { task, tag });
            }
            self.add_ref(RefKind::Work, -1);
        }
    }

    /// Closes the concurrent queue, ends the pool without waiting, and restores the signals.
    pub(super) fn close(&mut self) -> Vec<T::Remote> {
        if self.shared.queue.is_closed() {
            return Vec::new();
        }
        self.futures.woken.close();
        self.futures.local.close();
        let posted = self.close_concurrent();
        if let Some(pool) = &mut self.pool {
            let _ = pool.shutdown(PendingWork::HandBack, Some(std::time::Duration::ZERO));
        }
        for signo in std::mem::take(&mut self.handlers).into_keys() {
            if let Some(signals) = &mut self.signals {
                let _ = signals.uninstall(i32::from(signo));
            }
        }
        posted
    }
}
