//! The delay charged to each cause so far, and the waits still to be charged.

mod cause;
mod charges;
mod lane;

use std::collections::VecDeque;

use loop_probes::ids::{SourceId, Timestamp};

use super::config::TimelineConfig;
use super::open_tick::Wait;
use super::ticks::Mark;
use crate::attribution::sweep::{Nodes, SpanRole};
pub use cause::Cause;
use charges::Charges;
pub use charges::{Impact, WorstImpact};
use lane::{Lane, LastWait};

/// Loops whose waits are attributed to causes. The waits of further loops, which are rare, are charged as evicted.
const LANES_MAX: usize = 8;

/// The delay charged so far, and the waits still held back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Impacts {
    charges: Charges,
    lanes: Vec<(SourceId, Lane)>,
    stretches_kept: usize,
    /// Ticks with long waits that are not charged yet, oldest first.
    pub(super) held: VecDeque<HeldWaits>,
}

/// The long waits of one tick, held back. A suspension is recorded after it ends, by a thread that may be scheduled after
/// the loop's, and a wait is charged only once. So waits long enough to be a suspension are charged later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct HeldWaits {
    pub(super) source: SourceId,
    pub(super) end: Timestamp,
    /// Charging needs the ticks from here on.
    pub(super) needs: Mark,
    pub(super) waits: Vec<Wait>,
}

impl Impacts {
    pub(crate) fn new(config: &TimelineConfig) -> Self {
        let charges = Charges::new(config.causes_max);
        Self {
            charges,
            lanes: Vec::new(),
            stretches_kept: config.stretches_kept.max(1),
            held: VecDeque::new(),
        }
    }

    /// Takes over the charges of a cause that has none yet.
    pub(super) fn add(&mut self, impact: Impact) {
        self.charges.charge(impact);
    }

    /// The charges so far, plus those that would follow if all stretches left their lanes now.
    pub(super) fn counted(&self) -> Vec<Impact> {
        let mut charges = self.charges.clone();
        self.lanes.iter().for_each(|(_, lane)| lane.count(&mut charges));
        charges.into_impacts()
    }

    /// Charges one whole wait to one cause.
    pub(super) fn whole(&mut self, cause: Cause, wait: &Wait) {
        self.charges.whole(cause, wait);
    }

    /// Charges the waits of a tick. `gathered` returns what happened on their loop from a time up to the end of the tick.
    pub(super) fn charge(
        &mut self,
        HeldWaits { source, end, waits, .. }: &HeldWaits,
        gathered: impl FnOnce(Timestamp) -> Nodes,
    ) {
        let from = waits.iter().map(|wait| wait.from).min().unwrap_or(*end);
        let Some((lane, charges)) = self.lane(*source) else {
            return waits.iter().for_each(|wait| self.charges.whole(Cause::Evicted, wait));
        };
        let begin = lane.begin(from, charges);
        if begin < *end {
            let mut nodes = gathered(begin);
            nodes.start_when_fired();
            nodes.pieces(begin, *end, SpanRole::AreTheTasks, |piece| lane.push(piece, charges));
        }
        let mut near = LastWait::default();
        waits.iter().for_each(|wait| lane.charge(wait, &mut near, charges));
    }

    fn lane(&mut self, source: SourceId) -> Option<(&mut Lane, &mut Charges)> {
        let place = match self.lanes.iter().position(|(its, _)| *its == source) {
            Some(place) => place,
            None if self.lanes.len() < LANES_MAX => {
                self.lanes.push((source, Lane::new(self.stretches_kept, self.charges.limit)));
                self.lanes.len() - 1
            }
            None => return None,
        };
        Some((&mut self.lanes[place].1, &mut self.charges))
    }
}
