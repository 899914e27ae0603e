//! The virtual poller: waiting moves the clock to the next event of the script.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use loop_probes::clock::Clock;

use super::Sim;
use crate::poller::{Interest, Poller, PollerError, Readiness, Ready, Source, Waker};
use crate::timer::due_after;

/// A readiness source that exists only in the script.
#[derive(Debug)]
pub struct SimSource {
    /// Not zero-sized, because two sources must not share an address.
    _some_size: u8,
}

impl SimSource {
    /// A source that is not ready.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Arc::new(Self { _some_size: 0 })
    }

    pub(super) fn address(source: &Arc<Self>) -> usize {
        Arc::as_ptr(source).addr()
    }
}

impl AsFd for SimSource {
    /// An arbitrary descriptor: the virtual poller uses the address of a source, never this.
    fn as_fd(&self) -> BorrowedFd<'_> {
        rustix::stdio::stdin()
    }
}

/// Waits in a virtual world.
pub struct SimPoller {
    sim: Sim,
    sources: BTreeMap<usize, (Source, Interest)>,
}

impl SimPoller {
    pub(super) const fn new(sim: Sim) -> Self {
        Self { sim, sources: BTreeMap::new() }
    }

    /// Runs the script's actions up to now. They may schedule more.
    fn act(&self) {
        let now = self.sim.clock.now();
        loop {
            let mut script = self.sim.script.borrow_mut();
            let Some(entry) = script.actions.first_entry().filter(|entry| entry.key().0 <= now) else {
                break;
            };
            let action = entry.remove();
            drop(script);
            action();
        }
    }

    fn report(&self, out: &mut Vec<Ready>) {
        let mut script = self.sim.script.borrow_mut();
        for (key, (source, interest)) in &self.sources {
            let address = Arc::as_ptr(source).addr();
            let Some(ready) = script.ready.get_mut(&address) else { continue };
            let reported = asked_for(*ready, *interest);
            if !reported.is_empty() {
                *ready = Readiness::from_bits_truncate(ready.bits() & !reported.bits());
                out.push(Ready { key: *key, readiness: reported });
            }
        }
    }
}

/// The part of `ready` reported for this interest: errors and hang-ups always.
fn asked_for(ready: Readiness, interest: Interest) -> Readiness {
    let mut reported = Readiness::ERROR | Readiness::HANG_UP;
    if interest.contains(Interest::READABLE) {
        reported |= Readiness::READABLE;
    }
    if interest.contains(Interest::WRITABLE) {
        reported |= Readiness::WRITABLE;
    }
    Readiness::from_bits_truncate(ready.bits() & reported.bits())
}

impl Poller for SimPoller {
    fn add(&mut self, source: Source, interest: Interest, key: usize) -> Result<(), PollerError> {
        if self.sources.contains_key(&key) {
            return Err(PollerError::KeyInUse { key });
        }
        self.sources.insert(key, (source, interest));
        Ok(())
    }

    fn modify(&mut self, key: usize, interest: Interest) -> Result<(), PollerError> {
        let entry = self.sources.get_mut(&key).ok_or(PollerError::UnknownKey { key })?;
        entry.1 = interest;
        Ok(())
    }

    fn delete(&mut self, key: usize) -> Result<Source, PollerError> {
        let (source, _) = self.sources.remove(&key).ok_or(PollerError::UnknownKey { key })?;
        Ok(source)
    }

    /// # Errors
    ///
    /// [`io::ErrorKind::TimedOut`] if the wait has no timeout and the script contains nothing that could end
    /// it.
    fn wait(&mut self, timeout: Option<Duration>, out: &mut Vec<Ready>) -> io::Result<()> {
        out.clear();
        let deadline = timeout.map(|timeout| due_after(self.sim.clock.now(), timeout));
        loop {
            self.act();
            self.report(out);
            let woken = self.sim.wake_flag.0.swap(false, Ordering::AcqRel);
            if woken || !out.is_empty() || deadline.is_some_and(|deadline| deadline <= self.sim.clock.now()) {
                return Ok(());
            }
            let scripted = self.sim.script.borrow().actions.first_key_value().map(|((at, _), _)| *at);
            let next = [scripted, deadline].into_iter().flatten().min().ok_or_else(|| {
                io::Error::new(io::ErrorKind::TimedOut, "the script has nothing that could end this wait")
            })?;
            self.sim.clock.move_to(next);
        }
    }

    fn hand_back(&mut self, ready: &[Ready]) {
        let mut script = self.sim.script.borrow_mut();
        for Ready { key, readiness } in ready {
            if let Some((source, _)) = self.sources.get(key) {
                *script.ready.entry(Arc::as_ptr(source).addr()).or_default() |= *readiness;
            }
        }
    }

    fn waker(&self) -> Waker {
        self.sim.waker()
    }
}

impl fmt::Debug for SimPoller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimPoller").field("sources", &self.sources.len()).finish_non_exhaustive()
    }
}
