//! The record: 32 bytes, two to a cache line, the same in a ring and in a saved trace (which has the source in place
//! of the lap).
//!
//! ```text
//! word 0   time: raw ticks in the ring, monotonic nanoseconds in a file
//! word 1   stamp: place:u32 | kind:u8 | part:u8 | tag:u16        (place: lap in the ring, source in a file)
//! word 2,3 payload: four u32 fields (narrow) or two u64 fields (wide)
//! part     bit 7: wide · bits 3–5: parts less one · bits 0–2: this part's index
//! ```
//!
//! An event takes as many consecutive records as its fields need; trailing zero fields are not written.
//! A field above 32 bits makes the whole event wide. Every part repeats the time.

use crate::event::{DecodeError, Event, FIELDS_MAX, Fields, LabelKind};
use crate::ids::{Ticks, Time};
use crate::text::InlineText;

/// Bytes of a record.
pub(crate) const RECORD_BYTES: usize = 32;

/// Maximum number of records that one event takes.
pub const PARTS_MAX: usize = 8;

/// The code of [`Event::Label`].
const LABEL: u8 = 42;

/// The four words of a record: time, stamp, payload.
pub type Record = [u64; 4];

/// Word 1 of a record. 0 is not a stamp: the slot was never written, or is being written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Stamp(pub u64);

impl Stamp {
    /// The stamp of part `index` of `count` of an event.
    #[inline(always)]
    #[must_use]
    pub const fn new(place: u32, kind: u8, tag: u16, wide: bool, index: usize, count: usize) -> Self {
        let part = (wide as u64) << 7 | (count as u64 - 1) << 3 | index as u64;
        Self((place as u64) << 32 | (kind as u64) << 24 | part << 16 | tag as u64)
    }

    /// The lap of the ring (from 1), or the source.
    #[inline(always)]
    #[must_use]
    pub const fn place(self) -> u32 {
        (self.0 >> 32) as u32
    }

    /// The event's kind.
    #[must_use]
    pub const fn kind(self) -> u8 {
        (self.0 >> 24) as u8
    }

    /// The event's tag field.
    #[must_use]
    pub const fn tag(self) -> u16 {
        self.0 as u16
    }

    /// Whether the payload holds two u64 fields rather than four u32.
    #[must_use]
    pub const fn is_wide(self) -> bool {
        self.0 >> 23 & 1 == 1
    }

    /// Index of this record among its event's parts, from 0.
    #[must_use]
    pub const fn part(self) -> usize {
        (self.0 >> 16 & 7) as usize
    }

    /// Number of records of its event.
    #[must_use]
    pub const fn parts(self) -> usize {
        (self.0 >> 19 & 7) as usize + 1
    }
}

/// Why records do not decode to an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// The records are not the parts, in order, of one event.
    #[error("mismatched parts of an event")]
    Parts,
    /// The words are not an event.
    #[error(transparent)]
    Decode(#[from] DecodeError),
}

impl RecordError {
    /// The kind, if this version does not know it. If its writer does not know the kind either, the event is damaged,
    /// not newer. `None` for 0, which is no kind of any version.
    #[must_use]
    pub const fn unknown_kind(&self) -> Option<u8> {
        match self {
            Self::Decode(DecodeError::UnknownKind(kind)) if *kind > 0 => Some(*kind),
            _ => None,
        }
    }
}

/// An event laid out as records, without a place yet.
#[derive(Clone, Copy, Debug)]
pub struct Packed {
    at: u64,
    kind: u8,
    wide: bool,
    parts: usize,
    fields: Fields,
}

impl Packed {
    /// Lays out `event` with the record time `at`.
    #[inline(always)]
    #[must_use]
    pub fn new<T: Time>(at: T, event: Event<T>) -> Self {
        Self::of_fields(at.raw(), event.code(), event.to_fields(at))
    }

    /// Lays out a [`Label`](Event::Label).
    pub(crate) fn label(at: Ticks, kind: LabelKind, id: u32, text: InlineText) -> Self {
        Self::of_fields(at.raw(), LABEL, Fields::of_label(kind, id, text))
    }

    #[inline(always)]
    fn of_fields(at: u64, kind: u8, fields: Fields) -> Self {
        let words = &fields.words;
        // Two ORs decide the common case; the compiler knows most of the words to be zero.
        let head = words[0] | words[1] | words[2] | words[3];
        let tail = words[4..].iter().fold(0, |all, word| all | word);
        let (wide, parts) = if head >> 32 == 0 && tail == 0 {
            (false, 1)
        } else {
            let used = FIELDS_MAX - words.iter().rev().take_while(|word| **word == 0).count();
            if (head | tail) >> 32 == 0 { (false, used.div_ceil(4)) } else { (true, used.div_ceil(2)) }
        };
        Self { at, kind, wide, parts, fields }
    }

    /// Number of records it takes.
    #[inline(always)]
    #[must_use]
    pub const fn parts(&self) -> usize {
        self.parts
    }

    /// Part `index` as a record at `place`.
    #[inline(always)]
    #[must_use]
    pub const fn record(&self, index: usize, place: u32) -> Record {
        let words = &self.fields.words;
        let stamp = Stamp::new(place, self.kind, self.fields.tag, self.wide, index, self.parts);
        let (low, high) = if self.wide {
            (words[2 * index], words[2 * index + 1])
        } else {
            (words[4 * index] | words[4 * index + 1] << 32, words[4 * index + 2] | words[4 * index + 3] << 32)
        };
        [self.at, stamp.0, low, high]
    }

    /// The whole event as one record, at place 0; `None` if it needs more.
    #[inline(always)]
    #[must_use]
    pub(crate) const fn single(&self) -> Option<Record> {
        if self.parts == 1 { Some(self.record(0, 0)) } else { None }
    }

    /// All its records, at `place`.
    pub fn records(&self, place: u32) -> impl Iterator<Item = Record> + '_ {
        (0..self.parts).map(move |index| self.record(index, place))
    }
}

/// Decodes `parts`, the consecutive records of one event, to the event and its time.
///
/// # Errors
///
/// [`RecordError`] if the records do not belong together or are not an event that this version knows.
#[inline]
pub fn unpack<T: Time>(parts: &[Record]) -> Result<(T, Event<T>), RecordError> {
    let first = parts.first().ok_or(RecordError::Parts)?;
    let head = Stamp(first[1]);
    if head.parts() != parts.len() {
        return Err(RecordError::Parts);
    }
    let mut fields = Fields { tag: head.tag(), ..Fields::default() };
    for (index, record) in parts.iter().enumerate() {
        let stamp = Stamp(record[1]);
        let expected = Stamp::new(stamp.place(), head.kind(), head.tag(), head.is_wide(), index, parts.len());
        if stamp != expected || record[0] != first[0] {
            return Err(RecordError::Parts);
        }
        for payload in &record[2..] {
            if head.is_wide() {
                fields.push(*payload);
            } else {
                if fields.len + 2 > FIELDS_MAX {
                    return Err(RecordError::Parts);
                }
                fields.push(payload & 0xffff_ffff);
                fields.push(payload >> 32);
            }
        }
    }
    let at = T::from_raw(first[0]);
    Ok((at, Event::from_fields(head.kind(), at, &fields)?))
}

#[cfg(test)]
mod tests;
