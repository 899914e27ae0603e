//! Bounds on what lost records can have held: for each gap, how long the ticks and tasks in it can have been.
//!
//! The ticks of a loop run one after another, and so do the tasks in them. So a lost one lies between the last moment at
//! which none was running and the end of the gap. Timer lag and queue waits can have begun at any time: no bound.
//!
//! No bound is assumed for an emitter that has not been seen to tick, nor for tasks once one was seen inside another.

use std::collections::BTreeSet;

use loop_probes::ids::{Tag, Timestamp};

use super::tick_numbers::{TickNumbers, TickStep};
use super::ticks::TickSummary;
use crate::histogram::Histogram;
use crate::loss::Missing;

/// A tick lost whole has lost at least its beginning and its end.
const RECORDS_PER_TICK: u64 = 2;

/// Samples that may be missing, grouped by what bounds them; includes what has not ended.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct MissingSamples {
    /// Busy times of ticks: incomplete ones, and ones lost whole.
    pub ticks: Missing,
    /// Run times of tasks on a loop's thread.
    pub tasks: Missing,
    /// Runs within a tick: checkpoints, collections.
    pub in_ticks: Missing,
    /// Timer lag, one sample for each firing.
    pub lag: Missing,
    /// Timer lag with one sample for each skipped period: a lost record can have held a firing that skipped as many
    /// periods as its field can hold.
    pub lag_corrected: Missing,
    /// Queue waits of tasks on a loop's thread.
    pub waits: Missing,
    /// Latencies of signals.
    pub signals: Missing,
    /// Everything else: up to the number of lost records, of any size.
    pub others: Missing,
    /// Run times of lost tasks on a loop's thread; `running` has the unfinished ones, with their tags.
    pub(super) tasks_lost: Missing,
    pub(super) running: Vec<(Tag, u64)>,
    /// Tasks that loops may be running without a record; any of them may have any tag.
    pub(super) running_unseen: u64,
    /// Queue waits of lost tasks; `waiting` has the tasks still queued, with their tags.
    pub(super) waits_lost: Missing,
    /// Posts that may be waiting without a record; any of them may have any tag.
    pub(super) waiting_unseen: u64,
    pub(super) waiting: Vec<(Tag, u64)>,
    /// Queue waits that ended because the loop stopped.
    pub(super) waited: Vec<(Tag, u64)>,
}

impl MissingSamples {
    /// Up to `count` samples of each kind, of any size.
    pub(super) fn anything(count: u64) -> Self {
        let anything = || Missing::anything(count);
        Self {
            ticks: anything(),
            tasks: anything(),
            in_ticks: anything(),
            lag: anything(),
            lag_corrected: Missing::anything(count.saturating_mul(u64::from(u32::MAX))),
            waits: anything(),
            signals: anything(),
            others: anything(),
            tasks_lost: anything(),
            waits_lost: anything(),
            ..Self::default()
        }
    }

    /// Makes all durations uncertain, because the clock that measured them was wrong.
    pub(super) fn of_wrong_clock(self) -> Self {
        Self {
            ticks: self.ticks.without_known_samples(),
            tasks: self.tasks.without_known_samples(),
            in_ticks: self.in_ticks.without_known_samples(),
            lag: self.lag.without_known_samples(),
            lag_corrected: self.lag_corrected.without_known_samples(),
            waits: self.waits.without_known_samples(),
            signals: self.signals.without_known_samples(),
            others: self.others.without_known_samples(),
            tasks_lost: self.tasks_lost.without_known_samples(),
            waits_lost: self.waits_lost.without_known_samples(),
            ..self
        }
    }

    /// Makes ticks and tasks uncertain, for an import whose slices may be ticks and tasks only because others are
    /// missing.
    pub(super) fn of_regrouped_slices(self) -> Self {
        Self {
            ticks: self.ticks.without_known_samples(),
            tasks: self.tasks.without_known_samples(),
            waits: self.waits.without_known_samples(),
            tasks_lost: self.tasks_lost.without_known_samples(),
            waits_lost: self.waits_lost.without_known_samples(),
            ..self
        }
    }

