//! The queue through which other threads post to the loop.
//!
//! There are three places, and an item goes to the first with room: a small bounded *ring*, which stays in the cache;
//! a large one, the *spill*, which has no memory until it is needed; and an unbounded *overflow*. A push to a ring is
//! one compare-and-swap and allocates nothing; only the overflow allocates. So no thread ever waits, nothing is lost,
//! and a loop that is briefly preempted does not slow its producers. The loop takes everything at once.
//!
//! # Order
//!
//! The items of one producer come out in the order it pushed them. Two rules ensure that. A producer pushes to a
//! place only if it finds all later places empty. The taker looks at the last place *first*, then at the one before,
//! then at the ring; and it takes from the ring first, then from the others, each only up to what it saw and only if
//! it took everything it saw in the places before. So, for a producer that pushes `a` to one place, then `b` to a
//! later one, then `c` to the first again:
//!
//! - *a before b*: the taker's look at the later place acquired `b`'s push, and `a` was claimed before that. So what
//!   the taker then saw in the first place contains `a`, and it took that before it took `b`.
//! - *b before c*: `c` was pushed because its producer found the later place empty, after its own `b`: it acquired
//!   the take that took `b`. That take had looked at the first place before, so `c` is not part of what it saw there.
//!
//! This holds with one taker at a time, as with a loop. Two concurrent takers would each get a part, with no item
//! twice and none lost.
#![expect(unsafe_code, reason = "links change hands between threads as raw pointers")]

mod overflow;

use std::fmt;
use std::iter::FusedIterator;
use std::ptr::NonNull;

use loop_probes::ids::{SourceId, Ticks};

use super::bounded::{Bounded, ClaimError, RingSlot, TakenItems};
use crate::sync::yield_now;
pub(crate) use overflow::Link;
use overflow::{Chain, Overflow};

#[cfg(test)]
#[cfg(loom)]
mod loom_tests;
#[cfg(test)]
#[cfg(not(loom))]
mod tests;

/// Bytes of the ring: a fraction of a level-2 cache.
const RING_BYTES: usize = 1 << 18;

/// Bytes of the spill: room for what producers push while a loop is preempted for a few milliseconds.
const SPILL_BYTES: usize = 1 << 23;

/// A queue with many pushing threads and one taking loop. See the [module](self).
///
/// # Examples
///
/// ```
/// use loop_core::low_level::queue::concurrent::ConcurrentQueue;
/// use loop_probes::ids::Ticks;
///
/// let queue = ConcurrentQueue::new();
/// queue.push("first", None, Ticks(1))?;
/// queue.push("second", None, Ticks(2))?;
/// let items: Vec<_> = queue.take_batch().map(|posted| posted.item).collect();
/// assert_eq!(items, ["first", "second"]);
/// # Ok::<(), loop_core::Closed<&str>>(())
/// ```
pub struct ConcurrentQueue<T> {
    ring: Bounded<Posted<T>>,
    spill: Bounded<Posted<T>>,
    overflow: Overflow<Posted<T>>,
}

/// A posted item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Posted<T> {
    /// The item.
    pub item: T,
    /// The emitter of the posting thread, if it has one.
    pub poster: Option<SourceId>,
    /// When it was posted.
    pub queued: Ticks,
}

/// The push came after the loop had ended. Hands the item back.
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the queue is closed: the loop that it belongs to has ended")]
pub struct Closed<T>(pub T);

impl<T> fmt::Debug for Closed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Closed(..)")
    }
}

impl<T> ConcurrentQueue<T> {
    /// An empty queue.
    #[must_use]
    pub fn new() -> Self {
        if cfg!(loom) {
            return Self::with_slots(2, 1);
        }
        let slots_in = |bytes: usize| 1 << (bytes / size_of::<RingSlot<Posted<T>>>()).max(16).ilog2();
        Self::with_slots(slots_in(RING_BYTES), slots_in(SPILL_BYTES))
    }

    /// An empty queue with the given numbers of slots in its ring and its spill, both powers of two.
    fn with_slots(ring: usize, spill: usize) -> Self {
        let (ring, spill) = (Bounded::new(ring), Bounded::new(spill));
        if cfg!(loom) {
            // The allocation of slots has a model of its own; here it would only multiply the interleavings.
            ring.allocate();
            spill.allocate();
        }
        Self { ring, spill, overflow: Overflow::new() }
    }

    /// Pushes `item`, as posted by `poster` at `queued`. Never blocks; allocates only while both rings are full.
    ///
    /// # Errors
    ///
    /// [`Closed`] with the item, once the queue is closed.
    #[inline]
    pub fn push(&self, item: T, poster: Option<SourceId>, queued: Ticks) -> Result<(), Closed<T>> {
        let posted = Posted { item, poster, queued };
        let refused = match self.push_to_ring(posted) {
            Ok(()) => return Ok(()),
            Err(posted) => self.overflow.push(posted),
        };
        refused.map_err(|posted| Closed(posted.item))
    }

