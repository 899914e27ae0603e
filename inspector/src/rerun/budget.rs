//! What a re-execution may cost: its work and its memory are limited by the size of the recording.
//!
//! A recording comes from outside, and a few bytes of it can ask for anything: four billion microtasks, a callback that
//! posts itself twice, an interval of a nanosecond. Everything that the recording makes a loop do is an operation
//! (a callback, an act, an arrival, a microtask, an event told, an entry looked at) and is paid here. A recording
//! that a loop wrote needs a few operations an event; one that asks for more than [`OPERATIONS`] and
//! [`OPERATIONS_PER_EVENT`] is refused.

use std::cell::Cell;

use super::RerunError;

/// Operations that a recording of any size may ask for: one event can stand for a million microtasks.
pub(super) const OPERATIONS: u64 = 1 << 22;

/// ... and as many more for each of its events.
pub(super) const OPERATIONS_PER_EVENT: u64 = 1 << 8;

/// Most memory for what is kept of a recording, in bytes. A search keeps two of them.
pub(super) const KEPT_BYTES: u64 = 320 << 20;

/// Most tasks, timers, jobs and microtasks that callbacks may leave waiting at a time.
pub(super) const WAITING: u32 = 1 << 20;

/// Counts what a re-execution does against what the size of its recording allows.
#[derive(Clone, Debug, Default)]
pub(super) struct Meter {
    events: Cell<u64>,
    spent: Cell<u64>,
}

impl Meter {
    /// Counts events of the recording, each of which allows for more operations.
    pub(super) fn read(&self, events: u64) {
        self.events.set(self.events.get().saturating_add(events));
    }

    /// Pays for operations. False where there were more than the recording may ask for.
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

    /// The same allowance, of which nothing is spent.
    pub(super) fn renewed(&self) -> Self {
        Self { events: self.events.clone(), spent: Cell::new(0) }
    }

    /// Why the re-execution ends.
    pub(super) fn exceeded(&self, name: &str) -> RerunError {
        let name = loop_probes::text::printable(name);
        RerunError::TooMuchWork { name, most: self.most(), events: self.events.get() }
    }
}

/// The bytes of `count` entries of a kind.
pub(super) const fn bytes_of<T>(count: usize) -> u64 {
    (count as u64).saturating_mul(size_of::<T>() as u64)
}

/// The bytes of a hash table of `count` entries, whose buckets are half empty after it grew.
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
        assert!(meter.renewed().spend(OPERATIONS + OPERATIONS_PER_EVENT));
        assert!(!meter.spend(u64::MAX) && !meter.spend(1), "what is spent does not come round");
    }
}
