//! Combines the descriptors that a foreign loop wants polled into one that other pollers can watch: the descriptor of a
//! poller of ours, which is never waited on directly.

#[cfg(test)]
#[cfg(not(loom))]
mod tests;

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use rustix::io::Errno;

use super::sys::PollFd;
use crate::poller::os::OsPoller;
use crate::poller::{Interest, Poller, PollerError, Source};

/// A set of descriptors that may change with every iteration.
#[derive(Debug)]
pub(super) struct ReadySet {
    poller: OsPoller,
    /// The interest in each watched descriptor.
    watched: BTreeMap<usize, Interest>,
}

impl ReadySet {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self { poller: OsPoller::new()?, watched: BTreeMap::new() })
    }

    /// A descriptor that is readable while one of the set is ready.
    pub(super) fn source(&self) -> Option<Source> {
        self.poller.readiness()
    }

    /// Watches exactly the descriptors in `wanted`. False if the system cannot wait for one of them, such as a regular
    /// file, which is always ready.
    pub(super) fn watch(&mut self, wanted: &[PollFd]) -> Result<bool, PollerError> {
        let mut next = BTreeMap::<usize, Interest>::new();
        let mut all = true;
        for fd in wanted {
            let Ok(key) = usize::try_from(fd.fd) else { continue };
            *next.entry(key).or_default() |= interest(fd.events);
        }
        let gone: Vec<usize> = self.watched.keys().copied().filter(|key| !next.contains_key(key)).collect();
        for key in gone {
            let _ = self.poller.delete(key);
            self.watched.remove(&key);
        }
        for fd in wanted {
            let Ok(key) = usize::try_from(fd.fd) else { continue };
            if let Some(interest) = next.remove(&key) {
                all &= self.watch_one(fd, key, interest)?;
            }
        }
        Ok(all)
    }

    /// Watches one descriptor. Tries to modify an existing registration first; the number may have been reused for a new
    /// descriptor, which must then be added.
    fn watch_one(&mut self, wanted: &PollFd, key: usize, interest: Interest) -> Result<bool, PollerError> {
        let Some(descriptor) = wanted.descriptor() else { return Ok(true) };
        if self.watched.contains_key(&key) {
            if self.poller.modify(key, interest).is_ok() {
                self.watched.insert(key, interest);
                return Ok(true);
            }
            let _ = self.poller.delete(key);
            self.watched.remove(&key);
        }
        match self.poller.add(Arc::new(descriptor), interest, key) {
            Ok(()) => {
                self.watched.insert(key, interest);
                Ok(true)
            }
            Err(PollerError::System { source, .. }) if is(&source, Errno::PERM) => Ok(false),
            // Closed by its owner, who has not removed it from the foreign loop yet.
            Err(PollerError::System { source, .. }) if is(&source, Errno::BADF) => Ok(true),
            Err(error) => Err(error),
        }
    }
}

fn is(error: &io::Error, what: Errno) -> bool {
    error.raw_os_error() == Some(what.raw_os_error())
}

/// Converts the event bits of `poll`. Errors and hang-ups need no bit, since they are reported with any interest.
fn interest(events: u16) -> Interest {
    let mut interest = Interest::NONE;
    for (bit, wanted) in [(1, Interest::READABLE), (4, Interest::WRITABLE)] {
        if events & bit != 0 {
            interest |= wanted;
        }
    }
    if interest.is_empty() || events & 2 != 0 { interest | Interest::PRIORITY } else { interest }
}
