//! Rates over a sliding window, in tenths of a second.
//!
//! "Now" is an argument: a hanging loop emits nothing, and its rate must fall all the same.

use loop_probes::ids::Timestamp;

use super::slots::Slots;

/// Width of a slot, in nanoseconds.
pub const SLOT_NS: u64 = 100_000_000;

/// Counts over one tenth of a second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Slot {
    /// Ticks that ended.
    pub ticks: u32,
    /// Tasks that ended.
    pub tasks: u32,
    /// Busy time of the ticks that ended, in nanoseconds.
    pub busy_ns: u64,
    /// Poll wait of the ticks that ended, in nanoseconds.
    pub poll_wait_ns: u64,
}

/// Counts of the last slots, the newest of which is still filling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rates {
    slots: Slots<Slot>,
    /// When the recording began.
    first: Option<Timestamp>,
    /// The number of the last slot in which records were lost.
    lost: Option<u64>,
    window: usize,
}

impl Rates {
    pub(crate) fn new(window: usize) -> Self {
        let window = window.max(1);
        Self { slots: Slots::new(SLOT_NS, window), first: None, lost: None, window }
    }

    /// The recording began at `at`, or earlier.
    #[inline]
    pub(crate) fn began(&mut self, at: Timestamp) {
        if self.first.is_none_or(|first| at < first) {
            self.first = Some(at);
        }
    }

    /// Records were lost up to `at`.
    pub(crate) fn lost(&mut self, at: Timestamp) {
        self.lost = self.lost.max(Some(at.as_ns() / SLOT_NS));
    }

    /// Whether records were lost since `at`, so that ticks and tasks may be missing from the slots.
    #[must_use]
    pub fn has_lost_since(&self, at: Timestamp) -> bool {
        self.lost >= Some(at.as_ns() / SLOT_NS)
    }

    /// The slot of `at`; the newest one if `at` lies before it (emitters overlap a little).
    #[inline]
    pub(crate) fn slot(&mut self, at: Timestamp) -> &mut Slot {
        if self.slots.is_empty() {
            self.began(at);
        }
        let number = self.slots.number(at).max(self.slots.newest());
        self.slots.at_mut(number).expect("the newest slot is kept")
    }

    /// The slots of the window that ends at `now`, oldest first, always the full window: slots without events are
    /// empty. For sparklines.
    #[must_use]
    pub fn series(&self, now: Timestamp) -> Vec<Slot> {
        let last = (now.as_ns() / SLOT_NS).max(self.slots.newest());
        let mut series: Vec<Slot> = (0..self.window as u64).rev().map(|back| self.at(last, back)).collect();
        series.shrink_to_fit();
        series
    }

    /// Ticks and tasks per second over the window before `now`, and the utilization (0 to 1) of the window. The slot of
    /// `now` is not over: it counts in the utilization, but in no rate. Of a recording younger than the window, all counts
    /// over all of its time. Unfinished ticks are in no slot: `open` returns their busy time and poll wait within a window
    /// of the given nanoseconds.
    #[must_use]
    pub fn per_second(&self, now: Timestamp, open: impl Fn(u64) -> [u64; 2]) -> PerSecond {
        let last = (now.as_ns() / SLOT_NS).max(self.slots.newest());
        let now = now.max(Timestamp(self.slots.newest() * SLOT_NS));
        let first = self.first.unwrap_or(now);
        let covered = last.saturating_sub(first.as_ns() / SLOT_NS);
        let is_young = covered < self.window as u64;
        let backs = if is_young { covered } else { self.window as u64 - 1 };
        let (mut sum, mut ticks, mut tasks) = (Slot::default(), 0u64, 0u64);
        for back in 0..=backs {
            let slot = self.at(last, back);
            sum.busy_ns = sum.busy_ns.saturating_add(slot.busy_ns);
            sum.poll_wait_ns = sum.poll_wait_ns.saturating_add(slot.poll_wait_ns);
            if is_young || back > 0 {
                ticks += u64::from(slot.ticks);
                tasks += u64::from(slot.tasks);
            }
        }
        let window_ns = if is_young { now.ns_since(first) } else { backs.max(1) * SLOT_NS };
        let [busy_ns, poll_wait_ns] = open(window_ns);
        let a_second = |count: u64| if window_ns == 0 { 0.0 } else { count as f64 * 1e9 / window_ns as f64 };
        PerSecond {
            ticks: a_second(ticks),
            tasks: a_second(tasks),
            utilization: super::ticks::utilization(
                sum.busy_ns.saturating_add(busy_ns),
                sum.poll_wait_ns.saturating_add(poll_wait_ns),
            ),
            window_ns,
            has_lost: self.has_lost_since(Timestamp(now.as_ns().saturating_sub(window_ns))),
        }
    }

