//! The reach of a stall's effects. What a stall delayed is known only when those waits are over, after the stall ended:
//! a replay stopped at the end of the stall would show nothing delayed.

use std::collections::BTreeMap;

use loop_probes::event::Event;
use loop_probes::ids::{SourceId, Timestamp};
use loop_probes::stamped::Stamped;
use loop_traces::timeline::TimelineConfig;

use crate::app::delayed;

/// Waits that last longer than this after the stall also have other causes and are not included, in nanoseconds.
const REACH_NS_MAX: u64 = 1_000_000_000;
/// Maximum number of earlier stalls of the loop that are checked per wait: a trace can hold a million stalls in one
/// second.
const REACH_STALLS_MAX: usize = 64;
/// Maximum number of stalls kept, the first ones of a trace: 28 MiB. With a low limit, every tick is a stall.
const STALLS_MAX: usize = 1 << 20;
/// No stall.
const NONE: u32 = u32::MAX;

/// A tick, and the reach of its effects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Aftermath {
    /// When the tick ended.
    pub(super) end: Timestamp,
    /// The end of the tick in which the last wait ended, among the waits that began before `end`.
    pub(super) over: Timestamp,
}

/// Every stall of a trace, gathered event by event.
#[derive(Debug, Default)]
pub(super) struct Aftermaths {
    all: Vec<Aftermath>,
    /// The index of the loop's previous stall, for each stall; [`NONE`] for the loop's first.
    before: Vec<u32>,
    /// The index of each loop's latest stall.
    latest: BTreeMap<SourceId, u32>,
    /// The start of the longest of the late waits that ended in the current tick.
    waiting_since: BTreeMap<SourceId, Timestamp>,
}

impl Aftermaths {
    /// Takes one event into account; `is_stall` if it is the end of a stall.
    pub(super) fn take(&mut self, stamped: &Stamped, is_stall: bool, config: &TimelineConfig) {
        let Stamped { at, source, event } = *stamped;
        if let Some((from, _)) = delayed::late_wait(stamped, config) {
            if let Some(since) = self.waiting_since.get_mut(&source) {
                *since = (*since).min(from);
            } else if self.waiting_since.len() < config.sources_max {
                self.waiting_since.insert(source, from);
            }
        }
        if !matches!(event, Event::TickEnd { .. }) {
            return;
        }
        if let Some(since) = self.waiting_since.remove(&source) {
            let mut place = self.latest.get(&source).copied().unwrap_or(NONE);
            for _ in 0..REACH_STALLS_MAX {
                let Some(stall) = self.all.get_mut(place as usize) else { break };
                if stall.end < since || at.ns_since(stall.end) > REACH_NS_MAX {
                    break;
                }
                stall.over = at;
                place = self.before[place as usize];
            }
        }
        if is_stall && self.all.len() < STALLS_MAX {
            self.add(source, Aftermath { end: at, over: at }, config.sources_max);
        }
    }

    fn add(&mut self, source: SourceId, stall: Aftermath, sources_max: usize) {
        let place = self.all.len() as u32;
        self.all.push(stall);
        let before = match self.latest.get_mut(&source) {
            Some(latest) => std::mem::replace(latest, place),
            None => {
                if self.latest.len() < sources_max {
                    self.latest.insert(source, place);
                }
                NONE
            }
        };
        self.before.push(before);
    }

    /// A stall that has not ended at the end of the trace.
    pub(super) fn goes_on(&mut self, end: Timestamp) {
        self.all.push(Aftermath { end, over: end });
    }

    /// Sorts at the end of the trace: ticks of several loops may be merged slightly out of order.
    pub(super) fn sort(&mut self) {
        self.all.sort_unstable();
        (self.before, self.latest, self.waiting_since) = Default::default();
    }

    /// The stalls; after [`Self::sort`], in order of their ends.
    pub(super) fn all(&self) -> &[Aftermath] {
        &self.all
    }
}

#[cfg(test)]
mod tests {
    use loop_probes::ids::{Tag, TaskId, TimerId};
    use loop_probes::metadata::Metadata;

    use super::*;

    fn tick_end_of(source: u32, at: u64) -> Stamped {
        let event = Event::TickEnd { tick: at, tasks_run: 0, start: Timestamp(at) };
        Stamped { at: Timestamp(at), source: SourceId(source), event }
    }

    fn tick_end(at: u64) -> Stamped {
        tick_end_of(1, at)
    }

    /// A timer of loop 1 fires at `fired`, long after it was due.
    fn late_timer(due: u64, fired: u64) -> Stamped {
        let (timer, task, at) = (TimerId(1), TaskId(1), Timestamp(fired));
        let event =
            Event::TimerFired { timer, tag: Tag(1), task, due: Timestamp(due), fired: at, skipped: 0 };
        Stamped { at, source: SourceId(1), event }
    }

    /// Many stalls within a second, followed by a timer that was due before all of them.
    #[test]
    fn a_wait_reaches_back_over_a_bounded_number_of_stalls() {
        let config = TimelineConfig::of(&Metadata::new("hostile"));
        let mut stalls = Aftermaths::default();
        let many = 3 * REACH_STALLS_MAX as u64;
        for at in 1..=many {
            stalls.take(&tick_end(at), true, &config);
        }
        let fired = Timestamp(100_000_000);
        stalls.take(&late_timer(0, fired.0), false, &config);
        stalls.take(&tick_end(fired.0), false, &config);
        let reached = stalls.all().iter().filter(|stall| stall.over == fired).count();
        assert_eq!(reached, REACH_STALLS_MAX);
        assert_eq!(stalls.all().last().map(|stall| stall.over), Some(fired), "the latest ones");
    }

    #[test]
    fn a_bounded_number_of_stalls_is_kept() {
        let config = TimelineConfig::of(&Metadata::new("hostile"));
        let mut stalls = Aftermaths::default();
        for at in 0..STALLS_MAX as u64 + 5 {
            stalls.take(&tick_end(at), true, &config);
        }
        assert_eq!((stalls.all.len(), stalls.before.len()), (STALLS_MAX, STALLS_MAX));
    }

    #[test]
    fn stalls_of_other_loops_do_not_shorten_the_reach() {
        let config = TimelineConfig::of(&Metadata::new("two loops"));
        let mut stalls = Aftermaths::default();
        let (own, fired) = (50_000_000, 100_000_000);
        stalls.take(&tick_end(own), true, &config);
        // Merged out of order: it ended before the wait began.
        stalls.take(&tick_end_of(2, 10_000_000), true, &config);
        for place in 0..2 * REACH_STALLS_MAX as u64 {
            stalls.take(&tick_end_of(2, own + 1 + place), true, &config);
        }
        stalls.take(&late_timer(40_000_000, fired), false, &config);
        stalls.take(&tick_end(fired), false, &config);
        let reached: Vec<u64> =
            stalls.all().iter().filter(|stall| stall.over.0 == fired).map(|stall| stall.end.0).collect();
        assert_eq!(reached, [own]);
    }

    #[test]
    fn a_bounded_number_of_loops_is_followed() {
        let mut config = TimelineConfig::of(&Metadata::new("hostile"));
        config.sources_max = 4;
        let mut stalls = Aftermaths::default();
        for source in 0..100 {
            stalls.take(&tick_end_of(source, 1 + u64::from(source)), true, &config);
        }
        assert_eq!((stalls.all.len(), stalls.latest.len()), (100, 4));
    }
}
