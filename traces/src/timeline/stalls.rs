//! Stalls: ticks that were busy beyond the limit, each with its breakdown and what is needed to open it.

use loop_probes::ids::Timestamp;

use super::Timeline;
use super::config::TimelineConfig;
use super::last_activity::StreamEnd;
use super::loss_bounds::MissingSamples;
use super::ticks::TickSummary;
use super::unfinished::Unfinished;
use crate::attribution::Breakdown;
use crate::loss::Bounds;
use crate::recent::Recent;
use crate::span::TickSpan;

/// One stall.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stall {
    /// The tick.
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
    /// Their total busy time.
    pub busy_ns: u64,
    /// The busy time of the worst stall, which is always kept.
    worst_ns: u64,
    kept: Recent<Stall>,
}

impl Stalls {
    pub(crate) fn new(config: &TimelineConfig) -> Self {
        Self { count: 0, busy_ns: 0, worst_ns: 0, kept: Recent::new(config.stalls_kept) }
    }

    /// The kept stalls, newest first: the most recent ones, and the worst of all.
    pub fn newest_first(&self) -> impl ExactSizeIterator<Item = &Stall> + '_ {
        self.kept.iter().rev()
    }

    /// The worst stall; of equals, the first.
    #[must_use]
    pub fn worst(&self) -> Option<&Stall> {
        self.kept.iter().rev().max_by_key(|stall| stall.tick.busy_ns)
    }

    /// Recomputes, where possible, the breakdowns of stalls that ended after `since`, newest first, until `blame` gives
    /// none.
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
            if worst_is_oldest && self.worst_ns >= stall.tick.busy_ns && self.kept.limit() > 1 {
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
    /// Their busy time.
    pub busy_ns: u64,
    /// Bounds on their number, if records were lost, a tick is incomplete or one has not ended. A tick lost whole counts
    /// as a stall if it can have been long enough.
    pub bounds: Option<Bounds>,
    /// Bounds on their busy time, under the same conditions.
    pub busy_bounds: Option<Bounds>,
}

impl Timeline {
    /// The stalls, given what has not ended and what may be missing because of it
    /// ([`missing_with`](Self::missing_with)).
    #[must_use]
    pub fn stall_figures(&self, unfinished: &Unfinished, missing: &MissingSamples) -> StallFigures {
        let limit_ns = self.config.stall_limit_ns;
        let (mut count, mut busy_ns, mut certain) =
            (self.stalls.count, self.stalls.busy_ns, self.stalls.count);
        for tick in unfinished.stalls(limit_ns) {
            count = count.saturating_add(1);
            busy_ns = busy_ns.saturating_add(tick.busy_ns);
            // Ticks that may grow count as missing.
            certain += u64::from(!unfinished.is_growing(tick));
        }
        // A loop that had not stopped may have done anything after the end of a recording that was cut off.
        let went_on = unfinished.end == StreamEnd::Cut && !self.have_stopped();
        if self.is_clock_wrong() {
            let unknown = Some(Bounds::UNKNOWN);
            return StallFigures { count, busy_ns, bounds: unknown, busy_bounds: unknown };
        }
        // There may be more stalls, or longer ones, than were seen.
        let misses_none = self.lost_in_all() == 0 && missing.ticks.count() == 0;
        if misses_none && unfinished.growing().next().is_none() && !went_on {
            return StallFigures { count, busy_ns, bounds: None, busy_bounds: None };
        }
        let most = certain.saturating_add(missing.ticks.longer_than(limit_ns));
        let has_most = !went_on && most < u64::MAX;
        // Of no tick is it certain that it was long if polls may be missing, or slices that enclose others: files of
        // other programs often have those behind what they enclose.
        let is_import_cut = went_on && self.config.queue_waits_in_part;
        let is_any_uncertain = is_import_cut || missing.ticks.has_no_known_sample();
        let least = if is_any_uncertain { [0; 2] } else { [count, busy_ns] };
        let most_ns = missing.ticks.total_longer_than(limit_ns).map(|more| busy_ns.saturating_add(more));
        StallFigures {
            count,
            busy_ns,
            bounds: Some(Bounds { lo: least[0], hi: has_most.then_some(most) }),
            busy_bounds: Some(Bounds { lo: least[1], hi: most_ns.filter(|_| !went_on) }),
        }
    }
}
