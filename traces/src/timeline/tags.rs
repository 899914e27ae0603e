//! Figures by tag: runs, run times, queue waits, and the worst runs.

use loop_probes::event::Outcome;
use loop_probes::ids::{SourceId, Tag, TaskId, Timestamp};

use super::baseline::Figures;
use super::worst_runs::{RunsOfSlice, WorstRun, add_to};
use crate::histogram::Histogram;

/// A task that ran for too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SlowTask {
    /// The loop that ran it.
    pub source: SourceId,
    /// Id of the task.
    pub task: TaskId,
    /// Tag of the task.
    pub tag: Tag,
    /// When it started.
    pub start: Timestamp,
    /// When it ended.
    pub end: Timestamp,
    /// The tick in which it ran, if known.
    pub tick: Option<u64>,
}

impl SlowTask {
    /// Run time from start to end, in nanoseconds.
    #[must_use]
    pub const fn run_ns(&self) -> u64 {
        self.end.ns_since(self.start)
    }
}

/// Statistics of the runs of one kind.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RunStats {
    /// Run times in nanoseconds, from start to end.
    pub run_ns: Histogram,
    /// Queue waits in nanoseconds, from queued to started; empty for work that is not queued.
    pub queue_wait_ns: Histogram,
    /// Runs that failed or panicked.
    pub failed: u64,
    worst: Vec<WorstRun>,
    worst_of_slice: RunsOfSlice,
}

impl RunStats {
    /// Runs.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.run_ns.count()
    }

    /// The longest runs, longest first.
    #[must_use]
    pub fn worst(&self) -> &[WorstRun] {
        &self.worst
    }

    /// Its figures, for [`baseline`](super::baseline).
    pub(super) fn figures(&mut self, by: &mut impl Figures) {
        let Self { run_ns, queue_wait_ns, failed, worst, worst_of_slice } = self;
        by.histogram(run_ns);
        by.histogram(queue_wait_ns);
        by.count(failed);
        by.worst(worst, &mut worst_of_slice.0);
    }

    /// Forgets the worst runs that ended before `from`.
    fn forget_before(&mut self, from: Timestamp) {
        self.worst.retain(|run| run.at > from);
    }

    pub(crate) fn add(&mut self, run: WorstRun, failed: bool, keep: usize) {
        self.run_ns.record(run.run_ns);
        if let Some(waited_ns) = run.queue_wait_ns {
            self.queue_wait_ns.record(waited_ns);
        }
        self.failed += u64::from(failed);
        add_to(&mut self.worst, run, keep);
        add_to(&mut self.worst_of_slice.0, run, keep);
    }
}

/// Whether the run failed or panicked.
pub(crate) const fn failed(outcome: Outcome) -> bool {
    matches!(outcome, Outcome::Failed | Outcome::Panicked)
}

/// Everything that ran under one tag.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct TagStats {
    /// The tag that these figures belong to.
    pub tag: Tag,
    /// Tasks of the tag that ran on the loop thread.
    pub tasks: RunStats,
    /// Number of tasks of the tag that were queued.
    pub queued: u64,
    /// Run time of the microtasks right after its tasks, in nanoseconds.
    pub microtasks_ns: u64,
    /// Readiness callbacks of the tag; `None` if none ran.
    pub io: Option<Box<RunStats>>,
    /// Jobs of the tag on the work pool; `None` if none ran.
    pub work: Option<Box<RunStats>>,
    /// Tasklets of the tag on the agenda's workers; `None` if none ran.
    pub tasklets: Option<Box<RunStats>>,
}

impl TagStats {
    /// Statistics of a tag of which nothing ran.
    #[must_use]
    pub fn new(tag: Tag) -> Self {
        Self {
            tag,
            tasks: RunStats::default(),
            queued: 0,
            microtasks_ns: 0,
            io: None,
            work: None,
            tasklets: None,
        }
    }

    fn figures(&mut self, by: &mut impl Figures) {
        let Self { tag: _, tasks, queued, microtasks_ns, io, work, tasklets } = self;
        tasks.figures(by);
        by.counts([queued, microtasks_ns]);
        for (key, runs) in (0..).zip([io, work, tasklets]) {
            if let Some(runs) = runs {
                by.part(key, false, |by| runs.figures(by));
            }
        }
    }

