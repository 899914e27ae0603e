//! The reading side: finds the newest record, copies, checks, and accounts for every record.
//!
//! One algorithm serves rings in memory and in files: a [`View`] defines how to load a stamp and copy records.
//! Nothing a view returns is trusted: all loops are bounded by the ring's capacity.

use crate::record::{PARTS_MAX, Record, Stamp};

use super::slots::View;
use super::stopped::{self, End};
use super::{BATCH, BLANK, Start, lap_of, laps_ahead, on_circle};

/// What a poll finds, in order.
#[derive(Debug)]
pub(crate) enum Item<'a> {
    /// The records of one event, and the sequence number of the first.
    Event(&'a [Record], u64),
    /// This many records were overwritten before they were read.
    Lost(u64),
}

/// How much of a ring one poll takes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PollLimits {
    /// Maximum number of records to read. The rest is left to the next poll.
    pub(crate) limit: u64,
    /// Once the writer has lapped the reader, only this many of the newest records are read. Older ones are
    /// lost, so that a reader that cannot keep up does not also slow the writer.
    pub(crate) window: u64,
}

impl PollLimits {
    /// Everything there is.
    pub(crate) const ALL: Self = Self { limit: u64::MAX, window: u64::MAX };
}

/// One reader of one ring. `read + lost + before_attach` is always the next sequence number to be read.
#[derive(Debug)]
pub(crate) struct Reader {
    start: Start,
    started: bool,
    next: u64,
    /// Where a reader of new records began: later parts of an event there belong to an earlier record.
    attached_at: Option<u64>,
    read: u64,
    lost: u64,
    before_attach: u64,
    /// Whether nothing writes the ring any more.
    is_still: bool,
    /// Where a still ring ends.
    end: Option<End>,
    /// Other evidence about a ring without a writer.
    known: Known,
    /// Whether records are missing at the end of a ring without a writer, possibly more than were counted.
    is_end_unknown: bool,
}

/// Evidence about a ring without a writer, besides its slots.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Known {
    /// At least this many records were written.
    pub(crate) written: u64,
    /// Whether slots at the end of the ring are missing.
    pub(crate) is_cut: bool,
}

/// What a slot's stamp reveals about a sequence number.
enum Seen {
    /// Not written yet.
    Behind,
    /// Being written, by this sequence number or a later one.
    Busy,
    /// Published, and still there.
    Current,
    /// Overwritten, this many laps later.
    Ahead(u64),
}

impl Reader {
    pub(crate) const fn new(start: Start) -> Self {
        Self {
            start,
            started: false,
            next: 0,
            attached_at: None,
            read: 0,
            lost: 0,
            before_attach: 0,
            is_still: false,
            end: None,
            known: Known { written: 0, is_cut: false },
            is_end_unknown: false,
        }
    }

    /// A reader of a ring without a writer: returns everything readable, and counts everything in between as lost.
    pub(crate) const fn of_still(known: Known) -> Self {
        Self { is_still: true, known, ..Self::new(Start::Oldest) }
    }

    /// A reader that starts at record `next`, which has been published.
    pub(crate) const fn starting_at(next: u64) -> Self {
        let reader = Self::new(Start::Oldest);
        Self { started: true, next, attached_at: Some(next), before_attach: next, ..reader }
    }

    /// The sequence number of the next record to be read: everything before it is accounted for.
    pub(crate) const fn next(&self) -> u64 {
        self.next
    }

    /// Records that were returned.
    pub(crate) const fn read(&self) -> u64 {
        self.read
    }

    /// Whether more records may be missing at the end than were counted as lost.
    pub(crate) const fn is_end_unknown(&self) -> bool {
        self.is_end_unknown
    }

    /// Records that were overwritten before they were read.
    pub(crate) const fn lost(&self) -> u64 {
        self.lost
    }

    /// Records that were overwritten before the first one that was returned, or skipped on purpose.
    pub(crate) const fn before_attach(&self) -> u64 {
        self.before_attach
    }

