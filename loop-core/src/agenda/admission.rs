//! Counts waiting tasklets by priority, and admits new ones until the agenda is closed.
//!
//! A tasklet is counted from before it enters a queue until it has been taken out. So a count of 0 means that no tasklet
//! of that priority waits, and a worker can skip the priority. Once the agenda is closed and all counts are 0, no
//! tasklet can appear: a thread that drains the queues until the counts are 0 has found every admitted tasklet.

#[cfg(test)]
#[cfg(loom)]
mod loom_tests;
#[cfg(test)]
#[cfg(not(loom))]
mod tests;

use loop_probes::event::Priority;

use crate::sync::{AtomicU8, AtomicU32, Ordering, fence};

/// How far the agenda is closed. The state only advances.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum AdmissionState {
    Open = 0,
    /// No new tasklets; waiting ones still run.
    Finishing = 1,
    /// No new tasklets, and workers take no waiting ones either.
    Shut = 2,
}

/// A count on its own cache line, because many threads write counts at once.
#[derive(Debug)]
#[repr(align(128))]
struct Count(AtomicU32);

/// Counts and admits tasklets. See the [module](self).
#[derive(Debug)]
pub(crate) struct Admission {
    waiting: [Count; Priority::ALL.len()],
    state: AtomicU8,
}

impl Admission {
    pub(crate) fn new() -> Self {
        Self {
            waiting: std::array::from_fn(|_| Count(AtomicU32::new(0))),
            state: AtomicU8::new(AdmissionState::Open as u8),
        }
    }

    fn count(&self, priority: Priority) -> &AtomicU32 {
        &self.waiting[usize::from(priority.code())].0
    }

    /// Admits a tasklet, which the caller must then queue. Returns how many tasklets of that priority wait, including
    /// the new one; `None` if the agenda is closed.
    pub(crate) fn enter(&self, priority: Priority) -> Option<u32> {
        let depth = self.count(priority).fetch_add(1, Ordering::Relaxed) + 1;
        fence(Ordering::SeqCst);
        if self.state.load(Ordering::Relaxed) != AdmissionState::Open as u8 {
            self.left(priority);
            return None;
        }
        Some(depth)
    }

    /// Counts a tasklet as taken out of its queue.
    pub(crate) fn left(&self, priority: Priority) {
        self.count(priority).fetch_sub(1, Ordering::Release);
    }

    /// Number of tasklets of `priority` that wait or are about to be queued.
    pub(crate) fn waiting(&self, priority: Priority) -> u32 {
        self.count(priority).load(Ordering::Acquire)
    }

    /// Whether no tasklet waits.
    pub(crate) fn is_empty(&self) -> bool {
        Priority::ALL.iter().all(|priority| self.waiting(*priority) == 0)
    }

    pub(crate) fn state(&self) -> AdmissionState {
        match self.state.load(Ordering::Acquire) {
            0 => AdmissionState::Open,
            1 => AdmissionState::Finishing,
            _ => AdmissionState::Shut,
        }
    }

    /// Advances the state to `state`. Tasklets admitted earlier are visible in the counts afterwards.
    pub(crate) fn close(&self, state: AdmissionState) {
        self.state.fetch_max(state as u8, Ordering::AcqRel);
        fence(Ordering::SeqCst);
    }
}
