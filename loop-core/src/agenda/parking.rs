//! Puts workers without work to sleep and wakes them.
//!
//! A thread that adds work first publishes the work, then looks for sleepers. A worker about to sleep first registers as
//! a sleeper, then looks for work once more. On each side a fence separates the two steps, so at least one side sees the
//! other and no wake-up is lost. Adding work takes no lock while all workers are busy.

#[cfg(test)]
#[cfg(loom)]
mod loom_tests;
#[cfg(test)]
#[cfg(not(loom))]
mod tests;

use std::sync::PoisonError;

use crate::sync::{AtomicU32, Condvar, Mutex, Ordering, fence, locked};

/// The place where workers sleep.
#[derive(Debug)]
pub(crate) struct Parking {
    /// Number of registered workers that have not been woken. Written under the lock, read without it.
    sleepers: AtomicU32,
    /// Number of wake-ups that no worker has used yet. Sleepers and permits add up to the registered workers.
    permits: Mutex<u32>,
    woken: Condvar,
}

impl Parking {
    pub(crate) fn new() -> Self {
        Self { sleepers: AtomicU32::new(0), permits: Mutex::new(0), woken: Condvar::new() }
    }

    /// Registers this worker as a sleeper. It must then look for work once more, and call [`cancel`](Self::cancel) or
    /// [`sleep`](Self::sleep).
    pub(crate) fn prepare(&self) {
        let permits = locked(&self.permits);
        self.sleepers.store(self.sleepers.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        drop(permits);
        fence(Ordering::SeqCst);
    }

    /// Cancels this worker's registration, because it found work.
    pub(crate) fn cancel(&self) {
        let mut permits = locked(&self.permits);
        match self.sleepers.load(Ordering::Relaxed) {
            // All registered workers were woken, so one of the wake-ups is this worker's.
            0 => *permits -= 1,
            // Leave the permits to workers that are already asleep.
            sleepers => self.sleepers.store(sleepers - 1, Ordering::Relaxed),
        }
    }

    /// Sleeps until woken.
    pub(crate) fn sleep(&self) {
        let mut permits = locked(&self.permits);
        while *permits == 0 {
            permits = self.woken.wait(permits).unwrap_or_else(PoisonError::into_inner);
        }
        *permits -= 1;
    }

    /// Wakes one sleeper, if any. Call this after publishing the work.
    pub(crate) fn wake_one(&self) {
        fence(Ordering::SeqCst);
        if self.sleepers.load(Ordering::Relaxed) > 0 {
            self.wake(1);
        }
    }

    /// Wakes all sleepers. Call this after publishing the reason for waking them.
    pub(crate) fn wake_all(&self) {
        fence(Ordering::SeqCst);
        self.wake(u32::MAX);
    }

    #[cold]
    fn wake(&self, most: u32) {
        let mut permits = locked(&self.permits);
        let sleepers = self.sleepers.load(Ordering::Relaxed);
        let woken = sleepers.min(most);
        if woken == 0 {
            return;
        }
        self.sleepers.store(sleepers - woken, Ordering::Relaxed);
        *permits += woken;
        drop(permits);
        if woken == 1 {
            self.woken.notify_one();
        } else {
            self.woken.notify_all();
        }
    }
}
