//! The budget of a re-execution: its work and its memory are limited by the size of the recording.
//!
//! A recording is untrusted input, and a few bytes of it can ask for anything: four billion microtasks, a callback that
//! posts itself twice, an interval of a nanosecond. Everything that the recording makes a loop do is an operation (a
//! callback, an act, an arrival, a microtask, an event reported, an entry looked at) and is charged here. A genuine
//! recording needs a few operations per event; one that asks for more than [`OPERATIONS`] plus [`OPERATIONS_PER_EVENT`]
//! per event is refused.

use std::cell::Cell;

use super::RerunError;

/// Operations allowed to a recording of any size: one event can stand for a million microtasks.
pub(super) const OPERATIONS: u64 = 1 << 22;

/// Further operations allowed for each of its events.
pub(super) const OPERATIONS_PER_EVENT: u64 = 1 << 8;

/// Maximum memory for what is kept of a recording, in bytes. A search keeps two of them.
pub(super) const KEPT_BYTES: u64 = 320 << 20;

/// Maximum number of tasks, timers, jobs and microtasks that callbacks may leave waiting at a time.
pub(super) const WAITING: u32 = 1 << 20;

/// Counts the operations of a re-execution against the limit set by the size of its recording.
#[derive(Clone, Debug, Default)]
pub(super) struct Meter {
    events: Cell<u64>,
    spent: Cell<u64>,
}

impl Meter {
    /// The budget of a recording with this many events.
    pub(super) fn of(events: u64) -> Self {
        Self { events: Cell::new(events), spent: Cell::new(0) }
    }

    /// Counts events of the recording, each of which raises the limit.
    pub(super) fn read(&self, events: u64) {
        self.events.set(self.events.get().saturating_add(events));
    }

    /// Charges operations. Returns false once the limit is exceeded.
    pub(super) fn spend(&self, operations: u64) -> bool {
        self.spent.set(self.spent.get().saturating_add(operations));
        self.spent.get() <= self.most()
    }

    pub(super) fn spent(&self) -> u64 {
        self.spent.get()
    }

    fn most(&self) -> u64 {
        self.events.get().saturating_mul(OPERATIONS_PER_EVENT).saturating_add(OPERATIONS)
    }

    /// The error for a re-execution that exceeded its limit.
    pub(super) fn exceeded(&self, name: &str) -> RerunError {
        let name = loop_probes::text::printable(name);
        RerunError::TooMuchWork { name, most: self.most(), events: self.events.get() }
    }
}

/// The size of `count` entries of a type, in bytes.
pub(super) const fn bytes_of<T>(count: usize) -> u64 {
    (count as u64).saturating_mul(size_of::<T>() as u64)
}

/// The size of a hash table of `count` entries, in bytes; its buckets are half empty after it grew.
pub(super) const fn table_bytes<K, V>(count: usize) -> u64 {
    (count as u64).saturating_mul(2 * (size_of::<(K, V)>() as u64 + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_event_allows_for_more_operations() {
        let meter = Meter::default();
        assert!(meter.spend(OPERATIONS) && !meter.spend(1));
        meter.read(1);
        assert!(meter.spend(OPERATIONS_PER_EVENT - 1) && !meter.spend(1));
        assert!(Meter::of(1).spend(OPERATIONS + OPERATIONS_PER_EVENT));
        assert!(!meter.spend(u64::MAX) && !meter.spend(1), "what is spent does not come round");
    }
}
