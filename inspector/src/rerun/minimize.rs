//! Minimizing: the smallest part of a recording whose re-execution still shows something.
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
//! Whether a part still shows it is always asked of the loop: each try is a re-execution under the recorded policy.
//! What comes out is the recording of the last one, and as good as any other recording.

pub mod ddmin;
pub mod search;
mod survey;

use std::path::Path;

use loop_probes::ids::Timestamp;
use loop_traces::analysis::condition::Condition;
use loop_traces::analysis::metric::{Value, measured};
use loop_traces::reader::TraceReader;
use loop_traces::source::{EventSource, SourceError};
use loop_traces::summary::Summary;
use loop_traces::units::counted;

use super::what_if::Stop;
use super::{Changes, Filter, Recorded, RerunError};
use ddmin::smallest;
use search::{Part, Stage, Whole, search};
use survey::{Between, Survey};

/// Why nothing was minimized.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MinimizeError {
    /// What is to be kept is not there.
    #[error("{condition} does not hold in {name}: it is {value}")]
    NotThere {
        /// What was to be kept.
        condition: String,
        /// The recording.
        name: String,
        /// What it is.
        value: String,
    },
    /// What is to be kept is lost in a re-execution.
    #[error(
        "{condition} holds in {name}, where it is {recorded}, and not in its re-execution, where it is {again}: what made \
         it so is nothing that a re-execution repeats, such as a machine that was busy otherwise"
    )]
    NotAgain {
        /// What was to be kept.
        condition: String,
        /// The recording.
        name: String,
        /// What it is there.
        recorded: String,
        /// What it is in its re-execution.
        again: String,
    },
    /// It was stopped before there was anything to save.
    #[error("stopped by you after {tries}: nothing smaller was found yet, and nothing is saved")]
    Stopped {
        /// How many re-executions it was.
        tries: String,
    },
    /// It cannot be read, executed again or written.
    #[error(transparent)]
    Rerun(#[from] RerunError),
    /// There is no place for the recording in between.
    #[error("cannot make a temporary file: {0}")]
    Temporary(std::io::Error),
}

impl From<SourceError> for MinimizeError {
    fn from(error: SourceError) -> Self {
        Self::Rerun(error.into())
    }
}

/// How large a recording is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Size {
    /// From its beginning to its end, in nanoseconds.
    pub span_ns: u64,
    /// Arrivals from outside.
    pub arrivals: usize,
    /// Tags of which something ran on the loop's thread, and how often, the longest run first.
    pub tags: Vec<(String, u64)>,
    /// Tasks that ran on the loop's thread.
    pub tasks: u64,
    /// The metric that was watched.
    pub value: Option<Value>,
}

/// What came of it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Minimized {
    /// What there was.
    pub before: Size,
    /// What is left.
    pub after: Size,
    /// What is left of the arrivals: when, in nanoseconds after the beginning, and what.
    pub arrivals: Vec<(u64, String)>,
    /// Re-executions that it took.
    pub tries: u32,
    /// Nothing single can go any more. Otherwise the tries or the time ran out, or it was stopped.
    pub is_minimal: bool,
    /// It was stopped: this is the smallest so far.
    pub is_stopped: bool,
}

/// Where the search is, for who watches.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Progress {
    /// What is being narrowed down.
    pub stage: Stage,
    /// Re-executions so far.
    pub tries: u32,
    /// The span of the smallest part so far, in nanoseconds.
    pub span_ns: u64,
    /// Its arrivals.
    pub arrivals: usize,
}

/// How long to search, and who watches.
pub struct Limits<'a> {
    /// Most re-executions.
    pub tries: u32,
    /// Whether it is time to try nothing more and keep the smallest so far.
    pub is_over: &'a dyn Fn() -> bool,
    /// Whether somebody does not want to wait for the end of a try either.
    pub stop: Stop,
    /// Called before each re-execution.
    pub watch: &'a mut dyn FnMut(&Progress),
}

impl std::fmt::Debug for Limits<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Limits").field("tries", &self.tries).finish_non_exhaustive()
    }
}

/// A recording that can be read again and again.
pub type Open<'a> = dyn Fn() -> Result<Box<dyn EventSource>, SourceError> + 'a;

