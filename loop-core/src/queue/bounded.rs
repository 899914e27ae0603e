//! The bounded ring: any number of threads and signal handlers push, a taker takes, nobody waits for anybody.
//!
//! Producers interrupt each other anywhere, so a place is first *claimed*, by moving the tail with a
//! compare-and-swap, then filled, then *published*. Each slot's turn says what it is ready for, after Dmitry
//! Vyukov's bounded queue: lap `l` may claim it; the item of lap `l` is published in it; it was emptied, lap `l + 1`
//! may claim it. A take ends at a slot that is claimed and not published yet, and the next one goes on there.
//!
//! A take first claims all that is published with one compare-and-swap of the head and then empties it slot by
//! slot: so no item goes to two takers, and a taker pays once for many items.
//!
//! Positions count by two and wrap at 64 bits: the lowest bit of a turn says *published*, that of the tail
//! *closed*. All slots are usable: full and empty differ by the turn. The capacity is a power of two, so that
//! slots stay in step when positions wrap.
//!
//! A turn counts from the start of its lap, so that a ring of zeros is an empty ring: the slots come from the
//! allocator as zeros with the first push, and the system gives each page when it is used. Who pushes in signal
//! handlers calls [`Bounded::allocate`] before.
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

/// From one position to the next.
const STEP: u64 = 2;
/// In a turn: published. In the tail: closed.
const MARK: u64 = 1;

/// Alone in its cache line, and in the neighbour that the processor fetches with it.
#[derive(Debug)]
#[repr(align(128))]
struct Line<T>(T);

/// See the [module](self).
pub(crate) struct Bounded<T> {
    /// The next position to claim.
    tail: Line<AtomicU64>,
    /// The next position to take.
    head: Line<AtomicU64>,
    /// The first slot; null until there are any.
    slots: AtomicPtr<Slot<T>>,
    capacity: usize,
    /// The first position.
    start: u64,
}

pub(crate) struct Slot<T> {
    turn: AtomicU64,
    item: UnsafeCell<MaybeUninit<T>>,
}

/// Why nothing can be claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// Every slot is in use.
    Full,
    /// The ring was closed.
    Closed,
}

// SAFETY: the ring owns its items and gives them away whole; moving it moves them.
unsafe impl<T: Send> Send for Bounded<T> {}
// SAFETY: an item is reached by who claimed its slot alone: one producer until it published the slot, one taker
// from then on until it gave the slot back. No reference to an item is given out.
unsafe impl<T: Send> Sync for Bounded<T> {}

impl<T> Bounded<T> {
    /// An empty ring of `capacity` slots, a power of two.
    pub(crate) fn new(capacity: usize) -> Self {
        Self::starting_at(0, capacity)
    }

    /// The same, as if `start` items had been through it.
    pub(crate) fn starting_at(start: u64, capacity: usize) -> Self {
        debug_assert!(capacity.is_power_of_two());
        let start = start.wrapping_mul(STEP);
        Self {
            tail: Line(AtomicU64::new(start)),
            head: Line(AtomicU64::new(start)),
            slots: AtomicPtr::new(ptr::null_mut()),
            capacity,
            start,
        }
    }

    pub(crate) const fn capacity(&self) -> usize {
        self.capacity
    }

    /// Gets the slots now: no push allocates after this.
    #[cold]
    pub(crate) fn allocate(&self) -> *mut Slot<T> {
        let slots = new_slots(self.start, self.capacity);
        match self.slots.compare_exchange(ptr::null_mut(), slots, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => slots,
            Err(others) => {
                // SAFETY: these were made above, and nobody else has seen them.
                unsafe { free_slots(slots, self.capacity) };
                others
            }
        }
    }

    /// The slot of a position, in the ring's own slots.
    ///
    /// # Safety
    ///
    /// `slots` are this ring's.
    #[inline]
    unsafe fn slot(&self, slots: *mut Slot<T>, position: u64) -> &Slot<T> {
        let index = (position / STEP) as usize & (self.capacity - 1);
        // SAFETY: the capacity is a power of two, so the mask keeps the index in bounds; slots live as long as
        // their ring.
        unsafe { &*slots.add(index) }
    }

