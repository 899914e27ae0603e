//! Finds the smallest part of a recording whose re-execution still meets a condition.
//!
//! ```text
//!  recording ──survey──▶ snapshots, ticks, what it shows
//!      │ its end, then the last snapshot that it can begin at
//!      ▼
//!  Recorded ──search: window, tags, arrivals──▶ part ──re-execute, a snapshot a tick──▶ a small recording
//!      ▲                                                                                    │
//!      └────────── the same again on that, which can begin at any of its ticks ◀────────────┘
//! ```
//!
//! Whether a part still meets it is always decided by the loop: each try is a re-execution under the recorded policy.
//! The result is the recording of the last successful one, and a complete recording itself.

mod ddmin;
mod error;
mod search;
mod survey;
#[cfg(test)]
mod tests;

use std::io::Write;
use std::rc::Rc;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use loop_probes::clock::monotonic_now;
use loop_probes::ids::Timestamp;
use loop_traces::analysis::condition::Condition;
use loop_traces::analysis::metric::{Bounded, bounded};
use loop_traces::source::{AnySource, EventSource, SourceError};
use loop_traces::summary::Summary;
use loop_traces::units::counted;

use serde::Serialize;

use super::what_if::{Side, Stop, open_tick};
use super::{Changes, ChosenLoop, Filter, Recorded, RerunError, Scratch};
use ddmin::smallest;
pub use error::MinimizeError;
pub use search::Reduction;
use search::{CuttableParts, Part, search};
use survey::{SnapshotRange, Survey};

/// How large a recording is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Size {
    /// Length of the recording, in nanoseconds.
    pub span_ns: u64,
    /// Arrivals from outside.
    pub arrivals: usize,
    /// Tags of the tasks that ran on the loop's thread, with their counts, longest run time first.
    pub tags: Vec<(String, u64)>,
    /// Tasks run on the loop's thread.
    pub tasks: u64,
    /// The metric that was watched; `None` if it was not measured.
    pub value: Option<Bounded>,
}

/// The result of a search.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Minimized {
    /// Size of the recording before the search.
    pub before: Size,
    /// Size of the smallest recording found.
    pub after: Size,
    /// The remaining arrivals: nanoseconds after the beginning, and a description.
    pub arrivals: Vec<(u64, String)>,
    /// Number of re-executions.
    pub tries: u32,
    /// Why the search ended.
    pub ended: Ended,
    /// Duration of the search in nanoseconds, from when the recording was read: what the budget limits.
    pub search_ns: u64,
}

/// Why a search ended. Except for the first, the result is the smallest part found so far, and not minimal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Ended {
    /// Nothing more can be removed on its own.
    Minimal,
    /// The user stopped the search.
    Stopped,
    /// The time budget was used up.
    Budget,
    /// The tries were used up.
    Tries,
}

/// Progress of the search, for display.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Progress {
    /// What is being reduced.
    pub reduction: Reduction,
    /// Re-executions so far.
    pub tries: u32,
    /// The span of the smallest part so far, in nanoseconds.
    pub span_ns: u64,
    /// The arrivals in the smallest part so far.
    pub arrivals: usize,
}

/// Limits of the search, and its progress callback.
pub struct Limits<'a> {
    /// Maximum number of re-executions.
    pub tries: u32,
    /// Time limit, counted from when the recording is read. A try that exceeds it is abandoned.
    pub budget: Duration,
    /// Whether the search was asked to stop.
    pub stop: Stop,
    /// Called before each re-execution.
    pub watch: &'a mut dyn FnMut(&Progress),
}

impl std::fmt::Debug for Limits<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Limits").field("tries", &self.tries).finish_non_exhaustive()
    }
}

/// Opens a recording, any number of times.
pub type Open<'a> = dyn Fn() -> Result<AnySource, SourceError> + 'a;

