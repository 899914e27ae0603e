//! A FIFO queue, and a queued task with the data that its record needs.

use loop_probes::event::Origin;
use loop_probes::ids::{Tag, TaskId, Ticks};

/// A queued task and its origin.
#[derive(Debug)]
pub struct Queued<W> {
    /// The task to run.
    pub task: W,
    /// The task's id.
    pub id: TaskId,
    /// The task's tag.
    pub tag: Tag,
    /// What queued the task.
    pub origin: Origin,
    /// The signal's number if a signal queued the task, otherwise 0.
    pub signo: u8,
    /// When the task was queued; for a signal, when the signal arrived.
    pub queued: Ticks,
}

/// Slots that an empty queue may keep. A burst must not hold memory forever, but a normal tick's tasks must not make
/// the queue shrink and grow in each tick.
const SLOTS_KEPT: usize = 16_384;

/// A FIFO queue: a ring of slots, at least one of which is free.
///
/// The queue grows after a push, not before: otherwise the compiler would spill the entry to memory around an
/// allocation that may fail, which costs more than the push.
#[derive(Debug)]
pub struct Fifo<E> {
    /// The length is a power of two.
    slots: Vec<Option<E>>,
    /// Number of entries taken since the last rewind. Modulo the number of slots, the index of the first entry.
    head: usize,
    /// Number of entries added since the last rewind.
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

    /// Adds an entry at the end.
    #[inline]
    pub fn push(&mut self, entry: E) {
        let place = self.place(self.tail);
        let Some(slot) = self.slots.get_mut(place) else {
            debug_assert!(false, "a place is less than the slots");
            return std::mem::forget(entry);
        };
        // The slot is empty, so there is nothing to drop.
        std::mem::forget(slot.replace(entry));
        self.tail = self.tail.wrapping_add(1);
        if self.len() == self.slots.len() {
            self.resize(2 * self.len());
        }
    }

    /// Takes the first entry.
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

    /// Goes back to the first slot if the queue is empty, since the first slots are still in the cache. Also resets
    /// [`taken`](Self::taken).
    pub fn rewind(&mut self) {
        if self.is_empty() {
            (self.head, self.tail) = (0, 0);
        }
    }

    /// Number of entries taken since the last rewind, modulo `usize`.
    #[inline]
    #[must_use]
    pub const fn taken(&self) -> usize {
        self.head
    }

    /// The oldest entry, which is taken next; `None` if the queue is empty.
    #[inline]
    #[must_use]
    pub fn first(&self) -> Option<&E> {
        self.slots.get(self.place(self.head))?.as_ref()
    }

    /// Number of queued entries.
    #[inline]
    #[must_use]
    pub const fn len(&self) -> usize {
        self.tail.wrapping_sub(self.head)
    }

    /// Whether the queue is empty.
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
