//! The writing side: wait-free, no allocation, no lock, no system call.

use std::ops::Deref;
use std::sync::atomic::{AtomicU64, Ordering};

use super::{STAMP_WORD, Slots, lap_of};
use crate::record::{Packed, Record};

/// A writer's position. Only its thread touches it; it is atomic so that a recorder used by two threads by mistake
/// writes garbage rather than causing undefined behaviour.
#[derive(Debug, Default)]
#[repr(C)]
pub(crate) struct Position {
    /// The sequence number of the next record.
    next: AtomicU64,
    /// The sequence number up to which records may be written without a further check: the end of the lap, or of
    /// what a lossless reader has drained. 0 in a forked process (see [`fork_guard`](crate::fork_guard)), and once
    /// the session is off.
    limit: AtomicU64,
    /// The lap of `next`, in the upper half, as in a stamp.
    lap: AtomicU64,
}

/// Writes to a ring, on one thread. `P` holds the position.
#[derive(Debug)]
pub(crate) struct Writer<S, P> {
    slots: S,
    position: P,
}

impl<S: Slots, P: Deref<Target = Position>> Writer<S, P> {
    /// Continues after `written` records, with room up to sequence number `gate`.
    pub(crate) fn new(slots: S, position: P, written: u64, gate: u64) -> Self {
        let writer = Self { slots, position };
        writer.position.next.store(written, Ordering::Relaxed);
        writer.open(gate);
        writer
    }

    /// The sequence number of the next record, which is also the number of records written.
    #[inline(always)]
    pub(crate) fn written(&self) -> u64 {
        self.position.next.load(Ordering::Relaxed)
    }

    /// Number of records that the ring holds.
    pub(crate) fn capacity(&self) -> u64 {
        1 << self.slots.shift()
    }

    /// False in a process forked from the one that opened the ring, and once it was [shut](Self::shut).
    #[inline(always)]
    pub(crate) fn is_ours(&self) -> bool {
        self.position.limit.load(Ordering::Relaxed) != 0
    }

    /// Writes nothing from now on, like in a forked process.
    pub(crate) fn shut(&self) {
        self.position.limit.store(0, Ordering::Relaxed);
    }

    /// The slots that this writer fills.
    pub(crate) const fn slots(&self) -> &S {
        &self.slots
    }

    /// Writes an event of one record. Returns false, and writes nothing, if the event is longer or a check is due
    /// ([`open`](Self::open), [`write`](Self::write)).
    #[inline(always)]
    pub(crate) fn write_short(&self, packed: &Packed) -> bool {
        let sequence = self.position.next.load(Ordering::Relaxed);
        let Some([time, stamp, low, high]) = packed.single() else { return false };
        if sequence >= self.position.limit.load(Ordering::Relaxed) {
            return false;
        }
        let lap = self.position.lap.load(Ordering::Relaxed);
        self.put(sequence, [time, stamp | lap, low, high]);
        self.position.next.store(sequence + 1, Ordering::Relaxed);
        true
    }

    /// Writes an event of any length. The caller must have made room.
    pub(crate) fn write(&self, packed: &Packed) {
        let mut sequence = self.written();
        for index in 0..packed.parts() {
            self.put(sequence, packed.record(index, lap_of(sequence, self.slots.shift())));
            sequence += 1;
        }
        self.position.next.store(sequence, Ordering::Relaxed);
    }

    /// Allows short records up to sequence number `gate`, or the end of the lap if that is nearer.
    pub(crate) fn open(&self, gate: u64) {
        let (sequence, shift) = (self.written(), self.slots.shift());
        let lap_end = ((sequence >> shift) + 1) << shift;
        self.position.lap.store(u64::from(lap_of(sequence, shift)) << 32, Ordering::Relaxed);
        // 0 would mean "forked".
        self.position.limit.store(lap_end.min(gate).max(1), Ordering::Relaxed);
    }

    #[inline(always)]
    fn put(&self, sequence: u64, record: Record) {
        // The slot becomes invalid before any of its words changes, and valid again after the last one has.
        self.slots.store(sequence, STAMP_WORD, 0, Ordering::Relaxed);
        self.slots.fence(Ordering::Release);
        self.slots.store(sequence, 0, record[0] ^ self.slots.mark(), Ordering::Relaxed);
        self.slots.store(sequence, 2, record[2], Ordering::Relaxed);
        self.slots.store(sequence, 3, record[3], Ordering::Relaxed);
        self.slots.store(sequence, STAMP_WORD, record[1], Ordering::Release);
    }
}
