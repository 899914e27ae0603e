//! The thread of a worker: fetches, runs, sleeps, and takes part in collections.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use loop_probes::clock::Clock;
use loop_probes::event::{Event, Outcome, Phase, WorkerPhase};
use loop_probes::ids::{Ticks, Timestamp};
use loop_probes::recorder::{Recorder, Running};

use super::collect::Collection;
use super::failure::{Cause, Failure, Owner};
use super::inner::Inner;
use super::intake::Door;
use super::queues::Local;
use super::rendezvous::{Joined, Round};
use super::scribe::Scribe;
use super::statistics::{Slot, between};
use super::tasklet::{About, Body, Entry, Next, TaskletError};
use super::worker::Worker;
use crate::panic_message::panic_message;

/// Spinning checks for work before a sleep, each after a pause twice as long as the one before.
const SPINS: u32 = 7;
/// Further checks after those, each after yielding to other threads.
const YIELDS: u32 = 3;

/// A worker's thread.
pub(super) struct Station {
    pub(super) inner: Arc<Inner>,
    pub(super) index: u16,
    pub(super) local: Local,
    pub(super) scribe: Scribe,
    state: Cell<WorkerPhase>,
    running: Cell<Running>,
    /// The latest boundary: the end of one thing and the start of the next.
    at: Cell<Ticks>,
}

impl Station {
    /// Must be called on the worker's own thread: its recorder is created here.
    pub(super) fn new(inner: Arc<Inner>, index: u16, local: Local) -> Self {
        inner.enlist();
        let recorder = catch_unwind(AssertUnwindSafe(|| (inner.recorders)(index)));
        let recorder = recorder.unwrap_or_else(|_| Recorder::disabled());
        inner.writes_as(recorder.source());
        let at = Cell::new(inner.clock.ticks());
        let (state, running) = (Cell::new(WorkerPhase::Idle), Cell::new(Running::Outside));
        Self { inner, index, local, scribe: Scribe::new(recorder), state, running, at }
    }

    fn slot(&self) -> &Slot {
        &self.inner.slots[usize::from(self.index)]
    }

    fn mark(&self) -> Ticks {
        self.at.set(self.inner.clock.ticks());
        self.at.get()
    }

    fn change(&self, to: WorkerPhase) {
        let from = self.state.replace(to);
        if from != to {
            self.slot().set_state(to);
            self.scribe.state(self.at.get(), self.index, from, to);
        }
    }

    fn now_running(&self, running: Running) {
        self.running.set(running);
        self.scribe.running(self.at.get(), running);
    }

    /// Works until the agenda is shut down.
    pub(super) fn work(&self) {
        loop {
            if self.inner.rendezvous.is_asked() {
                self.meet();
            }
            if self.inner.intake.door() == Door::Shut {
                break;
            }
            match self.inner.queues.fetch(&self.local, &self.inner.intake) {
                Some(entry) => self.run(entry),
                None if self.rest() => {}
                None => break,
            }
        }
        self.change(WorkerPhase::Idle);
    }

    /// Sleeps until there is something to do. False if there never will be.
    fn rest(&self) -> bool {
        if self.looks_longer() {
            return true;
        }
        if self.state.get() != WorkerPhase::Idle {
            self.change(WorkerPhase::Idle);
            self.now_running(Running::Outside);
        }
        let Inner { gate, intake, rendezvous, queues, .. } = &*self.inner;
        gate.prepare();
        let door = intake.door();
        if rendezvous.is_asked() || door == Door::Shut {
            gate.cancel();
        } else if let Some(entry) = queues.fetch(&self.local, intake) {
            gate.cancel();
            self.run(entry);
        } else if door == Door::Finishing {
            gate.cancel();
            if intake.is_empty() {
                return false;
            }
            // A tasklet was admitted before the door closed and is about to be pushed.
            std::thread::yield_now();
        } else {
            gate.sleep();
        }
        true
    }

    /// Looks for work for a few more microseconds: a wake-up costs more, for both sides. True if there is some.
    fn looks_longer(&self) -> bool {
        for step in 0..SPINS + YIELDS {
            if !self.inner.intake.is_empty() {
                return true;
            }
            if step < SPINS {
                (0..1 << step).for_each(|_| std::hint::spin_loop());
            } else {
                std::thread::yield_now();
            }
        }
        false
    }

