//! The flight recorder: a ring of 32-byte records with one writing thread and any number of readers.
//!
//! ```text
//! writer, per record          reader, per batch
//!   stamp <- 0                  1. load stamps (acquire) until one proves how far the writer has come
//!   fence (release)             2. copy the records from `next` up to there, in any order
//!   time, payload               3. fence (acquire)
//!   stamp <- lap (release)      4. load the stamp of the oldest copied record again: still there, so is all
//! ```
//!
//! Sequence numbers count records from 0; the record of sequence `s` is in slot `s % capacity` and its stamp
//! carries lap `s / capacity + 1`, so that every sequence number has a slot and a stamp of its own.
//!
//! Why one stamp proves a whole batch: records are written in sequence. A published stamp of `s` (step 1) means
//! that everything up to `s` was published before it. To overwrite the record of `f`, the writer first stores 0
//! into its stamp, and it overwrites everything newer after that; had the copy seen a word that overwrote any
//! record from `f` on, then that 0 (or a later stamp) would be visible in step 4. So a stamp of `f` that is
//! still in place proves `f` and all later records. Without storing the 0 first, torn records would get
//! through.
//!
//! The reader polls the records themselves. A head line updated by the writer and polled by a reader would make
//! each write 2–5 times slower.
//!
//! Laps are 32 bits wide: they go from 1 to `u32::MAX` and then back to 1; readers compare them on that circle.

pub(crate) mod foreign;
#[cfg(all(loom, test))]
mod loom_model;
mod reader;
mod slots;
mod stopped;
#[cfg(test)]
#[cfg(not(loom))]
mod tests;
mod writer;

use crate::record::Record;

pub(crate) use reader::{Item, Known, PollLimits, Reader};
pub(crate) use slots::{MemoryView, RingSlots, Slots, View};
pub(crate) use writer::{Position, Writer};

/// Default number of records in a ring: 2 MiB, which stays in cache.
pub const CAPACITY_DEFAULT: u32 = 65_536;

/// Fewest records in a ring: one page.
pub const CAPACITY_MIN: u32 = 128;

/// Maximum number of records in a ring: half a gigabyte.
pub const CAPACITY_MAX: u32 = 1 << 24;

/// The capacity nearest to `records` that a ring can have.
pub(crate) fn nearest_capacity(records: u32) -> u32 {
    records.clamp(CAPACITY_MIN, CAPACITY_MAX).next_power_of_two()
}

/// A reader's starting point.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Start {
    /// The oldest record still in the ring.
    #[default]
    Oldest,
    /// The next record to be written; if a tick is in progress, that tick's beginning.
    Newest,
}

/// Number of words in a record.
pub(crate) const RECORD_WORDS: usize = 4;

/// Index of the stamp among a record's words.
pub(crate) const STAMP_WORD: usize = 1;

/// Maximum number of records copied at once: long enough to be cheap, short enough to outrun the writer.
const BATCH: u64 = 2048;

/// An empty record, used to initialise copy buffers.
pub(crate) const BLANK: Record = [0; RECORD_WORDS];

/// Lowest bit of a ring's mark: the table of rings has at most 2^12 places.
const MARK_SHIFT: u32 = 52;

/// Number of laps on the circle: they run from 1 to this.
const LAPS: u64 = u32::MAX as u64;

/// The mark of the ring at place `place` of the table of rings: XORed into the time of every record, it makes each time of
/// a page that stands in another place's ring wrong by 2^52 ticks or more, two weeks or more, which no reader believes.
pub(crate) const fn mark_of(place: usize) -> u64 {
    (place as u64 + 1) << MARK_SHIFT
}

/// The lap of sequence number `sequence` in a ring of `1 << shift` records.
pub(crate) const fn lap_of(sequence: u64, shift: u32) -> u32 {
    ((sequence >> shift) % LAPS) as u32 + 1
}

/// The number of records that readers of the ring count after `written` were written: laps start over.
const fn on_circle(written: u64, shift: u32) -> u64 {
    match LAPS.checked_shl(shift) {
        Some(all) => written % all,
        None => written,
    }
}

/// How many laps `place` is ahead of `lap`; negative if it is behind.
const fn laps_ahead(place: u32, lap: u32) -> i64 {
    let ahead = (place as i64 - lap as i64).rem_euclid(LAPS as i64);
    if ahead > LAPS as i64 / 2 { ahead - LAPS as i64 } else { ahead }
}
