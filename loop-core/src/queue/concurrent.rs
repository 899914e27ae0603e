//! The queue through which other threads post to the loop.
//!
//! A stack that any thread pushes onto with one compare-and-swap, and that the loop empties with another: the
//! batch is then reversed, so that each producer's items come out in the order it pushed them. Two things
//! follow from the loop taking everything at once. The push that finds the queue empty is the only one that
//! has to wake the loop, so wake-ups coalesce to one a batch with no flag beside the queue that could
//! disagree with it. And nobody ever takes a single node off a stack that others push onto, which is where
//! such stacks go wrong (the ABA problem).
//!
//! Every item lives in a node of its own, which goes with its item. Nodes that stay their owner's would be
//! a second way to make a node and a mark in it that says who frees it; nothing else here would change.
#![expect(unsafe_code, reason = "nodes change hands between threads as raw pointers")]

use std::fmt;
use std::iter::FusedIterator;
use std::marker::PhantomData;
use std::ptr;

use loop_probes::ids::{SourceId, Ticks};

use crate::sync::{AtomicPtr, Ordering};

#[cfg(test)]
#[cfg(loom)]
mod loom_tests;
#[cfg(test)]
#[cfg(not(loom))]
mod tests;

/// Many threads push, one loop takes. See the [module](self).
///
/// # Examples
///
/// ```
/// use loop_core::queue::concurrent::{ConcurrentQueue, Wakeup};
/// use loop_probes::ids::Ticks;
///
/// let queue = ConcurrentQueue::new();
/// assert_eq!(queue.push("first", None, Ticks(1)), Ok(Wakeup::Needed));
/// assert_eq!(queue.push("second", None, Ticks(2)), Ok(Wakeup::Coalesced));
/// let items: Vec<_> = queue.take_batch().map(|posted| posted.item).collect();
/// assert_eq!(items, ["first", "second"]);
/// ```
pub struct ConcurrentQueue<T> {
    /// The newest node; null when the queue is empty, [`closed`] when it takes no more.
    newest: AtomicPtr<Node<T>>,
    /// An `AtomicPtr` is `Send` whatever it points to, and this queue is not.
    _items: PhantomData<*mut T>,
}

struct Node<T> {
    posted: Posted<T>,
    older: *mut Node<T>,
}

/// An item as it was posted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Posted<T> {
    /// What was posted.
    pub item: T,
    /// The emitter of the thread that posted it, where it has one.
    pub poster: Option<SourceId>,
    /// When it was posted.
    pub queued: Ticks,
}

/// Whether the one who pushed has to wake the loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a loop that is not woken sleeps on a full queue"]
pub enum Wakeup {
    /// The queue was empty: wake the loop, now that the item is in.
    Needed,
    /// An earlier push of the same batch wakes it.
    Coalesced,
}

/// The push came after the loop ended. Hands the item back.
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the queue is closed: the loop that it belongs to has ended")]
pub struct Closed<T>(pub T);

impl<T> fmt::Debug for Closed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Closed(..)")
    }
}

// SAFETY: the queue owns its items and gives them away whole; it never gives out a reference to one. Moving it
// to another thread moves its items there.
unsafe impl<T: Send> Send for ConcurrentQueue<T> {}
// SAFETY: all that a shared queue does is to move items in and out, through one atomic word.
unsafe impl<T: Send> Sync for ConcurrentQueue<T> {}

/// The word of a closed queue: no node has an odd address.
fn closed<T>() -> *mut Node<T> {
    ptr::without_provenance_mut(1)
}

impl<T> ConcurrentQueue<T> {
    /// An empty queue.
    #[must_use]
    pub fn new() -> Self {
        Self { newest: AtomicPtr::new(ptr::null_mut()), _items: PhantomData }
    }