    fn run(&self, mut entry: Entry) {
        if self.state.get() != WorkerPhase::Run || entry.about.queued > self.at.get() {
            self.mark();
        }
        self.change(WorkerPhase::Run);
        let start = self.at.get();
        entry.about.runs += 1;
        let Entry { about, tag, body, owner } = entry;
        self.slot().enter(about.task, tag);
        self.now_running(Running::Task { task: about.task, tag });
        let ran = execute(body, &Worker::new(self, about));
        let end = self.mark();
        let (outcome, again, cause) = match ran {
            Ok(again) => (Outcome::Done, again, None),
            Err(cause @ Cause::Error(_)) => (Outcome::Failed, None, Some(cause)),
            Err(cause @ Cause::Panicked { .. }) => (Outcome::Panicked, None, Some(cause)),
        };
        let queued = about.queued.min(start);
        let ran = Event::AgendaRan {
            task: about.task,
            tag,
            priority: about.priority,
            worker: self.index,
            outcome,
            queued,
            start,
        };
        self.scribe.record(end, ran);
        self.slot().ran(about.priority, cause.is_some(), between(queued, start), between(start, end));
        self.slot().leave();
        if let Some(body) = again {
            let entry = Entry { about, tag, body, owner };
            if let Err(entry) = self.inner.add_again(entry, end, &self.local, &self.scribe) {
                self.inner.returned.lock().unwrap_or_else(PoisonError::into_inner).push(*entry);
                self.inner.over(tag);
            }
            return;
        }
        // The owner and the error's formatting are application code: their panics must not end a worker.
        let settled = catch_unwind(AssertUnwindSafe(|| self.settle(about, owner, cause)));
        if settled.is_err() {
            self.slot().unheard();
        }
        self.inner.over(tag);
    }

    /// Reports a failure to the owner.
    fn settle(&self, about: About, owner: Option<Owner>, cause: Option<Cause>) {
        let Some(cause) = cause else { return };
        let message = match &cause {
            Cause::Error(error) => error.to_string(),
            Cause::Panicked { message } => message.clone(),
        };
        self.scribe.failed(self.at.get(), about.task, &message);
        let heard = owner.is_some_and(|owner| owner(Failure { about, worker: self.index, cause }));
        if !heard {
            self.slot().unheard();
        }
    }

    /// Takes part in the requested collection.
    pub(super) fn meet(&self) {
        self.standing(|| match self.inner.rendezvous.join(self.index) {
            Joined::Nothing => {}
            Joined::Wait(round) => {
                self.inner.rendezvous.wait(round, None);
            }
            Joined::Last(round, collection) => self.collect(round, collection),
        });
    }

    /// The same in a collection that this worker requested itself, giving up at `until`.
    pub(super) fn meet_until(&self, round: Round, until: Timestamp) {
        let place = &self.inner.rendezvous;
        self.standing(|| match place.join(self.index) {
            Joined::Nothing => {}
            Joined::Last(round, collection) => self.collect(round, collection),
            Joined::Wait(_) => loop {
                let left = Duration::from_nanos(until.ns_since(self.inner.clock.now()));
                if place.wait(round, Some(left)) {
                    break;
                }
                if left.is_zero() && !self.inner.give_up(round) {
                    // All arrived at the last moment.
                    place.wait(round, None);
                }
            },
        });
    }

    /// Runs `what` in the state of a collection.
    fn standing(&self, what: impl FnOnce()) {
        let before = self.state.get();
        self.mark();
        self.change(WorkerPhase::Gc);
        self.scribe.running(self.at.get(), Running::Phase(Phase::Gc));
        what();
        self.mark();
        self.scribe.running(self.at.get(), self.running.get());
        self.change(WorkerPhase::EndGc);
        self.change(before);
    }

    fn collect(&self, round: Round, collection: Collection) {
        let (at, expected) = (self.mark(), u32::from(self.inner.rendezvous.expected()));
        let start = collection.start.min(at);
        self.scribe.record(at, Event::GcRendezvous { arrived: expected, expected, start });
        let collected = collection.run(&self.inner.name);
        self.inner.rendezvous.finish(round);
        collected.tell();
    }
}

/// Runs a body. Its captures are dropped here, so that a panic in a destructor counts as the tasklet's.
fn execute(body: Body, worker: &Worker<'_>) -> Result<Option<Body>, Cause> {
    let run = move || -> Result<Option<Body>, TaskletError> {
        match body {
            Body::Once(run) => run(worker).map(|()| None),
            Body::Repeat(mut run) => Ok(match run(worker)? {
                Next::Again => Some(Body::Repeat(run)),
                Next::Done => None,
            }),
        }
    };
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(ran) => ran.map_err(Cause::Error),
        Err(panic) => Err(Cause::Panicked { message: panic_message(panic) }),
    }
}
