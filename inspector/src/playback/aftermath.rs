//! The reach of a stall's effects. What a stall delayed is known only after those waits are over, which is after its
//! own end: a replay stopped at the end of the stall would show nothing delayed.

use std::collections::BTreeMap;

use loop_probes::event::Event;
use loop_probes::ids::{SourceId, Timestamp};
use loop_probes::stamped::Stamped;
use loop_traces::timeline::TimelineConfig;

use crate::app::hurt;

/// Waits that last longer than this after the stall have other causes, too, and are not included.
const REACH_NS_MAX: u64 = 1_000_000_000;
/// Of the stalls before the end of a wait, most that are looked at: a wait that lasted through more of them was
/// delayed by all, and a trace can hold a million stalls in one second.
const REACH_STALLS_MAX: usize = 64;
/// Most stalls kept, the first ones of a trace: 28 MiB. Its limit may make each of its ticks a stall.
const STALLS_MAX: usize = 1 << 20;

/// A tick, and the reach of its effects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Aftermath {
    /// When the tick ended.
    pub(super) end: Timestamp,
    /// The end of the tick in which the last wait ended that began before the end of this one.
    pub(super) over: Timestamp,
}

/// Every stall of a trace, gathered event by event.
#[derive(Debug, Default)]
pub(super) struct Aftermaths {
    all: Vec<Aftermath>,
    /// The loop of each.
    sources: Vec<SourceId>,
    /// The start of the longest of the late waits that ended in the current tick.
    waiting_since: BTreeMap<SourceId, Timestamp>,
}

impl Aftermaths {
    /// Takes one event into account; `is_stall` if it is the end of a stall.
    pub(super) fn take(&mut self, stamped: &Stamped, is_stall: bool, config: &TimelineConfig) {
        let Stamped { at, source, event } = *stamped;
        if let Some((from, _)) = hurt::late_wait(stamped, config) {
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
            let stalls = self.all.iter_mut().zip(&self.sources).rev().take(REACH_STALLS_MAX);
            let near =
                stalls.take_while(|(stall, _)| stall.end >= since && at.ns_since(stall.end) <= REACH_NS_MAX);
            near.filter(|(_, its)| **its == source).for_each(|(stall, _)| stall.over = at);
        }
        if is_stall && self.all.len() < STALLS_MAX {
            self.all.push(Aftermath { end: at, over: at });
            self.sources.push(source);
        }
    }

    /// Called at the end of the trace: ticks of several loops may be merged slightly out of order.
    pub(super) fn sort(&mut self) {
        self.all.sort_unstable();
        (self.sources, self.waiting_since) = (Vec::new(), BTreeMap::new());
    }

    /// In order of their ends.
    pub(super) fn all(&self) -> &[Aftermath] {
        &self.all
    }
}

#[cfg(test)]
mod tests {
    use loop_probes::ids::{Tag, TaskId, TimerId};
    use loop_probes::metadata::Metadata;

    use super::*;

    fn tick_end(at: u64) -> Stamped {
        let event = Event::TickEnd { tick: at, tasks_run: 0, start: Timestamp(at) };
        Stamped { at: Timestamp(at), source: SourceId(1), event }
    }

    /// Many stalls within a second, and then a timer that was due before all of them.
    #[test]
    fn a_wait_reaches_back_over_a_bounded_number_of_stalls() {
        let config = TimelineConfig::of(&Metadata::new("hostile"));
        let mut stalls = Aftermaths::default();
        let many = 3 * REACH_STALLS_MAX as u64;
        for at in 1..=many {
            stalls.take(&tick_end(at), true, &config);
        }
        let (timer, task) = (TimerId(1), TaskId(1));
        let fired = Timestamp(100_000_000);
        let event = Event::TimerFired { timer, tag: Tag(1), task, due: Timestamp(0), fired, skipped: 0 };
        stalls.take(&Stamped { at: fired, source: SourceId(1), event }, false, &config);
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
        assert_eq!((stalls.all.len(), stalls.sources.len()), (STALLS_MAX, STALLS_MAX));
    }
}