    /// The tags of tasks that are running or queued, or were queued when their loop stopped.
    #[must_use]
    pub fn unfinished_tags(&self) -> BTreeSet<Tag> {
        self.running.iter().chain(&self.waiting).chain(&self.waited).map(|(tag, _)| *tag).collect()
    }

    /// Run times of the tasks of one tag on a loop's thread.
    #[must_use]
    pub fn tasks_of(&self, tag: Tag) -> Missing {
        self.tasks_where(|of| of == tag)
    }

    /// Run times of the tasks on a loop's thread whose tag is selected.
    pub(crate) fn tasks_where(&self, is_meant: impl Fn(Tag) -> bool) -> Missing {
        self.tasks_lost.clone().with_unfinished(samples_where(&self.running, is_meant), self.running_unseen)
    }

    /// Queue waits of the tasks of one tag on a loop's thread.
    #[must_use]
    pub fn waits_of(&self, tag: Tag) -> Missing {
        self.waits_where(|of| of == tag)
    }

    /// Queue waits of the tasks on a loop's thread whose tag is selected.
    pub(crate) fn waits_where(&self, is_meant: impl Fn(Tag) -> bool) -> Missing {
        let waited = samples_where(&self.waited, &is_meant);
        let waits = self.waits_lost.clone().with_cut_short(waited);
        waits.with_unfinished(samples_where(&self.waiting, is_meant), self.waiting_unseen)
    }
}

fn samples_where(unfinished: &[(Tag, u64)], is_meant: impl Fn(Tag) -> bool) -> Histogram {
    let mut samples = Histogram::new();
    unfinished.iter().filter(|(of, _)| is_meant(*of)).for_each(|(_, ns)| samples.record(*ns));
    samples
}

/// The samples for which the gaps of all emitters leave room.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct LossBounds {
    ticks: Missing,
    tasks: Missing,
    in_ticks: Missing,
    /// Whether a task was seen inside another.
    nested: bool,
    /// Ticks not seen at all, by the numbers of those around them.
    unseen: u64,
    /// The part of `unseen` that lies between two tick numbers that were seen.
    between: u64,
    /// Whether the tick numbers do not show how many ticks were unseen.
    unnumbered: bool,
    /// Gaps in the tick numbers for which no loss is reported.
    silent: u64,
    /// Reported losses of fewer records than the gap in the tick numbers there.
    too_small: u64,
    /// Losses reported so far. A loss that several emitters share counts once.
    losses: u64,
    /// The number of the last loss that was too small.
    last_too_small: u64,
    /// Whether records of an unknown emitter were lost, or records before the first one of a known emitter.
    before_first: bool,
    emitters: Vec<EmitterBounds>,
}

/// What bounds the runs in an emitter's next gap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct EmitterBounds {
    /// The last beginning or end of a tick, when nothing within a tick was running.
    boundary: Option<Timestamp>,
    /// The end of the last task, when no other was running.
    task_end: Option<Timestamp>,
    /// When the open tick began, if records were lost in it.
    torn: Option<Timestamp>,
    /// The gap since its last record.
    gap: Option<OpenGap>,
    numbers: TickNumbers,
    /// The most records lost since the last tick number. Those of a damaged block count for each of its emitters.
    lost_since: u64,
    /// The number of its last reported loss.
    loss: u64,
}

/// A gap that the next record of its emitter will end. The report of the loss may give a shorter time, but only the
/// records around a gap limit it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct OpenGap {
    from: Timestamp,
    to: Timestamp,
    lost: u64,
    /// Whether the emitter had a record before the gap.
    is_preceded: bool,
}

impl LossBounds {
    pub(crate) fn add_emitter(&mut self) {
        self.emitters.push(EmitterBounds::default());
    }

    /// A tick began at `at`; the end of the tick begun at `endless` was not seen. Returns since when records are missing
    /// that nothing reports as lost.
    pub(crate) fn tick_began(
        &mut self,
        place: usize,
        tick: u64,
        at: Timestamp,
        endless: Option<Timestamp>,
    ) -> Option<Timestamp> {
        let step = self.emitters[place].numbers.began(tick);
        let silent = self.numbered(place, step);
        let emitter = &mut self.emitters[place];
        emitter.torn = None;
        emitter.boundary = Some(at);
        if let Some(start) = endless {
            self.ticks.stretch(at.ns_since(start));
        }
        silent
    }