    /// Puts `item` in, as posted by `poster` at `queued`. Never blocks; allocates the item's node.
    ///
    /// # Errors
    ///
    /// [`Closed`] with the item, once the queue was closed.
    pub fn push(&self, item: T, poster: Option<SourceId>, queued: Ticks) -> Result<Wakeup, Closed<T>> {
        let mut found = self.newest.load(Ordering::Relaxed);
        if found == closed() {
            return Err(Closed(item));
        }
        let node = Box::into_raw(Box::new(Node { posted: Posted { item, poster, queued }, older: found }));
        loop {
            // Release hands the node over. An older node was released by its own push, and this exchange
            // continues that release sequence, so that one acquire at the taker covers the whole stack.
            match self.newest.compare_exchange_weak(found, node, Ordering::Release, Ordering::Relaxed) {
                Ok(_) if found.is_null() => return Ok(Wakeup::Needed),
                Ok(_) => return Ok(Wakeup::Coalesced),
                Err(now) if now == closed() => {
                    // SAFETY: `node` came out of a box above and was never published: it is still ours.
                    let node = unsafe { Box::from_raw(node) };
                    return Err(Closed(node.posted.item));
                }
                Err(now) => {
                    found = now;
                    // SAFETY: as above, nobody else has `node`.
                    unsafe { (*node).older = found };
                }
            }
        }
    }

    /// Takes everything that is in, oldest first. What is pushed from now on is the next batch, and its first
    /// push says [`Wakeup::Needed`].
    #[must_use = "the items are dropped with the batch"]
    pub fn take_batch(&self) -> Batch<T> {
        let mut found = self.newest.load(Ordering::Relaxed);
        // Not a plain swap: that would open a closed queue again.
        while !found.is_null() && found != closed() {
            let empty = ptr::null_mut();
            match self.newest.compare_exchange_weak(found, empty, Ordering::Acquire, Ordering::Relaxed) {
                Ok(_) => return Batch::from_newest(found),
                Err(now) => found = now,
            }
        }
        Batch::empty()
    }

    /// Refuses every push from now on, and takes what is in.
    #[must_use = "the items are dropped with the batch"]
    pub fn close(&self) -> Batch<T> {
        let found = self.newest.swap(closed(), Ordering::Acquire);
        if found == closed() { Batch::empty() } else { Batch::from_newest(found) }
    }

    /// Whether nothing is in, at this very moment.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let found = self.newest.load(Ordering::Relaxed);
        found.is_null() || found == closed()
    }

    /// Whether pushes are refused.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.newest.load(Ordering::Relaxed) == closed()
    }
}

impl<T> Default for ConcurrentQueue<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Drop for ConcurrentQueue<T> {
    fn drop(&mut self) {
        drop(self.close());
    }
}

impl<T> fmt::Debug for ConcurrentQueue<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConcurrentQueue")
            .field("is_empty", &self.is_empty())
            .field("is_closed", &self.is_closed())
            .finish_non_exhaustive()
    }
}

/// What one [`ConcurrentQueue::take_batch`] took, oldest first. Its length is the depth that the queue had.
pub struct Batch<T> {
    /// The oldest node that is left; its `older` was turned around and points to the next newer one.
    oldest: *mut Node<T>,
    len: usize,
}

// SAFETY: a batch owns its nodes alone; sending it sends the items.
unsafe impl<T: Send> Send for Batch<T> {}

impl<T> Batch<T> {
    const fn empty() -> Self {
        Self { oldest: ptr::null_mut(), len: 0 }
    }

    /// Owns the nodes from `newest` on, which must have been taken off a queue with acquire ordering.
    fn from_newest(newest: *mut Node<T>) -> Self {
        let mut batch = Self::empty();
        let mut next = newest;
        while !next.is_null() {
            let node = next;
            // SAFETY: `node` was published by a push and taken off the queue by the caller, so it is alive
            // and this function alone has it.
            next = unsafe { std::mem::replace(&mut (*node).older, batch.oldest) };
            batch.oldest = node;
            batch.len += 1;
        }
        batch
    }
}

impl<T> Iterator for Batch<T> {
    type Item = Posted<T>;

    fn next(&mut self) -> Option<Posted<T>> {
        if self.oldest.is_null() {
            return None;
        }
        // SAFETY: the batch owns its nodes, each came out of a box, and each leaves the list here, once.
        let node = unsafe { Box::from_raw(self.oldest) };
        self.oldest = node.older;
        self.len -= 1;
        Some(node.posted)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.len, Some(self.len))
    }
}

impl<T> ExactSizeIterator for Batch<T> {}
impl<T> FusedIterator for Batch<T> {}

impl<T> Drop for Batch<T> {
    fn drop(&mut self) {
        self.for_each(drop);
    }
}

impl<T> fmt::Debug for Batch<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch").field("len", &self.len).finish_non_exhaustive()
    }
}
