//! The thread of a worker: fetches, runs, sleeps, and takes part in collections.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use loop_probes::clock::Clock;
use loop_probes::event::{Event, Outcome, Phase, WorkerPhase};
use loop_probes::ids::{TaskId, Ticks, Timestamp};
use loop_probes::recorder::{Recorder, Running};

use super::AgendaHandle;
use super::admission::AdmissionState;
use super::collection::Collection;
use super::failure::CollectError;
use super::inner::Inner;
use super::queues::Local;
use super::recorder::AgendaRecorder;
use super::rendezvous::{Joined, Round};
use super::statistics::{Slot, between};
use super::tasklet::{
    AgendaWorker, Body, Cause, Next, OnWorker, Owner, QueuedTasklet, Refused, Tasklet, TaskletError,
    TaskletFailure, TaskletInfo,
};
use crate::failure::panic_message;
use crate::timer::due_after;

/// Spinning checks for work before a sleep, each after a pause twice as long as the one before.
const SPINS: u32 = 7;
/// Further checks after those, each after yielding to other threads.
const YIELDS: u32 = 3;

/// A worker's thread.
pub(super) struct WorkerThread {
    inner: Arc<Inner>,
    index: u16,
    local: Local,
    agenda_recorder: AgendaRecorder,
    state: Cell<WorkerPhase>,
    running: Cell<Running>,
    /// The latest boundary: the end of one thing and the start of the next.
    at: Cell<Ticks>,
}

