//! A bounded, lock-free ring: any number of threads and signal handlers push, and a taker takes.
//!
//! Producers can interrupt each other anywhere, so a slot is first *claimed*, by moving the tail with a
//! compare-and-swap, then filled, then *published*. Each slot has a turn, as in Dmitry Vyukov's bounded queue, with one
//! of three meanings: lap `l` may claim the slot; the slot holds the published item of lap `l`; the slot was emptied,
//! and lap `l + 1` may claim it. A take stops at a slot that is claimed but not published; the next take continues
//! there.
//!
//! A take claims all published items with one compare-and-swap of the head, then empties their slots one by one. So no
//! item goes to two takers, and a batch costs one compare-and-swap.
//!
//! Positions count by two and wrap at 64 bits: the lowest bit of a turn means *published*, that of the tail
//! *closed*. All slots are usable, since the turn distinguishes full from empty. The capacity is a power of two, so that
//! slots stay in step when positions wrap.
//!
//! A turn counts from the start of its lap, so that zeroed memory is an empty ring: the allocator returns zeroed
//! slots on the first push, and the system provides each page on first use. Code that pushes in signal handlers must
//! call [`Bounded::allocate`] beforehand.
#![expect(unsafe_code, reason = "items change hands between threads through the slots")]

use std::fmt;
use std::iter::FusedIterator;
use std::mem::MaybeUninit;
use std::ptr;

use crate::sync::{AtomicPtr, AtomicU64, Ordering, UnsafeCell, look};

#[cfg(test)]
#[cfg(loom)]
mod loom_tests;
#[cfg(test)]
#[cfg(not(loom))]
mod tests;

/// Distance between two positions.
const STEP: u64 = 2;
/// In a turn: published. In the tail: closed.
const MARK: u64 = 1;

/// Aligned to two cache lines, because the processor fetches lines in pairs.
#[derive(Debug)]
#[repr(align(128))]
struct CacheLine<T>(T);

/// A bounded, lock-free ring. See the [module](self).
pub(crate) struct Bounded<T> {
    /// The next position to claim.
    tail: CacheLine<AtomicU64>,
    /// The next position to take.
    head: CacheLine<AtomicU64>,
    /// The slots; null until they are allocated.
    slots: AtomicPtr<RingSlot<T>>,
    capacity: usize,
    /// Initial value of `head` and `tail`; not 0 only in tests.
    start: u64,
}

pub(crate) struct RingSlot<T> {
    turn: AtomicU64,
    item: UnsafeCell<MaybeUninit<T>>,
}

/// Why no slot can be claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ClaimError {
    /// Every slot is in use.
    Full,
    /// The ring was closed.
    Closed,
}

// SAFETY: the ring owns its items and gives them away whole, so moving the ring moves the items.
unsafe impl<T: Send> Send for Bounded<T> {}
// SAFETY: an item is only accessed by the owner of its slot: one producer until it publishes the slot, one taker
// from then on until it gives the slot back. No reference to an item is given out.
unsafe impl<T: Send> Sync for Bounded<T> {}

impl<T> Bounded<T> {
    /// An empty ring of `capacity` slots, a power of two.
    pub(crate) fn new(capacity: usize) -> Self {
        Self::starting_at(0, capacity)
    }

    /// An empty ring with initial position `start`, to test the wrap of positions.
    pub(crate) fn starting_at(start: u64, capacity: usize) -> Self {
        debug_assert!(capacity.is_power_of_two());
        let start = start.wrapping_mul(STEP);
        Self {
            tail: CacheLine(AtomicU64::new(start)),
            head: CacheLine(AtomicU64::new(start)),
            slots: AtomicPtr::new(ptr::null_mut()),
            capacity,
            start,
        }
    }

    pub(crate) const fn capacity(&self) -> usize {
        self.capacity
    }

    /// Allocates the slots now: no push allocates after this.
    #[cold]
    pub(crate) fn allocate(&self) -> *mut RingSlot<T> {
        let slots = new_slots(self.start, self.capacity);
        match self.slots.compare_exchange(ptr::null_mut(), slots, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => slots,
            Err(others) => {
                // SAFETY: these slots were allocated above and never shared.
                unsafe { free_slots(slots, self.capacity) };
                others
            }
        }
    }

    /// The slot of `position`.
    ///
    /// # Safety
    ///
    /// `slots` must be this ring's.
    #[inline]
    unsafe fn slot(&self, slots: *mut RingSlot<T>, position: u64) -> &RingSlot<T> {
        let index = (position / STEP) as usize & (self.capacity - 1);
        // SAFETY: the capacity is a power of two, so the mask keeps the index in bounds; slots live as long as their
        // ring.
        unsafe { &*slots.add(index) }
    }

