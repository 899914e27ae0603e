//! The main function of a worker's thread: fetches tasklets, runs them, and sleeps when there are none.

use std::panic::{AssertUnwindSafe, catch_unwind};

use loop_probes::event::{Event, Outcome, WorkerPhase};
use loop_probes::recorder::Running;

use super::admission::AdmissionState;
use super::outcome::{Cause, Next, TaskletError, TaskletFailure, TaskletInfo};
use super::shared::{AgendaShared, QueuedTasklet};
use super::statistics::between;
use super::tasklet::{AgendaWorker, FailureObserver, TaskletBody, TaskletWork};
use super::worker_thread::WorkerThread;
use crate::failure::panic_message;
use crate::sync::locked;

/// Number of checks for work by spinning before a sleep, each after a pause twice as long as the previous one.
const SPINS: u32 = 7;
/// Number of checks after spinning, each after yielding to other threads.
const YIELDS: u32 = 3;

impl WorkerThread<TaskletWork> {
    /// Works until the agenda is shut down.
    pub(super) fn work(&self) {
        loop {
            self.safe_point();
            if self.shared.admission.state() == AdmissionState::Shut {
                break;
            }
            match self.shared.queues.fetch(&self.queues, &self.shared.admission) {
                Some(entry) => self.run(entry),
                None if self.rest() => {}
                None => break,
            }
        }
        self.change(WorkerPhase::Idle);
    }

    /// Sleeps until there is work. False if the agenda was shut down and no work can arrive.
    fn rest(&self) -> bool {
        if self.looks_longer() {
            return true;
        }
        if self.state.get() != WorkerPhase::Idle {
            self.change(WorkerPhase::Idle);
            self.now_running(Running::Outside);
        }
        let AgendaShared { parking, admission, rendezvous, queues, .. } = &*self.shared;
        parking.prepare();
        let state = admission.state();
        if rendezvous.is_asked() || state == AdmissionState::Shut {
            parking.cancel();
        } else if let Some(entry) = queues.fetch(&self.queues, admission) {
            parking.cancel();
            self.run(entry);
        } else if state == AdmissionState::Finishing {
            parking.cancel();
            if admission.is_empty() {
                return false;
            }
            // A tasklet that was admitted before the agenda closed is about to be pushed.
            std::thread::yield_now();
        } else {
            parking.sleep();
        }
        true
    }

    /// Looks for work for a few more microseconds, because a wake-up costs both threads more. Returns whether there is
    /// work.
    fn looks_longer(&self) -> bool {
        for step in 0..SPINS + YIELDS {
            if !self.shared.admission.is_empty() {
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

    fn run(&self, mut entry: QueuedTasklet<TaskletWork>) {
        if self.state.get() != WorkerPhase::Run || entry.info.queued > self.at.get() {
            self.mark();
        }
        self.change(WorkerPhase::Run);
        let start = self.at.get();
        entry.info.runs += 1;
        let QueuedTasklet { info, tag, work: TaskletWork { body, observer } } = entry;
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
        self.recorder.record(end, ran);
        self.slot().ran(info.priority, cause.is_some(), between(queued, start), between(start, end));
        self.slot().leave();
        if let Some(body) = again {
            let entry = QueuedTasklet { info, tag, work: TaskletWork { body, observer } };
            if let Err(entry) = self.add_again(entry, end) {
                locked(&self.shared.returned).push(*entry);
                self.shared.tag_counts.end(tag);
            }
            return;
        }
        // The observer and the error's formatting are application code: a panic in them must not end the worker.
        let settled = catch_unwind(AssertUnwindSafe(|| self.settle(info, observer, cause)));
        if settled.is_err() {
            self.slot().unreported();
        }
        self.shared.tag_counts.end(tag);
    }

    /// Reports a failure to its observer.
    fn settle(&self, info: TaskletInfo, observer: Option<FailureObserver>, cause: Option<Cause>) {
        let Some(cause) = cause else { return };
        let message = match &cause {
            Cause::Error(error) => error.to_string(),
            Cause::Panicked { message } => message.clone(),
        };
        self.recorder.failed(self.at.get(), info.task, &message);
        let was_reported =
            observer.is_some_and(|observer| observer(TaskletFailure { info, worker: self.index, cause }));
        if !was_reported {
            self.slot().unreported();
        }
    }
}

/// Runs a body and drops its captures, so that a panic in a destructor counts as a panic of the tasklet.
fn execute(body: TaskletBody, worker: &AgendaWorker<'_>) -> Result<Option<TaskletBody>, Cause> {
    let run = move || -> Result<Option<TaskletBody>, TaskletError> {
        match body {
            TaskletBody::Once(run) => run(worker).map(|()| None),
            TaskletBody::Repeat(mut run) => Ok(match run(worker)? {
                Next::Again => Some(TaskletBody::Repeat(run)),
                Next::Done => None,
            }),
        }
    };
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(ran) => ran.map_err(Cause::Error),
        Err(panic) => Err(Cause::Panicked { message: panic_message(panic) }),
    }
}
