//! All rings of a process: finds them, reads each up to a fair limit, and measures how fast it fills.

use std::collections::BTreeSet;
use std::time::Duration;

use super::copies::Copies;
use super::error::ReadError;
use super::evidence;
use super::horizon::Horizon;
use super::image::{Image, Words};
use super::ring_state::{Owner, RingState};
use super::slots::Slots;
use crate::clock::Anchor;
use crate::clock_map::sleeps::{SLEEPS_MAX, Sleep};
use crate::ids::{SourceId, Ticks, Timestamp};
use crate::merge::Merge;
use crate::record::{Record, Stamp};
use crate::recorder::Running;
use crate::ring::{Item, PollLimits, Reader, Start};
use crate::shared::layout::{PLACE_OPEN, UNSHARED_AT, head, place};
use crate::text::{InlineText, TEXT_WORDS};

/// The fastest ring may fill by this fraction between two polls (as a divisor).
const FILL_PARTS: u64 = 4;

/// If a ring fills within the shortest period, most of it is lost anyway, so only this fraction of it (as a divisor)
/// is read: each record that a reader touches is a cache line that the writer has to fetch back.
const HOPELESS_PARTS: u64 = 8;

/// Maximum number of records that one poll takes from all rings together; bounds its memory.
pub(super) const POLL_RECORDS_MAX: u64 = 1 << 20;

/// Maximum number of calibrations kept of all rings.
const ANCHORS_OF_ALL_MAX: usize = 48;

/// Range of the poll period, in nanoseconds.
const PERIOD_NS: std::ops::RangeInclusive<u64> = 1_000_000..=33_000_000;

#[derive(Debug)]
struct Ring {
    place: usize,
    generation: u32,
    slots: Slots,
    capacity: u64,
    reader: Reader,
    state: RingState,
    polled_at: Option<Timestamp>,
    /// Recent rate, in records per 2^20 ns. Unknown before the second poll.
    rate: Option<u64>,
}

/// A gap behind the last event of a ring.
#[derive(Debug)]
pub(super) struct EndGap {
    pub(super) source: SourceId,
    /// Number of records.
    pub(super) count: u64,
    /// Time of the last event, if there is one.
    pub(super) from: Option<Ticks>,
}

#[derive(Debug)]
pub(super) struct Rings {
    start: Start,
    rings: Vec<Ring>,
    changes: Option<u64>,
    /// Places whose ring lies outside the file, overlaps another one, or has an impossible size.
    unreadable: BTreeSet<usize>,
    /// Rings that a dead process opened and that are missing from the table.
    unlisted: u64,
    /// Places whose ring found no room in the file.
    unshared: BTreeSet<usize>,
    /// Buffer that records are copied to.
    scratch: Vec<Record>,
}

impl Rings {
    pub(super) const fn new(start: Start) -> Self {
        Self {
            start,
            rings: Vec::new(),
            changes: None,
            unreadable: BTreeSet::new(),
            unlisted: 0,
            unshared: BTreeSet::new(),
            scratch: Vec::new(),
        }
    }