    fn forget_before(&mut self, from: Timestamp) {
        self.tasks.forget_before(from);
        for runs in [&mut self.io, &mut self.work, &mut self.tasklets].into_iter().flatten() {
            runs.forget_before(from);
        }
    }
}

/// All tags seen.
#[derive(Clone, Debug, PartialEq)]
pub struct Tags {
    places: Vec<u16>,
    seen: Vec<TagStats>,
    limit: usize,
    beyond: Option<Box<BeyondLimit>>,
}

/// The tags beyond the limit, with one set of figures for all of them.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct BeyondLimit {
    /// Number of tags.
    pub tags: u64,
    /// Figures of all these tags together; `tag` is the first of them.
    pub stats: TagStats,
}

/// No entry yet.
const NOWHERE: u16 = u16::MAX;

/// Place of the tags beyond the limit.
const BEYOND: u16 = NOWHERE - 1;

impl Tags {
    pub(crate) fn new(limit: usize) -> Self {
        let limit = limit.min(usize::from(BEYOND));
        Self { places: Vec::new(), seen: Vec::new(), limit, beyond: None }
    }

    /// Tags with figures of their own, in the order of appearance.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &TagStats> + '_ {
        self.seen.iter()
    }

    /// The figures of `tag`; `None` also for tags beyond the limit.
    #[must_use]
    pub fn tag(&self, tag: Tag) -> Option<&TagStats> {
        let place = *self.places.get(usize::from(tag.0))?;
        self.seen.get(usize::from(place))
    }

    /// The tags beyond the limit, if there are any.
    #[must_use]
    pub fn beyond_limit(&self) -> Option<&BeyondLimit> {
        self.beyond.as_deref()
    }

    /// Its figures, for [`baseline`](super::baseline).
    pub(super) fn figures(&mut self, by: &mut impl Figures) {
        for stats in &mut self.seen {
            by.part(stats.tag.0.into(), false, |by| stats.figures(by));
        }
        if let Some(beyond) = &mut self.beyond {
            by.part(u64::MAX, false, |by| beyond.stats.figures(by));
        }
    }

    /// Forgets the worst runs that ended before `from`.
    pub(super) fn forget_before(&mut self, from: Timestamp) {
        let beyond = self.beyond.iter_mut().map(|beyond| &mut beyond.stats);
        self.seen.iter_mut().chain(beyond).for_each(|stats| stats.forget_before(from));
    }

    /// Bytes that the distributions take: most of what a [`Timeline`](super::Timeline) takes if values differ widely.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let runs = self.seen.iter().flat_map(|of| {
            let others = [&of.io, &of.work, &of.tasklets];
            others.into_iter().filter_map(Option::as_deref).chain([&of.tasks])
        });
        runs.map(|runs| runs.run_ns.bytes() + runs.queue_wait_ns.bytes()).sum()
    }

    /// Whether `tag` was seen, and is beyond the limit.
    #[must_use]
    pub fn is_beyond_limit(&self, tag: Tag) -> bool {
        self.places.get(usize::from(tag.0)) == Some(&BEYOND)
    }

    /// The figures of `tag`, created if new; those of all tags beyond the limit, if it is one of them.
    #[inline]
    pub(crate) fn entry(&mut self, tag: Tag) -> &mut TagStats {
        let place = match self.places.get(usize::from(tag.0)) {
            Some(place) if *place != NOWHERE => *place,
            _ => self.make(tag),
        };
        match self.seen.get_mut(usize::from(place)) {
            Some(own) => own,
            None => &mut beyond(&mut self.beyond, tag).stats,
        }
    }

    #[cold]
    #[inline(never)]
    fn make(&mut self, tag: Tag) -> u16 {
        let index = usize::from(tag.0);
        if index >= self.places.len() {
            self.places.resize(index + 1, NOWHERE);
        }
        let place = match self.seen.len() < self.limit {
            true => self.seen.len() as u16,
            false => BEYOND,
        };
        self.places[index] = place;
        match place {
            BEYOND => beyond(&mut self.beyond, tag).tags += 1,
            _ => self.seen.push(TagStats::new(tag)),
        }
        place
    }
}

/// The tags beyond the limit, of which `tag` may be the first.
fn beyond(beyond: &mut Option<Box<BeyondLimit>>, tag: Tag) -> &mut BeyondLimit {
    beyond.get_or_insert_with(|| Box::new(BeyondLimit { tags: 0, stats: TagStats::new(tag) }))
}
