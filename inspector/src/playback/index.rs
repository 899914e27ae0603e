//! The index that one reading of a trace produces: the end times of its ticks and stalls, and a few checkpoints.

use std::sync::Arc;

use loop_probes::event::Event;
use loop_probes::ids::Timestamp;
use loop_probes::stamped::Stamped;
use loop_traces::diagnosis::Diagnosis;
use loop_traces::source::EventSource;
use loop_traces::summary::StateSummary;
use loop_traces::timeline::TimelineConfig;

use super::aftermath::{Aftermath, Aftermaths};
use crate::app::fold::Fold;

/// Maximum number of checkpoints kept: each is a fold of a few megabytes.
const CHECKPOINTS_MAX: usize = 8;
/// Memory limit of the distributions in all checkpoints. Usually they take a hundredth of that, but with a thousand tags
/// and values of all magnitudes, a single one takes half a gigabyte.
const CHECKPOINT_BYTES_MAX: usize = 128 << 20;
/// Initial number of events between two checkpoints; doubled whenever there are too many.
const CHECKPOINT_EVENTS: u64 = 1 << 16;
/// Maximum number of tick ends kept, 8 bytes each: 128 MiB. A trace can hold millions of ticks in a megabyte.
const TICKS_MAX: usize = 1 << 24;

/// A fold at a time from which the source can be read on.
#[derive(Debug)]
pub(super) struct Checkpoint {
    /// The time of the last event in the fold.
    pub(super) at: Timestamp,
    /// The time of the first event that is not in the fold: later than all that are.
    pub(super) resume_at: Timestamp,
    /// The fold up to `at`.
    pub(super) fold: Fold,
}

/// The ends of ticks: all of them, or every second, fourth, … if there are more than `max`.
#[derive(Debug)]
struct TickEnds {
    ends: Vec<Timestamp>,
    max: usize,
    /// Distance between kept entries.
    every: u64,
    seen: u64,
}

impl TickEnds {
    const fn of(max: usize) -> Self {
        Self { ends: Vec::new(), max, every: 1, seen: 0 }
    }

    fn push(&mut self, end: Timestamp) {
        self.seen += 1;
        if !self.seen.is_multiple_of(self.every) {
            return;
        }
        if self.ends.len() >= self.max {
            keep_every_second(&mut self.ends);
            self.every *= 2;
            if !self.seen.is_multiple_of(self.every) {
                return;
            }
        }
        self.ends.push(end);
    }
}

fn keep_every_second<T>(all: &mut Vec<T>) {
    let mut place = 0;
    all.retain(|_| {
        place += 1;
        place % 2 == 0
    });
}

/// The index of a trace.
#[derive(Debug)]
pub(super) struct Index {
    config: TimelineConfig,
    fold: Fold,
    ticks: TickEnds,
    stalls: Aftermaths,
    checkpoints: Vec<Checkpoint>,
    checkpoint_bytes_max: usize,
    every: u64,
    last_checkpoint: u64,
    start: Timestamp,
    end: Timestamp,
    lost_in_stream: u64,
    complete: bool,
    diagnosis: Option<Arc<Diagnosis>>,
}

impl Index {
    pub(super) fn new(config: TimelineConfig) -> Self {
        Self {
            fold: Fold::without_windows(config.clone()),
            config,
            ticks: TickEnds::of(TICKS_MAX),
            stalls: Aftermaths::default(),
            checkpoints: Vec::new(),
            checkpoint_bytes_max: CHECKPOINT_BYTES_MAX,
            every: CHECKPOINT_EVENTS,
            last_checkpoint: 0,
            start: Timestamp::default(),
            end: Timestamp::default(),
            lost_in_stream: 0,
            complete: false,
            diagnosis: None,
        }
    }

