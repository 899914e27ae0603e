//! The delay charged so far, and the waits that are yet to be charged.

use std::collections::VecDeque;

use loop_probes::ids::{SourceId, Timestamp};

use super::charges::Charges;
use super::lane::Lane;
use crate::timeline::config::TimelineConfig;
use crate::timeline::open_tick::Wait;
use crate::timeline::ticks::Mark;

/// Loops whose waits are attributed to causes. More are rare; the waits of further loops are charged as not kept.
const LANES_MAX: usize = 8;

/// Everything charged, and the waits still held back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Impacts {
    pub(super) charges: Charges,
    lanes: Vec<(SourceId, Lane)>,
    stretches_kept: usize,
    /// Ticks with long waits that are not charged yet, oldest first.
    pub(super) held: VecDeque<Held>,
}

/// The long waits of one tick, held back. A suspension is recorded only when it is over, by a thread that may be
/// scheduled after the loop's, and each wait is charged only once. So waits long enough to be a suspension are charged
/// later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) source: SourceId,
    pub(super) end: Timestamp,
    /// Charging them needs the ticks from this mark on.
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

    /// Everything charged so far, plus what would be charged if all stretches left now.
    pub(super) fn counted(&self) -> Charges {
        let mut charges = self.charges.clone();
        self.lanes.iter().for_each(|(_, lane)| lane.count(&mut charges));
        charges
    }

    pub(super) fn lane(&mut self, source: SourceId) -> Option<(&mut Lane, &mut Charges)> {
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
