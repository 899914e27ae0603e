//! The shutdown of an agenda: waiting tasklets run or are handed back, the workers end, and workers that do not end in
//! time are named.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use loop_probes::clock::Clock;
use loop_probes::event::Priority;

use super::admission::AdmissionState;
use super::failure::Missing;
use super::handle::Agenda;
use super::shared::{AgendaShared, QueuedTasklet};
use super::tasklet::Tasklet;
use crate::sync::locked;
use crate::work_pool::PendingWork;

/// What a shutdown left: tasklets that did not run, and workers that did not end.
#[derive(Debug)]
#[non_exhaustive]
#[must_use = "it lists what did not run"]
pub struct AgendaShutdown {
    /// Tasklets that never ran, or asked to run again, oldest first.
    pub handed_back: Vec<Tasklet>,
    /// Workers that were still in a tasklet when the time was up. Each ends when its tasklet does.
    pub unjoined: Vec<Missing>,
}

/// Counts a worker as alive until its thread ends, however that happens.
pub(super) struct AliveWorker<W> {
    shared: Arc<AgendaShared<W>>,
    worker: u16,
}

impl<W> AliveWorker<W> {
    pub(super) fn new(shared: &Arc<AgendaShared<W>>, worker: u16) -> Self {
        locked(&shared.alive)[usize::from(worker)] = true;
        Self { shared: Arc::clone(shared), worker }
    }
}

impl<W> Drop for AliveWorker<W> {
    fn drop(&mut self) {
        locked(&self.shared.alive)[usize::from(self.worker)] = false;
        self.shared.ended.notify_all();
    }
}

impl<W> AgendaShared<W> {
    /// Stops admitting tasklets, and wakes all workers so that they notice.
    fn close(&self, state: AdmissionState) {
        self.admission.close(state);
        self.parking.wake_all();
        self.close_rendezvous();
    }

    /// Takes all waiting tasklets, including those whose push is in progress. Call this after closing the admission.
    fn drain(&self) -> Vec<QueuedTasklet<W>> {
        let mut entries = Vec::new();
        while !self.admission.is_empty() {
            let before = entries.len();
            for priority in Priority::ALL {
                entries.extend(std::iter::from_fn(|| self.queues.drain(*priority, &self.admission)));
            }
            if entries.len() == before {
                std::thread::yield_now();
            }
        }
        entries.iter().for_each(|entry| self.tag_counts.end(entry.tag));
        entries.append(&mut locked(&self.returned));
        entries
    }

    /// Waits at most `timeout` for the workers' threads, and returns the workers still running. A worker that calls this
    /// does not wait for itself.
    fn wait_for_workers(&self, timeout: Option<Duration>) -> Vec<u16> {
        let until = timeout.map(|timeout| crate::timer::due_after(self.clock.now(), timeout));
        let own = usize::from(self.is_on_worker());
        let mut alive = locked(&self.alive);
        while alive.iter().filter(|alive| **alive).count() > own {
            alive = match until {
                None => self.ended.wait(alive).unwrap_or_else(PoisonError::into_inner),
                Some(until) => {
                    let left = Duration::from_nanos(until.ns_since(self.clock.now()));
                    if left.is_zero() {
                        break;
                    }
                    self.ended.wait_timeout(alive, left).unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
        (0..).zip(alive.iter()).filter(|(_, alive)| **alive).map(|(worker, _)| worker).collect()
    }
}

impl Agenda {
    /// Refuses new tasklets, ends the workers, and waits for them at most `timeout` (`None` means until their tasklets
    /// end). `pending` decides whether waiting tasklets run first or are handed back. Tasklets that could not run in time,
    /// or that ask to run again during the shutdown, are always handed back. A second shutdown waits again for workers
    /// that the first one left.
    pub fn shutdown(&mut self, pending: PendingWork, timeout: Option<Duration>) -> AgendaShutdown {
        let shared = &self.handle.shared;
        shared.close(match pending {
            PendingWork::Finish => AdmissionState::Finishing,
            PendingWork::HandBack => AdmissionState::Shut,
        });
        let mut entries = match pending {
            PendingWork::Finish => Vec::new(),
            PendingWork::HandBack => shared.drain(),
        };
        let unjoined = shared.wait_for_workers(timeout);
        shared.close(AdmissionState::Shut);
        entries.extend(shared.drain());
        entries.sort_by_key(|entry| entry.info.task);
        if unjoined.is_empty() {
            for thread in self.threads.drain(..) {
                // A worker catches the panics of its tasklets, so there is no error to report.
                let _ = thread.join();
            }
        }
        let handed_back = entries.into_iter().map(|queued| Tasklet { queued }).collect();
        AgendaShutdown { handed_back, unjoined: shared.missing(unjoined) }
    }
}

impl Drop for Agenda {
    /// Discards waiting tasklets, and waits for running ones up to [`AgendaBuilder::drop_wait`](super::AgendaBuilder::drop_wait).
    /// A tasklet that hangs is left behind on its thread.
    fn drop(&mut self) {
        if !self.threads.is_empty() {
            let limit = if self.handle.shared.is_on_worker() { Duration::ZERO } else { self.drop_wait };
            drop(self.shutdown(PendingWork::HandBack, Some(limit)));
        }
    }
}
