//! Typed identities and typed times: unlike raw integers, these say what they count.

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
    /// What kind of task it is: an index into the tag labels ([`LabelKind::Tag`](crate::event::LabelKind)) of
    /// its process. 0 is "untagged".
    Tag(u16)
}
id! {
    /// An interned text, unique within its process. 0 is "unlabelled".
    LabelId(u32)
}
id! {
    /// One emitter (a thread, or one loop of a thread) of a process. Emitters of one name may share a number, one after
    /// the other. 0 never names one.
    SourceId(u32)
}
id! {
    /// One source of readiness registered with the loop.
    IoSource(u32)
}
id! {
    /// A raw reading of the record clock: TSC cycles where the TSC is invariant, else monotonic nanoseconds.
    /// Only differences within one process mean anything until a
    /// [`ClockMap`](crate::clock_map::ClockMap) turns it into a [`Timestamp`].
    Ticks(u64)
}
id! {
    /// Nanoseconds of `CLOCK_MONOTONIC`, the clock that the kernel's timers keep.
    Timestamp(u64)
}

/// Operations shared by [`Ticks`] and [`Timestamp`]: a record's time words are written relative to its own
/// time.
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
