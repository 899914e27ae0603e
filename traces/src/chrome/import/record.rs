//! An event of the file as a record that can be sorted and spilled: by time, and at equal times so that slices nest.

use std::io::{self, Read, Write};

use super::sorted::{Record, put_words, take_words};

/// What an event is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kind {
    /// `E`.
    End,
    /// `X`; the value is its duration.
    Complete,
    /// `B`.
    Begin,
    /// `i` of a thread.
    Instant,
    /// `b`; the value is its id.
    AsyncBegin,
    /// `e`.
    AsyncEnd,
    /// `n`, and `i` of a process or of everything.
    Point,
    /// `s`, `t`, and slices that a flow leaves; the value is its id.
    FlowOut,
    /// `f` and `t`: a flow ends in the slice that is open.
    FlowIn,
    /// `f` without `bp`: a flow ends in the next slice.
    FlowNext,
    /// A sample of a queue's depth; the value is the depth, the name the queue's code.
    Depth,
    /// `E` of a slice that began at the same time.
    EndAtBegin,
}

/// Kinds by code.
const KINDS: [Kind; 12] = {
    use Kind::*;
    [End, Complete, Begin, Instant, AsyncBegin, AsyncEnd, Point, FlowOut, FlowIn, FlowNext, Depth, EndAtBegin]
};

/// An event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct EventRecord {
    pub(super) ts: i64,
    pub(super) kind: Kind,
    pub(super) thread: u32,
    pub(super) name: u32,
    pub(super) category: u32,
    pub(super) value: u64,
    /// What a slice runs, by name, if all its kind share one name; 0 if unknown.
    pub(super) runs: u32,
    /// Offset of the event in the file.
    pub(super) place: u64,
}

const THREAD_BITS: u32 = 32;

/// The bits of the thread and of the kind.
const RUNS_SHIFT: u32 = THREAD_BITS + 8;

impl EventRecord {
    /// The order Perfetto gives to events of equal times, where it sorts them.
    pub(super) fn rank_of_perfetto(&self) -> u64 {
        match self.kind {
            Kind::End | Kind::EndAtBegin => 0,
            Kind::Complete => u64::MAX - self.value,
            _ => u64::MAX,
        }
    }
}

impl Record for EventRecord {
    type Key = (i64, u64, u64);

    fn key(&self) -> (i64, u64, u64) {
        // At equal times: ends, flows that look ahead, complete slices (longest first), the rest in file order, flows
        // that look at open slices. Of one event that ends a flow and starts the next, the end comes first: it does not
        // lead to itself.
        let rank = match self.kind {
            Kind::End => 0,
            Kind::FlowNext => 1,
            Kind::Complete => 1 << 62 | u64::MAX >> 2 ^ self.value.min(u64::MAX >> 2),
            Kind::FlowIn | Kind::FlowOut => 3 << 62,
            _ => 2 << 62,
        };
        (self.ts, rank, self.place << 1 | u64::from(self.kind == Kind::FlowOut))
    }

    fn spill(&self, out: &mut impl Write) -> io::Result<()> {
        let Self { ts, kind, thread, name, category, value, runs, place } = *self;
        let thread = u64::from(thread) | (kind as u64) << THREAD_BITS | u64::from(runs) << RUNS_SHIFT;
        put_words(
            out,
            &[ts.cast_unsigned(), place, thread, u64::from(name) << 32 | u64::from(category), value],
        )
    }

    fn take(from: &mut impl Read) -> io::Result<Self> {
        let [ts, place, thread, names, value] = take_words(from)?;
        let kind = KINDS.get((thread >> THREAD_BITS & 0xff) as usize);
        Ok(Self {
            ts: ts.cast_signed(),
            kind: *kind.ok_or(io::ErrorKind::InvalidData)?,
            thread: thread as u32,
            name: (names >> 32) as u32,
            category: names as u32,
            value,
            runs: (thread >> RUNS_SHIFT) as u32,
            place,
        })
    }
}
