//! The part of the summary about the source: its origin, its state, and the tick in progress.

use loop_probes::ids::Timestamp;
use loop_probes::process::ProcessState;
use loop_probes::recorder::Running;
use serde::{Deserialize, Serialize};

use crate::import_summary::ImportSummary;
use crate::source::{EventSource, SourceKind};
use crate::timeline::{MissingSamples, StreamEnd, Timeline, Unfinished, UnfinishedTick};

/// What was watched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct SourceSummary {
    /// What kind of source.
    pub kind: SourceKind,
    /// Its name.
    pub name: String,
    /// The process.
    pub pid: u32,
    /// The loop's policy.
    pub policy: String,
    /// What was done to make it, where it was imported.
    #[serde(default)]
    pub import: Option<ImportSummary>,
    /// How it was when it was read.
    #[serde(default)]
    pub state: StateSummary,
}

/// How a source was when it was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum StateSummary {
    /// The process runs.
    Running,
    /// The process is stopped, by SIGSTOP or a debugger.
    Stopped,
    /// The process ended its session.
    Ended,
    /// The process is gone and did not end its session; of a recording, it went so while it was recorded.
    Crashed,
    /// The recording was closed.
    Closed,
    /// The recording was not closed: it was cut off, or is still being written.
    Unclosed,
    /// Not known: as in what older versions saved.
    #[default]
    Unknown,
}

impl StateSummary {
    pub(crate) fn of(source: &(impl EventSource + ?Sized), timeline: &Timeline) -> Self {
        match source.process_state() {
            Some(ProcessState::Running) => Self::Running,
            Some(ProcessState::Stopped) => Self::Stopped,
            Some(ProcessState::Ended) => Self::Ended,
            Some(ProcessState::Crashed) => Self::Crashed,
            None if source.is_closed() && timeline.has_crashed => Self::Crashed,
            None if source.is_closed() => Self::Closed,
            None => Self::Unclosed,
        }
    }

    /// Whether it is complete: nothing more will come, and nothing is missing at the end.
    #[must_use]
    pub const fn is_closed(self) -> bool {
        matches!(self, Self::Ended | Self::Closed)
    }

    /// What is known about the time after its last moment.
    #[must_use]
    pub const fn end(self) -> StreamEnd {
        match self {
            Self::Crashed => StreamEnd::Died,
            Self::Unclosed => StreamEnd::Cut,
            Self::Running | Self::Stopped | Self::Ended | Self::Closed | Self::Unknown => StreamEnd::Known,
        }
    }
}

/// A tick that has not ended. Durations are lower bounds; times count from the first event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct OpenTickSummary {
    /// Its number; null where its beginning was not seen.
    pub tick: Option<u64>,
    /// When it began; where its beginning was not seen, since when what it does goes on.
    pub at_ns: i64,
    /// It was busy for at least this.
    pub run_ns: u64,
    /// It polled for at least this.
    pub poll_wait_ns: u64,
    /// What it was last seen in: `task ReadFile #12`, `phase timers`, `poll`; null where that is not known.
    pub running: Option<String>,
    /// Since when.
    pub running_since_ns: Option<i64>,
    /// For at least how long.
    pub running_ns: Option<u64>,
    /// When a poll ends by itself.
    pub deadline_ns: Option<i64>,
    /// The moment as of which all this holds.
    pub as_of_ns: i64,
}

impl OpenTickSummary {
    /// The tick in progress in what was folded from `source`, as a [`Summary`](super::Summary) has it.
    #[must_use]
    pub fn of(source: &(impl EventSource + ?Sized), timeline: &Timeline) -> Option<Self> {
        open_tick(timeline, &timeline.unfinished(StateSummary::of(source, timeline).end()))
    }
}

/// Nanoseconds since the first event.
pub(super) fn since(timeline: &Timeline) -> impl Fn(Timestamp) -> i64 {
    let first = timeline.first_at().unwrap_or_default();
    let pinned = |ns: u64| i64::try_from(ns).unwrap_or(i64::MAX);
    move |at| if at < first { -pinned(first.ns_since(at)) } else { pinned(at.ns_since(first)) }
}

/// The tick in progress: of several loops, the one that has been busy for longest.
pub(super) fn open_tick(timeline: &Timeline, unfinished: &Unfinished) -> Option<OpenTickSummary> {
    let longest = |tick: &&UnfinishedTick| (tick.busy_ns, std::cmp::Reverse(tick.start));
    let tick = unfinished.ticks.iter().max_by_key(longest)?;
    let since = since(timeline);
    Some(OpenTickSummary {
        tick: tick.tick,
        at_ns: since(tick.start),
        run_ns: tick.busy_ns,
        poll_wait_ns: tick.poll_wait_ns,
        running: tick.describe(&timeline.labels),
        running_since_ns: tick.running.map(|(_, at)| since(at)),
        running_ns: tick.running.map(|_| tick.running_ns()),
        deadline_ns: match tick.running {
            Some((Running::Poll { deadline: Some(deadline) }, _)) => Some(since(deadline)),
            _ => None,
        },
        as_of_ns: since(tick.as_of),
    })
}

/// Bounds on the utilization, if records are missing, if a tick is incomplete, if part of an unfinished tick is not known
/// to be busy or a poll, or if its continuation is unknown.
pub(super) fn utilization_bounds(
    timeline: &Timeline,
    unfinished: &Unfinished,
    missing: &MissingSamples,
) -> Option<[f64; 2]> {
    if timeline.lost_in_all() > 0 || timeline.may_miss_anything() || timeline.is_clock_wrong() {
        return Some([0.0, 1.0]);
    }
    let busy = timeline.ticks.busy_ns.saturating_add(unfinished.busy_ns()) as f64;
    let all = busy + timeline.ticks.poll_wait_ns.saturating_add(unfinished.poll_wait_ns()) as f64;
    let unknown_of = |tick: &UnfinishedTick| tick.unknown_ns.saturating_add(tick.before_ns);
    let unknown = unfinished.ticks.iter().map(unknown_of).fold(0, u64::saturating_add) as f64;
    // Incomplete ticks are in no sum. No record is lost, so there are no other gaps.
    let unknown = unknown + missing.ticks.total_ns() as f64;
    if all + unknown == 0.0 {
        return (timeline.incomplete_ticks() > 0).then_some([0.0, 1.0]);
    }
    let share = |busy: f64| busy / (all + unknown);
    let [mut low, mut high] = [share(busy), share(busy + unknown)];
    if unfinished.end != StreamEnd::Known && !unfinished.ticks.is_empty() {
        // A crashed process remained in its last known activity until then; a recording that was cut may have gone on.
        let is_last = |tick: &UnfinishedTick| unfinished.end == StreamEnd::Died && tick.running.is_some();
        let all = |test: fn(&UnfinishedTick) -> bool| {
            unfinished.ticks.iter().all(|tick| is_last(tick) && test(tick))
        };
        low = if all(|tick| !tick.is_polling()) { low } else { 0.0 };
        high = if all(UnfinishedTick::is_polling) { high } else { 1.0 };
    }
    (low < high).then_some([low, high])
}
