//! Decodes the events of one ring, attributes them to their emitters, and passes them to the merge.

use std::collections::VecDeque;

use super::copies::Copies;
use super::evidence::CellAge;
use super::horizon::Horizon;
use crate::clock::Anchor;
use crate::clock_map::sleeps::{SLEEPS_MAX, Sleep};
use crate::event::{Event, LabelKind};
use crate::ids::{SourceId, Ticks};
use crate::merge::Merge;
use crate::record::{Record, unpack};
use crate::stamped::Stamped;

/// Maximum number of calibrations kept per ring.
const ANCHORS_MAX: usize = 16;

/// The emitters of a ring's records. A closed ring is reused by later emitters. One with another name has another
/// number, and begins with a label.
#[derive(Clone, Copy, Debug)]
pub(super) struct Owner {
    /// The number of the place's first emitter. Those of later ones are `step` apart.
    first: u32,
    step: u32,
    /// The emitter of the next record.
    pub(super) now: SourceId,
    /// The emitter that has the ring, and its first record.
    pub(super) latest: SourceId,
    pub(super) began: u64,
    /// The emitter of the records before the first label that changes it, as far as the ring still has them.
    after_gap: Option<SourceId>,
}

impl Owner {
    /// The owner of the ring at place `index` of `places`, as the file describes it.
    pub(super) fn new(index: usize, places: usize, [source, began]: [u64; 2]) -> Self {
        let (first, step) = (SourceId(index as u32 + 1), places as u32);
        let owner = Self { first: first.0, step, now: first, latest: first, began: 0, after_gap: None };
        let latest = u32::try_from(source).map(SourceId).ok().filter(|source| owner.can_be(*source));
        latest.map_or(owner, |latest| Self { now: latest, latest, began, ..owner })
    }

    /// Whether an emitter of this place can have the number `source`.
    fn can_be(&self, source: SourceId) -> bool {
        source.0.checked_sub(self.first).is_some_and(|since| since.is_multiple_of(self.step.max(1)))
    }

    /// Takes over a newer description of the place. `first_label` is the number in the first emitter label that the
    /// ring still has.
    pub(super) fn is_now(&mut self, newer: &Self, first_label: Option<SourceId>) {
        (self.latest, self.began) = (newer.latest, newer.began);
        self.after_gap = first_label.filter(|source| self.can_be(*source));
    }

    /// Whether the ring has always been the same emitter's.
    pub(super) fn is_first(&self) -> bool {
        self.latest.0 == self.first
    }

    /// Sets the emitter of the first record: `first_label` is the number in the first emitter label of the ring.
    pub(super) fn begins(&mut self, first_label: SourceId) {
        if self.can_be(first_label) {
            self.now = first_label;
        }
    }

    /// The emitter of an event. An emitter's label belongs to that emitter.
    fn emitter(&self, event: &Event<Ticks>, sequence: u64, gap: bool) -> SourceId {
        match *event {
            Event::Label { kind: LabelKind::Source, id, .. }
                if SourceId(id) >= self.now && self.can_be(SourceId(id)) =>
            {
                SourceId(id)
            }
            _ => self.of(sequence, gap),
        }
    }

    /// The emitter of the record `sequence`, which is not an emitter label; `gap`: records are missing before it.
    fn of(&self, sequence: u64, gap: bool) -> SourceId {
        if self.now < self.latest && sequence >= self.began {
            self.latest
        } else if gap {
            self.after_gap.map_or(self.now, |after| after.max(self.now))
        } else {
            self.now
        }
    }
}

/// What reading a ring has found so far.
#[derive(Debug)]
pub(super) struct RingState {
    pub(super) owner: Owner,
    /// A gap that no event has followed yet, in records.
    pub(super) gap: u64,
    /// Time of the last event before the gap.
    pub(super) last_at: Option<Ticks>,
    /// Time of the first event.
    pub(super) first_at: Option<Ticks>,
    /// Whether a loop writes it: tick events were found.
    pub(super) is_loop: bool,
    /// The highest kind that the writer knows; 0 if that is not recorded.
    pub(super) kind_max: u8,
    /// Events of unknown kinds.
    pub(super) unknown: u64,
    /// Events with values that they cannot have.
    pub(super) malformed: u64,
    /// The newest calibrations of the record clock.
    pub(super) anchors: VecDeque<Anchor>,
    /// The newest sleeps of the machine.
    pub(super) sleeps: VecDeque<Sleep>,
    /// The *now running* cell of a dead process.
    cell: Option<CellAge>,
    /// Whether the activity in the cell was over before the newest record.
    pub(super) is_cell_over: bool,
    /// Finds copied pages, in the ring of a dead process.
    copies: Option<Copies>,
}

