//! Encodes one field of an event as 64-bit words and decodes it: every field type defines both in
//! one place.

use super::enums::{
    ClockPoint, GcAction, GcMode, GcReason, LabelKind, LoopCall, Origin, Outcome, Phase, PolicyField,
    PollReason, Priority, Queue, RefKind, RunningKind, StopReason, WorkerPhase,
};
use super::value::{FieldValue, Placement};
use crate::ids::{IoSource, LabelId, NonMax, SourceId, Tag, TaskId, Ticks, Time, TimerId, Timestamp};
use crate::text::{InlineText, TEXT_WORDS, Text};

/// Maximum number of words that one event takes.
pub const FIELDS_MAX: usize = 16;

/// The words of one event, in field order, and its tag. Missing words read as 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Fields {
    /// The record's tag field, 0 where the event has none.
    pub tag: u16,
    /// The words, valid up to `len`, 0 beyond.
    pub words: [u64; FIELDS_MAX],
    /// Words that the event wrote, trailing zeros included.
    pub len: usize,
}

impl Fields {
    #[inline(always)]
    pub(crate) fn push(&mut self, word: u64) {
        self.words[self.len] = word;
        self.len += 1;
    }

    /// Lists of nonzero words, of which every kind of event accepts at least one.
    #[cfg(test)]
    pub(crate) fn small() -> [Self; 3] {
        let mut fields = Self::default();
        (0..FIELDS_MAX).for_each(|_| fields.push(1));
        let (mut label, mut placed) = (fields, fields);
        label.words[2..12].copy_from_slice(&InlineText::new("text").to_words());
        placed.words[1] = 0x11;
        [fields, label, placed]
    }

    #[inline(always)]
    pub(crate) fn push_time<T: Time>(&mut self, at: T, time: T) {
        self.push(at.raw().wrapping_sub(time.raw()));
    }
}

/// Reads the words of an event back, in the same order. Treats them as untrusted.
#[derive(Debug)]
pub(crate) struct Reading<'a> {
    fields: &'a Fields,
    next: usize,
}

impl<'a> Reading<'a> {
    pub(crate) fn new(fields: &'a Fields) -> Self {
        Self { fields, next: 0 }
    }

    pub(crate) fn word(&mut self) -> u64 {
        let word = self.fields.words.get(self.next).copied().unwrap_or(0);
        self.next += 1;
        word
    }

    pub(crate) fn time<T: Time>(&mut self, at: T) -> T {
        T::from_raw(at.raw().wrapping_sub(self.word()))
    }
}