/// Finds the smallest part of a recording whose re-execution satisfies `keep`, and writes its recording to `output`.
///
/// # Errors
///
/// [`MinimizeError`] if `keep` does not hold in the recording or in its re-execution, or one of them cannot be read or
/// written.
pub fn minimize<'a>(
    open: &Open<'_>,
    keep: &'a Condition,
    limits: Limits<'a>,
    output: &mut dyn Write,
) -> Result<Minimized, MinimizeError> {
    let mut search = Search::new(keep, limits)?;
    let stop = Stop::clone(&search.end);
    let mut source = whole_of(open, &stop)?;
    let survey = Survey::of(&mut source);
    search.continues()?;
    let survey = survey?;
    search.is_there(source.name(), &survey.summary)?;
    let whole = Recorded::read_loop(&mut whole_of(open, &stop)?, keep.metric.loop_name());
    search.continues()?;
    let whole = whole?;
    let survey = search.without_open_tick(open, survey, &whole)?.only(&whole);
    search.start_the_clock();
    let before = size(&whole, &survey.summary, keep);
    search.best = (before.span_ns, before.arrivals);
    search.holds_again(source.name(), &survey.summary, &whole)?;
    let name = source.name().to_owned();
    drop(source);

    let first_of_all = search.best;
    let begun = search.begin_late(open, &survey, whole)?;
    let (filter, is_minimal) = search.reduce(&begun, &survey)?;
    if search.is_stopped() && search.best == first_of_all {
        return Err(search.stopped());
    }
    let is_minimal =
        !search.is_over() && search.again_on_its_own_recording(&name, begun.recorded, filter, is_minimal)?;
    search.finish(before, is_minimal, output)
}

/// The whole recording, until the search is stopped.
fn whole_of<'a>(open: &Open<'_>, stop: &'a Stop) -> Result<SnapshotRange<'a, AnySource>, SourceError> {
    Ok(SnapshotRange::new(open()?, Timestamp(0), Timestamp(u64::MAX), stop))
}

/// The arrivals that pass `filter`, with their times after the beginning.
fn arrivals_in(recorded: &Recorded, filter: &Filter) -> Vec<(u64, String)> {
    let (from, to) = filter.window_ns.unwrap_or((0, recorded.span_ns()));
    let kept = |number: &usize| filter.arrivals.as_ref().is_none_or(|kept| kept.contains(number));
    let times = recorded.arrival_times_ns().enumerate();
    let inside = times.filter(|(number, at)| (from..=to).contains(at) && kept(number));
    inside.filter_map(|(number, at)| Some((at, recorded.arrival(number)?))).collect()
}

fn size(recorded: &Recorded, summary: &Summary, keep: &Condition) -> Size {
    Size {
        span_ns: recorded.span_ns(),
        arrivals: recorded.arrivals(),
        tags: summary.tasks.by_tag.iter().map(|tag| (tag.tag.clone(), tag.count)).collect(),
        tasks: summary.tasks.count,
        value: keep.metric.bounded(summary),
    }
}

/// The smallest part so far, as re-executed.
struct Smallest {
    recording: Rc<Scratch>,
    size: Size,
    arrivals: Vec<(u64, String)>,
}

/// One re-execution.
struct Tried {
    /// The re-executed loop's part of the recording.
    before: Arc<Side>,
    after: Summary,
    /// Whether it satisfies the condition.
    holds: bool,
}

struct Search<'a> {
    keep: &'a Condition,
    limits: Limits<'a>,
    began: Timestamp,
    /// When the time budget ends; set once the recording was read.
    deadline: Arc<OnceLock<Timestamp>>,
    /// Whether the search is over: it was stopped, or its budget is spent.
    end: Stop,
    /// Each try is recorded here, so that the smallest is at hand whenever the time is up.
    scratch: [Rc<Scratch>; 2],
    tries: u32,
    /// Span and arrivals of the smallest part so far.
    best: (u64, usize),
    smallest: Option<Smallest>,
    failed: Option<RerunError>,
}

