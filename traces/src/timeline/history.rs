//! What happened when: ticks, timer lag and losses through time, for two days in bounded memory.
//!
//! Everything is kept at several widths of slots, the finer ones for a shorter time, so that a minute can be seen closely
//! and a night as a whole.

use loop_probes::ids::Timestamp;

use super::in_progress::UnfinishedTick;
use super::slots::Slots;
use super::ticks::TickSummary;

/// Upper bounds of the buckets of timer lag, in nanoseconds; values above the last form one more bucket.
pub const LAG_EDGES_NS: [u64; 6] = [10_000, 100_000, 1_000_000, 10_000_000, 100_000_000, 1_000_000_000];

/// Widths of slots, in nanoseconds, and how many of each are kept: five minutes, an hour, eight hours, two days.
const WIDTHS: [(u64, usize); 4] =
    [(100_000_000, 3_000), (1_000_000_000, 3_600), (10_000_000_000, 2_880), (60_000_000_000, 2_880)];

/// What happened in one slot of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct HistorySlot {
    /// Timers that fired, by the bucket of their lag (see [`LAG_EDGES_NS`]).
    pub lag: [u32; LAG_EDGES_NS.len() + 1],
    /// Whole ticks that ended.
    pub ticks: u32,
    /// Stalls that ended.
    pub stalls: u32,
    /// Busy time of the longest tick of which a part lies in the slot, in nanoseconds: also of an unfinished one, so far.
    pub longest_ns: u64,
    /// When that tick ended; `None` without one, or if it has not ended.
    pub longest_end: Option<Timestamp>,
    /// Busy time of whole ticks within the slot, in nanoseconds.
    pub busy_ns: u64,
    /// Poll wait within the slot, in nanoseconds.
    pub poll_wait_ns: u64,
    /// Whether records of it were lost.
    pub has_lost: bool,
}

impl HistorySlot {
    /// Adds what happened in another slot.
    fn add(&mut self, other: &Self) {
        for (count, more) in self.lag.iter_mut().zip(other.lag) {
            *count = count.saturating_add(more);
        }
        self.ticks = self.ticks.saturating_add(other.ticks);
        self.stalls = self.stalls.saturating_add(other.stalls);
        self.saw_tick(other.longest_ns, other.longest_end);
        self.busy_ns = self.busy_ns.saturating_add(other.busy_ns);
        self.poll_wait_ns = self.poll_wait_ns.saturating_add(other.poll_wait_ns);
        self.has_lost |= other.has_lost;
    }

    fn saw_tick(&mut self, busy_ns: u64, end: Option<Timestamp>) {
        if busy_ns > self.longest_ns {
            (self.longest_ns, self.longest_end) = (busy_ns, end);
        }
    }

    /// The number of timers that fired.
    #[must_use]
    pub fn fired(&self) -> u64 {
        self.lag.iter().map(|count| u64::from(*count)).sum()
    }
}

/// The history of all loops together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct History {
    widths: Vec<Slots<HistorySlot>>,
}

impl History {
    /// An empty history; one that stays empty unless `is_kept`.
    pub(crate) fn new(is_kept: bool) -> Self {
        let widths = WIDTHS.iter().filter(|_| is_kept);
        Self { widths: widths.map(|(width_ns, limit)| Slots::new(*width_ns, *limit)).collect() }
    }

    /// A timer fired.
    #[inline]
    pub(crate) fn fired(&mut self, at: Timestamp, lag_ns: u64) {
        for slots in &mut self.widths {
            if let Some(slot) = slots.at_mut(slots.number(at)) {
                let bucket = LAG_EDGES_NS.partition_point(|edge| *edge < lag_ns);
                slot.lag[bucket] = slot.lag[bucket].saturating_add(1);
            }
        }
    }

