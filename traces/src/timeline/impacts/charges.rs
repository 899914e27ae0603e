//! The delay charged to each cause.

use loop_probes::ids::{TaskId, Timestamp};

use super::cause::Cause;
use crate::attribution::Waiter;
use crate::timeline::open_tick::Wait;

/// The run that caused the most delay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WorstImpact {
    /// The task or callback, if it was one; for microtasks, the one that preceded them.
    pub task: Option<TaskId>,
    /// When it began.
    pub at: Timestamp,
    /// The delay it caused.
    pub lateness_ns: u64,
    /// How many timers, signals and tasks it delayed.
    pub delayed: u64,
}

/// The delay caused by one cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Impact {
    /// The cause of these delays.
    pub cause: Cause,
    /// Delay caused, in nanoseconds, by [`Waiter`] in the order of [`Waiter::ALL`].
    pub lateness_ns: [u64; 3],
    /// How many timers, signals and tasks it delayed. Each counts once, even if it waited for several runs.
    pub delayed: [u64; 3],
    /// The run of the cause that inflicted the largest delay.
    pub worst: Option<WorstImpact>,
    /// Total run time of the cause; `None` if it has no runs of its own.
    pub run_ns: Option<u64>,
}

impl Impact {
    /// Takes out what was charged up to `from`.
    pub(crate) fn forget(&mut self, before: &Self, from: Timestamp) {
        for (sum, before) in self.lateness_ns.iter_mut().zip(before.lateness_ns) {
            *sum = sum.saturating_sub(before);
        }
        for (sum, before) in self.delayed.iter_mut().zip(before.delayed) {
            *sum = sum.saturating_sub(before);
        }
        self.worst = self.worst.filter(|worst| worst.at > from);
    }

    /// Delay caused, all kinds together.
    #[must_use]
    pub fn total_ns(&self) -> u64 {
        self.lateness_ns.iter().fold(0, |sum, ns| sum.saturating_add(*ns))
    }

    /// Delay caused to waiters of one kind.
    #[must_use]
    pub const fn lateness_of(&self, kind: Waiter) -> u64 {
        self.lateness_ns[kind as usize]
    }

    /// How many it delayed, all kinds together.
    #[must_use]
    pub fn delayed(&self) -> u64 {
        self.delayed.iter().fold(0, |sum, count| sum.saturating_add(*count))
    }
}

/// The delay charged to all causes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Charges {
    /// With the [rank](Cause::rank) of the cause, in its order: they are few, and every stretch is charged.
    by_cause: Vec<(u64, Impact)>,
    pub(super) limit: usize,
}

impl Charges {
    pub(super) fn new(limit: usize) -> Self {
        Self { by_cause: Vec::new(), limit }
    }

    fn of(&mut self, cause: Cause) -> &mut Impact {
        let mut cause = cause;
        let mut place = self.place(cause);
        // Unknown time is never merged with known causes.
        if place.is_err() && self.by_cause.len() >= self.limit && !cause.is_ignorance() {
            cause = Cause::Others;
            place = self.place(cause);
        }
        let place = place.unwrap_or_else(|place| {
            let none = Impact { cause, lateness_ns: [0; 3], delayed: [0; 3], worst: None, run_ns: None };
            self.by_cause.insert(place, (cause.rank(), none));
            place
        });
        &mut self.by_cause[place].1
    }

    /// The index of a cause, or the index at which to insert it.
    fn place(&self, cause: Cause) -> Result<usize, usize> {
        self.by_cause.binary_search_by_key(&cause.rank(), |(rank, _)| *rank)
    }

    /// The charges, in the order of causes.
    pub(super) fn into_impacts(self) -> Vec<Impact> {
        self.by_cause.into_iter().map(|(_, impact)| impact).collect()
    }

    /// Takes over the charges of a cause that has none yet.
    pub(super) fn charge(&mut self, impact: Impact) {
        if impact.total_ns() > 0 || impact.delayed() > 0 {
            *self.of(impact.cause) = impact;
        }
    }

    pub(super) fn add(&mut self, cause: Cause, lateness_ns: [u64; 3], run: Option<WorstImpact>) {
        let charge = self.of(cause);
        for (sum, ns) in charge.lateness_ns.iter_mut().zip(lateness_ns) {
            *sum = sum.saturating_add(ns);
        }
        if let Some(run) = run
            && charge.worst.is_none_or(|worst| worst.lateness_ns < run.lateness_ns)
        {
            charge.worst = Some(run);
        }
    }

    /// Adds waits that a cause was part of.
    pub(super) fn delayed(&mut self, cause: Cause, waits: [u64; 3]) {
        let charge = self.of(cause);
        for (sum, waits) in charge.delayed.iter_mut().zip(waits) {
            *sum = sum.saturating_add(waits);
        }
    }

    /// Charges part of one wait.
    pub(super) fn part(&mut self, cause: Cause, kind: Waiter, ns: u64) {
        let mut lateness_ns = [0; 3];
        lateness_ns[kind as usize] = ns;
        self.add(cause, lateness_ns, None);
    }

    /// Charges one whole wait.
    pub(super) fn whole(&mut self, cause: Cause, wait: &Wait) {
        let ns = wait.to.ns_since(wait.from);
        if ns > 0 {
            self.part(cause, wait.kind, ns);
            self.delayed(cause, one(wait.kind));
        }
    }
}

/// One wait of a kind.
pub(super) const fn one(kind: Waiter) -> [u64; 3] {
    match kind {
        Waiter::Timer => [1, 0, 0],
        Waiter::Signal => [0, 1, 0],
        Waiter::Task => [0, 0, 1],
    }
}
