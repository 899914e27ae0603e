//! What may be missing from the figures of a timeline, and the bounds that follow from it.

use loop_probes::ids::Tag;

use super::loss_bounds::MissingSamples;
use super::{StallFigures, StreamEnd, TagStats, Timeline, Unfinished};
use crate::bounds::Bounds;
use crate::loss::Missing;

impl Timeline {
    /// The range of [`span_ns`](Self::span_ns), if records were lost or times may be wrong. A loss is known to lie within
    /// the span only if it is between two records of one emitter.
    #[must_use]
    pub(crate) fn span_bounds(&self) -> Option<Bounds> {
        if self.is_clock_wrong() {
            return Some(Bounds::UNKNOWN);
        }
        let (lost, lo) = (self.lost_in_all(), self.span_ns());
        let is_within = !self.may_miss_anything()
            && lost == self.lost_records
            && !self.loss_bounds.may_be_outside_of_span();
        let has_lost = lost > 0 || self.may_miss_anything();
        has_lost.then_some(Bounds { lo, hi: is_within.then_some(lo) })
    }

    /// Ticks lost whole, inferred from gaps in the tick numbers.
    #[must_use]
    pub const fn ticks_missing(&self) -> u64 {
        self.loss_bounds.ticks_between()
    }

    /// Gaps with an unknown number of records: those that the source reports, and gaps in the tick numbers for which it
    /// reports no lost records, or too few.
    #[must_use]
    pub const fn uncounted_gaps(&self) -> u64 {
        self.counts.uncounted_gaps.saturating_add(self.inferred_gaps())
    }

    /// Of the [uncounted gaps](Self::uncounted_gaps), those that the source does not report.
    pub(super) const fn inferred_gaps(&self) -> u64 {
        self.loss_bounds.uncounted_gaps(self.counts.uncounted_gaps)
    }

    /// The range of the number of lost records, if it is unknown. An unreadable gap may have held only names, unless ticks
    /// are missing there.
    #[must_use]
    pub fn lost_bounds(&self) -> Option<Bounds> {
        let gaps = self.uncounted_gaps();
        let least = self.lost_in_all().saturating_sub(gaps).max(u64::from(self.ticks_missing() > 0));
        (gaps > 0).then_some(Bounds { lo: least, hi: None })
    }

    /// Whether the source's clock readings contradict each other, so that no time is certain.
    pub(crate) const fn is_clock_wrong(&self) -> bool {
        self.counts.clock_error_ns_max > 0
    }

    /// Whether any number of samples of any kind may be missing: gaps of unknown size, skipped events, or loops left out.
    pub(crate) const fn may_miss_anything(&self) -> bool {
        self.uncounted_gaps() > 0 || self.counts.malformed > 0 || self.loops_left_out
    }

    /// Ticks with missing records, including those that were open when records were lost and have not ended since.
    #[must_use]
    pub fn incomplete_ticks(&self) -> u64 {
        self.ticks.incomplete.saturating_add(self.loss_bounds.torn())
    }

    /// Records lost, as reported by the stream, or by the source if it knows of more (their position is then unknown). An
    /// uncounted gap counts as one.
    #[must_use]
    pub fn lost_in_all(&self) -> u64 {
        self.lost_records.saturating_add(self.inferred_gaps()).max(self.counts.lost_records)
    }

    /// What lost records may have held, and what has not ended. Together they bound every percentile.
    #[must_use]
    pub fn missing(&self) -> MissingSamples {
        self.missing_with(&self.unfinished(StreamEnd::Known))
    }

    /// Tags without figures of their own: a task of theirs has not ended, and none was queued or ended before it.
    #[must_use]
    pub fn tags_never_ended(&self, missing: &MissingSamples) -> Vec<TagStats> {
        let is_new = |tag: &Tag| self.tags.tag(*tag).is_none() && !self.tags.is_beyond_limit(*tag);
        missing.unfinished_tags().into_iter().filter(is_new).map(TagStats::new).collect()
    }

    /// Like [`missing`](Self::missing), with the [unfinished](Self::unfinished) ticks, tasks and waits already
    /// computed.
    #[must_use]
    pub fn missing_with(&self, unfinished: &Unfinished) -> MissingSamples {
        let lost = self.lost_in_all();
        let left_out = if lost > 0 { self.queues.waits_left_out() } else { 0 };
        let waits = Missing::anything(lost.saturating_add(left_out));
        let now = self.last.unwrap_or_default();
        let mut missing = match self.may_miss_anything() {
            true => MissingSamples::anything(u64::MAX),
            false if lost > self.lost_records => MissingSamples::anything(lost),
            false => self.loss_bounds.missing(now, lost, self.incomplete_ticks(), waits),
        };
        unfinished.add_to(&mut missing);
        self.timers.add_unresolved(&mut missing.lag_corrected);
        if self.is_clock_wrong() {
            missing.of_wrong_clock()
        } else if self.misses_slices() {
            missing.of_regrouped_slices()
        } else if self.has_unplaced_loss() {
            // Any tick may have waited in a poll whose event is missing, and have been busy for less.
            MissingSamples { ticks: missing.ticks.without_known_samples(), ..missing }
        } else {
            missing
        }
    }

    /// Whether slices of this import are missing. They may have enclosed others, which then were no tasks, or have joined
    /// two ticks into one.
    fn misses_slices(&self) -> bool {
        let misses_any = self.lost_in_all() > 0 || self.counts.malformed > 0 || self.uncounted_gaps() > 0;
        self.config.queue_waits_in_part && misses_any
    }

    /// Whether events are missing at an unknown position: they were skipped, only the source counts them, or only the tick
    /// numbers of one emitter show the loss, and other emitters may have lost events too.
    pub(crate) const fn has_unplaced_loss(&self) -> bool {
        self.counts.malformed > 0
            || self.counts.lost_records > self.lost_records
            || self.inferred_gaps() > 0 && self.open.len() > 1
    }

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
        // More stalls, or longer ones, are possible only after a loss, a cut or an unfinished tick.
        let misses_none = self.lost_in_all() == 0 && missing.ticks.count() == 0;
        if misses_none && unfinished.growing().next().is_none() && !went_on {
            return StallFigures { count, busy_ns, bounds: None, busy_bounds: None };
        }
        let most = certain.saturating_add(missing.ticks.longer_than(limit_ns));
        let has_most = !went_on && most < u64::MAX;
        // No tick is certain to have been long if polls may be missing, or slices that enclose others: traces of other
        // programs often contain an enclosing slice after the slices in it.
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