    /// Indexes a batch: the events of one poll.
    pub(super) fn take(&mut self, batch: &[Stamped]) {
        if let Some(first) = batch.first() {
            self.checkpoint_before(first.at);
        }
        for stamped in batch {
            let stalls = self.fold.timeline.stalls.count;
            self.fold.fold(stamped);
            self.end = self.end.max(stamped.at);
            let is_stall = self.fold.timeline.stalls.count > stalls;
            self.stalls.take(stamped, is_stall, &self.config);
            if matches!(stamped.event, Event::TickEnd { .. }) {
                self.ticks.push(stamped.at);
            }
        }
        self.start = self.fold.timeline.first_at().unwrap_or(self.end);
        self.lost_in_stream = self.fold.timeline.lost_records;
    }

    /// Completes the index at the end of `source`, of which everything was taken.
    pub(super) fn complete(&mut self, source: &(impl EventSource + ?Sized)) {
        self.complete = true;
        // Ticks of several loops may be merged slightly out of order.
        self.ticks.ends.sort_unstable();
        let timeline = &mut self.fold.timeline;
        timeline.counts = source.counts();
        self.diagnosis = Some(Arc::new(Diagnosis::of(timeline, StateSummary::of(source, timeline).end())));
        let limit_ns = self.config.stall_limit_ns;
        let unfinished = timeline.unfinished_ticks().into_iter().filter(|tick| tick.is_stall(limit_ns));
        unfinished.for_each(|_| self.stalls.goes_on(self.end));
        self.stalls.sort();
        self.fold = Fold::without_windows(self.config.clone());
    }

    /// What is wrong most in the whole trace; `None` until it is [complete](Self::is_complete).
    pub(super) const fn diagnosis(&self) -> Option<&Arc<Diagnosis>> {
        self.diagnosis.as_ref()
    }

    /// Makes a checkpoint before an event at `next`, if one is due. Sources seek by time and not by position, so
    /// checkpoints lie only between two events of different times.
    fn checkpoint_before(&mut self, next: Timestamp) {
        let events = self.fold.timeline.events;
        if events < self.last_checkpoint + self.every || next <= self.end {
            return;
        }
        self.last_checkpoint = events;
        let new = self.fold.timeline.tags.bytes();
        if new > self.checkpoint_bytes_max {
            return;
        }
        // Folds only grow: halving the number of the earlier ones makes room in a few rounds.
        while self.checkpoint_bytes() + new > self.checkpoint_bytes_max {
            self.thin_out();
        }
        self.checkpoints.push(Checkpoint { at: self.end, resume_at: next, fold: self.fold.clone() });
        if self.checkpoints.len() > CHECKPOINTS_MAX {
            self.thin_out();
        }
    }

    fn checkpoint_bytes(&self) -> usize {
        self.checkpoints.iter().map(|kept| kept.fold.timeline.tags.bytes()).sum()
    }

    fn thin_out(&mut self) {
        keep_every_second(&mut self.checkpoints);
        self.every *= 2;
    }

    /// The last checkpoint without events after `to`.
    pub(super) fn checkpoint(&self, to: Timestamp) -> Option<&Checkpoint> {
        let after = self.checkpoints.partition_point(|checkpoint| checkpoint.at <= to);
        after.checked_sub(1).map(|place| &self.checkpoints[place])
    }

    /// The end of the tick that is `by` ticks from the last one that ended at or before `position`. Beyond
    /// [`TICKS_MAX`] ticks, a step goes to the next kept entry.
    pub(super) fn tick_end(&self, position: Timestamp, by: i64) -> Option<Timestamp> {
        let ticks = &self.ticks.ends;
        let ended = ticks.partition_point(|end| *end <= position) as i64;
        let last = ticks.len() as i64 - 1;
        if ended == 0 && by < 0 {
            return None;
        }
        // Ticks that ended at the same time are one step.
        let to = if by < 0 {
            let first_of_these = ticks.partition_point(|end| *end < *self.last_ended(ended)) as i64;
            first_of_these.saturating_add(by)
        } else {
            (ended - 1).saturating_add(by)
        };
        ticks.get(usize::try_from(to.clamp(0, last.max(0))).ok()?).copied()
    }

