//! How far what came of a stall reaches. Whom it made late is known only when they are over with their wait, which
//! is after its own end: a replay that stood still there would know of nobody.

use std::collections::BTreeMap;

use loop_probes::event::Event;
use loop_probes::ids::{SourceId, Timestamp};
use loop_probes::stamped::Stamped;
use loop_traces::timeline::TimelineConfig;

use crate::app::hurt;

/// Waits that last for longer than this after the stall have other causes, too: nobody waits for their end.
const REACH_NS_MAX: u64 = 1_000_000_000;

/// A tick, and how far what came of it reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Aftermath {
    /// When it ended.
    pub(super) end: Timestamp,
    /// When the tick ended in which the last of those waits was over that began before the end of this one.
    pub(super) over: Timestamp,
}

/// Every stall of a trace, gathered event by event.
#[derive(Debug, Default)]
pub(super) struct Aftermaths {
    all: Vec<Aftermath>,
    /// Whose each is.
    sources: Vec<SourceId>,
    /// When the longest of the late waits began that were over in the tick that goes on.
    waiting_since: BTreeMap<SourceId, Timestamp>,
}

impl Aftermaths {
    /// Takes one event in, the end of a stall or another.
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

    /// The trace was read: ticks of several loops may have been merged a little out of order.
    pub(super) fn sort(&mut self) {
        self.all.sort_unstable();
        (self.sources, self.waiting_since) = (Vec::new(), BTreeMap::new());
    }

    /// In the order of their ends.
    pub(super) fn all(&self) -> &[Aftermath] {
        &self.all
    }
}
