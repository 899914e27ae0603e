//! Typed identities and typed times: unlike raw integers, these say what they count.

use std::marker::PhantomData;
use std::num::NonZeroU64;

use serde::{Deserialize, Serialize};

macro_rules! id {
    ($(#[$doc:meta])* $name:ident($raw:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub $raw);

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                std::fmt::Display::fmt(&self.0, f)
            }
        }
    };
}

id! {
    /// One task, from its post to its end. Counts up from 1 within a process; a record spends 32 bits on it
    /// while it fits and 64 after that.
    TaskId(u64)
}
id! {
    /// One armed timer. Re-arming keeps the id.
    TimerId(u64)
}
id! {
    /// A kind of task: an index into the tag labels ([`LabelKind::Tag`](crate::event::LabelKind)) of its process. 0
    /// is "untagged".
    Tag(u16)
}
id! {
    /// An interned text, unique within its process. 0 is "unlabelled".
    LabelId(u32)
}
id! {
    /// One emitter (a thread, or one loop of a thread) of a process. Successive emitters of one name may share a
    /// number. 0 is the process.
    SourceId(u32)
}
id! {
    /// One source of readiness registered with the loop.
    IoSource(u32)
}
id! {
    /// A raw reading of the record clock: TSC cycles where the TSC is invariant, else monotonic nanoseconds.
    /// Only differences within one process mean anything until a reader converts it to a [`Timestamp`].
    Ticks(u64)
}
id! {
    /// Nanoseconds of `CLOCK_MONOTONIC`, the clock that the kernel's timers keep.
    Timestamp(u64)
}

/// What [`Ticks`] and [`Timestamp`] have in common. The time fields of a record are relative to its own time.
pub trait Time: Copy + Ord + std::fmt::Debug {
    /// The raw 64-bit reading.
    fn raw(self) -> u64;
    /// The time with this raw reading.
    fn from_raw(raw: u64) -> Self;
}

impl Time for Ticks {
    #[inline(always)]
    fn raw(self) -> u64 {
        self.0
    }
    #[inline(always)]
    fn from_raw(raw: u64) -> Self {
        Self(raw)
    }
}

impl Time for Timestamp {
    #[inline(always)]
    fn raw(self) -> u64 {
        self.0
    }
    #[inline(always)]
    fn from_raw(raw: u64) -> Self {
        Self(raw)
    }
}

/// A number below `u64::MAX`, so that an `Option` of it takes 8 bytes. Larger ones become the largest that fits, as
/// in the encoding of optional fields.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct NonMax<T> {
    /// The number plus one: the word that records have.
    word: NonZeroU64,
    number: PhantomData<T>,
}

impl<T> NonMax<T> {
    /// Decodes the word of an optional field, which is 0 for `None`.
    #[inline(always)]
    pub(crate) fn of_word(word: u64) -> Option<Self> {
        NonZeroU64::new(word).map(|word| Self { word, number: PhantomData })
    }

    #[inline(always)]
    pub(crate) const fn word(self) -> u64 {
        self.word.get()
    }
}

impl<T: Into<u64>> From<T> for NonMax<T> {
    #[inline(always)]
    fn from(number: T) -> Self {
        Self { word: NonZeroU64::MIN.saturating_add(number.into()), number: PhantomData }
    }
}

impl<T: Copy + From<u64>> NonMax<T> {
    /// The number as `T`.
    #[inline(always)]
    #[must_use]
    pub fn get(self) -> T {
        T::from(self.word() - 1)
    }
}

impl<T: Copy + From<u64> + std::fmt::Debug> std::fmt::Debug for NonMax<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.get().fmt(f)
    }
}

impl From<TaskId> for u64 {
    #[inline(always)]
    fn from(task: TaskId) -> Self {
        task.0
    }
}

impl From<u64> for TaskId {
    #[inline(always)]
    fn from(number: u64) -> Self {
        Self(number)
    }
}

impl Timestamp {
    /// Nanoseconds since the monotonic clock's zero.
    #[must_use]
    pub const fn as_ns(self) -> u64 {
        self.0
    }

    /// Nanoseconds from `earlier` to `self`, 0 where `earlier` is later.
    #[must_use]
    pub const fn ns_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// This time moved forward; saturates instead of wrapping.
    #[must_use]
    pub const fn plus_ns(self, ns: u64) -> Self {
        Self(self.0.saturating_add(ns))
    }
}