/// A field: encodes to words, and decodes if the words are in range.
pub(crate) trait Field: Sized {
    fn put(self, out: &mut Fields);
    fn take(from: &mut Reading<'_>) -> Option<Self>;
}

impl Field for Tag {
    #[inline(always)]
    fn put(self, out: &mut Fields) {
        out.tag = self.0;
    }
    fn take(from: &mut Reading<'_>) -> Option<Self> {
        Some(Self(from.fields.tag))
    }
}

impl Field for u64 {
    #[inline(always)]
    fn put(self, out: &mut Fields) {
        out.push(self);
    }
    fn take(from: &mut Reading<'_>) -> Option<Self> {
        Some(from.word())
    }
}

macro_rules! small_fields {
    ($($type:ty),+) => {$(
        impl Field for $type {
            #[inline(always)]
            fn put(self, out: &mut Fields) {
                out.push(u64::from(self));
            }
            fn take(from: &mut Reading<'_>) -> Option<Self> {
                Self::try_from(from.word()).ok()
            }
        }
    )+};
}
small_fields!(u8, u16, u32);

macro_rules! wrapped_fields {
    ($($type:ident),+) => {$(
        impl Field for $type {
            #[inline(always)]
            fn put(self, out: &mut Fields) {
                self.0.put(out);
            }
            fn take(from: &mut Reading<'_>) -> Option<Self> {
                Field::take(from).map(Self)
            }
        }
    )+};
}
wrapped_fields!(TaskId, TimerId, LabelId, SourceId, IoSource, Ticks, Timestamp);

macro_rules! word_fields {
    ($($type:ident),+) => {$(
        impl Field for $type {
            #[inline(always)]
            fn put(self, out: &mut Fields) {
                out.push(u64::from(self.code()));
            }
            fn take(from: &mut Reading<'_>) -> Option<Self> {
                Self::from_code(u8::try_from(from.word()).ok()?)
            }
        }

        impl From<$type> for FieldValue {
            #[inline]
            fn from(word: $type) -> Self {
                Self::Word(word.name())
            }
        }
    )+};
}
word_fields!(
    ClockPoint,
    GcAction,
    GcMode,
    GcReason,
    LabelKind,
    Origin,
    Outcome,
    LoopCall,
    Phase,
    PolicyField,
    PollReason,
    Priority,
    Queue,
    RefKind,
    RunningKind,
    StopReason,
    WorkerPhase
);

macro_rules! optional_fields {
    ($($type:ident),+) => {$(
        impl Field for Option<$type> {
            #[inline(always)]
            fn put(self, out: &mut Fields) {
                out.push(self.map_or(0, |id| u64::from(id.0).wrapping_add(1)));
            }
            fn take(from: &mut Reading<'_>) -> Option<Self> {
                match from.word() {
                    0 => Some(None),
                    word => Some(Some($type((word - 1).try_into().ok()?))),
                }
            }
        }
    )+};
}
optional_fields!(TaskId, TimerId, SourceId, LabelId, Timestamp);

impl Field for Option<Phase> {
    #[inline(always)]
    fn put(self, out: &mut Fields) {
        out.push(self.map_or(0, |phase| u64::from(phase.code())));
    }
    fn take(from: &mut Reading<'_>) -> Option<Self> {
        match from.word() {
            0 => Some(None),
            word => Phase::from_code(u8::try_from(word).ok()?).map(Some),
        }
    }
}

impl Field for Option<u64> {
    #[inline(always)]
    fn put(self, out: &mut Fields) {
        out.push(self.map_or(0, |value| value.saturating_add(1)));
    }
    fn take(from: &mut Reading<'_>) -> Option<Self> {
        Some(from.word().checked_sub(1))
    }
}

impl Field for i32 {
    #[inline(always)]
    fn put(self, out: &mut Fields) {
        out.push(u64::from((self << 1 ^ self >> 31) as u32));
    }
    fn take(from: &mut Reading<'_>) -> Option<Self> {
        let zigzag = u32::try_from(from.word()).ok()?;
        Some((zigzag >> 1) as Self ^ -((zigzag & 1) as Self))
    }
}

impl Field for bool {
    #[inline(always)]
    fn put(self, out: &mut Fields) {
        out.push(u64::from(self));
    }
    fn take(from: &mut Reading<'_>) -> Option<Self> {
        match from.word() {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }
}

impl<T> Field for Option<NonMax<T>> {
    #[inline(always)]
    fn put(self, out: &mut Fields) {
        out.push(self.map_or(0, NonMax::word));
    }
    fn take(from: &mut Reading<'_>) -> Option<Self> {
        Some(NonMax::of_word(from.word()))
    }
}

impl Field for InlineText {
    fn put(self, out: &mut Fields) {
        for word in self.to_words() {
            out.push(word);
        }
    }
    fn take(from: &mut Reading<'_>) -> Option<Self> {
        let mut words = [0; TEXT_WORDS];
        words.fill_with(|| from.word());
        Self::from_words(words)
    }
}

impl Field for Text {
    fn put(self, out: &mut Fields) {
        self.get().put(out);
    }
    fn take(from: &mut Reading<'_>) -> Option<Self> {
        InlineText::take(from).map(Self::from)
    }
}

impl Fields {
    /// The fields of a [`Label`](super::Event::Label), for writers, which do not intern the text.
    pub(crate) fn of_label(kind: LabelKind, id: u32, text: InlineText) -> Self {
        let mut fields = Self::default();
        kind.put(&mut fields);
        id.put(&mut fields);
        text.put(&mut fields);
        fields
    }
}

impl Field for Placement {
    #[inline(always)]
    fn put(self, out: &mut Fields) {
        // One word: a queue below 16 million entries keeps the record narrow.
        out.push(
            u64::from(self.depth) << 8
                | u64::from(self.queue.code() & 15) << 4
                | u64::from(self.origin.code() & 15),
        );
    }
    fn take(from: &mut Reading<'_>) -> Option<Self> {
        let word = from.word();
        Some(Self {
            queue: Queue::from_code((word >> 4 & 15) as u8)?,
            origin: Origin::from_code((word & 15) as u8)?,
            depth: u32::try_from(word >> 8).ok()?,
        })
    }
}