impl<'a> Search<'a> {
    fn new(keep: &'a Condition, limits: Limits<'a>) -> Result<Self, MinimizeError> {
        let deadline: Arc<OnceLock<Timestamp>> = Arc::default();
        let (until, asked) = (Arc::clone(&deadline), Stop::clone(&limits.stop));
        let end: Stop =
            Arc::new(move || asked() || until.get().is_some_and(|until| monotonic_now() >= *until));
        let new = || Scratch::create().map(Rc::new).map_err(MinimizeError::Temporary);
        let scratch = [new()?, new()?];
        let (tries, best, smallest, failed) = (0, (0, 0), None, None);
        let began = monotonic_now();
        Ok(Self { keep, limits, began, deadline, end, scratch, tries, best, smallest, failed })
    }

    fn budget_ns(&self) -> u64 {
        u64::try_from(self.limits.budget.as_nanos()).unwrap_or(u64::MAX)
    }

    fn start_the_clock(&mut self) {
        self.began = monotonic_now();
        self.deadline.get_or_init(|| self.began.plus_ns(self.budget_ns()));
    }

    fn is_stopped(&self) -> bool {
        (self.limits.stop)()
    }

    fn is_over(&self) -> bool {
        (self.end)()
    }

    fn stopped(&self) -> MinimizeError {
        MinimizeError::Stopped { tries: counted(u64::from(self.tries), "re-execution", "re-executions") }
    }

    fn continues(&self) -> Result<(), MinimizeError> {
        if self.is_stopped() { Err(self.stopped()) } else { Ok(()) }
    }

    fn is_there(&self, name: &str, summary: &Summary) -> Result<(), MinimizeError> {
        if self.keep.holds(summary) == Some(true) {
            return Ok(());
        }
        let (condition, name) = (self.keep.to_string(), loop_probes::text::printable(name));
        Err(MinimizeError::NotThere { condition, name, value: self.value(summary) })
    }

    /// The survey up to the tick in which the recording ends, if it does: that tick is not re-executed, and the
    /// condition has to hold without it.
    fn without_open_tick(
        &self,
        open: &Open<'_>,
        survey: Survey,
        whole: &Recorded,
    ) -> Result<Survey, MinimizeError> {
        let Some(tick) = whole.open_tick() else { return Ok(survey) };
        let mut source = SnapshotRange::new(open()?, Timestamp(0), whole.end(), &self.end);
        let without = Survey::of(&mut source);
        self.continues()?;
        let without = without?;
        if self.keep.holds(&without.summary) == Some(true) {
            return Ok(without);
        }
        Err(MinimizeError::OnlyInOpenTick {
            condition: self.keep.to_string(),
            name: loop_probes::text::printable(source.name()),
            recorded: self.value(&survey.summary),
            tick: open_tick(tick),
            // Its bounds would be those of a part that is cut by hand.
            without: bounded(self.keep.metric.bounded(&without.summary).map(Bounded::exactly)),
        })
    }

    /// Re-executes the whole recording, which then is the smallest part known to be sufficient.
    fn holds_again(&mut self, name: &str, recorded: &Summary, whole: &Recorded) -> Result<(), MinimizeError> {
        match self.execute(whole, Filter::default())? {
            Some(tried) if tried.holds => Ok(()),
            Some(Tried { before, after, .. }) => {
                let (condition, name) = (self.keep.to_string(), loop_probes::text::printable(name));
                let (recorded, again) = (self.value(recorded), self.value(&after));
                let others = whole.chosen().is_some_and(|chosen| !chosen.others.is_empty());
                match whole.chosen().filter(|_| others && self.keep.metric.loop_name().is_none()) {
                    Some(ChosenLoop { name: only, .. }) => {
                        let only = only.clone();
                        Err(MinimizeError::NotInLoop { condition, name, recorded, only, again })
                    }
                    None => {
                        let why = error::why_not_again(&before.summary, &after);
                        Err(MinimizeError::NotAgain { condition, name, recorded, again, why })
                    }
                }
            }
            None if self.is_stopped() => Err(self.stopped()),
            None => Err(MinimizeError::OutOfTime { budget_ns: self.budget_ns() }),
        }
    }

