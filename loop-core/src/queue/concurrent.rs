//! The queue through which other threads post to the loop.
//!
//! A bounded ring is the fast path: a push is one compare-and-swap and allocates nothing. While the ring is full,
//! pushes go to an unbounded overflow, so nobody ever waits and nothing is lost. The loop takes everything at
//! once: what is published in the ring, then the overflow.
//!
//! # Order
//!
//! The items of one producer come out as it pushed them. Two rules make it so. A producer pushes to the ring
//! only when it finds the overflow empty. The taker looks at the newest link of the overflow *first*, then takes
//! the ring up to the claims that it sees, and takes the overflow only if all of those were published and that
//! link is still the newest. So, for a producer that pushes `a` to the ring, then `b` to the overflow, then `c` to
//! the ring:
//!
//! - *a before b*: the taker's look acquired `b`'s push, and `a` was claimed before that. So the claims that
//!   the taker saw afterwards contain `a`, and it took the ring that far before it took `b`.
//! - *b before c*: `c` was pushed because its producer found the overflow empty, after its own `b`: it acquired
//!   the take that took `b`. The claims of that take were read before, so they do not contain `c`.
//!
//! This holds with one taker at a time, as a loop is. Two that take at the same time would each get a part, no
//! item twice and none lost.
#![expect(unsafe_code, reason = "links change hands between threads as raw pointers")]

mod overflow;

use std::fmt;
use std::iter::FusedIterator;
use std::ptr::NonNull;

use loop_probes::ids::{SourceId, Ticks};

use super::bounded::{Bounded, Refused, Slot, Taken};
use crate::sync::yield_now;
pub(crate) use overflow::Link;
use overflow::{Chain, Overflow};

#[cfg(test)]
#[cfg(loom)]
mod loom_tests;
#[cfg(test)]
#[cfg(not(loom))]
mod tests;

/// Bytes of a queue's ring: a share of a second-level cache. It holds what arrives while the loop is kept from its
/// core for a moment; the system gives the pages as they are used, and none to a loop that nobody posts to.
const RING_BYTES: usize = 1 << 20;

/// How often a take looks again at an overflow that others push onto, before it leaves it to the next take.
const LOOKS: u32 = 16;

/// Many threads push, one loop takes. See the [module](self).
///
/// # Examples
///
/// ```
/// use loop_core::queue::concurrent::ConcurrentQueue;
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
    overflow: Overflow<T>,
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

/// The push came after the loop ended. Hands the item back.
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the queue is closed: the loop that it belongs to has ended")]
pub struct Closed<T>(pub T);

impl<T> fmt::Debug for Closed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Closed(..)")
    }
}

impl<T> ConcurrentQueue<T> {
    /// Slots of a queue's ring: a mebibyte of them, at least 64.
    pub const SLOTS: usize = {
        let fitting = RING_BYTES / size_of::<Slot<Posted<T>>>();
        let slots = if fitting < 64 { 64 } else { 1 << fitting.ilog2() };
        if cfg!(loom) { 2 } else { slots }
    };

    /// An empty queue, with a ring of [`SLOTS`](Self::SLOTS).
    #[must_use]
    pub fn new() -> Self {
        Self::with_slots(Self::SLOTS)
    }

    /// An empty queue whose ring has at least so many slots.
    #[must_use]
    pub fn with_slots(slots: usize) -> Self {
        Self { ring: Bounded::new(slots.next_power_of_two()), overflow: Overflow::new() }
    }

    /// Puts `item` in, as posted by `poster` at `queued`. Never blocks; allocates only while the ring is full.
    ///
    /// # Errors
    ///
    /// [`Closed`] with the item, once the queue was closed.
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
    /// `link` is a [`Link::kept`] that nothing is in, and lives until the item was taken: the item may be what
    /// keeps it alive.
    pub(crate) unsafe fn push_kept(
        &self,
        posted: Posted<T>,
        link: NonNull<Link<T>>,
    ) -> Result<(), Closed<T>> {
        let refused = match self.push_to_ring(posted) {
            Ok(()) => return Ok(()),
            // SAFETY: the caller's promise is the one asked for.
            Err(posted) => unsafe { self.overflow.push_kept(posted, link) },
        };
        refused.map_err(|posted| Closed(posted.item))
    }

    /// Hands it back where the overflow has to decide: it knows whether the queue is closed, too.
    #[inline]
    fn push_to_ring(&self, posted: Posted<T>) -> Result<(), Posted<T>> {
        if self.overflow.is_in_use() {
            return Err(posted);
        }
        match self.ring.claim() {
            Ok(claim) => {
                claim.publish(posted);
                Ok(())
            }
            Err(Refused::Full | Refused::Closed) => Err(posted),
        }
    }

    /// Takes everything that is in, oldest first. Behind an item whose producer is in the middle of pushing it,
    /// what follows waits for the next take.
    #[must_use = "the items are dropped with the batch"]
    pub fn take_batch(&self) -> Batch<'_, T> {
        let mut ring = self.ring.begin_take();
        for _ in 0..LOOKS {
            let seen = self.overflow.look();
            let is_whole = ring.extend(self.ring.claims());
            if seen.is_empty() || !is_whole {
                break;
            }
            if let Some(overflow) = self.overflow.take(&seen) {
                return Batch { ring, overflow };
            }
        }
        if ring.len() == 0 && !self.is_empty() {
            // A producer was interrupted in the middle of its push: let it finish.
            yield_now();
        }
        Batch { ring, overflow: Chain::empty() }
    }

    /// Refuses every push from now on, and takes what is in. Waits for pushes that are under way.
    #[must_use = "the items are dropped with the batch"]
    pub fn close(&self) -> Batch<'_, T> {
        // The overflow first: what the closed ring refuses is refused there, too.
        let overflow = self.overflow.close();
        let claims = self.ring.close();
        let mut ring = self.ring.begin_take();
        while !ring.extend(claims) {
            yield_now();
        }
        Batch { ring, overflow }
    }

    /// Whether nothing is in, at this very moment. For a loop that announced its wait, nothing comes in after
    /// this without finding that announcement: see [`crate::wake_up`].
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ring.pending() == 0 && self.overflow.is_empty()
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

/// What one [`ConcurrentQueue::take_batch`] took, oldest first. Its length is the depth that the queue had.
pub struct Batch<'a, T> {
    ring: Taken<'a, Posted<T>>,
    overflow: Chain<T>,
}

impl<T> Iterator for Batch<'_, T> {
    type Item = Posted<T>;

    #[inline]
    fn next(&mut self) -> Option<Posted<T>> {
        self.ring.next().or_else(|| self.overflow.next())
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let len = self.ring.len() + self.overflow.len();
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
