//! The state of a timeline: the parts that the fold updates.

use std::sync::Arc;

use loop_probes::ids::{SourceId, Timestamp};
use loop_probes::metadata::Metadata;

use super::agenda::Agenda;
use super::commands::{Commands, Pumps, Wakes};
use super::config::TimelineConfig;
use super::futures::Futures;
use super::gaps::Gaps;
use super::gc::Gc;
use super::history::History;
use super::impacts::Impacts;
use super::in_progress::Replaced;
use super::keep_alive::KeepAlive;
use super::loss_bounds::LossBounds;
use super::microtasks::{Batches, Microtasks};
use super::open_tick::OpenTick;
use super::pool::Workers;
use super::pressure::Pressure;
use super::program::{Spans, Troubles};
use super::queues::Queues;
use super::rates::Rates;
use super::shutdown::{Shutdown, Stopped};
use super::signals::Signals;
use super::stalls::Stalls;
use super::suspensions::Suspensions;
use super::tags::Tags;
use super::ticks::Ticks;
use super::timers::Timers;
use super::worst::{SinceBaseline, WorstCases};
use crate::histogram::Histogram;
use crate::labels::Labels;
use crate::source::SourceCounts;

/// The folded state of a stream of events. See the [module](super).
///
/// Totals count what was folded: since the attach for a live ring, since the start for a recording.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Timeline {
    /// Names.
    pub labels: Arc<Labels>,
    /// Ticks.
    pub ticks: Ticks,
    /// Tasks that ran on a loop's thread.
    pub tasks_run: u64,
    /// Run times of these tasks, in nanoseconds.
    pub tasks_run_ns: Histogram,
    /// Figures by tag.
    pub tags: Tags,
    /// Timers.
    pub timers: Timers,
    /// Queues.
    pub queues: Queues,
    /// Microtask checkpoints.
    pub microtasks: Microtasks,
    /// Drains of the deferred queue.
    pub deferred: Batches,
    /// Immediates.
    pub immediates: Batches,
    /// The GC controller.
    pub gc: Gc,
    /// Signals.
    pub signals: Signals,
    /// Stalls.
    pub stalls: Stalls,
    /// Periods in which the process was suspended.
    pub suspensions: Suspensions,
    /// Workers and jobs of the work pool.
    pub work: Workers,
    /// Tasklets and workers of the agenda.
    pub agenda: Agenda,
    /// Rates over a sliding window.
    pub rates: Rates,
    /// Ticks, timer lag and losses through time, if the configuration asks for it.
    pub history: History,
    /// Spans and marks.
    pub spans: Spans,
    /// Errors and panics.
    pub troubles: Troubles,
    /// Wake-ups.
    pub wakes: Wakes,
    /// Commands through the self-pipe.
    pub commands: Commands,
    /// Pumps of a foreign loop.
    pub pumps: Pumps,
    /// Spawned futures.
    pub futures: Futures,
    /// Active handles: what keeps the loop alive.
    pub keep_alive: KeepAlive,
    /// The last shutdown, from the moment it began.
    pub shutdown: Option<Shutdown>,
    /// The loop's end, once recorded.
    pub stopped: Option<Stopped>,
    /// Contention for processors.
    pub pressure: Pressure,
    /// Whether the process died while it was recorded.
    pub has_crashed: bool,
    /// Whether there are loops beyond the limit of emitters or of an import. Their ticks are not counted.
    pub loops_left_out: bool,
    /// Events folded.
    pub events: u64,
    /// Snapshots completed.
    pub snapshots: u64,
    /// Records lost within the stream, as the stream itself reports.
    pub lost_records: u64,
    /// What the source could not deliver, as reported by the source.
    pub counts: SourceCounts,
    pub(super) config: TimelineConfig,
    pub(super) first: Option<Timestamp>,
    /// When the first sample of pressure was taken.
    pub(super) pressure_from: Option<Timestamp>,
    pub(super) last: Option<Timestamp>,
    /// Where the window begins, if these are the figures of one.
    pub(super) window_from: Option<Timestamp>,
    pub(super) open: Vec<OpenTick>,
    /// Indexed as `open` is, one entry per emitter.
    pub(super) gaps: Vec<Gaps>,
    pub(super) loss_bounds: LossBounds,
    pub(super) replaced: Replaced,
    pub(super) blame: WorstCases,
    /// Those since the last baseline.
    pub(super) blame_of_slice: SinceBaseline,
    pub(super) delays_caused: Impacts,
    pub(super) loops: Loops,
    pub(super) last_open: usize,
}