    /// A tick ended, whose beginning was or was not `seen`. The tick begun at `endless` ended unseen. Returns the same as
    /// [`tick_began`](Self::tick_began).
    pub(crate) fn tick_ended(
        &mut self,
        place: usize,
        tick: &TickSummary,
        seen: bool,
        endless: Option<Timestamp>,
    ) -> Option<Timestamp> {
        let silent = match self.emitters[place].numbers.ended(tick.tick) {
            _ if seen => None,
            // The tick with this number began at another time: one of the two is of another loop.
            TickStep::Next => self.numbered(place, TickStep::Back),
            step => self.numbered(place, step),
        };
        let emitter = &mut self.emitters[place];
        emitter.torn = None;
        emitter.boundary = Some(tick.end);
        if let Some(endless) = endless {
            self.ticks.stretch(tick.start.ns_since(endless));
        }
        if tick.incomplete {
            self.ticks.stretch(tick.busy_ns);
        }
        silent
    }

    /// Counts the ticks missing before a tick number. Returns since when records are missing, if nothing reports them as
    /// lost.
    fn numbered(&mut self, place: usize, step: TickStep) -> Option<Timestamp> {
        let emitter = &mut self.emitters[place];
        let lost = std::mem::take(&mut emitter.lost_since);
        let ticks = match step {
            TickStep::Missing(ticks) => ticks,
            TickStep::First => {
                self.unseen = self.unseen.saturating_add(lost / RECORDS_PER_TICK);
                return None;
            }
            TickStep::Back => {
                self.unnumbered = true;
                return None;
            }
            TickStep::Next | TickStep::Torn => return None,
        };
        self.unseen = self.unseen.saturating_add(ticks);
        self.between = self.between.saturating_add(ticks);
        // Each tick has at least one record: some emitters record only the beginnings.
        if lost == 0 {
            self.silent += 1;
            return emitter.boundary;
        }
        // Another emitter's ticks may have shown the same.
        if lost < ticks && emitter.loss > self.last_too_small {
            self.too_small += 1;
            self.last_too_small = emitter.loss;
        }
        None
    }

    #[inline]
    pub(crate) fn task_ran(&mut self, place: usize, start: Timestamp, end: Timestamp) {
        let emitter = &mut self.emitters[place];
        self.nested |= emitter.task_end.is_some_and(|ended| start < ended);
        emitter.task_end = Some(end);
    }

    /// `count` records are missing between the emitter's last record at `last` and its next one, reported as missing
    /// from `from` to `to`. Those of a damaged block are counted once, with its first emitter: for the others the count is
    /// 0, and up to `shared` of them may be theirs. `open` is the start of the tick in progress, if any.
    pub(crate) fn lost(
        &mut self,
        place: Option<usize>,
        last: Option<Timestamp>,
        (from, to): (Timestamp, Timestamp),
        (count, shared): (u64, u64),
        open: Option<Timestamp>,
    ) {
        self.unnumbered |= place.is_none() || count == 0;
        self.before_first |= place.is_none() || last.is_none();
        let lost = if count == 0 { shared } else { count };
        let Some(place) = place else {
            self.anything(lost);
            return;
        };
        let emitter = &mut self.emitters[place];
        emitter.lost_since = emitter.lost_since.saturating_add(lost);
        if count > 0 || emitter.loss == self.losses {
            self.losses += 1;
        }
        emitter.loss = self.losses;
        emitter.torn = emitter.torn.or(open);
        let gap =
            OpenGap { from: last.map_or(from, |last| last.min(from)), to, lost, is_preceded: last.is_some() };
        emitter.gap = Some(match emitter.gap {
            Some(before) => {
                OpenGap { to: before.to.max(to), lost: before.lost.saturating_add(lost), ..before }
            }
            None => gap,
        });
    }

