//! Untyped field values, for readers that list fields without knowing them: exports, logs.

use super::enums::{Origin, Queue};
use crate::ids::{IoSource, LabelId, NonMax, SourceId, Tag, TaskId, Ticks, TimerId, Timestamp};
use crate::text::Text;

/// Where a task was queued: the queue, its origin, and the queue's depth including the task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placement {
    /// The queue that the task entered.
    pub queue: Queue,
    /// Where the task came from.
    pub origin: Origin,
    /// Tasks in the queue, this one included.
    pub depth: u32,
}

/// A field's value, in the widest type of its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FieldValue {
    /// Nothing: an optional field that is absent.
    Absent,
    /// A number, or an identity without a variant of its own.
    Number(u64),
    /// A number that can be negative.
    Signed(i64),
    /// Yes or no.
    Flag(bool),
    /// A word of a closed enumeration.
    Word(&'static str),
    /// A tag.
    Tag(Tag),
    /// An interned text.
    Label(LabelId),
    /// An emitter.
    Source(SourceId),
    /// A source of readiness.
    Io(IoSource),
    /// Where a task was queued.
    Placement(Placement),
    /// A point in time.
    Time(Timestamp),
    /// A text.
    Text(Text),
}

macro_rules! values {
    ($($type:ty: |$it:ident| $value:expr;)+) => {$(
        impl From<$type> for FieldValue {
            #[inline]
            fn from($it: $type) -> Self {
                $value
            }
        }
    )+};
}
values! {
    u64: |it| Self::Number(it);
    u32: |it| Self::Number(u64::from(it));
    u16: |it| Self::Number(u64::from(it));
    u8: |it| Self::Number(u64::from(it));
    i32: |it| Self::Signed(i64::from(it));
    bool: |it| Self::Flag(it);
    TaskId: |it| Self::Number(it.0);
    TimerId: |it| Self::Number(it.0);
    Ticks: |it| Self::Number(it.0);
    Tag: |it| Self::Tag(it);
    LabelId: |it| Self::Label(it);
    SourceId: |it| Self::Source(it);
    IoSource: |it| Self::Io(it);
    Timestamp: |it| Self::Time(it);
    Placement: |it| Self::Placement(it);
    Text: |it| Self::Text(it);
}

impl<T: Copy + From<u64> + Into<Self>> From<NonMax<T>> for FieldValue {
    #[inline]
    fn from(value: NonMax<T>) -> Self {
        value.get().into()
    }
}

impl<V: Into<Self>> From<Option<V>> for FieldValue {
    #[inline]
    fn from(value: Option<V>) -> Self {
        value.map_or(Self::Absent, Into::into)
    }
}
