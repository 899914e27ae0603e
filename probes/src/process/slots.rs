//! Where the slots of one ring are, in this process's memory or in a file, and how they are read.

use std::sync::Arc;

use super::error::ReadError;
use super::evidence::{self, CellAge};
use super::image::Image;
use crate::event::{Event, LabelKind};
use crate::ids::{SourceId, Ticks};
use crate::record::{RECORD_BYTES, Record, unpack};
use crate::ring::foreign::FileView;
use crate::ring::{CAPACITY_MAX, Item, MemoryView, PollLimits, Reader, RingSlots, Start, mark_of};
use crate::session::Gate;
use crate::text::InlineText;

#[derive(Debug)]
pub(super) enum Slots {
    Memory(RingSlots, Arc<Gate>),
    /// `there` of its slots are in the file.
    File {
        offset: u64,
        shift: u32,
        there: u64,
        mark: u64,
    },
}

impl Slots {
    /// The slots of a place, if a ring can be there. A ring without a writer (`is_still`) may be cut short.
    pub(super) fn find(
        image: &Image,
        index: usize,
        offset: u64,
        capacity: u64,
        is_still: bool,
    ) -> Result<Option<Self>, ReadError> {
        if !capacity.is_power_of_two() || capacity < 16 || capacity > u64::from(CAPACITY_MAX) {
            return Ok(None);
        }
        Ok(match image {
            Image::Nothing(_) => None,
            Image::Local { session, .. } => {
                session.slots(index).map(|(slots, gate)| Self::Memory(slots, gate))
            }
            Image::File(_) => {
                let record = RECORD_BYTES as u64;
                let there = if is_still {
                    (image.bytes()?.saturating_sub(offset) / record).min(capacity)
                } else {
                    capacity
                };
                let ends = offset.checked_add(capacity * record).is_some_and(|end| end <= i64::MAX as u64);
                let is_inside = offset >= image.plan().fixed_bytes as u64 && ends && there > 0;
                (is_inside && offset.is_multiple_of(record)).then(|| Self::File {
                    offset,
                    shift: capacity.trailing_zeros(),
                    there,
                    mark: mark_of(index),
                })
            }
        })
    }

    /// Whether the file ends before the ring does.
    const fn is_cut(&self) -> bool {
        matches!(self, Self::File { shift, there, .. } if *there < 1 << *shift)
    }

    /// A reader of a new ring, whose place begins at word `at`, and the age of the *now running* cell if the ring has
    /// no writer.
    pub(super) fn attach(
        &self,
        image: &Image,
        at: usize,
        start: Start,
        is_still: bool,
        scratch: &mut Vec<Record>,
    ) -> Result<(Reader, Option<CellAge>), ReadError> {
        Ok(match start {
            // A tick in progress is read from its beginning.
            Start::Newest => match self.open_tick(image, scratch)? {
                Some(tick) => (Reader::starting_at(tick), None),
                None => (Reader::new(start), None),
            },
            Start::Oldest if is_still => {
                let (known, cell) = evidence::known(image, at, self.is_cut())?;
                (Reader::of_still(known), cell)
            }
            Start::Oldest => (Reader::new(start), None),
        })
    }

    /// The sequence number at which the tick in progress begins; `None` between two ticks.
    pub(super) fn open_tick(
        &self,
        image: &Image,
        scratch: &mut Vec<Record>,
    ) -> Result<Option<u64>, ReadError> {
        let mut reader = Reader::new(Start::Oldest);
        // Records since that tick began, the first one included.
        let mut since = None;
        let emit = |item: Item<'_>| match item {
            Item::Lost(count) => since = since.map(|since: u64| since.saturating_add(count)),
            Item::Event(records, _) => {
                let parts = records.len() as u64;
                since = match unpack::<Ticks>(records).map(|(_, event)| event) {
                    Ok(Event::TickStart { .. }) => Some(parts),
                    // The emitter of an open tick is gone.
                    Ok(Event::TickEnd { .. } | Event::Label { kind: LabelKind::Source, .. }) => None,
                    _ => since.map(|since| since.saturating_add(parts)),
                };
            }
        };
        self.read(image, &mut reader, PollLimits::ALL, scratch, emit)?;
        Ok(since.and_then(|since| reader.next().checked_sub(since)))
    }

    /// The first emitter label in the ring: the records before it are that emitter's.
    pub(super) fn first_label(
        &self,
        image: &Image,
        scratch: &mut Vec<Record>,
    ) -> Result<Option<(SourceId, InlineText)>, ReadError> {
        let mut first = None;
        let emit = |item: Item<'_>| {
            if let Item::Event(records, _) = item
                && first.is_none()
                && let Ok((_, Event::Label { kind: LabelKind::Source, id, text })) = unpack::<Ticks>(records)
            {
                first = Some((SourceId(id), text.get()));
            }
        };
        self.read(image, &mut Reader::new(Start::Oldest), PollLimits::ALL, scratch, emit)?;
        Ok(first)
    }

    /// Continues reading with `reader`; true if there is more.
    pub(super) fn read(
        &self,
        image: &Image,
        reader: &mut Reader,
        limits: PollLimits,
        scratch: &mut Vec<Record>,
        emit: impl FnMut(Item<'_>),
    ) -> Result<bool, ReadError> {
        match (self, image) {
            (Self::Memory(slots, _), _) => {
                let Ok(more) = reader.poll(&MemoryView(slots), scratch, limits, emit);
                Ok(more)
            }
            (Self::File { offset, shift, there, mark }, Image::File(file)) => {
                let view = FileView {
                    file: file.file(),
                    offset: *offset,
                    shift: *shift,
                    there: *there,
                    mark: *mark,
                };
                reader.poll(&view, scratch, limits, emit).map_err(|error| file.failed(error))
            }
            (Self::File { .. }, _) => Ok(false),
        }
    }

    pub(super) fn overlaps(&self, capacity: u64, other: &Self, other_capacity: u64) -> bool {
        let (Self::File { offset: ours, .. }, Self::File { offset: theirs, .. }) = (self, other) else {
            return false;
        };
        let bytes = |capacity: u64| capacity * RECORD_BYTES as u64;
        *ours < theirs + bytes(other_capacity) && *theirs < ours + bytes(capacity)
    }
}
