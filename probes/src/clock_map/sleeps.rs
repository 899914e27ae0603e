//! Sleeps of the machine through which the record clock went on, while `CLOCK_MONOTONIC` stood still.
//!
//! Between two sleeps the two clocks lie on one line, and throughout if the time asleep is added to the monotonic
//! clock. So a `ClockMap` is a continuous line from ticks to the time including sleeps, minus the time asleep until
//! then. The record clock itself measures the time asleep, because the kernel's figure may come from a clock of whole
//! seconds. A sleep lies somewhere between the readings around it: times there are at most that of the reading after
//! it.

use crate::clock::Anchor;
use crate::ids::{Ticks, Timestamp};

/// Maximum number of sleeps taken into account. With more, readings of the clocks contradict each other.
pub(crate) const SLEEPS_MAX: usize = 1024;

/// By how much the kernel's figure for the time asleep may be off, besides [`ERROR_PARTS`].
const ERROR_NS: u64 = 2_000_000_000;

/// The proportional part of that error, as a divisor of the time asleep.
const ERROR_PARTS: u64 = 256;

/// The least that a running record clock gains in a sleep, in nanoseconds: with less, it stood still.
const LEAST_NS: u64 = 500_000;

/// The machine slept at some moment between two readings of the record clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sleep {
    /// The last reading before the sleep.
    pub(crate) alive: Ticks,
    /// The first reading after the sleep.
    pub(crate) end: Ticks,
    pub(crate) asleep_ns: u64,
}

impl Sleep {
    /// The sleep as measured by the record clock, which gained `ns` on the monotonic one. `None` if the clock stood
    /// still, or if the sleep does not explain the gain.
    pub(crate) fn measured(self, ns: u64) -> Option<Self> {
        let is_of_sleep = ns.abs_diff(self.asleep_ns) <= ERROR_NS + self.asleep_ns / ERROR_PARTS;
        (ns >= LEAST_NS && is_of_sleep).then_some(Self { asleep_ns: ns, ..self })
    }
}

/// Sleeps, in order. They do not overlap.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sleeps {
    all: Vec<Sleep>,
    /// For each sleep, the time asleep before it; last, the total.
    before_ns: Vec<u64>,
    /// For each sleep, an upper bound of all converted times before the end of the sleep, so that times never decrease.
    most: Vec<u64>,
}

impl Sleeps {
    /// Of sleeps that overlap, only one can be true: keeps the one that ends first.
    pub(crate) fn new(mut all: Vec<Sleep>) -> Self {
        all.retain(|sleep| sleep.alive <= sleep.end && sleep.asleep_ns > 0);
        all.sort_by_key(|sleep| sleep.end);
        let mut last = Ticks(0);
        all.retain(|sleep| {
            let is_separate = sleep.alive >= last;
            last = if is_separate { sleep.end } else { last };
            is_separate
        });
        all.drain(..all.len().saturating_sub(SLEEPS_MAX));
        let mut sum_ns = 0u64;
        let mut before_ns = vec![0];
        before_ns.extend(all.iter().map(|sleep| {
            sum_ns = sum_ns.saturating_add(sleep.asleep_ns);
            sum_ns
        }));
        let most = vec![u64::MAX; all.len()];
        Self { all, before_ns, most }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Sleep> {
        self.all.iter()
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Adds a sleep after the others.
    pub(crate) fn add(&mut self, sleep: Sleep) {
        let mut all = std::mem::take(&mut self.all);
        all.push(sleep);
        *self = Self::new(all);
    }

    /// Updates the bounds after `line`, which gives the time including sleeps, has changed.
    pub(crate) fn follow(&mut self, line: impl Fn(u64) -> u64) {
        let mut most = u64::MAX;
        for (place, sleep) in self.all.iter().enumerate().rev() {
            most = most.min(line(sleep.end.0).saturating_sub(self.before_ns[place + 1]));
            self.most[place] = most;
        }
    }

    /// The monotonic time at `ticks`, where the time including sleeps is `ns`.
    pub(crate) fn awake(&self, ticks: u64, ns: u64) -> u64 {
        let place = self.over(ticks);
        let awake = ns.saturating_sub(self.before_ns.get(place).copied().unwrap_or(0));
        self.most.get(place).map_or(awake, |most| awake.min(*most))
    }

    /// The monotonic time after all sleeps, where the time including them is `ns`.
    pub(crate) fn awake_after_all(&self, ns: u64) -> u64 {
        ns.saturating_sub(self.total_ns())
    }

    /// `anchor`, taken after all sleeps, with the time including them.
    pub(crate) fn after_all(&self, anchor: Anchor) -> Anchor {
        self.after(self.all.len(), anchor)
    }

    /// The inverse of [`after_all`](Self::after_all).
    pub(crate) fn before_all(&self, anchor: Anchor) -> Anchor {
        Anchor { monotonic: Timestamp(self.awake_after_all(anchor.monotonic.0)), ..anchor }
    }

    fn total_ns(&self) -> u64 {
        self.before_ns.last().copied().unwrap_or(0)
    }

    /// `anchor` with the time including sleeps. `None` if it lies between the readings around a sleep.
    pub(crate) fn including(&self, anchor: Anchor) -> Option<Anchor> {
        let place = self.over(anchor.ticks.0);
        let is_within = self.all.get(place).is_some_and(|next| anchor.ticks > next.alive);
        (!is_within).then(|| self.after(place, anchor))
    }

    /// For an anchor between the readings around a sleep: as if taken before the sleep, and as if taken after it.
    pub(crate) fn either(&self, anchor: Anchor) -> [Anchor; 2] {
        let place = self.over(anchor.ticks.0);
        [place, place + 1].map(|place| self.after(place, anchor))
    }

    fn after(&self, place: usize, anchor: Anchor) -> Anchor {
        let asleep_ns = self.before_ns.get(place).copied().unwrap_or(0);
        Anchor { monotonic: Timestamp(anchor.monotonic.0.saturating_add(asleep_ns)), ..anchor }
    }

    /// The number of sleeps that were over at `ticks`.
    pub(crate) fn over(&self, ticks: u64) -> usize {
        self.all.partition_point(|sleep| sleep.end.0 <= ticks)
    }
}