    /// The turn at which the slot of `position` can be claimed for it.
    #[inline]
    const fn lap(&self, position: u64) -> u64 {
        position & !(self.capacity as u64 * STEP - 1)
    }

    /// Claims the next slot, for the item to be put in. Sequentially consistent: see [`claims`](Self::claims).
    ///
    /// # Errors
    ///
    /// [`Refused`] where there is none.
    #[inline]
    pub(crate) fn claim(&self) -> Result<Claim<'_, T>, Refused> {
        let mut slots = self.slots.load(Ordering::Acquire);
        if slots.is_null() {
            slots = self.allocate();
        }
        let mut position = self.tail.0.load(Ordering::Relaxed);
        loop {
            if position & MARK != 0 {
                return Err(Refused::Closed);
            }
            // SAFETY: they are this ring's.
            let slot = unsafe { self.slot(slots, position) };
            let lap = self.lap(position);
            // Acquire: the taker has emptied the slot before it gave it back.
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
                behind if behind < 0 => return Err(Refused::Full),
                // Others moved the tail meanwhile.
                _ => position = self.tail.0.load(Ordering::Relaxed),
            }
        }
    }

    /// The position after the last one that was claimed. One total order has this and every claim in it.
    #[inline]
    pub(crate) fn claims(&self) -> u64 {
        look(&self.tail.0, Ordering::SeqCst) & !MARK
    }

    /// Whether all that was claimed is taken. What this thread does next comes after those takes.
    #[inline]
    pub(crate) fn is_drained(&self) -> bool {
        let claims = self.tail.0.load(Ordering::Relaxed) & !MARK;
        look(&self.head.0, Ordering::Acquire) == claims
    }

    /// Items that are in, those not published yet included.
    pub(crate) fn pending(&self) -> usize {
        let head = self.head.0.load(Ordering::Relaxed);
        let pending = (self.claims().wrapping_sub(head) / STEP) as usize;
        // Another thread than the taker's may see an old tail beside a new head.
        if pending > self.capacity() { 0 } else { pending }
    }

    /// A take that has taken nothing yet.
    #[inline]
    pub(crate) fn begin_take(&self) -> Taken<'_, T> {
        let head = self.head.0.load(Ordering::Relaxed);
        Taken { ring: self, next: head, end: head }
    }

    /// Takes the oldest item, where it is published.
    pub(crate) fn pop(&self) -> Option<T> {
        let mut taken = self.begin_take();
        let _ = taken.extend(taken.end.wrapping_add(STEP));
        taken.next()
    }

    /// Refuses every claim from now on; returns [`claims`](Self::claims), which is final.
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
            // SAFETY: they are this ring's, the ring is nobody else's any more, and the items are gone.
            unsafe { free_slots(slots, self.capacity) };
        }
    }
}

/// Empty slots for a ring whose first position is `start`.
fn new_slots<T>(start: u64, capacity: usize) -> *mut Slot<T> {
    #[cfg(not(loom))]
    if start == 0 {
        return zeroed_slots(capacity);
    }
    let lap = capacity as u64 * STEP;
    let slot = |index: u64| {
        // What comes before the start in its lap is claimed in the next one.
        let is_over = index * STEP < start & (lap - 1);
        let turn = (start & !(lap - 1)).wrapping_add(if is_over { lap } else { 0 });
        Slot { turn: AtomicU64::new(turn), item: UnsafeCell::new(MaybeUninit::uninit()) }
    };
    let slots: Box<[Slot<T>]> = (0..capacity as u64).map(slot).collect();
    Box::into_raw(slots).cast()
}

