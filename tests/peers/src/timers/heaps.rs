//! Timers as data structures without a loop: the standard library's heap, and a published timer wheel.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use hierarchical_hash_wheel_timer::IdOnlyTimerEntry;
use hierarchical_hash_wheel_timer::wheels::cancellable::QuadWheelWithOverflow;
use loop_probes::clock::monotonic_now;

use super::{MS, Timers};
use crate::tasks::add;

/// A heap that only marks timers as cleared: they stay until they are due.
#[derive(Default)]
pub(super) struct Heap {
    waiting: BinaryHeap<Reverse<(u64, usize)>>,
    cleared: Vec<bool>,
}

impl Timers for Heap {
    fn prepare(&mut self, count: usize) {
        self.waiting.clear();
        self.cleared.clear();
        self.cleared.resize(count, false);
    }

    fn insert(&mut self, delays_ns: &[u64]) {
        let now = monotonic_now();
        for (number, delay_ns) in delays_ns.iter().enumerate() {
            self.waiting.push(Reverse((now.plus_ns(*delay_ns).as_ns(), number)));
        }
    }

    fn cancel(&mut self, order: &[usize]) {
        for &number in order {
            self.cleared[number] = true;
        }
    }

    fn fire(&mut self, count: usize) {
        let now = monotonic_now().as_ns();
        let mut fired = 0;
        while let Some(Reverse((due, number))) = self.waiting.peek() {
            if *due > now {
                break;
            }
            if !self.cleared[*number] {
                add(*number as u64);
                fired += 1;
            }
            self.waiting.pop();
        }
        assert_eq!(fired, count, "all are due");
    }
}

/// Counts in milliseconds. Cleared timers stay in the wheel, so each sample gets a new one.
pub(super) struct HashWheel {
    wheel: QuadWheelWithOverflow<IdOnlyTimerEntry<u64>>,
}

impl Default for HashWheel {
    fn default() -> Self {
        Self { wheel: QuadWheelWithOverflow::new() }
    }
}

impl Timers for HashWheel {
    fn prepare(&mut self, _count: usize) {
        *self = Self::default();
    }

    fn insert(&mut self, delays_ns: &[u64]) {
        for (delay_ns, id) in delays_ns.iter().zip(0..) {
            let delay = Duration::from_nanos(*delay_ns);
            assert!(self.wheel.insert(IdOnlyTimerEntry { id, delay }).is_ok(), "no delay is zero");
        }
    }

    fn cancel(&mut self, order: &[usize]) {
        for &number in order {
            assert!(self.wheel.cancel(&(number as u64)).is_ok(), "it is armed");
        }
    }

    fn fire(&mut self, count: usize) {
        let mut fired = 0;
        for _ in 0..=super::SOON_NS.1 / MS {
            for entry in self.wheel.tick() {
                add(entry.id);
                fired += 1;
            }
        }
        assert_eq!(fired, count, "all are due");
    }
}