    /// Emits published records within `limits`, up to those present at the time of the call. Records are copied to
    /// `scratch`. Returns true if `limits` left some for the next call.
    pub(crate) fn poll<V: View>(
        &mut self,
        view: &V,
        scratch: &mut Vec<Record>,
        limits: PollLimits,
        mut emit: impl FnMut(Item<'_>),
    ) -> Result<bool, V::Error> {
        let head = match (self.is_still, self.started) {
            (true, false) => self.attach_still(view, scratch)?,
            (true, true) => self.end.map(|end| end.head).filter(|head| *head >= self.next),
            (false, true) => self.advance(view)?,
            (false, false) => self.attach(view)?,
        };
        let mut more = false;
        if let Some(head) = head {
            let capacity = 1 << view.shift();
            let is_lapped = self.started && head - self.next >= capacity;
            let window = if is_lapped { limits.window.max(PARTS_MAX as u64).min(capacity) } else { capacity };
            let oldest = (head + 1).saturating_sub(window);
            if self.next < oldest {
                self.skip(oldest - self.next, &mut emit);
            }
            let last = head.min(self.next.saturating_add(limits.limit.max(PARTS_MAX as u64) - 1));
            more = last < head;
            while self.next <= last && self.batch(view, last, scratch, &mut emit)? {}
        }
        if let Some(end) = self.end.as_mut().filter(|end| !more && end.unreadable > 0) {
            let behind = end.head + 1 + std::mem::take(&mut end.unreadable);
            self.is_end_unknown = end.is_beyond;
            self.skip(behind - self.next, &mut emit);
        } else if self.end.is_none() && self.is_still && !self.started {
            self.skip_all(1 << view.shift(), &mut emit);
        }
        if self.is_still && !more && self.read == 0 && self.lost == 0 && self.before_attach > 0 {
            // Stamps but no readable event: the stamps are noise, and the contents are lost.
            (self.before_attach, self.lost, self.is_end_unknown) = (self.before_attach - 1, 1, true);
            emit(Item::Lost(1));
        }
        self.started = true;
        Ok(more)
    }

    /// Reads up to one batch; false if the rest is not a whole event yet.
    fn batch<V: View>(
        &mut self,
        view: &V,
        head: u64,
        scratch: &mut Vec<Record>,
        emit: &mut impl FnMut(Item<'_>),
    ) -> Result<bool, V::Error> {
        let capacity = 1_u64 << view.shift();
        let count = (head - self.next + 1).min(BATCH).min(capacity);
        let last = self.next + count - 1;
        scratch.resize(count as usize, BLANK);
        let slot = self.next & (capacity - 1);
        let until_end = (capacity - slot).min(count) as usize;
        let (low, high) = scratch.split_at_mut(until_end);
        view.copy(slot, low)?;
        view.copy(0, high)?;

        let overwritten = self.overwritten(view, count)?;
        if overwritten > 0 {
            self.skip(overwritten, emit);
        }
        let intact = scratch.get(overwritten as usize..).unwrap_or_default();
        let whole = self.hand_out(intact, view.shift(), emit);
        Ok(whole || last < head)
    }

    /// How many of the records just copied from `next` on may be torn: the first stamp still in place proves the
    /// rest.
    fn overwritten<V: View>(&self, view: &V, count: u64) -> Result<u64, V::Error> {
        if self.is_still || matches!(self.look(view, self.next)?, Seen::Current) {
            return Ok(0);
        }
        let (mut gone, mut there) = (0, count);
        while there - gone > 1 {
            let middle = gone + (there - gone) / 2;
            if matches!(self.look(view, self.next + middle)?, Seen::Current) {
                there = middle;
            } else {
                gone = middle;
            }
        }
        Ok(there)
    }

    /// Hands out the whole events of `records`, the first of which is `next`. Returns false if the records end
    /// in the middle of an event.
    fn hand_out(&mut self, records: &[Record], shift: u32, emit: &mut impl FnMut(Item<'_>)) -> bool {
        let mut rest = records;
        while let Some(first) = rest.first() {
            let stamp = Stamp(first[1]);
            let parts = stamp.parts();
            let follows = |(part, record): (usize, &Record)| {
                let other = Stamp(record[1]);
                other.part() == part && other.parts() == parts
            };
            let found = rest.iter().take(parts).enumerate().take_while(|part| follows(*part)).count();
            if stamp.part() != 0 && self.attached_at == Some(self.next) {
                // The reader attached in the middle of this event.
                self.next += 1;
                self.before_attach += 1;
                self.attached_at = Some(self.next);
                rest = &rest[1..];
            } else if found == 0 || stamp.place() != lap_of(self.next, shift) {
                // The beginning of this part was overwritten, or no writer of ours produces this stamp.
                self.skip(1, emit);
                rest = &rest[1..];
            } else if found == parts {
                let (event, after) = rest.split_at(parts);
                emit(Item::Event(event, self.next));
                self.read += parts as u64;
                self.next += parts as u64;
                rest = after;
            } else if found == rest.len() {
                return false;
            } else {
                self.skip(found as u64, emit);
                rest = &rest[found..];
            }
        }
        true
    }

    /// Counts unreadable records: lost if they follow a returned record or nothing was overwritten, else before the
    /// attachment.
    fn skip(&mut self, count: u64, emit: &mut impl FnMut(Item<'_>)) {
        let is_whole = self.end.is_some_and(|end| end.is_first_lap);
        if self.started || self.read > 0 || is_whole {
            self.lost += count;
            emit(Item::Lost(count));
        } else {
            self.before_attach += count;
        }
        self.next += count;
    }

    /// Counts the records of a ring without a writer and without a readable record.
    fn skip_all(&mut self, capacity: u64, emit: &mut impl FnMut(Item<'_>)) {
        let written = self.known.written.max(u64::from(self.known.is_cut));
        self.next = written.saturating_sub(capacity);
        self.before_attach = self.next;
        if written > 0 {
            (self.started, self.is_end_unknown) = (true, true);
            self.skip(written - self.next, emit);
        }
    }

    /// The newest published sequence number, for a reader that has no position yet.
    fn attach<V: View>(&mut self, view: &V) -> Result<Option<u64>, V::Error> {
        let capacity = 1_u64 << view.shift();
        let sequence = |stamp: Stamp, slot| u64::from(stamp.place().saturating_sub(1)) * capacity + slot;
        let first = view.stamp(0)?;
        let head = if first.place() == 0 {
            // Slot 0 is empty or being written: so the last slot is the newest, or the ring is empty.
            let last = view.stamp(capacity - 1)?;
            (last.place() != 0).then(|| sequence(last, capacity - 1))
        } else {
            Some(self.newest(view, sequence(first, 0))?)
        };
        if self.start == Start::Newest {
            let next = head.map_or(0, |head| head + 1);
            (self.next, self.attached_at, self.before_attach) = (next, Some(next), next);
            return Ok(None);
        }
        Ok(head)
    }

    /// The newest record of a ring without a writer.
    fn attach_still<V: View>(
        &mut self,
        view: &V,
        scratch: &mut Vec<Record>,
    ) -> Result<Option<u64>, V::Error> {
        self.known.written = on_circle(self.known.written, view.shift());
        self.end = stopped::end_of(view, self.known.written, scratch)?;
        if let Some(end) = &mut self.end {
            // The first slot that a cut ring lacks may have held a record.
            let written = self.known.written.max(if self.known.is_cut { end.head + 2 } else { 0 });
            end.limits(written);
            end.is_beyond |= self.known.is_cut;
        }
        Ok(self.end.map(|end| end.head))
    }

    /// The newest published sequence number, if there is one from `next` on.
    fn advance<V: View>(&self, view: &V) -> Result<Option<u64>, V::Error> {
        let shift = view.shift();
        let ahead = |sequence: u64, laps: u64| sequence.checked_add(laps.checked_shl(shift)?);
        let published = match self.look(view, self.next)? {
            Seen::Behind => None,
            Seen::Current => Some(self.next),
            Seen::Ahead(laps) => ahead(self.next, laps),
            // This record, or a later one in its slot, is being written: the slot before it decides.
            Seen::Busy => {
                let slot = self.next.wrapping_sub(1);
                let place = view.stamp(slot)?.place();
                let lap = if self.next == 0 { 0 } else { lap_of(slot, shift) };
                match laps_ahead(place, lap) {
                    laps if place != 0 && laps > 0 => {
                        ahead(self.next, laps.unsigned_abs()).map(|next| next.wrapping_sub(1))
                    }
                    _ => None,
                }
            }
        };
        match published.filter(|published| *published < u64::MAX / 4 && *published >= self.next) {
            Some(published) => self.newest(view, published).map(Some),
            None => Ok(None),
        }
    }

    /// The newest published sequence number that is less than a lap after `base`, which is published.
    fn newest<V: View>(&self, view: &V, base: u64) -> Result<u64, V::Error> {
        let (mut there, mut not_there) = (base, base + (1 << view.shift()));
        let mut step = 1;
        while there + step < not_there {
            if self.is_published(view, there + step)? {
                there += step;
                step *= 2;
            } else {
                not_there = there + step;
            }
        }
        while not_there - there > 1 {
            let middle = there + (not_there - there) / 2;
            if self.is_published(view, middle)? {
                there = middle;
            } else {
                not_there = middle;
            }
        }
        Ok(there)
    }

    fn is_published<V: View>(&self, view: &V, sequence: u64) -> Result<bool, V::Error> {
        Ok(matches!(self.look(view, sequence)?, Seen::Current | Seen::Ahead(_)))
    }

    fn look<V: View>(&self, view: &V, sequence: u64) -> Result<Seen, V::Error> {
        let place = view.stamp(sequence)?.place();
        if place == 0 {
            return Ok(Seen::Busy);
        }
        Ok(match laps_ahead(place, lap_of(sequence, view.shift())) {
            0 => Seen::Current,
            laps if laps > 0 => Seen::Ahead(laps.unsigned_abs()),
            _ => Seen::Behind,
        })
    }
}

const _: () = assert!(BATCH >= PARTS_MAX as u64, "a batch holds a whole event");