/// Finds the smallest part of a recording in whose re-execution `keep` holds, and saves that as `output`.
///
/// # Errors
///
/// [`MinimizeError`] where `keep` does not hold in the recording or in its re-execution, or one of them cannot be read
/// or written.
pub fn minimize<'a>(
    open: &Open<'_>,
    keep: &'a Condition,
    limits: Limits<'a>,
    output: &Path,
) -> Result<Minimized, MinimizeError> {
    let stop = Stop::clone(&limits.stop);
    let mut search = Search { keep, limits, tries: 0, best: (0, 0), failed: None };
    let mut source = whole_of(open, &stop)?;
    let survey = Survey::of(&mut source);
    search.goes_on()?;
    let survey = survey?;
    search.is_there(source.name(), &survey.summary)?;
    let whole = Recorded::read(&mut whole_of(open, &stop)?);
    search.goes_on()?;
    let whole = whole?;
    let before = size(&whole, &survey.summary, keep);
    search.best = (before.span_ns, before.arrivals);
    let again = whole.what_if_until(&Changes::default(), &stop)?;
    let Some(again) = again else { return Err(search.stopped()) };
    search.holds_again(source.name(), &survey.summary, &again.after.summary)?;
    drop(source);

    let first_of_all = search.best;
    let begun = search.begin_late(open, &survey, whole)?;
    let (filter, mut is_minimal) = search.reduce(&begun, &survey)?;
    if stop() && search.best == first_of_all {
        return Err(search.stopped());
    }
    let folder = tempfile::tempdir().map_err(MinimizeError::Temporary)?;
    let between = folder.path().join("between.looptrace");
    let small =
        || -> Result<Box<dyn EventSource>, SourceError> { Ok(Box::new(TraceReader::open(&between)?)) };
    let mut again = None;
    if stop() {
        is_minimal = false;
    } else {
        let changes = Changes { filter: filter.clone(), snapshot_every_tick: true, ..Changes::default() };
        begun.recorded.what_if(&changes, Some(&between))?;
        // What the loop says of a part may not be all that made it so: where its recording does not show it any
        // more, the part itself is the result.
        let survey = Survey::of(&mut small()?)?;
        let from_small = Recorded::read(&mut small()?)?;
        match search.try_one(&from_small, Stage::Window, Filter::default()) {
            Some(true) => {
                let begun = search.begin_late(&small, &survey, from_small)?;
                let (filter, is_minimal_too) = search.reduce(&begun, &survey)?;
                is_minimal = is_minimal_too;
                again = Some((begun, filter));
            }
            Some(false) => {}
            // One that cannot be executed again shows nothing; where no more was tried, nobody knows.
            None => is_minimal &= search.failed.take().is_some(),
        }
    }
    let (last, filter) = again.unwrap_or((begun, filter));
    let last = last.recorded;
    let arrivals: Vec<(u64, String)> = arrivals_in(&last, &filter);
    let answer = last.what_if(&Changes { filter, ..Changes::default() }, Some(output))?;
    let result = Recorded::read(&mut TraceReader::open(output).map_err(SourceError::from)?)?;
    // The world in which it ran woke its loop too: that is no arrival.
    let after = Size { arrivals: arrivals.len(), ..size(&result, &answer.after.summary, keep) };
    let is_stopped = stop() && !is_minimal;
    Ok(Minimized { before, after, arrivals, tries: search.tries, is_minimal, is_stopped })
}

/// Everything of a recording, as long as nobody stops it.
fn whole_of<'a>(open: &Open<'_>, stop: &'a Stop) -> Result<Between<'a, Box<dyn EventSource>>, SourceError> {
    Ok(Between::new(open()?, Timestamp(0), Timestamp(u64::MAX), stop))
}

/// What arrives through `filter`, and when after its beginning.
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
        value: keep.metric.of(summary),
    }
}

struct Search<'a> {
    keep: &'a Condition,
    limits: Limits<'a>,
    tries: u32,
    /// Span and arrivals of the smallest part so far.
    best: (u64, usize),
    failed: Option<RerunError>,
}

