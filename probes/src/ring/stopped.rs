//! Finds the end of a ring without a writer, even if some of its slots are damaged.
//!
//! A live ring is searched from one stamp to the next, which assumes that all stamps are in place. If some were
//! overwritten or zeroed after the writer died, that search would end at the first hole and silently miss everything
//! behind it. So this reads every stamp, and puts the end where most of them agree: up to it they carry one lap,
//! behind it the previous lap.

use super::{BATCH, BLANK, View, lap_of};
use crate::record::{Record, Stamp};

/// Number of stamps, spread evenly, that decide which laps are looked for.
const SAMPLES: u64 = 64;

/// Where a ring ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct End {
    /// Sequence number of the newest readable record.
    pub(super) head: u64,
    /// Number of slots right behind it that hold neither an older record nor the one being written when the writer
    /// died: newer records or the oldest ones.
    pub(super) unreadable: u64,
    /// Whether one more slot behind it may hold a record that was never published.
    pub(super) is_writing: bool,
    /// Whether more records than the unreadable ones may be missing behind it.
    pub(super) is_beyond: bool,
    /// Whether nothing was overwritten: the ring is in its first lap.
    pub(super) is_first_lap: bool,
}

/// The end of the ring under the assumption that its newest record has lap `lap`, from the slots scanned so far.
#[derive(Debug)]
struct Candidate {
    lap: u32,
    /// Slots of this lap minus slots of the lap before; the end is at its maximum.
    balance: i64,
    best: i64,
    /// Slots of the lap before.
    older: i64,
    head: Option<u64>,
    /// Slots behind `head` before the first one of the lap before.
    gap: u64,
    is_gap_over: bool,
    /// Whether the slot right behind `head` is being written.
    is_writing: bool,
}

impl End {
    /// Counts as unreadable what the slots do not show of at least `written` records, on the circle of laps.
    pub(super) const fn limits(&mut self, written: u64) {
        let missing = written.saturating_sub(self.head + 1);
        self.is_beyond = missing > self.unreadable + self.is_writing as u64;
        if missing > self.unreadable {
            self.unreadable = missing;
        }
    }
}

impl Candidate {
    const fn new(lap: u32) -> Self {
        Self {
            lap,
            balance: 0,
            best: i64::MIN,
            older: 0,
            head: None,
            gap: 0,
            is_gap_over: false,
            is_writing: false,
        }
    }

    const fn see(&mut self, slot: u64, place: u32) {
        if place == self.lap {
            self.balance += 1;
            if self.balance > self.best {
                (self.best, self.head) = (self.balance, Some(slot));
                (self.gap, self.is_gap_over, self.is_writing) = (0, false, false);
                return;
            }
        } else if place == self.lap - 1 {
            // In the first lap, slots that were never written look like ones that were zeroed: they are no evidence.
            self.older += (self.lap > 1) as i64;
            self.balance -= (self.lap > 1) as i64;
            self.is_gap_over = true;
            return;
        }
        if !self.is_gap_over {
            self.is_writing |= self.gap == 0 && place == 0;
            self.gap += 1;
        }
    }

    /// Number of slots that fit the assumption.
    const fn score(&self) -> i64 {
        self.best.saturating_add(self.older)
    }
}

/// The end of a ring; `None` if no record is left.
///
/// At least `written` records were written. If most slots were never written, all samples may be damaged: then
/// `written` gives the laps to look for, and without it the first lap is the most likely.
pub(super) fn end_of<V: View>(
    view: &V,
    written: u64,
    scratch: &mut Vec<Record>,
) -> Result<Option<End>, V::Error> {
    let capacity = 1_u64 << view.shift();
    let (usual, known) = (usual_lap(view)?, lap_of(written.saturating_sub(1), view.shift()));
    let laps = [usual, usual.saturating_add(1), known, known.saturating_add(1), 1];
    let mut candidates = laps.map(Candidate::new);
    // The first slots follow the last one.
    let (mut leading, mut is_leading_zero) = ([0_u64; 5], false);
    scratch.resize(capacity.min(BATCH) as usize, BLANK);
    for begin in (0..capacity).step_by(scratch.len()) {
        view.copy(begin, scratch)?;
        for (slot, record) in (begin..).zip(scratch.iter()) {
            let place = Stamp(record[1]).place();
            is_leading_zero |= slot == 0 && place == 0;
            for (candidate, leading) in candidates.iter_mut().zip(&mut leading) {
                *leading += u64::from(*leading == slot && place != candidate.lap);
                candidate.see(slot, place);
            }
        }
    }
    let best = candidates.iter().zip(leading).filter_map(|(one, leading)| Some((one.head?, one, leading)));
    Ok(best.max_by_key(|(_, one, _)| one.score()).map(|(slot, one, leading)| {
        let goes_around = if one.is_gap_over { 0 } else { leading };
        let is_writing = one.is_writing || one.gap == 0 && goes_around > 0 && is_leading_zero;
        let unreadable = one.gap + goes_around - u64::from(is_writing);
        // If the first slots may hold newer records, they count as unreadable.
        let is_first_lap = one.lap == 1 && goes_around == 0;
        End {
            head: u64::from(one.lap - 1) * capacity + slot,
            unreadable,
            is_writing,
            is_beyond: false,
            is_first_lap,
        }
    }))
}

/// The most frequent lap.
fn usual_lap<V: View>(view: &V) -> Result<u32, V::Error> {
    let capacity = 1_u64 << view.shift();
    let mut found: Vec<(u32, usize)> = Vec::new();
    for slot in (0..capacity).step_by((capacity / SAMPLES).max(1) as usize) {
        let place = view.stamp(slot)?.place();
        match found.iter_mut().find(|(lap, _)| *lap == place) {
            Some((_, count)) => *count += 1,
            None if place != 0 => found.push((place, 1)),
            None => {}
        }
    }
    Ok(found.into_iter().max_by_key(|(_, count)| *count).map_or(1, |(lap, _)| lap))
}