impl WorkerThread {
    /// Must be called on the worker's own thread: its recorder is created here.
    pub(super) fn new(inner: Arc<Inner>, index: u16, local: Local) -> Self {
        inner.enlist();
        let recorder = catch_unwind(AssertUnwindSafe(|| (inner.recorders)(index)));
        let recorder = recorder.unwrap_or_else(|_| Recorder::disabled());
        crate::inbound::write_as(recorder.source());
        let at = Cell::new(inner.clock.ticks());
        let (state, running) = (Cell::new(WorkerPhase::Idle), Cell::new(Running::Outside));
        Self { inner, index, local, agenda_recorder: AgendaRecorder::new(recorder), state, running, at }
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
            self.agenda_recorder.state(self.at.get(), self.index, from, to);
        }
    }

    fn now_running(&self, running: Running) {
        self.running.set(running);
        self.agenda_recorder.running(self.at.get(), running);
    }

    /// Works until the agenda is shut down.
    pub(super) fn work(&self) {
        loop {
            if self.inner.rendezvous.is_asked() {
                self.meet();
            }
            if self.inner.admission.admission_state() == AdmissionState::Shut {
                break;
            }
            match self.inner.queues.fetch(&self.local, &self.inner.admission) {
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
        let Inner { gate, admission, rendezvous, queues, .. } = &*self.inner;
        gate.prepare();
        let admission_state = admission.admission_state();
        if rendezvous.is_asked() || admission_state == AdmissionState::Shut {
            gate.cancel();
        } else if let Some(entry) = queues.fetch(&self.local, admission) {
            gate.cancel();
            self.run(entry);
        } else if admission_state == AdmissionState::Finishing {
            gate.cancel();
            if admission.is_empty() {
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
            if !self.inner.admission.is_empty() {
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

    fn run(&self, mut entry: QueuedTasklet) {
        if self.state.get() != WorkerPhase::Run || entry.info.queued > self.at.get() {
            self.mark();
        }
        self.change(WorkerPhase::Run);
        let start = self.at.get();
        entry.info.runs += 1;
        let QueuedTasklet { info, tag, body, owner } = entry;
        self.slot().enter(info.task, tag);
        self.now_running(Running::Task { task: info.task, tag });
        let ran = execute(body, &AgendaWorker::new(self, info));
        let end = self.mark();
        let (outcome, again, cause) = match ran {
            Ok(again) => (Outcome::Done, again, None),
            Err(cause @ Cause::Error(_)) => (Outcome::Failed, None, Some(cause)),
            Err(cause @ Cause::Panicked { .. }) => (Outcome::Panicked, None, Some(cause)),
        };
        let queued = info.queued.min(start);
        let ran = Event::AgendaRan {
            task: info.task,
            tag,
            priority: info.priority,
            worker: self.index,
            outcome,
            queued,
            start,
        };
        self.agenda_recorder.record(end, ran);
        self.slot().ran(info.priority, cause.is_some(), between(queued, start), between(start, end));
        self.slot().leave();
        if let Some(body) = again {
            let entry = QueuedTasklet { info, tag, body, owner };
            if let Err(entry) = self.inner.add_again(entry, end, &self.local, &self.agenda_recorder) {
                self.inner.returned.lock().unwrap_or_else(PoisonError::into_inner).push(*entry);
                self.inner.over(tag);
            }
            return;
        }
        // The owner and the error's formatting are application code: their panics must not end a worker.
        let settled = catch_unwind(AssertUnwindSafe(|| self.settle(info, owner, cause)));
        if settled.is_err() {
            self.slot().unreported();
        }
        self.inner.over(tag);
    }

    /// Reports a failure to the owner.
    fn settle(&self, info: TaskletInfo, owner: Option<Owner>, cause: Option<Cause>) {
        let Some(cause) = cause else { return };
        let message = match &cause {
            Cause::Error(error) => error.to_string(),
            Cause::Panicked { message } => message.clone(),
        };
        self.agenda_recorder.failed(self.at.get(), info.task, &message);
        let was_reported =
            owner.is_some_and(|owner| owner(TaskletFailure { info, worker: self.index, cause }));
        if !was_reported {
            self.slot().unreported();
        }
    }

    /// Takes part in the requested collection.
    fn meet(&self) {
        self.in_collection(|| match self.inner.rendezvous.join(self.index) {
            Joined::Nothing => {}
            Joined::Wait(round) => {
                self.inner.rendezvous.wait(round, None);
            }
            Joined::Last(round, collection) => self.run_collection(round, collection),
        });
    }

    /// The same in a collection that this worker requested itself, giving up at `until`.
    fn meet_until(&self, round: Round, until: Timestamp) {
        let place = &self.inner.rendezvous;
        self.in_collection(|| match place.join(self.index) {
            Joined::Nothing => {}
            Joined::Last(round, collection) => self.run_collection(round, collection),
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
    fn in_collection(&self, what: impl FnOnce()) {
        let before = self.state.get();
        self.mark();
        self.change(WorkerPhase::Gc);
        self.agenda_recorder.running(self.at.get(), Running::Phase(Phase::Gc));
        what();
        self.mark();
        self.agenda_recorder.running(self.at.get(), self.running.get());
        self.change(WorkerPhase::EndGc);
        self.change(before);
    }

    fn run_collection(&self, round: Round, collection: Collection) {
        let (at, expected) = (self.mark(), u32::from(self.inner.rendezvous.expected()));
        let start = collection.start.min(at);
        self.agenda_recorder.record(at, Event::GcRendezvous { arrived: expected, expected, start });
        let collected = collection.run(&self.inner.name);
        self.inner.rendezvous.finish(round);
        collected.notify_requester();
    }
}

impl OnWorker for WorkerThread {
    fn index(&self) -> u16 {
        self.index
    }

    fn recorder(&self) -> &Recorder {
        self.agenda_recorder.recorder()
    }

    fn add(&self, tasklet: Tasklet) -> Result<TaskId, Refused> {
        self.inner.add_local(tasklet, &self.local, &self.agenda_recorder)
    }

    fn safe_point(&self) {
        if self.inner.rendezvous.is_asked() {
            self.meet();
        }
    }

    fn collect(&self, bound: Duration, collect: Box<dyn FnOnce() + Send>) -> Result<(), CollectError> {
        let until = due_after(self.inner.clock.now(), bound);
        let (round, returning) = self.inner.begin_returning(collect)?;
        self.meet_until(round, until);
        returning.end(&self.inner)
    }

    fn is_closing(&self) -> bool {
        self.inner.admission.admission_state() != AdmissionState::Open
    }

    fn agenda(&self) -> AgendaHandle {
        AgendaHandle { inner: Arc::clone(&self.inner) }
    }
}

/// Runs a body. Its captures are dropped here, so that a panic in a destructor counts as the tasklet's.
fn execute(body: Body, worker: &AgendaWorker<'_>) -> Result<Option<Body>, Cause> {
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