    fn at(&self, last: u64, back: u64) -> Slot {
        last.checked_sub(back).and_then(|number| self.slots.at(number)).copied().unwrap_or_default()
    }
}

/// Rates per second.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct PerSecond {
    /// Ticks a second.
    pub ticks: f64,
    /// Tasks a second.
    pub tasks: f64,
    /// Busy share of the window's ticks.
    pub utilization: f64,
    /// Length of the window, in nanoseconds.
    pub window_ns: u64,
    /// Whether records were lost in the window: there may have been more ticks and tasks.
    pub has_lost: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(tenths: u64) -> Timestamp {
        Timestamp(5_000_000_000 + tenths * SLOT_NS)
    }

    #[test]
    fn a_steady_loop_has_a_steady_rate() {
        let mut rates = Rates::new(20);
        for tenth in 0..50 {
            for _ in 0..7 {
                rates.slot(at(tenth)).ticks += 1;
            }
        }
        assert!((rates.per_second(at(49), |_| [0; 2]).ticks - 70.0).abs() < 1e-9);
        assert_eq!(rates.series(at(49)).len(), 20);
    }

    #[test]
    fn the_utilization_includes_the_slot_that_is_not_over() {
        let mut rates = Rates::new(10);
        *rates.slot(at(0)) = Slot { ticks: 2, tasks: 2, busy_ns: 300, poll_wait_ns: 0 };
        *rates.slot(at(3)) = Slot { ticks: 1, tasks: 1, busy_ns: 0, poll_wait_ns: 100 };
        let rate = rates.per_second(at(3), |_| [0; 2]);
        assert!((rate.utilization - 0.75).abs() < 1e-9 && (rate.ticks - 3.0 / 0.3).abs() < 1e-9, "{rate:?}");
        *rates.slot(at(20)) = Slot { ticks: 5, tasks: 5, busy_ns: 100, poll_wait_ns: 100 };
        let rate = rates.per_second(at(20), |_| [0; 2]);
        assert!((rate.utilization - 0.5).abs() < 1e-9 && rate.ticks == 0.0, "{rate:?}");
    }

    #[test]
    fn the_window_of_a_short_recording_is_all_of_its_time() {
        let rate_at = |now_ms: u64, ends_ms: &[u64]| {
            let mut rates = Rates::new(100);
            rates.began(Timestamp(70_000_000));
            ends_ms.iter().for_each(|end| rates.slot(Timestamp(end * 1_000_000)).ticks += 1);
            rates.per_second(Timestamp(now_ms * 1_000_000), |_| [0; 2])
        };
        for (now_ms, ends_ms, expected) in [
            // A first tick of five seconds, and three short ones.
            (5_110, &[5_080, 5_090, 5_100, 5_110][..], 4.0 / 5.04),
            (90, &[75, 80], 2.0 / 0.02),
            (130, &[75, 80, 110], 3.0 / 0.06),
            (2_070, &[], 0.0),
            (70, &[70], 0.0),
        ] {
            let rate = rate_at(now_ms, ends_ms);
            assert!((rate.ticks - expected).abs() < 1e-9, "{rate:?}, not {expected}");
            assert_eq!(rate.window_ns, (now_ms - 70) * 1_000_000);
        }
    }

    #[test]
    fn a_loss_within_the_window_is_known() {
        let mut rates = Rates::new(10);
        rates.began(at(0));
        let has_lost = |rates: &Rates, now| rates.per_second(at(now), |_| [0; 2]).has_lost;
        assert!(!has_lost(&rates, 3));
        rates.lost(at(5));
        assert!(has_lost(&rates, 6) && has_lost(&rates, 14) && !has_lost(&rates, 15));
    }

    #[test]
    fn the_rate_of_a_hanging_loop_falls_without_events() {
        let mut rates = Rates::new(10);
        for tenth in 0..10 {
            rates.slot(at(tenth)).ticks += 10;
        }
        let (before, after) =
            (rates.per_second(at(10), |_| [0; 2]).ticks, rates.per_second(at(14), |_| [0; 2]).ticks);
        assert!(after < before && after > 0.0, "{before} {after}");
        assert!(rates.per_second(at(40), |_| [0; 2]).ticks == 0.0);
    }
}