    /// A tick ended, with these polls: start, end, and how much of that was not poll.
    pub(crate) fn ticked(
        &mut self,
        tick: &TickSummary,
        polls: impl Iterator<Item = (Timestamp, Timestamp, u64)> + Clone,
    ) {
        if tick.incomplete {
            return self.lost(tick.start, tick.end);
        }
        for slots in &mut self.widths {
            spread(slots, tick.start, tick.end, |slot, ns| {
                slot.saw_tick(tick.busy_ns, Some(tick.end));
                slot.busy_ns = slot.busy_ns.saturating_add(ns);
            });
            for (start, end, between_ns) in polls.clone() {
                let (start, end) = (start.max(tick.start), end.min(tick.end));
                let extent_ns = end.ns_since(start).max(1);
                let poll_share = 1.0 - between_ns.min(extent_ns) as f64 / extent_ns as f64;
                spread(slots, start, end, |slot, ns| {
                    let wait_ns = if between_ns == 0 { ns } else { (ns as f64 * poll_share) as u64 };
                    slot.busy_ns = slot.busy_ns.saturating_sub(wait_ns);
                    slot.poll_wait_ns = slot.poll_wait_ns.saturating_add(wait_ns);
                });
            }
            if let Some(slot) = slots.at_mut(slots.number(tick.end)) {
                slot.ticks = slot.ticks.saturating_add(1);
                slot.stalls = slot.stalls.saturating_add(u32::from(tick.stall));
            }
        }
    }

    /// A loop that polls between its ticks waited.
    pub(crate) fn waited(&mut self, start: Timestamp, end: Timestamp) {
        for slots in &mut self.widths {
            spread(slots, start, end, |slot, ns| slot.poll_wait_ns = slot.poll_wait_ns.saturating_add(ns));
        }
    }

    /// Records were lost.
    pub(crate) fn lost(&mut self, from: Timestamp, to: Timestamp) {
        for slots in &mut self.widths {
            spread(slots, from, to, |slot, _| slot.has_lost = true);
        }
    }

    /// The last `count` columns of `step_ns` each, the last of which contains `now`; oldest first. Columns begin at whole
    /// multiples of the step, so that they do not change as time goes on. `None` for time that is not kept or not
    /// recorded, and if `step_ns` is not a multiple of 100 ms. `unfinished` ticks count with their busy time so far.
    #[must_use]
    pub fn columns(
        &self,
        step_ns: u64,
        now: Timestamp,
        count: usize,
        unfinished: &[UnfinishedTick],
    ) -> Vec<Option<HistorySlot>> {
        let fits = |slots: &&Slots<HistorySlot>| {
            step_ns >= slots.width_ns() && step_ns.is_multiple_of(slots.width_ns())
        };
        let Some(slots) = self.widths.iter().rfind(fits) else { return vec![None; count] };
        let per_column = step_ns / slots.width_ns();
        let last = now.as_ns() / step_ns;
        let columns = (0..count as u64).rev().map(|back| {
            let number = last.checked_sub(back)?;
            let first = number.saturating_mul(per_column);
            let mut column: Option<HistorySlot> = None;
            for slot in (first..first.saturating_add(per_column)).filter_map(|number| slots.at(number)) {
                column.get_or_insert_default().add(slot);
            }
            let (from, to) =
                (number.saturating_mul(step_ns), number.saturating_add(1).saturating_mul(step_ns));
            for tick in unfinished {
                let busy_from = tick.as_of.as_ns().saturating_sub(tick.busy_ns);
                if tick.busy_ns > 0 && busy_from < to && tick.as_of.as_ns() >= from {
                    column.get_or_insert_default().saw_tick(tick.busy_ns, None);
                }
            }
            column
        });
        columns.collect()
    }
}

/// Calls `add` for each slot that has a part of the time from `start` to `end`, with the length of the part. At most as
/// many as are kept.
fn spread(
    slots: &mut Slots<HistorySlot>,
    start: Timestamp,
    end: Timestamp,
    mut add: impl FnMut(&mut HistorySlot, u64),
) {
    if end < start {
        return;
    }
    let last = slots.number(end);
    if slots.at_mut(last).is_none() {
        return;
    }
    for number in slots.number(start).max(slots.oldest())..=last {
        let (from, to) = (slots.start(number).max(start), slots.start(number + 1).min(end));
        if let Some(slot) = slots.at_mut(number) {
            add(slot, to.ns_since(from));
        }
    }
}

#[cfg(test)]
mod tests;
