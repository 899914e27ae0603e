//! First in, first out; and a task that waits somewhere, with what the recorder wants to know about it.

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

/// Slots that an emptied queue may keep: a burst must not hold its memory for ever, and a tick's worth of tasks must
/// not be moved to a smaller place and back in each tick.
const SLOTS_KEPT: usize = 16_384;

/// First in, first out: a ring of slots, of which at least one is free.
///
/// Room is made behind a push, not in front of it: what has to be moved out of the way of an allocation that fails
/// is written to memory and read back, which costs more than the push.
#[derive(Debug)]
pub struct Fifo<E> {
    /// A power of two of them.
    slots: Vec<Option<E>>,
    /// Counts what was taken since the last rewind: the first entry is here, modulo the slots.
    head: usize,
    /// Counts what was added.
    tail: usize,
}

impl<E> Fifo<E> {
    /// An empty queue.
    #[must_use]
    pub fn new() -> Self {
        Self { slots: empty(1), head: 0, tail: 0 }
    }

    #[inline]
    fn place(&self, count: usize) -> usize {
        count & (self.slots.len() - 1)
    }

    /// Adds at the end.
    #[inline]
    pub fn push(&mut self, entry: E) {
        let place = self.place(self.tail);
        let Some(slot) = self.slots.get_mut(place) else {
            debug_assert!(false, "a place is less than the slots");
            return std::mem::forget(entry);
        };
        // There is nothing in it to drop.
        std::mem::forget(slot.replace(entry));
        self.tail = self.tail.wrapping_add(1);
        if self.len() == self.slots.len() {
            self.resize(2 * self.len());
        }
    }

    /// Takes the first.
    #[inline]
    pub fn pop(&mut self) -> Option<E> {
        let place = self.place(self.head);
        let Some(entry) = self.slots.get_mut(place).and_then(Option::take) else {
            if self.slots.len() > SLOTS_KEPT {
                self.resize(SLOTS_KEPT);
            }
            return None;
        };
        self.head = self.head.wrapping_add(1);
        Some(entry)
    }

    #[cold]
    #[inline(never)]
    fn resize(&mut self, slots: usize) {
        let mut old = std::mem::replace(&mut self.slots, empty(slots));
        for count in (0..self.len()).map(|count| self.head.wrapping_add(count)) {
            let (from, to) = (count & (old.len() - 1), self.place(count));
            self.slots[to] = old[from].take();
        }
    }

    /// Begins at the first slot again, where nothing waits: what was used last is still in the cache. The count of
    /// what was [`taken`](Self::taken) begins again too.
    pub fn rewind(&mut self) {
        if self.is_empty() {
            (self.head, self.tail) = (0, 0);
        }
    }

    /// Entries that were taken since the last rewind, modulo `usize`.
    #[inline]
    #[must_use]
    pub const fn taken(&self) -> usize {
        self.head
    }

    /// The first.
    #[inline]
    #[must_use]
    pub fn first(&self) -> Option<&E> {
        self.slots.get(self.place(self.head))?.as_ref()
    }

    /// Entries that wait.
    #[inline]
    #[must_use]
    pub const fn len(&self) -> usize {
        self.tail.wrapping_sub(self.head)
    }

    /// Whether nothing waits.
    #[inline]
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The entries in queue order.
    pub fn iter(&self) -> impl Iterator<Item = &E> {
        let counts = 0..self.len();
        counts.filter_map(|count| self.slots[self.place(self.head.wrapping_add(count))].as_ref())
    }
}

fn empty<E>(slots: usize) -> Vec<Option<E>> {
    std::iter::repeat_with(|| None).take(slots).collect()
}

impl<E> Default for Fifo<E> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;

    #[test]
    fn a_burst_does_not_hold_its_memory() {
        let mut queue = Fifo::new();
        for entry in 0..10 * SLOTS_KEPT {
            queue.push(entry);
        }
        for entry in 0..10 * SLOTS_KEPT {
            assert_eq!(queue.pop(), Some(entry));
        }
        assert_eq!(queue.pop(), None);
        assert_eq!(queue.slots.len(), SLOTS_KEPT);
    }

    #[test]
    fn entries_keep_their_order_around_the_ring_and_while_it_grows() {
        let (mut queue, mut model) = (Fifo::new(), std::collections::VecDeque::new());
        for number in 0..5_000_u32 {
            for entry in 0..number % 7 {
                queue.push(Box::new((number, entry)));
                model.push_back(Box::new((number, entry)));
            }
            for _ in 0..number % 5 {
                assert_eq!(queue.pop(), model.pop_front());
            }
            assert_eq!(queue.len(), model.len());
        }
        assert!(queue.iter().eq(model.iter()));
    }
}