/// Separate timelines of several loops. See [`loops`](super::loops).
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Loops {
    /// The first loop seen.
    pub(super) first: Option<SourceId>,
    /// Empty while there is only one loop.
    pub(super) by_loop: Vec<(SourceId, Timeline)>,
    /// Whether there are more loops than [`LOOPS_MAX`](super::LOOPS_MAX).
    pub(super) more: bool,
    /// The record count of the last loss that reported one.
    pub(super) lost: u64,
}

impl Timeline {
    /// An empty timeline with these limits.
    #[must_use]
    pub fn new(config: TimelineConfig) -> Self {
        Self {
            labels: Arc::default(),
            ticks: Ticks::new(&config),
            tasks_run: 0,
            tasks_run_ns: Histogram::new(),
            tags: Tags::new(config.tags_max),
            timers: Timers::new(&config),
            queues: Queues::new(&config),
            microtasks: Microtasks::new(&config),
            deferred: Batches::default(),
            immediates: Batches::default(),
            gc: Gc::new(&config),
            signals: Signals::default(),
            stalls: Stalls::new(&config),
            suspensions: Suspensions::new(config.entries_kept),
            work: Workers::default(),
            agenda: Agenda::new(&config),
            rates: Rates::new(config.rate_window),
            history: History::new(config.history),
            spans: Spans::default(),
            troubles: Troubles::new(&config),
            wakes: Wakes::default(),
            commands: Commands::default(),
            pumps: Pumps::default(),
            futures: Futures::default(),
            keep_alive: KeepAlive::new(&config),
            shutdown: None,
            stopped: None,
            pressure: Pressure::default(),
            has_crashed: false,
            loops_left_out: config.loops_left_out,
            events: 0,
            snapshots: 0,
            lost_records: 0,
            counts: SourceCounts::default(),
            blame: WorstCases::new(&config),
            blame_of_slice: WorstCases::of_slice(&config),
            delays_caused: Impacts::new(&config),
            config,
            first: None,
            pressure_from: None,
            last: None,
            window_from: None,
            open: Vec::new(),
            gaps: Vec::new(),
            loss_bounds: LossBounds::default(),
            replaced: Replaced::default(),
            loops: Loops::default(),
            last_open: 0,
        }
    }

    /// An empty timeline for a recording: the default limits and the recording's own stall limit.
    #[must_use]
    pub fn of(metadata: &Metadata) -> Self {
        Self::new(TimelineConfig::of(metadata))
    }

    /// The limits that this timeline was created with.
    #[must_use]
    pub const fn config(&self) -> &TimelineConfig {
        &self.config
    }

    /// The time of the earliest event, or the start of the first interval if that is earlier. Times count from here, also
    /// in exports.
    #[must_use]
    pub fn first_at(&self) -> Option<Timestamp> {
        self.first.into_iter().chain(self.pressure_from).min()
    }

    /// The time of the last event, which may report something still running.
    #[must_use]
    pub const fn last_at(&self) -> Option<Timestamp> {
        self.last
    }

    /// The time of the last event written by an emitter.
    #[must_use]
    pub fn last_moved_at(&self) -> Option<Timestamp> {
        self.open.iter().map(|open| open.last).max()
    }

    /// When the figures begin: at the first event, or with the window if these are the figures of one.
    #[must_use]
    pub fn counted_from(&self) -> Option<Timestamp> {
        self.first.max(self.window_from)
    }

    /// Time from the first event, or from the begin of the window, to the last known moment, in nanoseconds.
    #[must_use]
    pub fn span_ns(&self) -> u64 {
        match (self.counted_from(), self.last) {
            (Some(first), Some(last)) => last.ns_since(first),
            _ => 0,
        }
    }
}