    /// The value of the slot's turn at which `position` can claim it.
    #[inline]
    const fn lap(&self, position: u64) -> u64 {
        position & !(self.capacity as u64 * STEP - 1)
    }

    /// Claims the next slot. Sequentially consistent: see [`claims`](Self::claims).
    ///
    /// # Errors
    ///
    /// [`ClaimError`] if the ring is full or closed.
    #[inline]
    pub(crate) fn claim(&self) -> Result<Claim<'_, T>, ClaimError> {
        let mut slots = self.slots.load(Ordering::Acquire);
        if slots.is_null() {
            slots = self.allocate();
        }
        let mut position = self.tail.0.load(Ordering::Relaxed);
        loop {
            if position & MARK != 0 {
                return Err(ClaimError::Closed);
            }
            // SAFETY: `slots` are this ring's.
            let slot = unsafe { self.slot(slots, position) };
            let lap = self.lap(position);
            // Acquire: the taker emptied the slot before giving it back.
            let turn = slot.turn.load(Ordering::Acquire);
            match turn.wrapping_sub(lap) as i64 {
                0 => {
                    let next = position.wrapping_add(STEP);
                    match self.tail.0.compare_exchange_weak(
                        position,
                        next,
                        Ordering::SeqCst,
                        Ordering::Relaxed,
                    ) {
                        Ok(_) => return Ok(Claim { slot, lap }),
                        Err(now) => position = now,
                    }
                }
                behind if behind < 0 => return Err(ClaimError::Full),
                // Another producer moved the tail.
                _ => position = self.tail.0.load(Ordering::Relaxed),
            }
        }
    }

    /// The position after the last claim. This load and all claims are in one total order.
    #[inline]
    pub(crate) fn claims(&self) -> u64 {
        look(&self.tail.0, Ordering::SeqCst) & !MARK
    }

    /// Whether every claimed item has been taken. Later operations of this thread are ordered after those takes.
    #[inline]
    pub(crate) fn is_drained(&self) -> bool {
        let claims = self.tail.0.load(Ordering::Relaxed) & !MARK;
        look(&self.head.0, Ordering::Acquire) == claims
    }

    /// Number of items in the ring, including those not yet published.
    pub(crate) fn pending(&self) -> usize {
        let head = self.head.0.load(Ordering::Relaxed);
        let pending = (self.claims().wrapping_sub(head) / STEP) as usize;
        // A thread other than the taker may see an old tail beside a new head.
        if pending > self.capacity() { 0 } else { pending }
    }

    /// Begins a take that has claimed nothing yet.
    #[inline]
    pub(crate) fn begin_take(&self) -> TakenItems<'_, T> {
        let head = self.head.0.load(Ordering::Relaxed);
        TakenItems { ring: self, next: head, end: head }
    }

    /// Takes the oldest item, if it is published.
    pub(crate) fn pop(&self) -> Option<T> {
        let mut taken = self.begin_take();
        let _ = taken.extend(taken.end.wrapping_add(STEP));
        taken.next()
    }

    /// Refuses every later claim; returns [`claims`](Self::claims), which is now final.
    pub(crate) fn close(&self) -> u64 {
        self.tail.0.fetch_or(MARK, Ordering::SeqCst) & !MARK
    }
}

impl<T> Drop for Bounded<T> {
    fn drop(&mut self) {
        let claims = self.claims();
        let _ = self.begin_take().extend(claims);
        let slots = self.slots.load(Ordering::Acquire);
        if !slots.is_null() {
            // SAFETY: `slots` are this ring's and hold no items, and `drop` has exclusive access.
            unsafe { free_slots(slots, self.capacity) };
        }
    }
}

/// Allocates empty slots for a ring with initial position `start`.
fn new_slots<T>(start: u64, capacity: usize) -> *mut RingSlot<T> {
    #[cfg(not(loom))]
    if start == 0 {
        return zeroed_slots(capacity);
    }
    let lap = capacity as u64 * STEP;
    let slot = |index: u64| {
        // In the first lap, slots before `start` are skipped: they are first claimed in the next lap.
        let is_over = index * STEP < start & (lap - 1);
        let turn = (start & !(lap - 1)).wrapping_add(if is_over { lap } else { 0 });
        RingSlot { turn: AtomicU64::new(turn), item: UnsafeCell::new(MaybeUninit::uninit()) }
    };
    let slots: Box<[RingSlot<T>]> = (0..capacity as u64).map(slot).collect();
    Box::into_raw(slots).cast()
}

/// Allocates empty slots for a ring that starts at 0, in pages that the system provides on first use.
#[cfg(not(loom))]
fn zeroed_slots<T>(capacity: usize) -> *mut RingSlot<T> {
    use std::alloc::{Layout, alloc_zeroed, handle_alloc_error};
    let Ok(layout) = Layout::array::<RingSlot<T>>(capacity) else { unreachable!("capacities are small") };
    // SAFETY: a slot is not zero-sized. All zeros is a valid slot: a turn of 0, and no item.
    let slots = unsafe { alloc_zeroed(layout) };
    if slots.is_null() {
        handle_alloc_error(layout);
    }
    slots.cast()
}