    /// Re-executes a part. Returns `None` if the time ran out. A part that satisfies the condition becomes the smallest so
    /// far.
    fn execute(&mut self, recorded: &Recorded, filter: Filter) -> Result<Option<Tried>, RerunError> {
        let is_kept = |scratch: &&Rc<Scratch>| {
            self.smallest.as_ref().is_some_and(|kept| Rc::ptr_eq(&kept.recording, scratch))
        };
        let unused = self.scratch.iter().find(|scratch| !is_kept(scratch));
        let recording = Rc::clone(unused.unwrap_or(&self.scratch[0]));
        let changes = Changes { filter, ..Changes::default() };
        let Some(answer) = recorded.what_if_until(&changes, Some(&recording), &self.end)? else {
            return Ok(None);
        };
        let (before, summary) = (answer.before, answer.after.summary);
        let holds = self.keep.holds(&summary) == Some(true);
        if holds {
            let whole = recorded.span_ns();
            let (from, to) = changes.filter.window_ns.unwrap_or((0, whole));
            // The virtual world wakes the loop too; that does not count as an arrival.
            let arrivals = arrivals_in(recorded, &changes.filter);
            self.best = (to.min(whole).saturating_sub(from), arrivals.len());
            let span_ns = summary.span_ns;
            let size = Size { span_ns, arrivals: arrivals.len(), ..size(recorded, &summary, self.keep) };
            self.smallest = Some(Smallest { recording, size, arrivals });
        }
        Ok(Some(Tried { before, after: summary, holds }))
    }

    fn value(&self, summary: &Summary) -> String {
        bounded(self.keep.metric.bounded(summary))
    }

    /// Whether the condition still holds; `None` if the tries ran out, one failed, or the search is over.
    fn try_one(&mut self, recorded: &Recorded, reduction: Reduction, filter: Filter) -> Option<bool> {
        if self.failed.is_some() || self.tries >= self.limits.tries || self.is_over() {
            return None;
        }
        let (span_ns, arrivals) = self.best;
        (self.limits.watch)(&Progress { reduction, tries: self.tries, span_ns, arrivals });
        match self.execute(recorded, filter) {
            Ok(tried) => {
                self.tries += u32::from(tried.is_some());
                tried.map(|tried| tried.holds)
            }
            Err(error) => {
                self.failed = Some(error);
                None
            }
        }
    }

    /// Repeats the search on the recording of the smallest part, which can begin at any of its ticks. Returns whether
    /// the result is minimal; `is_minimal` says so of the part. The result is still reported as a re-execution of the
    /// recording `name`: the intermediate recording has no name.
    fn again_on_its_own_recording(
        &mut self,
        name: &str,
        recorded: Recorded,
        filter: Filter,
        is_minimal: bool,
    ) -> Result<bool, MinimizeError> {
        let end = Stop::clone(&self.end);
        let between = Scratch::create().map_err(MinimizeError::Temporary)?;
        let changes = Changes { filter, snapshot_every_tick: true, ..Changes::default() };
        if recorded.what_if_until(&changes, Some(&between), &end)?.is_none() {
            return Ok(false);
        }
        drop(recorded);
        let small = || -> Result<AnySource, SourceError> { Ok(Box::new(between.read(name)?)) };
        let survey = Survey::of(&mut whole_of(&small, &end)?);
        let from_small = Recorded::read(&mut whole_of(&small, &end)?);
        if self.is_over() {
            return Ok(false);
        }
        let (survey, from_small) = (survey?, from_small?);
        // The recorded events of a part may not contain all that led to the condition: if its recording no longer meets
        // it, the part itself is the result.
        match self.try_one(&from_small, Reduction::Window, Filter::default()) {
            Some(true) => {
                let begun = self.begin_late(&small, &survey, from_small)?;
                Ok(self.reduce(&begun, &survey)?.1)
            }
            Some(false) => Ok(is_minimal),
            // A part that cannot be re-executed does not meet it; if the tries ran out, the answer is unknown.
            None => Ok(is_minimal && self.failed.take().is_some()),
        }
    }

