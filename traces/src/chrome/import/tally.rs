//! Counts of repairs and drops, by kind: nothing disappears silently.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::chrome::read::Position;

/// Kinds of input accepted although it deviates from the format.
pub mod repaired {
    /// Events that precede one with an earlier time.
    pub const OUT_OF_ORDER: &str = "out_of_order";
    /// Times written as text.
    pub const TIME_AS_TEXT: &str = "time_as_text";
    /// Process and thread ids written as text.
    pub const THREAD_AS_TEXT: &str = "thread_as_text";
    /// Events without a process or a thread.
    pub const NO_THREAD: &str = "no_thread";
    /// Slices and instants without a name.
    pub const NO_NAME: &str = "no_name";
    /// Keys that occur twice: the last one counts.
    pub const DUPLICATE_KEY: &str = "duplicate_key";
    /// Fields of an impossible type: treated as missing.
    pub const WRONG_TYPE: &str = "wrong_type";
    /// Text with invalid UTF-8, half of a surrogate pair, or control characters.
    pub const INVALID_TEXT: &str = "invalid_text";
    /// Slices without an end: unfinished. One that lies within another that ends was cut there.
    pub const BEGIN_WITHOUT_END: &str = "begin_without_end";
    /// Slices not nested properly: cut at the end of the one around them.
    pub const CUT_TO_NEST: &str = "cut_to_nest";
    /// Slices around a whole loop: not tasks themselves, but they contain the tasks.
    pub const AROUND_LOOP: &str = "slice_around_loop";
    /// Negative durations: treated as 0.
    pub const NEGATIVE_DURATION: &str = "negative_duration";
    /// The file is cut off, in an event or before the end of its object: everything complete was read.
    pub const CUT_OFF: &str = "cut_off";
    /// The file is a list of events without its closing bracket: it may be cut off.
    pub const UNCLOSED_LIST: &str = "unclosed_list";
    /// The list of events ends with a comma.
    pub const TRAILING_COMMA: &str = "trailing_comma";
    /// The file begins with a byte order mark.
    pub const BYTE_ORDER_MARK: &str = "byte_order_mark";
    /// Too many flows or ids were open at once: the oldest were dropped.
    pub const FORGOTTEN: &str = "forgotten";
    /// The recording embedded in an export by loopscope does not match the slices around it, or threads were asked for:
    /// the slices were used.
    pub const OWN_RECORDING_UNUSED: &str = "own_recording_unused";
    /// Names beyond the limits: merged into `(others)`; those of processes are dropped.
    pub const TOO_MANY_NAMES: &str = "too_many_names";
}

/// Kinds of input missing from the result.
pub mod dropped {
    /// Events that are not valid JSON, or have a time and a duration but no valid phase.
    pub const MALFORMED: &str = "malformed_event";
    /// Events longer than the limit.
    pub const TOO_LONG: &str = "event_too_long";
    /// Events nested deeper than the limit.
    pub const TOO_DEEP: &str = "event_too_deep";
    /// Values in the list of events that are not objects.
    pub const NO_OBJECT: &str = "no_event";
    /// Text after the end of the JSON.
    pub const TRAILING: &str = "after_the_end";
    /// Events without a phase, or with one that the format does not define.
    pub const UNKNOWN_PHASE: &str = "unknown_phase";
    /// Events that need a time but have none.
    pub const NO_TIME: &str = "no_time";
    /// Events before zero.
    pub const NEGATIVE_TIME: &str = "negative_time";
    /// Complete slices without a duration.
    pub const NO_DURATION: &str = "no_duration";
    /// Asynchronous events without an id, or without a process.
    pub const NO_ID: &str = "no_id";
    /// Instants of a thread or a process that do not say which.
    pub const NO_SCOPE: &str = "no_scope";
    /// Complete slices that overlap another of their thread.
    pub const OVERLAPPING: &str = "overlapping_slice";
    /// Slices nested deeper than 512.
    pub const NESTED_TOO_DEEP: &str = "nested_too_deep";
    /// Ends without a begin.
    pub const END_WITHOUT_BEGIN: &str = "end_without_begin";
    /// Ends of flows without a start.
    pub const FLOW_END: &str = "flow_without_start";
    /// Starts of flows without an end.
    pub const FLOW_START: &str = "flow_without_end";
    /// Slices of threads that are not loops.
    pub const OTHER_THREADS: &str = "slice_of_other_thread";
    /// Instants of threads that are not loops.
    pub const OTHER_INSTANTS: &str = "instant_of_other_thread";
    /// Events of threads beyond the limit on distinct threads.
    pub const THREAD_BEYOND_LIMIT: &str = "event_of_thread_beyond_limit";
    pub use crate::import_summary::LOOP_BEYOND_LIMIT;
    /// Asynchronous slices: they belong to no thread.
    pub const ASYNC: &str = "async_slice";
    /// Samples of counters other than queue depths of loops.
    pub const COUNTER: &str = "counter";
    /// Objects, their snapshots, memory dumps.
    pub const OBJECT: &str = "object";
    /// Samples of a CPU profile.
    pub const SAMPLE: &str = "profile_sample";
    /// The asynchronous phases S, T, p and F from before 2014, which Perfetto does not show either.
    pub const LEGACY_ASYNC: &str = "legacy_async";
    /// Clock synchronization, context and links between ids.
    pub const BOOKKEEPING: &str = "bookkeeping";

    /// Kinds of dropped events that may have been slices of any thread.
    pub(crate) const OF_ANY_THREAD: [&str; 6] =
        [MALFORMED, NO_OBJECT, TOO_LONG, TOO_DEEP, TRAILING, THREAD_BEYOND_LIMIT];
}

/// Counts by kind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Tally {
    counts: BTreeMap<String, u64>,
    /// The first occurrence of each kind, where it was seen while reading.
    #[serde(skip)]
    first: BTreeMap<String, Position>,
}

impl Tally {
    /// The count of one kind.
    #[must_use]
    pub fn count(&self, kind: &str) -> u64 {
        self.counts.get(kind).copied().unwrap_or(0)
    }

    /// Every kind counted, with its count and, where known, its first occurrence.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, u64, Option<Position>)> + '_ {
        self.counts.iter().map(|(kind, count)| (&**kind, *count, self.first.get(kind).copied()))
    }

    /// Whether nothing was counted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }

    pub(super) fn add(&mut self, kind: &'static str, count: u64) {
        if count > 0 {
            match self.counts.get_mut(kind) {
                Some(before) => *before += count,
                None => {
                    self.counts.insert(kind.to_owned(), count);
                }
            }
        }
    }

    pub(super) fn forget(&mut self, kind: &str) {
        self.counts.remove(kind);
    }

    pub(super) fn one(&mut self, kind: &'static str, place: Position) {
        if !self.counts.contains_key(kind) {
            self.first.insert(kind.to_owned(), place);
        }
        self.add(kind, 1);
    }
}
