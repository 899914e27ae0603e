//! The task queue: first in, first out, with what the recorder wants to know about each entry.

use std::collections::VecDeque;

use loop_probes::event::Origin;
use loop_probes::ids::{Tag, TaskId, Ticks};

use crate::task::body::Body;

/// A task and where it came from.
#[derive(Debug)]
pub struct Queued<T> {
    /// What runs.
    pub(crate) task: Body<T>,
    /// Its id.
    pub id: TaskId,
    /// Its tag, looked up once.
    pub tag: Tag,
    /// Where it came from.
    pub origin: Origin,
    /// The signal's number, where it came from a signal.
    pub signo: u8,
    /// When it was queued; for a signal, when it arrived.
    pub queued: Ticks,
}

/// Capacity that an emptied queue may keep: a burst must not hold its memory for ever.
const CAPACITY_KEPT: usize = 4096;

/// First in, first out.
#[derive(Debug)]
pub struct Fifo<E> {
    entries: VecDeque<E>,
}

impl<E> Fifo<E> {
    /// An empty queue.
    #[must_use]
    pub const fn new() -> Self {
        Self { entries: VecDeque::new() }
    }

    /// Adds at the end.
    #[inline]
    pub fn push(&mut self, entry: E) {
        self.entries.push_back(entry);
    }

    /// Takes the first.
    #[inline]
    pub fn pop(&mut self) -> Option<E> {
        let entry = self.entries.pop_front();
        if entry.is_none() && self.entries.capacity() > CAPACITY_KEPT {
            self.entries.shrink_to(CAPACITY_KEPT);
        }
        entry
    }

    /// Entries that wait.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether nothing waits.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The entries in queue order.
    pub fn iter(&self) -> impl Iterator<Item = &E> {
        self.entries.iter()
    }
}

impl<E> Default for Fifo<E> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_does_not_hold_its_memory() {
        let mut queue = Fifo::new();
        for entry in 0..10 * CAPACITY_KEPT {
            queue.push(entry);
        }
        for entry in 0..10 * CAPACITY_KEPT {
            assert_eq!(queue.pop(), Some(entry));
        }
        assert_eq!(queue.pop(), None);
        assert!(queue.entries.capacity() <= 2 * CAPACITY_KEPT);
    }
}
