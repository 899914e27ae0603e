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
            let since = self.waiting_since.entry(source).or_insert(from);
            *since = (*since).min(from);
        }
        if !matches!(event, Event::TickEnd { .. }) {
            return;
        }
        if let Some(since) = self.waiting_since.remove(&source) {
            let stalls = self.all.iter_mut().zip(&self.sources).rev();
            let near =
                stalls.take_while(|(stall, _)| stall.end >= since && at.ns_since(stall.end) <= REACH_NS_MAX);
            near.filter(|(_, its)| **its == source).for_each(|(stall, _)| stall.over = at);
        }
        if is_stall {
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