impl Search<'_> {
    fn is_stopped(&self) -> bool {
        (self.limits.stop)()
    }

    fn stopped(&self) -> MinimizeError {
        MinimizeError::Stopped { tries: counted(u64::from(self.tries), "re-execution", "re-executions") }
    }

    fn goes_on(&self) -> Result<(), MinimizeError> {
        if self.is_stopped() { Err(self.stopped()) } else { Ok(()) }
    }

    fn is_there(&self, name: &str, summary: &Summary) -> Result<(), MinimizeError> {
        if self.keep.holds(summary) == Some(true) {
            return Ok(());
        }
        let (condition, name) = (self.keep.to_string(), loop_probes::text::printable(name));
        Err(MinimizeError::NotThere { condition, name, value: self.value(summary) })
    }

    fn holds_again(&self, name: &str, recorded: &Summary, again: &Summary) -> Result<(), MinimizeError> {
        if self.keep.holds(again) == Some(true) {
            return Ok(());
        }
        let (condition, name) = (self.keep.to_string(), loop_probes::text::printable(name));
        let (recorded, again) = (self.value(recorded), self.value(again));
        Err(MinimizeError::NotAgain { condition, name, recorded, again })
    }

    fn value(&self, summary: &Summary) -> String {
        measured(self.keep.metric.of(summary))
    }

    /// Whether the condition still holds; `None` where the tries ran out, one failed, or somebody stopped it.
    fn try_one(&mut self, recorded: &Recorded, stage: Stage, filter: Filter) -> Option<bool> {
        if self.failed.is_some()
            || self.tries >= self.limits.tries
            || (self.limits.is_over)()
            || self.is_stopped()
        {
            return None;
        }
        let (span_ns, arrivals) = self.best;
        (self.limits.watch)(&Progress { stage, tries: self.tries, span_ns, arrivals });
        let whole = recorded.span_ns();
        let (from, to) = filter.window_ns.unwrap_or((0, whole));
        let inside = filter.arrivals.as_ref().map_or(recorded.arrivals(), std::collections::BTreeSet::len);
        match recorded.what_if_until(&Changes { filter, ..Changes::default() }, &self.limits.stop) {
            Ok(None) => None,
            Ok(Some(answer)) => {
                self.tries += 1;
                let holds = self.keep.holds(&answer.after.summary) == Some(true);
                if holds {
                    self.best = (to.min(whole).saturating_sub(from), inside);
                }
                Some(holds)
            }
            Err(error) => {
                self.failed = Some(error);
                None
            }
        }
    }

    /// The recording from the latest snapshot on from which its re-execution still shows it, cut behind the tick that
    /// shows it.
    fn begin_late(
        &mut self,
        open: &Open<'_>,
        survey: &Survey,
        whole: Recorded,
    ) -> Result<Begun, MinimizeError> {
        let span_ns = whole.span_ns();
        let Some(first) = survey.snapshots.first().copied() else {
            return Ok(Begun { recorded: whole, at: survey.end, to_ns: span_ns });
        };
        let cuts: Vec<u64> = survey.ticks.iter().map(|tick| tick.ns_since(first)).chain([span_ns]).collect();
        let last = cuts.len() - 1;
        let end = smallest(0, last, &mut |end| {
            let filter = Filter { window_ns: Some((0, cuts[end])), ..Filter::default() };
            self.try_one(&whole, Stage::Window, filter)
        });
        // A little more than what ran until then: whatever runs across the cut is to have its end.
        let to = survey.ticks.get(end + 1).copied().unwrap_or(survey.end);
        let mut chosen = Begun { recorded: whole, at: first, to_ns: cuts[end] };
        let snapshots = &survey.snapshots[..survey.snapshots.partition_point(|at| *at < to)];
        // From the back: what makes something late mostly lies just before it.
        let (mut low, mut high) = (0, snapshots.len());
        while low + 1 < high && !self.is_stopped() {
            let middle = low + (high - low) / 2;
            let from = snapshots[middle];
            let stop = Stop::clone(&self.limits.stop);
            let part = Recorded::read(&mut Between::new(open()?, from, to, &stop));
            if self.is_stopped() {
                // What was read of it is not all.
                break;
            }
            let part = part?;
            match self.try_one(&part, Stage::Window, Filter::default()) {
                Some(true) => {
                    chosen = Begun { to_ns: part.span_ns(), recorded: part, at: from };
                    low = middle;
                }
                Some(false) => high = middle,
                None => break,
            }
        }
        self.failed.take().map_or(Ok(chosen), |error| Err(error.into()))
    }

    fn reduce(&mut self, begun: &Begun, survey: &Survey) -> Result<(Filter, bool), MinimizeError> {
        let Begun { recorded, at, to_ns } = begun;
        let ticks = survey.ticks.iter().filter(|tick| *tick >= at).map(|tick| tick.ns_since(*at));
        let whole = Whole {
            cuts_ns: ticks.take_while(|tick| tick < to_ns).chain([*to_ns]).collect(),
            tags: recorded.tags().into_iter().collect(),
            arrivals_ns: recorded.arrival_times_ns().collect(),
        };
        let found = search(&whole, &mut |stage, part: &Part| self.try_one(recorded, stage, part.filter()));
        match self.failed.take() {
            Some(error) => Err(error.into()),
            None => Ok((found.part.filter(), found.is_minimal)),
        }
    }
}

/// A recording, or what of it begins late.
struct Begun {
    recorded: Recorded,
    /// When it begins.
    at: Timestamp,
    /// Its re-execution shows it, cut here: nanoseconds after its beginning.
    to_ns: u64,
}