    /// The first record after a gap was written at `at`.
    pub(crate) fn gap_ended(&mut self, place: usize, at: Timestamp) {
        let emitter = self.emitters[place];
        let Some(gap) = self.emitters[place].gap.take() else { return };
        if !gap.is_preceded {
            // Nothing is known of the time before.
            self.anything(gap.lost);
            return;
        }
        let to = gap.to.max(at);
        let since = |kind: &mut Missing, clear: Option<Timestamp>| {
            // A run may have begun at any earlier time.
            kind.of_any_length(u64::from(clear.is_none()));
            kind.stretch(to.ns_since(clear.unwrap_or(gap.from)));
        };
        since(&mut self.tasks, emitter.boundary.max(emitter.task_end));
        since(&mut self.in_ticks, emitter.boundary);
        if emitter.torn.is_none() {
            since(&mut self.ticks, emitter.boundary.map(|boundary| boundary.max(gap.from)));
        }
    }

    /// Up to `lost` samples of each kind are missing, of any length.
    fn anything(&mut self, lost: u64) {
        self.ticks.of_any_length(lost);
        self.tasks.of_any_length(lost);
        self.in_ticks.of_any_length(lost);
    }

    /// Forgets all losses so far, except of ticks that go on.
    pub(super) fn forget(&mut self) {
        let Self { losses, last_too_small, .. } = *self;
        *self =
            Self { losses, last_too_small, emitters: std::mem::take(&mut self.emitters), ..Self::default() };
    }

    /// A copy with all gaps and damaged ticks ended at `now`, the last known moment.
    fn ended(&self, now: Timestamp) -> Self {
        let mut ended = self.clone();
        for place in 0..ended.emitters.len() {
            ended.gap_ended(place, now);
            if let Some(start) = ended.emitters[place].torn.take() {
                ended.ticks.stretch(now.ns_since(start));
            }
        }
        ended
    }

    /// Ticks that began before a loss, and whose end was not seen yet.
    pub(crate) fn torn(&self) -> u64 {
        self.emitters.iter().filter(|emitter| emitter.torn.is_some()).count() as u64
    }

    /// Whether lost records may be older or newer than all that were read: an emitter has no records before, or after, them.
    pub(crate) fn may_be_outside_of_span(&self) -> bool {
        self.before_first || self.emitters.iter().any(|emitter| emitter.gap.is_some())
    }

    /// Gaps in the tick numbers for which too few records were lost: it is unknown how many are missing there. The source
    /// reports `known` gaps of that kind itself; those are the losses that are too small.
    pub(crate) const fn uncounted_gaps(&self, known: u64) -> u64 {
        self.silent.saturating_add(self.too_small.saturating_sub(known))
    }

    /// Number of ticks that were not seen, between two tick numbers that were.
    pub(crate) const fn ticks_between(&self) -> u64 {
        self.between
    }

    /// The samples missing as of `now`, given `lost` records and `incomplete` ticks.
    pub(crate) fn missing(
        &self,
        now: Timestamp,
        lost: u64,
        incomplete: u64,
        waits: Missing,
    ) -> MissingSamples {
        let Self { ticks, tasks, in_ticks, .. } = self.ended(now);
        let since = self.emitters.iter().map(|emitter| emitter.lost_since / RECORDS_PER_TICK);
        let numbered = since.fold(self.unseen, u64::saturating_add);
        let unseen = if self.unnumbered { lost / RECORDS_PER_TICK } else { numbered.min(lost) };
        let ticks = ticks.counted(unseen.saturating_add(incomplete));
        let others = Missing::anything(lost);
        let tasks = if self.nested { others.clone() } else { tasks.counted(lost) };
        MissingSamples {
            ticks,
            tasks_lost: tasks.clone(),
            tasks,
            in_ticks: in_ticks.counted(lost),
            lag: others.clone(),
            lag_corrected: Missing::anything(lost.saturating_mul(u64::from(u32::MAX))),
            signals: others.clone(),
            others,
            waits: waits.clone(),
            waits_lost: waits,
            ..MissingSamples::default()
        }
    }
}

#[cfg(test)]
mod tests;
