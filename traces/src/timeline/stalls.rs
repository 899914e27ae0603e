//! Stalls: ticks that were busy beyond the limit, each with its breakdown, and the most recent ones with their spans.

use loop_probes::ids::Timestamp;

use super::baseline::Figures;
use super::config::TimelineConfig;
use super::ticks::TickSummary;
use crate::attribution::Breakdown;
use crate::loss::Bounds;
use crate::recent::Recent;
use crate::span::TickSpan;

/// One stall.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stall {
    /// The tick that was the stall.
    pub tick: TickSummary,
    /// The breakdown of its busy time, which it sums to exactly.
    pub blame: Breakdown,
    pub(crate) spans: Box<[TickSpan]>,
}

/// The most recent stalls, which can be opened in full; older ones keep their breakdowns only.
const OPENED_MAX: usize = 64;

/// All stalls.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stalls {
    /// Stalls, including those evicted.
    pub count: u64,
    /// Total busy time of the stalls.
    pub busy_ns: u64,
    /// The busy time of the worst stall, which is always kept.
    worst_ns: u64,
    kept: Recent<Stall>,
    /// Whether the oldest one is only kept because it is the worst: others after it are not.
    is_worst_apart: bool,
}

impl Stalls {
    pub(crate) fn new(config: &TimelineConfig) -> Self {
        Self {
            count: 0,
            busy_ns: 0,
            worst_ns: 0,
            kept: Recent::new(config.stalls_kept),
            is_worst_apart: false,
        }
    }

    /// Its figures, for [`baseline`](super::baseline).
    pub(super) fn figures(&mut self, by: &mut impl Figures) {
        let Self { count, busy_ns, .. } = self;
        by.counts([count, busy_ns]);
    }

    /// The same figures, with the stalls that ended since `from` and none of their spans.
    pub(super) fn since(&self, from: Timestamp) -> Self {
        let is_kept = |stall: &&Stall| stall.tick.end > from;
        let mut kept = Recent::new(self.kept.limit());
        for stall in self.kept.iter().filter(is_kept) {
            kept.push(Stall { tick: stall.tick, blame: stall.blame.clone(), spans: Box::default() });
        }
        Self { kept, is_worst_apart: self.worst_apart().as_ref().is_some_and(is_kept), ..*self }
    }

    /// The kept stalls, newest first: the most recent ones, and the worst of all.
    pub fn newest_first(&self) -> impl ExactSizeIterator<Item = &Stall> + '_ {
        self.kept.iter().rev()
    }

    /// The worst stall, if it is kept although stalls after it are not.
    pub(crate) fn worst_apart(&self) -> Option<&Stall> {
        self.kept.oldest().filter(|_| self.is_worst_apart)
    }

    /// The worst stall; of equals, the first.
    #[must_use]
    pub fn worst(&self) -> Option<&Stall> {
        self.kept.iter().rev().max_by_key(|stall| stall.tick.busy_ns)
    }

    /// Recomputes the breakdowns of stalls that ended after `since` and have their spans, newest first, until `blame`
    /// returns `None`.
    pub(crate) fn recompute(&mut self, since: Timestamp, mut blame: impl FnMut(&Stall) -> Option<Breakdown>) {
        let places = (0..self.kept.len()).rev();
        for place in places {
            match self.kept.at_mut(place) {
                Some(stall) if stall.tick.end <= since => break,
                Some(stall) if !stall.spans.is_empty() => match blame(stall) {
                    Some(blame) => stall.blame = blame,
                    None => break,
                },
                _ => {}
            }
        }
    }

    pub(crate) fn add(&mut self, stall: Stall) {
        self.count += 1;
        self.busy_ns = self.busy_ns.saturating_add(stall.tick.busy_ns);
        if self.kept.len() == self.kept.limit() {
            let worst_is_oldest =
                self.kept.oldest().is_some_and(|oldest| oldest.tick.busy_ns == self.worst_ns);
            self.is_worst_apart =
                worst_is_oldest && self.worst_ns >= stall.tick.busy_ns && self.kept.limit() > 1;
            if self.is_worst_apart {
                self.kept.remove(1);
            }
        }
        self.worst_ns = self.worst_ns.max(stall.tick.busy_ns);
        self.kept.push(stall);
        let closed = self.kept.len().checked_sub(OPENED_MAX + 1);
        if let Some(stall) = closed.and_then(|place| self.kept.at_mut(place)) {
            stall.spans = Box::default();
        }
    }
}

/// The stalls of a run so far, including those that have not ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StallFigures {
    /// Number of stalls seen.
    pub count: u64,
    /// Total busy time of these stalls.
    pub busy_ns: u64,
    /// Bounds on their number, if records were lost, a tick is incomplete or one has not ended. A tick lost whole counts
    /// as a stall if it can have been long enough.
    pub bounds: Option<Bounds>,
    /// Bounds on their busy time, under the same conditions.
    pub busy_bounds: Option<Bounds>,
}