    fn finish(
        self,
        before: Size,
        is_minimal: bool,
        output: &mut dyn Write,
    ) -> Result<Minimized, MinimizeError> {
        let ended = match () {
            () if is_minimal => Ended::Minimal,
            () if self.is_stopped() => Ended::Stopped,
            () if self.tries >= self.limits.tries => Ended::Tries,
            () => Ended::Budget,
        };
        let Some(Smallest { recording, size, arrivals }) = self.smallest else {
            return Err(MinimizeError::OutOfTime { budget_ns: self.budget_ns() });
        };
        recording.copy_to(output).map_err(MinimizeError::Output)?;
        let search_ns = monotonic_now().ns_since(self.began);
        Ok(Minimized { before, after: size, arrivals, tries: self.tries, ended, search_ns })
    }

    /// Cuts the recording: it begins at the latest snapshot from which its re-execution still meets the condition, and
    /// ends after the tick that meets it.
    fn begin_late(
        &mut self,
        open: &Open<'_>,
        survey: &Survey,
        whole: Recorded,
    ) -> Result<SnapshotSpan, MinimizeError> {
        let span_ns = whole.span_ns();
        let Some((_, first)) = survey.snapshots.first().copied() else {
            return Ok(SnapshotSpan { recorded: whole, at: survey.end, to_ns: span_ns });
        };
        let cuts: Vec<u64> = survey.ticks.iter().map(|tick| tick.ns_since(first)).chain([span_ns]).collect();
        let last = cuts.len() - 1;
        let end = smallest(0, last, &mut |end| {
            let filter = Filter { window_ns: Some((0, cuts[end])), ..Filter::default() };
            self.try_one(&whole, Reduction::Window, filter)
        });
        // One tick more than needed: a callback that spans the cut must have its end.
        let to = survey.ticks.get(end + 1).copied().unwrap_or(survey.end);
        let same = whole.chosen().cloned();
        let mut chosen = SnapshotSpan { recorded: whole, at: first, to_ns: cuts[end] };
        let snapshots = &survey.snapshots[..survey.snapshots.partition_point(|(_, at)| *at < to)];
        // From the back: the cause of a delay is mostly just before it.
        let (mut low, mut high) = (0, snapshots.len());
        while low + 1 < high && !self.is_over() {
            let middle = low + (high - low) / 2;
            let (_, from) = snapshots[middle];
            let stop = Stop::clone(&self.end);
            let part = Recorded::read_same(&mut SnapshotRange::new(open()?, from, to, &stop), same.as_ref());
            if self.is_over() {
                // It was not read completely.
                break;
            }
            let part = part?;
            match self.try_one(&part, Reduction::Window, Filter::default()) {
                Some(true) => {
                    chosen = SnapshotSpan { to_ns: part.span_ns(), recorded: part, at: from };
                    low = middle;
                }
                Some(false) => high = middle,
                None => break,
            }
        }
        self.failed.take().map_or(Ok(chosen), |error| Err(error.into()))
    }

    fn reduce(&mut self, begun: &SnapshotSpan, survey: &Survey) -> Result<(Filter, bool), MinimizeError> {
        let SnapshotSpan { recorded, at, to_ns } = begun;
        let ticks = survey.ticks.iter().filter(|tick| *tick >= at).map(|tick| tick.ns_since(*at));
        let whole = CuttableParts {
            cuts_ns: ticks.take_while(|tick| tick < to_ns).chain([*to_ns]).collect(),
            tags: recorded.tags().into_iter().collect(),
            arrivals_ns: recorded.arrival_times_ns().collect(),
        };
        let found =
            search(&whole, &mut |reduction, part: &Part| self.try_one(recorded, reduction, part.filter()));
        match self.failed.take() {
            Some(error) => Err(error.into()),
            None => Ok((found.part.filter(), found.is_minimal)),
        }
    }
}

/// The part of a recording from some snapshot on, or all of it.
struct SnapshotSpan {
    recorded: Recorded,
    /// When it begins.
    at: Timestamp,
    /// Where the recording can be cut and still meet the condition, in nanoseconds after its beginning.
    to_ns: u64,
}