    fn last_ended(&self, ended: i64) -> &Timestamp {
        usize::try_from(ended - 1).ok().and_then(|place| self.ticks.ends.get(place)).unwrap_or(&Timestamp(0))
    }

    /// An empty fold.
    pub(super) fn empty_fold(&self) -> Fold {
        Fold::new(self.config.clone())
    }

    /// The tick that contains `at`, or the next one.
    pub(super) fn tick_at(&self, at: Timestamp) -> Option<Aftermath> {
        let ticks = &self.ticks.ends;
        let end = *ticks.get(ticks.partition_point(|end| *end < at))?;
        let stall = self.stalls.all().iter().find(|stall| stall.end == end);
        Some(stall.copied().unwrap_or(Aftermath { end, over: end }))
    }

    /// The stalls, in order of their ends.
    pub(super) fn stalls(&self) -> &[Aftermath] {
        self.stalls.all()
    }

    pub(super) const fn start(&self) -> Timestamp {
        self.start
    }

    pub(super) const fn end(&self) -> Timestamp {
        self.end
    }

    pub(super) const fn lost_in_stream(&self) -> u64 {
        self.lost_in_stream
    }

    pub(super) const fn is_complete(&self) -> bool {
        self.complete
    }

    #[cfg(test)]
    pub(super) const fn checkpoints(&self) -> usize {
        self.checkpoints.len()
    }
}

#[cfg(test)]
mod tests {
    use loop_probes::event::Outcome;
    use loop_probes::ids::{SourceId, Tag, TaskId};

    use super::*;

    /// Runs of 100 tags, three times as long after every 8,192 runs.
    fn growing(number: u64) -> Stamped {
        let (at, run_ns) = (Timestamp((1 << 60) + number), 3_u64.pow((number >> 13) as u32));
        let (task, tag, queued) = (TaskId(number), Tag(number as u16 % 100), Timestamp(1));
        let start = Timestamp(at.0 - run_ns);
        let event = Event::TaskRan { task, tag, outcome: Outcome::Done, queued, start };
        Stamped { at, source: SourceId(1), event }
    }

    #[test]
    fn checkpoints_of_large_folds_are_fewer() {
        let make = |checkpoint_bytes_max| {
            let mut index = Index { checkpoint_bytes_max, ..Index::new(TimelineConfig::default()) };
            for begin in (0..1 << 18).step_by(1 << 12) {
                let batch: Vec<Stamped> = (begin..begin + (1 << 12)).map(growing).collect();
                index.take(&batch);
                assert!(index.checkpoint_bytes() <= checkpoint_bytes_max);
            }
            index
        };
        let most = make(usize::MAX);
        assert_eq!(most.checkpoints(), 3);
        let last = most.checkpoints.last().map_or(0, |kept| kept.fold.timeline.tags.bytes());
        assert!(last > 100 * 10_000, "{last} bytes: the distributions of 100 tags");
        assert_eq!(make(last).checkpoints(), 1);
        assert_eq!(make(0).checkpoints(), 0);
    }

    #[test]
    fn beyond_the_limit_evenly_spread_tick_ends_are_kept() {
        let mut ticks = TickEnds::of(16);
        for end in 1..=16 {
            ticks.push(Timestamp(end));
        }
        assert_eq!(ticks.ends.len(), 16, "all of them while there is room");
        for end in 17..=1_000 {
            ticks.push(Timestamp(end));
            assert!((8..=16).contains(&ticks.ends.len()), "{end}: {}", ticks.ends.len());
        }
        let expected: Vec<Timestamp> = (1..=1_000 / 64).map(|place| Timestamp(place * 64)).collect();
        assert_eq!(ticks.ends, expected);
    }
}
