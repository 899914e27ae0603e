//! The virtual heap. A test sets its size, and a collection keeps only live data.

use std::cell::Cell;
use std::rc::Rc;

use crate::gc::Heap;

/// A heap with a settable size. A collection keeps only live data. Clones share the same heap.
///
/// # Examples
///
/// ```
/// use loop_core::gc::Heap;
/// use loop_core::sim::SimHeap;
///
/// let mut heap = SimHeap::with_live(100);
/// heap.clone().grow(250);
/// assert_eq!(heap.bytes(), 250);
/// heap.collect();
/// assert_eq!(heap.bytes(), 100);
/// ```
#[derive(Clone, Debug, Default)]
pub struct SimHeap(Rc<Sizes>);

/// Sizes in bytes.
#[derive(Debug, Default)]
struct Sizes {
    now: Cell<u64>,
    live: Cell<u64>,
}

impl SimHeap {
    /// An empty heap of which collections keep at most `bytes`.
    #[must_use]
    pub fn with_live(bytes: u64) -> Self {
        let heap = Self::default();
        heap.set_live(bytes);
        heap
    }

    /// Sets the current size.
    pub fn set(&self, bytes: u64) {
        self.0.now.set(bytes);
    }

    /// Grows the heap by `bytes`.
    pub fn grow(&self, bytes: u64) {
        self.set(self.bytes().saturating_add(bytes));
    }

    /// Sets how many bytes at most later collections keep.
    pub fn set_live(&self, bytes: u64) {
        self.0.live.set(bytes);
    }
}

impl Heap for SimHeap {
    fn bytes(&self) -> u64 {
        self.0.now.get()
    }

    fn collect(&mut self) {
        self.set(self.bytes().min(self.0.live.get()));
    }
}