    /// Reads the table of rings if it changed; passes on the names of rings that are new or changed hands.
    pub(super) fn refresh(
        &mut self,
        image: &Image,
        names: &mut Vec<(u32, InlineText)>,
    ) -> Result<(), ReadError> {
        let Words([changes]) = image.words(head::TABLE_CHANGES)?;
        if self.changes == Some(changes) {
            return Ok(());
        }
        let Words([kind_max]) = image.words(head::KIND_MAX)?;
        let kind_max = u8::try_from(kind_max).unwrap_or(0);
        let is_still = image.is_still();
        for index in 0..image.plan().places {
            let at = image.plan().place_word(index);
            let Words([state, slots_at, capacity]) = image.words(at)?;
            let Words::<TEXT_WORDS>(name) = image.words(at + place::NAME)?;
            let mut owner = Owner::new(index, image.plan().places, image.words(at + place::SOURCE)?.0);
            let Words([again]) = image.words(at)?;
            let generation = (state >> 32) as u32;
            if state != again {
                continue;
            }
            if state & 0xffff_ffff == 0 {
                // The place is free, or, if it has a capacity, was being changed. A live process finishes the change.
                if capacity > 0 && is_still {
                    self.unreadable.insert(index);
                }
                continue;
            }
            let known = self.rings.iter().position(|ring| ring.place == index);
            match known {
                Some(known) if self.rings[known].generation == generation => continue,
                Some(known) => {
                    let ring = &mut self.rings[known];
                    ring.generation = generation;
                    if owner.latest != ring.state.owner.latest {
                        let first = ring.slots.first_label(image, &mut self.scratch)?;
                        ring.state.owner.is_now(&owner, first.map(|(source, _)| source));
                    }
                }
                None if image.is_file() && slots_at == UNSHARED_AT as u64 => {
                    self.unshared.insert(index);
                    continue;
                }
                None => {
                    // Rings that share slots would give more records than the file has bytes.
                    let overlaps = |slots: &Slots| {
                        self.rings.iter().any(|ring| slots.overlaps(capacity, &ring.slots, ring.capacity))
                    };
                    let slots = Slots::find(image, index, slots_at, capacity, is_still)?;
                    let Some(slots) = slots.filter(|slots| !overlaps(slots)) else {
                        self.unreadable.insert(index);
                        continue;
                    };
                    // A ring opened since we attached is read from its beginning.
                    let start = if self.changes.is_none() { self.start } else { Start::Oldest };
                    let (reader, cell) = slots.attach(image, at, start, is_still, &mut self.scratch)?;
                    if start == Start::Oldest
                        && !owner.is_first()
                        && let Some((source, name)) = slots.first_label(image, &mut self.scratch)?
                    {
                        owner.begins(source);
                        names.push((source.0, name));
                    }
                    self.rings.push(Ring {
                        place: index,
                        generation,
                        slots,
                        capacity,
                        reader,
                        state: RingState::new(owner, kind_max, cell, is_still.then(Copies::default)),
                        polled_at: None,
                        rate: None,
                    });
                }
            }
            if let Some(name) = InlineText::from_words(name) {
                names.push((owner.latest.0, name));
            }
        }
        self.changes = Some(changes);
        if is_still && image.is_file() {
            // Places that were being changed are counted already.
            let counted = self.unreadable.len() as u64;
            let unlisted = evidence::missing_openings(image)?.saturating_sub(counted);
            self.unlisted = unlisted.min(image.plan().places as u64);
        }
        Ok(())
    }

    /// Rings that are in the file, or should be, and cannot be read.
    pub(super) fn unreadable(&self) -> u64 {
        (self.unreadable.len() as u64).saturating_add(self.unlisted)
    }

    /// Rings of a dead process that lack an unknown number of their newest records, of those whose gap is in the
    /// stream.
    pub(super) fn without_end(&self) -> u64 {
        let is_counted = |ring: &&Ring| ring.reader.is_end_unknown() && ring.state.gap == 0;
        self.rings.iter().filter(is_counted).count() as u64
    }

    /// Rings that did not fit into the file, according to their places.
    pub(super) fn unshared(&self) -> u64 {
        self.unshared.len() as u64
    }

    /// Reads every ring; true if one poll did not read everything. `gently`: the writer is still running, so only a
    /// part is read of a ring that fills too fast for any reader.
    pub(super) fn poll(
        &mut self,
        image: &Image,
        now: Timestamp,
        gently: bool,
        horizon: &mut Horizon,
        merge: &mut Merge,
    ) -> Result<bool, ReadError> {
        let fair = POLL_RECORDS_MAX / self.rings.len().max(1) as u64;
        let mut more = false;
        for ring in &mut self.rings {
            let hopeless = gently && ring.fill_ns().is_some_and(|fill| fill < *PERIOD_NS.start());
            let window = if hopeless { ring.capacity / HOPELESS_PARTS } else { u64::MAX };
            let limits = PollLimits { limit: fair, window };
            more |= ring.poll(image, now, limits, &mut self.scratch, horizon, merge)?;
        }
        Ok(more)
    }

    /// Rings that were ever written to.
    pub(super) fn active(&self) -> usize {
        self.rings.iter().filter(|ring| ring.reader.next() > 0).count()
    }

    pub(super) fn read(&self) -> u64 {
        self.rings.iter().map(|ring| ring.reader.read()).sum()
    }

    /// Lost records, except those in gaps that no event has followed yet, which the stream does not have either.
    pub(super) fn lost(&self) -> u64 {
        let of = |ring: &Ring| ring.reader.lost().saturating_sub(ring.state.gap);
        self.rings.iter().fold(0, |sum, ring| sum.saturating_add(of(ring)))
    }

    pub(super) fn before_attach(&self) -> u64 {
        self.rings.iter().fold(0, |sum, ring| sum.saturating_add(ring.reader.before_attach()))
    }

    /// The earliest time from which a loop's records are still complete, if earlier ones were overwritten.
    pub(super) fn loops_since(&self) -> Option<Ticks> {
        let loops = self.rings.iter().filter(|ring| ring.state.is_loop);
        let whole = |ring: &Ring| ring.reader.before_attach() == 0;
        loops.map(|ring| ring.state.first_at.filter(|_| !whole(ring)).unwrap_or_default()).min()
    }