impl RingState {
    /// `copies` finds copied pages, in the ring of a dead process.
    pub(super) fn new(owner: Owner, kind_max: u8, cell: Option<CellAge>, copies: Option<Copies>) -> Self {
        Self {
            owner,
            gap: 0,
            last_at: None,
            first_at: None,
            is_loop: false,
            kind_max,
            unknown: 0,
            malformed: 0,
            anchors: VecDeque::new(),
            sleeps: VecDeque::new(),
            cell,
            is_cell_over: false,
            copies,
        }
    }

    /// The emitter of the records missing at the end, before the record `next`.
    pub(super) fn owner_at_end(&self, next: u64) -> SourceId {
        self.owner.of(next.saturating_sub(1), true)
    }

    /// Decodes the event that begins with record `sequence` and passes it on, preceded by its gap.
    pub(super) fn take(
        &mut self,
        (records, sequence): (&[Record], u64),
        lane: usize,
        horizon: &mut Horizon,
        merge: &mut Merge,
    ) {
        let is_copy = self
            .copies
            .as_mut()
            .zip(records.first())
            .is_some_and(|(copies, first)| copies.has(sequence, first));
        let (at, event) = match unpack::<Ticks>(records) {
            Ok((at, event)) if !is_copy && horizon.allows(at) && is_of_ring(&event) => (at, event),
            Ok(_) => {
                self.malformed += 1;
                return;
            }
            Err(error) => {
                // A kind that the writer does not know either is damaged.
                let is_newer = error.unknown_kind().is_some_and(|kind| kind <= self.kind_max);
                let count = if is_newer { &mut self.unknown } else { &mut self.malformed };
                *count += 1;
                return;
            }
        };
        self.first_at.get_or_insert(at);
        let (before, source) = (self.owner.now, self.owner.emitter(&event, sequence, self.gap > 0));
        self.owner.now = source;
        if self.gap > 0 {
            let (gap, from) = (std::mem::take(&mut self.gap), self.last_at.unwrap_or(at));
            // If the emitter changed in the gap, each of the two lost a part of it.
            let of_before = match source {
                _ if source == before => 0,
                _ if source == self.owner.latest => self.owner.began.saturating_sub(sequence - gap).min(gap),
                _ => gap - 1,
            };
            for (source, count) in [(before, of_before), (source, gap - of_before)] {
                if count > 0 {
                    merge.push(lane, Stamped { source, at, event: Event::Lost { count, from } });
                }
            }
        }
        if let Event::Calibration { ticks, monotonic, wall_ns } = event {
            self.anchors.truncate(ANCHORS_MAX - 1);
            self.anchors.push_front(Anchor { ticks, monotonic, wall_ns });
        }
        if let Event::Suspended { asleep_ns: asleep_ns @ 1.., alive, .. } = event {
            self.sleeps.truncate(SLEEPS_MAX - 1);
            self.sleeps.push_front(Sleep { alive, end: at, asleep_ns });
        }
        // Labels carry an approximate time.
        if !matches!(event, Event::Label { .. }) {
            self.last_at = Some(at);
        }
        self.is_cell_over |= self.cell.is_some_and(|cell| cell.is_over_by(sequence, at, &event));
        self.is_loop |= matches!(event, Event::TickStart { .. } | Event::TickEnd { .. });
        merge.push(lane, Stamped { source, at, event });
    }
}

/// Whether emitters record events of this kind: readers add the others to the stream.
const fn is_of_ring(event: &Event<Ticks>) -> bool {
    !matches!(
        event,
        Event::Lost { .. } | Event::Running { .. } | Event::Pressure { .. } | Event::Crashed { .. }
    )
}