/// The same for a start of 0, from pages that the system has yet to give.
#[cfg(not(loom))]
fn zeroed_slots<T>(capacity: usize) -> *mut Slot<T> {
    use std::alloc::{Layout, alloc_zeroed, handle_alloc_error};
    let Ok(layout) = Layout::array::<Slot<T>>(capacity) else { unreachable!("capacities are small") };
    // SAFETY: a slot is not of size zero. Zeros are a slot: a turn of 0, and an item that is not there.
    let slots = unsafe { alloc_zeroed(layout) };
    if slots.is_null() {
        handle_alloc_error(layout);
    }
    slots.cast()
}

/// # Safety
///
/// `slots` came from [`new_slots`] with this capacity, nobody uses them any more, and no item is in them.
unsafe fn free_slots<T>(slots: *mut Slot<T>, capacity: usize) {
    // SAFETY: that is a box of a slice, by its layout and by the caller's promise.
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

/// A slot that is its holder's alone. One that is dropped unpublished would end every take there.
#[must_use = "no take gets past a slot that is not published"]
pub(crate) struct Claim<'a, T> {
    slot: &'a Slot<T>,
    lap: u64,
}

impl<T> Claim<'_, T> {
    /// Puts the item in and gives it to the taker.
    #[inline]
    pub(crate) fn publish(self, item: T) {
        // SAFETY: the position was claimed once, and the slot's turn said that it is empty: nobody reads or
        // writes it until the turn says that it is published.
        self.slot.item.with_mut(|slot| unsafe { (*slot).write(item) });
        self.slot.turn.store(self.lap | MARK, Ordering::Release);
    }
}

/// What a take claimed, oldest first. What is left in it when it is dropped is dropped.
pub(crate) struct Taken<'a, T> {
    ring: &'a Bounded<T>,
    next: u64,
    end: u64,
}

impl<T> Taken<'_, T> {
    /// Takes what is published before position `until`, as far as no unpublished one is in the way. Whether
    /// nothing before `until` is left.
    #[inline]
    pub(crate) fn extend(&mut self, until: u64) -> bool {
        let head = &self.ring.head.0;
        let is_left = |position: u64| until.wrapping_sub(position) as i64 > 0;
        let mut end = self.end;
        if is_left(end) {
            // Null: whoever claims what is left has only just made them, and published nothing yet.
            let slots = self.ring.slots.load(Ordering::Acquire);
            // SAFETY: they are this ring's.
            let turn = |position| unsafe { self.ring.slot(slots, position) }.turn.load(Ordering::Acquire);
            // Acquire: the item is in.
            while !slots.is_null() && is_left(end) && turn(end) == self.ring.lap(end) | MARK {
                end = end.wrapping_add(STEP);
            }
        }
        // Only a claim makes these slots this take's own. Where another take was faster, the rest is its. Release:
        // who then finds the ring drained comes after this.
        if head.compare_exchange(self.end, end, Ordering::Release, Ordering::Relaxed).is_err() {
            return true;
        }
        self.end = end;
        !is_left(end)
    }
}

impl<T> Taken<'_, T> {
    /// Takes what is published, a whole ring at most, as far as no unpublished one is in the way.
    #[inline]
    pub(crate) fn extend_by_a_lap(&mut self) {
        let lap = self.ring.capacity as u64 * STEP;
        let _ = self.extend(self.end.wrapping_add(lap));
    }
}

impl<T> Iterator for Taken<'_, T> {
    type Item = T;

    #[inline]
    fn next(&mut self) -> Option<T> {
        if self.next == self.end {
            return None;
        }
        // Relaxed: `extend` acquired it.
        let slots = self.ring.slots.load(Ordering::Relaxed);
        // SAFETY: they are this ring's, and not null: an item was published in one.
        let slot = unsafe { self.ring.slot(slots, self.next) };
        // SAFETY: `extend` saw this position published, and moved the head past it: the item is there, and
        // nobody else takes it. The slot is given back only below, so no producer writes to it meanwhile.
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

impl<T> ExactSizeIterator for Taken<'_, T> {}
impl<T> FusedIterator for Taken<'_, T> {}

impl<T> Drop for Taken<'_, T> {
    fn drop(&mut self) {
        self.for_each(drop);
    }
}
