//! A worker on its own thread: queues, recorder, state, and collections.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use loop_probes::clock::Clock;
use loop_probes::event::{Event, Phase, WorkerPhase};
use loop_probes::ids::{TaskId, Ticks, Timestamp};
use loop_probes::recorder::{Recorder, Running};

use super::collect::notify;
use super::failure::CollectError;
use super::queues::WorkerQueues;
use super::recorder::AgendaRecorder;
use super::rendezvous::{Joined, Round};
use super::shared::{AgendaShared, Collection, QueuedTasklet};
use super::statistics::WorkerSlot;
use crate::failure::panic_message;

/// A worker on its own thread.
pub(super) struct WorkerThread<W> {
    pub(super) shared: Arc<AgendaShared<W>>,
    pub(super) index: u16,
    pub(super) queues: WorkerQueues<QueuedTasklet<W>>,
    pub(super) recorder: AgendaRecorder,
    pub(super) state: Cell<WorkerPhase>,
    running: Cell<Running>,
    /// Time of the latest boundary between two activities of the worker.
    pub(super) at: Cell<Ticks>,
}

impl<W> WorkerThread<W> {
    /// Must be called on the worker's thread, because it creates the recorder.
    pub(super) fn new(
        shared: Arc<AgendaShared<W>>,
        index: u16,
        queues: WorkerQueues<QueuedTasklet<W>>,
    ) -> Self {
        shared.enlist();
        let recorder = catch_unwind(AssertUnwindSafe(|| (shared.recorders)(index)));
        let recorder = AgendaRecorder::new(recorder.unwrap_or_else(|_| Recorder::disabled()));
        crate::inbound::write_as(recorder.recorder().source());
        let at = Cell::new(shared.clock.ticks());
        let (state, running) = (Cell::new(WorkerPhase::Idle), Cell::new(Running::Outside));
        Self { shared, index, queues, recorder, state, running, at }
    }

    pub(super) fn slot(&self) -> &WorkerSlot {
        &self.shared.slots[usize::from(self.index)]
    }

    /// Reads the clock at a boundary between two activities.
    pub(super) fn mark(&self) -> Ticks {
        self.at.set(self.shared.clock.ticks());
        self.at.get()
    }

    pub(super) fn change(&self, to: WorkerPhase) {
        let from = self.state.replace(to);
        if from != to {
            self.slot().set_state(to);
            self.recorder.record(self.at.get(), Event::WorkerState { worker: self.index, from, to });
        }
    }

    pub(super) fn now_running(&self, running: Running) {
        self.running.set(running);
        self.recorder.running(self.at.get(), running);
    }

    /// Adds a tasklet to this worker's own queue. Hands it back if the agenda was shut down.
    pub(super) fn add(&self, mut entry: QueuedTasklet<W>) -> Result<TaskId, QueuedTasklet<W>> {
        let Some(depth) = self.shared.admit(&mut entry) else { return Err(entry) };
        entry.stamp(self.shared.clock.ticks());
        let task = entry.info.task;
        self.queue(entry, depth);
        self.shared.parking.wake_one();
        Ok(task)
    }

    /// Queues a tasklet that ran until `now` again. Wakes no other worker, since this one is about to look for work. Hands
    /// the tasklet back if the agenda was shut down.
    pub(super) fn add_again(
        &self,
        mut entry: QueuedTasklet<W>,
        now: Ticks,
    ) -> Result<(), Box<QueuedTasklet<W>>> {
        let Some(depth) = self.shared.admission.enter(entry.info.priority) else {
            return Err(Box::new(entry));
        };
        self.shared.count_added(entry.info.priority);
        entry.info.queued = now;
        self.queue(entry, depth);
        Ok(())
    }

    fn queue(&self, entry: QueuedTasklet<W>, depth: u32) {
        self.recorder.added(entry.info.queued, &entry.info, entry.tag, depth);
        self.shared.queues.push_local(&self.queues, entry.info.priority, entry);
    }

    /// Takes part in a collection if one is requested.
    pub(super) fn safe_point(&self) {
        if self.shared.rendezvous.is_asked() {
            self.meet(None);
        }
    }

    /// Takes part in the requested collection. If this worker requested it, abandons it at `until`.
    pub(super) fn meet(&self, until: Option<Timestamp>) {
        let before = self.state.get();
        self.mark();
        self.change(WorkerPhase::Gc);
        self.recorder.running(self.at.get(), Running::Phase(Phase::Gc));
        match self.shared.rendezvous.join(self.index) {
            Joined::Nothing => {}
            Joined::Wait(round) => self.wait_for(round, until),
            Joined::Last(round, collection) => self.collect(round, collection),
        }
        self.mark();
        self.recorder.running(self.at.get(), self.running.get());
        self.change(WorkerPhase::EndGc);
        self.change(before);
    }

    fn wait_for(&self, round: Round, until: Option<Timestamp>) {
        let rendezvous = &self.shared.rendezvous;
        loop {
            let left = until.map(|until| Duration::from_nanos(until.ns_since(self.shared.clock.now())));
            if rendezvous.wait(round, left) {
                return;
            }
            if left == Some(Duration::ZERO) && !self.shared.give_up(round) {
                // The last worker arrived just before the deadline.
                rendezvous.wait(round, None);
            }
        }
    }

    fn collect(&self, round: Round, collection: Collection) {
        let (at, expected) = (self.mark(), u32::from(self.shared.rendezvous.expected()));
        let Collection { run, done, start } = collection;
        let met = Event::GcRendezvous { arrived: expected, expected, start: start.min(at) };
        self.recorder.record(at, met);
        let collected = catch_unwind(AssertUnwindSafe(run)).map_err(|panic| CollectError::Panicked {
            agenda: self.shared.name.clone(),
            message: panic_message(panic),
        });
        self.shared.rendezvous.finish(round);
        notify(done, collected);
    }
}
