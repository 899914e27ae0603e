//! Immediates: callbacks that run once per tick as a batch. One that is set while the batch runs waits for the next
//! tick.

use std::collections::VecDeque;

use loop_probes::ids::TaskId;

use super::fifo::Queued;

#[derive(Debug)]
struct ImmediateEntry<T> {
    queued: Queued<T>,
    referenced: bool,
}

/// The immediates of the current batch and of the next.
#[derive(Debug)]
pub struct Immediates<T> {
    entries: VecDeque<ImmediateEntry<T>>,
    /// Entries at the front that belong to the running batch.
    batch: usize,
    referenced: usize,
}

impl<T> Immediates<T> {
    /// An empty queue.
    #[must_use]
    pub const fn new() -> Self {
        Self { entries: VecDeque::new(), batch: 0, referenced: 0 }
    }

    /// Sets an immediate for the next batch. It keeps the loop alive until it is unreferenced.
    pub fn set(&mut self, queued: Queued<T>) {
        self.referenced += 1;
        self.entries.push_back(ImmediateEntry { queued, referenced: true });
    }

    /// Removes an immediate. `None` if it already ran or never existed.
    pub fn clear(&mut self, id: TaskId) -> Option<Queued<T>> {
        let index = self.entries.iter().position(|entry| entry.queued.id == id)?;
        let entry = self.entries.remove(index)?;
        self.batch -= usize::from(index < self.batch);
        self.referenced -= usize::from(entry.referenced);
        Some(entry.queued)
    }

    /// Sets whether an immediate keeps the loop alive. Returns whether that changed; `None` if the immediate does not
    /// exist.
    pub fn set_referenced(&mut self, id: TaskId, referenced: bool) -> Option<bool> {
        let entry = self.entries.iter_mut().find(|entry| entry.queued.id == id)?;
        let was = std::mem::replace(&mut entry.referenced, referenced);
        self.referenced = self.referenced - usize::from(was) + usize::from(referenced);
        Some(was != referenced)
    }

    /// Makes all waiting immediates the current batch. Returns the size of the batch.
    pub fn begin_batch(&mut self) -> usize {
        self.batch = self.entries.len();
        self.batch
    }

    /// Takes the next immediate of the batch.
    pub fn next_of_batch(&mut self) -> Option<Queued<T>> {
        self.batch = self.batch.checked_sub(1)?;
        let entry = self.entries.pop_front()?;
        self.referenced -= usize::from(entry.referenced);
        Some(entry.queued)
    }

    /// Number of waiting immediates.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether no immediate waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Number of immediates that keep the loop alive.
    #[must_use]
    pub const fn referenced(&self) -> usize {
        self.referenced
    }

    /// All immediates in order; true means that the immediate keeps the loop alive.
    pub fn iter(&self) -> impl Iterator<Item = (&Queued<T>, bool)> {
        self.entries.iter().map(|entry| (&entry.queued, entry.referenced))
    }
}

impl<T> Default for Immediates<T> {
    fn default() -> Self {
        Self::new()
    }
}