    /// The same for an item that brings its own link: never allocates.
    ///
    /// # Safety
    ///
    /// `link` must be a [`Link::kept`] that is not in use, and must live until the item is taken: the item itself may
    /// be what keeps it alive.
    pub(crate) unsafe fn push_kept(
        &self,
        posted: Posted<T>,
        link: NonNull<Link<Posted<T>>>,
    ) -> Result<(), Closed<T>> {
        let refused = match self.push_to_ring(posted) {
            Ok(()) => return Ok(()),
            // SAFETY: the caller's promise is the one required.
            Err(posted) => unsafe { self.overflow.push_kept(posted, link) },
        };
        refused.map_err(|posted| Closed(posted.item))
    }

    /// Hands the item back if the overflow has to decide, which also knows whether the queue is closed.
    #[inline]
    fn push_to_ring(&self, posted: Posted<T>) -> Result<(), Posted<T>> {
        if self.overflow.is_in_use() {
            return Err(posted);
        }
        if self.spill.is_drained()
            && let Ok(claim) = self.ring.claim()
        {
            claim.publish(posted);
            return Ok(());
        }
        self.push_to_spill(posted)
    }

    #[cold]
    fn push_to_spill(&self, posted: Posted<T>) -> Result<(), Posted<T>> {
        match self.spill.claim() {
            Ok(claim) => {
                claim.publish(posted);
                Ok(())
            }
            Err(ClaimError::Full | ClaimError::Closed) => Err(posted),
        }
    }

    /// Takes everything in the queue, oldest first. If a producer is in the middle of a push, the items after that
    /// one wait for the next take.
    #[must_use = "the items are dropped with the batch"]
    pub fn take_batch(&self) -> Batch<'_, T> {
        let mut batch =
            Batch { ring: self.ring.begin_take(), spill: self.spill.begin_take(), overflow: Chain::empty() };
        let seen = self.overflow.look();
        if seen.is_empty() && self.spill.is_drained() {
            // Nothing can overtake: take what is published without touching the word that producers contend for.
            batch.ring.extend_by_a_lap();
            return batch;
        }
        let spilled = self.spill.claims();
        // Each only if nothing is left in the places before.
        let took_all = batch.ring.extend(self.ring.claims()) && batch.spill.extend(spilled);
        if took_all && !seen.is_empty() {
            // If others push concurrently, leave it to the next take, which has little else to take first.
            batch.overflow = self.overflow.take(&seen).unwrap_or_else(Chain::empty);
        }
        batch
    }

    /// Refuses every later push, and takes what is in the queue. Waits for pushes in progress.
    #[must_use = "the items are dropped with the batch"]
    pub fn close(&self) -> Batch<'_, T> {
        // The last place first: an item refused by a closed ring must be refused there too.
        let overflow = self.overflow.close();
        let spilled = self.spill.close();
        let claims = self.ring.close();
        let (mut ring, mut spill) = (self.ring.begin_take(), self.spill.begin_take());
        while !(ring.extend(claims) && spill.extend(spilled)) {
            yield_now();
        }
        Batch { ring, spill, overflow }
    }

    /// Whether the queue is empty at this very moment. After a loop announced its wait, any push not seen here finds
    /// that announcement.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ring.pending() == 0 && self.spill.pending() == 0 && self.overflow.is_empty()
    }

    /// Whether pushes are refused.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.overflow.is_closed()
    }
}

impl<T> Default for ConcurrentQueue<T> {
    fn default() -> Self {
        Self::new()
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

/// The items of one [`ConcurrentQueue::take_batch`], oldest first. Its length is the depth that the queue had.
pub struct Batch<'a, T> {
    ring: TakenItems<'a, Posted<T>>,
    spill: TakenItems<'a, Posted<T>>,
    overflow: Chain<Posted<T>>,
}

impl<T> Iterator for Batch<'_, T> {
    type Item = Posted<T>;

    #[inline]
    fn next(&mut self) -> Option<Posted<T>> {
        self.ring.next().or_else(|| self.spill.next()).or_else(|| self.overflow.next())
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let len = self.ring.len() + self.spill.len() + self.overflow.len();
        (len, Some(len))
    }
}

impl<T> ExactSizeIterator for Batch<'_, T> {}
impl<T> FusedIterator for Batch<'_, T> {}

impl<T> fmt::Debug for Batch<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch").field("len", &self.len()).finish_non_exhaustive()
    }
}