/// # Safety
///
/// `slots` must come from [`new_slots`] with this capacity, must no longer be in use, and must hold no items.
unsafe fn free_slots<T>(slots: *mut RingSlot<T>, capacity: usize) {
    // SAFETY: the caller promises that `new_slots` allocated them, with the layout of a boxed slice.
    drop(unsafe { Box::from_raw(ptr::slice_from_raw_parts_mut(slots, capacity)) });
}

impl<T> fmt::Debug for Bounded<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bounded")
            .field("pending", &self.pending())
            .field("capacity", &self.capacity())
            .finish_non_exhaustive()
    }
}

/// A claimed slot, owned exclusively by the holder. It must be published: every take stops at an unpublished slot.
#[must_use = "takes stop at a slot that is claimed but not published"]
pub(crate) struct Claim<'a, T> {
    slot: &'a RingSlot<T>,
    lap: u64,
}

impl<T> Claim<'_, T> {
    /// Stores the item and hands it to the taker.
    #[inline]
    pub(crate) fn publish(self, item: T) {
        // SAFETY: the position was claimed once, and the slot's turn said that it is empty: no other thread accesses
        // the item until the turn says that it is published.
        self.slot.item.with_mut(|slot| unsafe { (*slot).write(item) });
        self.slot.turn.store(self.lap | MARK, Ordering::Release);
    }
}

/// The items claimed by a take, oldest first. Dropping it drops the remaining items.
pub(crate) struct TakenItems<'a, T> {
    ring: &'a Bounded<T>,
    next: u64,
    end: u64,
}

impl<T> TakenItems<'_, T> {
    /// Claims items published before position `until`, up to the first unpublished one. Returns true if nothing
    /// before `until` is left to take.
    #[inline]
    pub(crate) fn extend(&mut self, until: u64) -> bool {
        let head = &self.ring.head.0;
        let is_left = |position: u64| until.wrapping_sub(position) as i64 > 0;
        let mut end = self.end;
        if is_left(end) {
            // Null means that the claiming producer has not published anything: this thread does not see its
            // allocation yet.
            let slots = self.ring.slots.load(Ordering::Acquire);
            // SAFETY: `slots` are this ring's.
            let turn = |position| unsafe { self.ring.slot(slots, position) }.turn.load(Ordering::Acquire);
            // Acquire: pairs with the release in `publish`, which stored the item.
            while !slots.is_null() && is_left(end) && turn(end) == self.ring.lap(end) | MARK {
                end = end.wrapping_add(STEP);
            }
        }
        // Moving the head makes these slots this take's own. If that fails, another take got them.
        // Release: pairs with the acquire in `is_drained`.
        if head.compare_exchange(self.end, end, Ordering::Release, Ordering::Relaxed).is_err() {
            return true;
        }
        self.end = end;
        !is_left(end)
    }
}

impl<T> TakenItems<'_, T> {
    /// Claims published items, at most the ring's capacity, up to the first unpublished one.
    #[inline]
    pub(crate) fn extend_by_a_lap(&mut self) {
        let lap = self.ring.capacity as u64 * STEP;
        let _ = self.extend(self.end.wrapping_add(lap));
    }
}

impl<T> Iterator for TakenItems<'_, T> {
    type Item = T;

    #[inline]
    fn next(&mut self) -> Option<T> {
        if self.next == self.end {
            return None;
        }
        // Relaxed: `extend` acquired it.
        let slots = self.ring.slots.load(Ordering::Relaxed);
        // SAFETY: `slots` are this ring's, and not null, since an item was published in one.
        let slot = unsafe { self.ring.slot(slots, self.next) };
        // SAFETY: `extend` saw this position published and moved the head past it: the item is there, and no other
        // take gets it. The slot is given back only below, so no producer writes to it before that.
        let item = slot.item.with_mut(|slot| unsafe { (*slot).assume_init_read() });
        let next_lap = self.ring.lap(self.next).wrapping_add(STEP * self.ring.capacity as u64);
        slot.turn.store(next_lap, Ordering::Release);
        self.next = self.next.wrapping_add(STEP);
        Some(item)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let len = (self.end.wrapping_sub(self.next) / STEP) as usize;
        (len, Some(len))
    }
}

impl<T> ExactSizeIterator for TakenItems<'_, T> {}
impl<T> FusedIterator for TakenItems<'_, T> {}

impl<T> Drop for TakenItems<'_, T> {
    fn drop(&mut self) {
        self.for_each(drop);
    }
}