    pub(super) fn unknown(&self) -> u64 {
        self.rings.iter().map(|ring| ring.state.unknown).sum()
    }

    pub(super) fn malformed(&self) -> u64 {
        self.rings.iter().map(|ring| ring.state.malformed).sum()
    }

    /// The newest calibrations of all rings.
    pub(super) fn anchors(&self) -> impl Iterator<Item = Anchor> {
        self.rings.iter().flat_map(|ring| ring.state.anchors.iter().copied()).take(ANCHORS_OF_ALL_MAX)
    }

    /// The newest sleeps of the machine in the rings.
    pub(super) fn sleeps(&self) -> Vec<Sleep> {
        self.rings.iter().flat_map(|ring| ring.state.sleeps.iter().copied()).take(SLEEPS_MAX).collect()
    }

    /// The latest time of an event.
    pub(super) fn newest_at(&self) -> Option<Ticks> {
        self.rings.iter().filter_map(|ring| ring.state.last_at).max()
    }

    /// The time of the newest event in the ring that `source` has.
    pub(super) fn newest_of(&self, source: SourceId) -> Option<Ticks> {
        let its = |ring: &&Ring| ring.state.owner.latest == source;
        self.rings.iter().find(its).and_then(|ring| ring.state.last_at)
    }

    /// Takes the gaps that no event has followed. For rings that were read to their end.
    pub(super) fn take_end_gaps(&mut self) -> impl Iterator<Item = EndGap> {
        let gapped = self.rings.iter_mut().filter(|ring| ring.state.gap > 0);
        gapped.map(|ring| EndGap {
            source: ring.state.owner_at_end(ring.reader.next()),
            count: std::mem::take(&mut ring.state.gap),
            from: ring.state.last_at,
        })
    }

    pub(super) fn suggested_period(&self) -> Duration {
        // The rate of a ring that was polled once is unknown: it may be the fastest.
        let fastest = self.rings.iter().map(|ring| ring.fill_ns().map_or(0, |fill| fill / FILL_PARTS)).min();
        let period_ns = fastest.unwrap_or(u64::MAX).clamp(*PERIOD_NS.start(), *PERIOD_NS.end());
        Duration::from_nanos(period_ns)
    }

    /// The *now running* cells of the open rings.
    pub(super) fn running(&self, image: &Image) -> Result<Vec<(SourceId, Running, Ticks)>, ReadError> {
        let mut found = Vec::new();
        for ring in &self.rings {
            let at = image.plan().place_word(ring.place);
            let Words([place_state]) = image.words(at)?;
            let owner = Owner::new(ring.place, image.plan().places, image.words(at + place::SOURCE)?.0);
            if place_state & 0xffff_ffff != PLACE_OPEN || ring.state.is_cell_over {
                continue;
            }
            let Some((stamp, [since, detail])) = image.cell::<2>(at + place::RUNNING)? else { continue };
            if let Some(running) = Running::of_cell(Stamp(stamp), detail) {
                found.push((owner.latest, running, Ticks(since)));
            }
        }
        Ok(found)
    }
}

impl Ring {
    fn poll(
        &mut self,
        image: &Image,
        now: Timestamp,
        limits: PollLimits,
        scratch: &mut Vec<Record>,
        horizon: &mut Horizon,
        merge: &mut Merge,
    ) -> Result<bool, ReadError> {
        let before = self.reader.next();
        let (lane, state) = (self.place, &mut self.state);
        let emit = |item: Item<'_>| match item {
            Item::Lost(count) => state.gap = state.gap.saturating_add(count),
            Item::Event(records, sequence) => state.take((records, sequence), lane, horizon, merge),
        };
        let more = self.slots.read(image, &mut self.reader, limits, scratch, emit)?;
        if let (Slots::Memory(_, gate), Image::Local { drains: true, .. }) = (&self.slots, image) {
            gate.drained(self.reader.next());
        }
        self.measure(before, now);
        Ok(more)
    }

    /// Time the ring takes to fill at its recent rate; `None` before the second poll.
    fn fill_ns(&self) -> Option<u64> {
        self.rate.map(|rate| (self.capacity << 20) / rate.max(1))
    }

    /// Measures how fast the ring fills. Keeps the highest recent rate, so that one burst prepares the reader for the
    /// next.
    fn measure(&mut self, before: u64, now: Timestamp) {
        let elapsed_ns = self.polled_at.map_or(0, |at| now.ns_since(at));
        let written = self.reader.next().saturating_sub(before).min(1 << 40);
        if let Some(rate) = (written << 20).checked_div(elapsed_ns) {
            self.rate = Some(self.rate.map_or(rate, |lately| rate.max(lately - lately / 8)));
        }
        self.polled_at = Some(now);
    }
}
