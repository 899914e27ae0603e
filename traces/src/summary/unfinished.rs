//! The part of the summary about the source: its origin, its state, and the tick in progress.

use loop_probes::ids::Timestamp;
use loop_probes::process::ProcessState;
use loop_probes::recorder::Running;
use serde::{Deserialize, Serialize};

use crate::import_summary::ImportSummary;
use crate::source::{EventSource, SourceKind};
use crate::timeline::{MissingSamples, StreamEnd, Timeline, Unfinished, UnfinishedTick};

/// What was observed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct SourceSummary {
    /// The kind of source.
    pub kind: SourceKind,
    /// The program's name or the file's path.
    pub name: String,
    /// The process id of the program.
    pub pid: u32,
    /// The loop's policy; `unknown` for other kinds of loop.
    pub policy: String,
    /// How the import changed its input; null if the source was not imported.
    pub import: Option<ImportSummary>,
    /// The state of the source when it was read.
    pub state: StateSummary,
}

/// The state of a source when it was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum StateSummary {
    /// The process is running.
    Running,
    /// The process is stopped, by SIGSTOP or a debugger.
    Stopped,
    /// The process ended its session.
    Ended,
    /// The process died without ending its session; in a recording, while it was recorded.
    Crashed,
    /// The recording was closed.
    Closed,
    /// The recording was not closed: it was cut off, or is still being written. Or the source is a copy of a ring file.
    Unclosed,
    /// Not known, as in summaries saved by older versions.
    #[default]
    Unknown,
}

impl StateSummary {
    /// The state of `source`, read to its end, from which `timeline` was folded.
    #[must_use]
    pub fn of(source: &(impl EventSource + ?Sized), timeline: &Timeline) -> Self {
        match source.process_state() {
            Some(ProcessState::Running) => Self::Running,
            Some(ProcessState::Stopped) => Self::Stopped,
            Some(ProcessState::Ended) => Self::Ended,
            Some(ProcessState::Crashed) => Self::Crashed,
            Some(ProcessState::Unclosed) => Self::Unclosed,
            None if source.is_closed() && timeline.has_crashed => Self::Crashed,
            None if source.is_closed() => Self::Closed,
            None => Self::Unclosed,
        }
    }

    /// Whether it is complete: nothing follows, and nothing is missing at the end.
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
    /// The tick's number; null if its beginning was not seen.
    pub tick: Option<u64>,
    /// When it began; if its beginning was not seen, when its last known activity began.
    pub at_ns: i64,
    /// Busy time so far.
    pub run_ns: u64,
    /// Poll wait so far.
    pub poll_wait_ns: u64,
    /// Last known activity: `task ReadFile #12`, `phase timers`, `poll`; null if unknown.
    pub running: Option<String>,
    /// When that activity began.
    pub running_since_ns: Option<i64>,
    /// The duration of that activity so far.
    pub running_ns: Option<u64>,
    /// When the poll times out, if it is in a poll with a timeout.
    pub deadline_ns: Option<i64>,
    /// The moment for which these values hold.
    pub as_of_ns: i64,
}

impl OpenTickSummary {
    /// The tick in progress, as in the [`Summary`](super::Summary) of `timeline`, which was folded from `source`.
    #[must_use]
    pub fn of(source: &(impl EventSource + ?Sized), timeline: &Timeline) -> Option<Self> {
        open_tick(timeline, &timeline.unfinished(StateSummary::of(source, timeline).end()))
    }

    /// The last known activity, as in `running`, but a task without the word: `ReadFile #12`. `None` if it is in a
    /// poll, or if the activity is unknown.
    #[must_use]
    pub fn busy_with(&self) -> Option<&str> {
        let running = self.running.as_deref().filter(|running| *running != "poll")?;
        Some(running.strip_prefix("task ").unwrap_or(running))
    }
}

/// Converts a timestamp to nanoseconds since the first event.
pub(super) fn since(timeline: &Timeline) -> impl Fn(Timestamp) -> i64 {
    let first = timeline.first_at().unwrap_or_default();
    let pinned = |ns: u64| i64::try_from(ns).unwrap_or(i64::MAX);
    move |at| if at < first { -pinned(first.ns_since(at)) } else { pinned(at.ns_since(first)) }
}

/// The tick in progress; of several loops, the one that has been busy longest.
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

/// Bounds on the utilization, if records are missing, if a tick is incomplete, if it is unknown whether a part of a tick
/// in progress was busy, or if the tick may have continued after the end of the recording.
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
    // Incomplete ticks are in no sum. No record was lost, so no other time is missing.
    let unknown = unknown + missing.ticks.total_ns() as f64;
    if all + unknown == 0.0 {
        return (timeline.incomplete_ticks() > 0).then_some([0.0, 1.0]);
    }
    let share = |busy: f64| busy / (all + unknown);
    let [mut low, mut high] = [share(busy), share(busy + unknown)];
    if unfinished.end == StreamEnd::Known && unfinished.ticks.iter().any(|tick| !tick.is_polling()) {
        // What keeps a tick busy may go on.
        high = 1.0;
    }
    if unfinished.end != StreamEnd::Known && !unfinished.ticks.is_empty() {
        // A process that crashed remained in its last known activity; one whose recording was cut off may have gone on.
        let is_last = |tick: &UnfinishedTick| unfinished.end == StreamEnd::Died && tick.running.is_some();
        let all = |test: fn(&UnfinishedTick) -> bool| {
            unfinished.ticks.iter().all(|tick| is_last(tick) && test(tick))
        };
        low = if all(|tick| !tick.is_polling()) { low } else { 0.0 };
        high = if all(UnfinishedTick::is_polling) { high } else { 1.0 };
    }
    (low < high).then_some([low, high])
}
