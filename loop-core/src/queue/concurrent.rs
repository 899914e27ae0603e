//! The queue through which other threads post to the loop.
//!
//! An item goes to the first of three places that has room: a small bounded *ring*, which stays in the cache; a large
//! ring, the *spill*, whose memory is provided on first use; and an unbounded *overflow*. A push to a ring is one
//! compare-and-swap and allocates nothing; only the overflow allocates. So no producer waits, no item is lost,
//! and a loop that is briefly preempted does not slow its producers. The loop takes all items at once.
//!
//! # Order
//!
//! The items of one producer come out in the order in which it pushed them. Two rules ensure this:
//!
//! 1. A producer pushes to a place only if it finds all later places empty.
//! 2. A taker first looks at the places from last to first, then takes from first to last. From each place it takes
//!    only items that it saw when it looked, and only if it took all that it saw in the places before.
//!
//! Suppose a producer pushes `a` to one place, then `b` to a later one, then `c` to the first place again:
//!
//! - *`a` before `b`*: the taker's look at the later place acquired the push of `b`, and `a` was claimed before that. So
//!   the taker, which looks at the first place afterwards, sees `a` there, and takes it before `b`.
//! - *`b` before `c`*: the producer pushed `c` to the first place because it found the later place empty. So it acquired
//!   the take of `b`, which had looked at the first place earlier and so did not see `c` there.
//!
//! This requires one taker at a time, as with a loop. Of two concurrent takers each would get a part of the items, none
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
    /// The item that was posted.
    pub item: T,
    /// Emitter of the posting thread, if known.
    pub poster: Option<SourceId>,
    /// When it was posted.
    pub queued: Ticks,
}

/// The loop had already ended. Hands the item back.
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

    /// An empty queue with `ring` and `spill` slots, both powers of two.
    fn with_slots(ring: usize, spill: usize) -> Self {
        let (ring, spill) = (Bounded::new(ring), Bounded::new(spill));
        if cfg!(loom) {
            // Another model covers the allocation of slots; here it would only multiply the interleavings.
            ring.allocate();
            spill.allocate();
        }
        Self { ring, spill, overflow: Overflow::new() }
    }

    /// Pushes `item`, posted by `poster` at `queued`. Never blocks. Allocates only while both rings are full.
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

    /// Pushes `item` with a link that the caller provides, so that the push never allocates.
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
            // SAFETY: the caller promises the same.
            Err(posted) => unsafe { self.overflow.push_kept(posted, link) },
        };
        refused.map_err(|posted| Closed(posted.item))
    }

    /// Hands the item back if it must go to the overflow, which also checks whether the queue is closed.
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

    /// Takes all items, oldest first. If a producer is in the middle of a push, that item and those behind it are left
    /// for the next take.
    #[must_use = "the items are dropped with the batch"]
    pub fn take_batch(&self) -> Batch<'_, T> {
        let mut batch =
            Batch { ring: self.ring.begin_take(), spill: self.spill.begin_take(), overflow: Chain::empty() };
        let seen = self.overflow.look();
        if seen.is_empty() && self.spill.is_drained() {
            // Later places are empty, so nothing can overtake: take published items without touching the tail, which
            // producers contend for.
            batch.ring.extend_by_a_lap();
            return batch;
        }
        let spilled = self.spill.claims();
        // From each place only if nothing is left in the places before.
        let took_all = batch.ring.extend(self.ring.claims()) && batch.spill.extend(spilled);
        if took_all && !seen.is_empty() {
            // If other threads pushed since the look, the exchange fails: leave the overflow to the next take.
            batch.overflow = self.overflow.take(&seen).unwrap_or_else(Chain::empty);
        }
        batch
    }

    /// Refuses later pushes, and takes all remaining items. Waits for pushes in progress.
    #[must_use = "the items are dropped with the batch"]
    pub fn close(&self) -> Batch<'_, T> {
        // The overflow first: an item that a closed ring refuses must be refused there too.
        let overflow = self.overflow.close();
        let spilled = self.spill.close();
        let claims = self.ring.close();
        let (mut ring, mut spill) = (self.ring.begin_take(), self.spill.begin_take());
        while !(ring.extend(claims) && spill.extend(spilled)) {
            yield_now();
        }
        Batch { ring, spill, overflow }
    }

    /// Whether the queue is empty now. If the loop announced its wait before this call, every push that the call does
    /// not see will see the announcement.
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

/// The items of one [`ConcurrentQueue::take_batch`], oldest first.
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
