//! The figures of most panes, recomputed from the timeline a few times per second.
//!
//! Not for every frame: quantiles, sums and sorting would cost more than drawing, and numbers that change thirty times
//! per second cannot be read. The strip of ticks is redrawn with every frame.

mod agenda;
mod keep_alive;
mod rates;

pub use agenda::{AgendaFigures, PriorityRow, Starvation, WorkerRow};
pub use keep_alive::{HandleRow, KeepAliveFigures};

use std::cmp::Ordering;

use clap::builder::PossibleValue;
use loop_probes::event::{GcAction, GcMode, Queue};
use loop_probes::ids::{Tag, Timestamp};
use loop_traces::diagnosis::Diagnosis;
use loop_traces::histogram::{Histogram, Percentiles};
use loop_traces::loss::Missing;
use loop_traces::summary::JobsSummary;
use loop_traces::timeline::{
    Cause, GcCheck, Impact, MissingSamples, PerSecond, QueueStats, RunStats, TagStats, Timeline, Unfinished,
    signal_name,
};

use super::filter::Filter;
use crate::units;
use rates::{LoopFigures, rate_of_loops, worst_lag};

/// Refresh interval of aggregated figures, in wall-clock ns.
pub const REFRESH_NS: u64 = 200_000_000;

/// Upper bounds of the histogram buckets, in nanoseconds; values above the last form one more bucket.
pub const EDGES_NS: [u64; 16] = [
    1_000,
    2_000,
    5_000,
    10_000,
    20_000,
    50_000,
    100_000,
    200_000,
    500_000,
    1_000_000,
    2_000_000,
    5_000_000,
    10_000_000,
    20_000_000,
    50_000_000,
    100_000_000,
];

/// A column of the task table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Column {
    /// The tag's name.
    Tag,
    /// The number of runs.
    Count,
    /// The median run time.
    RunP50,
    /// The 99th percentile of the run time.
    RunP99,
    /// The longest run time.
    RunMax,
    /// The 99th percentile of the queue wait.
    WaitP99,
    /// The delay that the tag caused to others.
    #[default]
    Caused,
}

impl Column {
    /// Every column, from left to right.
    pub const ALL: [Self; 7] =
        [Self::Tag, Self::Count, Self::RunP50, Self::RunP99, Self::RunMax, Self::WaitP99, Self::Caused];

    /// Name in the table's title.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tag => "tag",
            Self::Count => "count",
            Self::RunP50 => "run p50",
            Self::RunP99 => "run p99",
            Self::RunMax => "run max",
            Self::WaitP99 => "wait p99",
            Self::Caused => "delay caused",
        }
    }

    /// The next column, wrapping around.
    #[must_use]
    pub fn next(self) -> Self {
        let place = Self::ALL.iter().position(|column| *column == self).unwrap_or(0);
        Self::ALL[(place + 1) % Self::ALL.len()]
    }
}

impl clap::ValueEnum for Column {
    fn value_variants<'a>() -> &'a [Self] {
        &Self::ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(match self {
            Self::RunP50 => "run-p50",
            Self::RunP99 => "run-p99",
            Self::RunMax => "run-max",
            Self::WaitP99 => "wait-p99",
            Self::Caused => "caused",
            Self::Tag | Self::Count => self.name(),
        }))
    }
}

/// The sort order of the task table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Order {
    /// The column to sort by.
    pub column: Column,
    /// Whether the order is reversed: smallest first, names from Z to A.
    pub inverted: bool,
}

/// Where the runs counted in a row took place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunPlace {
    /// The runs were tasks of the loop.
    Tasks,
    /// The runs were readiness callbacks.
    Io,
    /// The runs were on workers of the pool.
    Pool,
    /// The runs were on workers of the agenda.
    Agenda,
}

/// A row of the task table.
#[derive(Clone, Debug, PartialEq)]
pub struct TagRow {
    /// Number of the tag.
    pub tag: Tag,
    /// Name of the tag.
    pub name: String,
    /// Where the runs took place.
    pub ran: RunPlace,
    /// Runs that ended.
    pub count: u64,
    /// Run times, with a lower bound for each run that has not ended.
    pub run_ns: Percentiles,
    /// Queue waits, those that have not ended as well; empty if runs of the tag are not queued.
    pub wait_ns: Percentiles,
    /// Sum of the run times, in nanoseconds.
    pub run_ns_total: u64,
    /// Delay caused by the [counted runs](is_own_cause), in nanoseconds.
    pub caused_ns: u64,
}

impl TagRow {
    /// The row as a line of text, of the window named `window`.
    #[must_use]
    pub fn text(&self, window: &str) -> String {
        let Self { name, count, run_ns: run, wait_ns: wait, .. } = self;
        let [p50, p99, max] = [run.p50, run.p99, run.max].map(units::duration);
        let runs = units::counted(*count, "run", "runs");
        let waited = match wait.count {
            0 => String::new(),
            _ => format!(", queue wait p99 {}{}", units::duration(wait.p99), wait.p99_mark()),
        };
        let (mark, caused) = (run.p99_mark(), units::duration(self.caused_ns));
        format!(
            "{name}: {runs}, run p50 {p50} p99 {p99}{mark} max {max}{waited}, delay caused {caused} ({window})\n"
        )
    }
}

/// A queue's figures.
#[derive(Clone, Debug, PartialEq)]
pub struct QueueRow {
    /// The queue that the row describes.
    pub queue: Queue,
    /// Depth at the last sample; `None` before the first.
    pub depth: Option<u32>,
    /// Maximum depth seen.
    pub depth_max: u32,
    /// Whether the queue may have been deeper than `depth_max`, because records were lost.
    pub may_be_deeper: bool,
    /// Maximum depth in each tenth of a second, oldest first; `None` if unknown.
    pub through_time: Vec<Option<u64>>,
}

/// The microtasks' figures.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MicrotaskFigures {
    /// Checkpoints that ran microtasks.
    pub checkpoints: u64,
    /// Microtasks per checkpoint.
    pub ran: Percentiles,
    /// Mean number of microtasks per checkpoint.
    pub ran_mean: f64,
    /// Durations of checkpoints.
    pub run_ns: Percentiles,
    /// Microtasks in the last checkpoints.
    pub samples: Vec<u64>,
}

/// The GC controller's figures.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GcFigures {
    /// Numbers of decisions to collect, to defer, to skip; `None` if only collections are recorded.
    pub decided: Option<[u64; 3]>,
    /// The last decisions other than skips, newest first, each with the duration of the resulting collection.
    pub last: Vec<(GcCheck, Option<u64>)>,
    /// Heap size, in bytes.
    pub heap_bytes: Option<u64>,
    /// Heap size above which the controller collects at once, in bytes.
    pub threshold_bytes: Option<u64>,
    /// The controller's pace.
    pub mode: Option<GcMode>,
    /// The last samples of the heap size, in bytes.
    pub heap: Vec<u64>,
}

/// A signal's figures.
#[derive(Clone, Debug, PartialEq)]
pub struct SignalRow {
    /// Name of the signal.
    pub name: String,
    /// The number of arrivals, at least that of deliveries: records of arrivals may be lost.
    pub arrived: u64,
    /// Times from the handler to the delivery.
    pub latency_ns: Percentiles,
}

/// All figures that are refreshed together.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Figures {
    /// The time of these figures; `None` before the first reading.
    pub at: Option<Timestamp>,
    /// What is wrong most; `None` before the first reading.
    pub diagnosis: Option<Diagnosis>,
    /// Rates over the last second, or over the window for a slow loop.
    pub rate: PerSecond,
    /// Whether there are several loops: the utilization is that of the busiest, the lag that of the loop with the worst
    /// p99.
    pub several_loops: bool,
    /// Ticks in each tenth of a second.
    pub ticks: Vec<u64>,
    /// Lost records: any kind of sample may lack up to this many.
    pub lost_records: u64,
    /// Whether lost ticks may include further stalls.
    pub more_stalls: bool,
    /// Stalls, including the running tick if it is one.
    pub stalls: u64,
    /// Timer lag.
    pub lag_ns: Percentiles,
    /// Timer lag with a sample for each skipped period.
    pub lag_corrected_ns: Percentiles,
    /// Number of timers in each bucket of [`EDGES_NS`], overdue ones by their lag so far.
    pub lag_buckets: Vec<u64>,
    /// Timers that fired later than the limit, or are overdue by more.
    pub timers_late: u64,
    /// Periods that intervals have skipped so far, those of overdue ones included.
    pub timers_skipped: u64,
    /// The causes of delay, worst first.
    pub delay_caused: Vec<Impact>,
    /// The tasks by tag, sorted.
    pub tags: Vec<TagRow>,
    /// Tags beyond the limit, which have no row.
    pub tags_beyond_limit: u64,
    /// Sum of the run times of tags beyond the limit, in nanoseconds.
    pub beyond_limit_ns_total: u64,
    /// The queues seen so far.
    pub queues: Vec<QueueRow>,
    /// Figures of the microtask checkpoints.
    pub microtasks: MicrotaskFigures,
    /// The GC controller.
    pub gc: GcFigures,
    /// The signals, most frequent first.
    pub signals: Vec<SignalRow>,
    /// The latency of the signal with the largest p99.
    pub signal_latency_ns: Percentiles,
    /// Signals dropped since the loop began; `None` if unknown.
    pub signals_dropped: Option<u64>,
    /// Jobs of the work pool, if there were any.
    pub jobs: Option<JobsSummary>,
    /// The agenda, if there is one.
    pub agenda: Option<AgendaFigures>,
    /// The active handles, by kind and name.
    pub keep_alive: KeepAliveFigures,
}

impl Figures {
    /// Computes the figures of a window, `timeline`, of the `whole` at `now`. `hangs` says that the loop is stuck or
    /// gone.
    #[must_use]
    pub fn read(
        whole: &Timeline,
        timeline: &Timeline,
        now: Timestamp,
        hangs: bool,
        order: Order,
        filter: &Filter,
    ) -> Self {
        let unfinished = timeline.unfinished_so_far();
        let missing = timeline.missing_with(&unfinished);
        let stalls = timeline.stall_figures(&unfinished, &missing);
        let by_loop = LoopFigures::all(timeline);
        let late_ns = timeline.config().late_timer_ns;
        let delay_caused = timeline.delay_caused_with(&unfinished);
        let mut figures = Self {
            at: Some(now),
            diagnosis: Some(Diagnosis::of_known(timeline, &unfinished, &delay_caused, stalls)),
            rate: rate_of_loops(timeline, &unfinished, &by_loop, now, hangs),
            several_loops: by_loop.len() > 1,
            ticks: timeline.rates.series(now).iter().map(|slot| u64::from(slot.ticks)).collect(),
            lost_records: timeline.lost_in_all(),
            stalls: stalls.count,
            more_stalls: timeline.lost_in_all() > 0
                && stalls.bounds.is_some_and(|bounds| bounds.is_open(bounds.lo)),
            lag_ns: worst_lag(timeline, &missing, &by_loop, |of, missing| {
                of.timers.lag_ns.percentiles_missing(&missing.lag)
            }),
            lag_corrected_ns: worst_lag(timeline, &missing, &by_loop, |of, missing| {
                of.timers.lag_corrected_ns().percentiles_missing(&missing.lag_corrected)
            }),
            lag_buckets: lag_buckets(timeline, &unfinished),
            timers_late: timeline.timers.late.saturating_add(unfinished.late_timers(late_ns)),
            timers_skipped: timeline.timers.skipped.saturating_add(unfinished.skipped()),
            delay_caused,
            queues: queues(timeline, &unfinished, now),
            microtasks: microtasks(timeline),
            gc: gc(timeline, whole),
            signals_dropped: whole.families().signals_dropped.then(|| timeline.signals.dropped()),
            agenda: AgendaFigures::read(timeline, &missing, now),
            jobs: JobsSummary::of(timeline, &missing),
            keep_alive: KeepAliveFigures::read(timeline),
            ..Self::default()
        };
        figures.read_signals(timeline);
        figures.read_tags(timeline, &missing, order, filter);
        figures
    }

    fn read_tags(&mut self, timeline: &Timeline, missing: &MissingSamples, order: Order, filter: &Filter) {
        let unfinished = missing.unfinished_tags();
        let ran =
            timeline.tags.iter().filter(|stats| runs(stats).is_some() || unfinished.contains(&stats.tag));
        let never_ended = timeline.tags_never_ended(missing);
        let all = ran.chain(&never_ended).map(|stats| row(timeline, missing, stats, &self.delay_caused));
        self.tags = all.filter(|row| filter.lets_through(&row.name)).collect();
        if let Some(beyond) = timeline.tags.beyond_limit() {
            self.tags_beyond_limit = beyond.tags;
            self.beyond_limit_ns_total = runs(&beyond.stats).map_or(0, |(_, runs)| runs.run_ns.total());
        }
        self.sort(order);
    }

    /// Sorts the tags by `order`.
    pub fn sort(&mut self, order: Order) {
        self.tags.sort_by(|a, b| {
            let by = compare(a, b, order.column);
            let by = if order.inverted { by.reverse() } else { by };
            by.then_with(|| a.name.cmp(&b.name)).then(a.tag.cmp(&b.tag))
        });
    }

    fn read_signals(&mut self, timeline: &Timeline) {
        let signals = &timeline.signals.by_signo;
        let row = |signal: &loop_traces::timeline::SignalStats| SignalRow {
            name: signal_name(signal.signo),
            arrived: signal.arrived.max(signal.delivered),
            latency_ns: signal.latency_ns.percentiles(),
        };
        self.signals = signals.iter().map(row).collect();
        self.signals.sort_by(|a, b| b.arrived.cmp(&a.arrived).then_with(|| a.name.cmp(&b.name)));
        let latencies = self.signals.iter().map(|it| it.latency_ns);
        self.signal_latency_ns = latencies.max_by_key(|latency| latency.p99).unwrap_or_default();
    }
}

/// Orders rows by `column`: largest first, names from A to Z.
fn compare(a: &TagRow, b: &TagRow, column: Column) -> Ordering {
    match column {
        Column::Tag => a.name.to_lowercase().cmp(&b.name.to_lowercase()),
        Column::Count => b.count.cmp(&a.count),
        Column::RunP50 => b.run_ns.p50.cmp(&a.run_ns.p50),
        Column::RunP99 => b.run_ns.p99.cmp(&a.run_ns.p99),
        Column::RunMax => b.run_ns.max.cmp(&a.run_ns.max),
        Column::WaitP99 => b.wait_ns.p99.cmp(&a.wait_ns.p99),
        // Of tags that delayed nothing, the longest run is the first to look at.
        Column::Caused => b.caused_ns.cmp(&a.caused_ns).then(b.run_ns.max.cmp(&a.run_ns.max)),
    }
}

/// The runs that represent a tag: its tasks, else its readiness callbacks, else its jobs, else its tasklets.
#[must_use]
pub fn runs(stats: &TagStats) -> Option<(RunPlace, &RunStats)> {
    let all = [
        (RunPlace::Tasks, Some(&stats.tasks)),
        (RunPlace::Io, stats.io.as_deref()),
        (RunPlace::Pool, stats.work.as_deref()),
        (RunPlace::Agenda, stats.tasklets.as_deref()),
    ];
    all.into_iter().find_map(|(ran, runs)| Some((ran, runs.filter(|runs| runs.count() > 0)?)))
}

/// Whether `cause` is the [runs of a tag](runs): its tasks, else its readiness callbacks. All figures of the delay caused by
/// a tag use it. Other causes named after the tag, such as the microtasks after its tasks, count separately. A callback
/// that has not ended is charged as a task: the recorder's sample does not distinguish them.
#[must_use]
pub fn is_own_cause(stats: &TagStats, cause: Cause) -> bool {
    match cause {
        Cause::Tasks(tag) => tag == stats.tag,
        Cause::Io(tag) => tag == stats.tag && runs(stats).is_some_and(|(ran, _)| ran == RunPlace::Io),
        _ => false,
    }
}

/// The delay caused by the [runs of a tag](is_own_cause); `None` if none is known.
#[must_use]
pub fn own_impact(stats: &TagStats, delay_caused: &[Impact]) -> Option<Impact> {
    let own = delay_caused.iter().filter(|impact| is_own_cause(stats, impact.cause)).copied();
    own.reduce(|mut sum, impact| {
        for kind in 0..sum.lateness_ns.len() {
            sum.lateness_ns[kind] = sum.lateness_ns[kind].saturating_add(impact.lateness_ns[kind]);
            sum.delayed[kind] = sum.delayed[kind].saturating_add(impact.delayed[kind]);
        }
        sum.worst = sum.worst.into_iter().chain(impact.worst).max_by_key(|worst| worst.lateness_ns);
        sum
    })
}

/// The tag that a cause is named after.
#[must_use]
pub const fn cause_tag(cause: Cause) -> Option<Tag> {
    match cause {
        Cause::Tasks(tag) | Cause::Io(tag) | Cause::Microtasks(Some(tag)) => Some(tag),
        _ => None,
    }
}

/// The [runs] of a tag that is shown: its tasks, if nothing of it has ended.
#[must_use]
pub fn runs_shown(stats: &TagStats) -> (RunPlace, &RunStats) {
    runs(stats).unwrap_or((RunPlace::Tasks, &stats.tasks))
}

/// The run times that may be missing from those of a tag. Only tasks on a loop's thread have a bound of their own, from
/// the loop's gaps.
#[must_use]
pub fn runs_missing(ran: RunPlace, tag: Tag, missing: &MissingSamples) -> Missing {
    if ran == RunPlace::Tasks { missing.tasks_of(tag) } else { missing.others.clone() }
}

fn row(timeline: &Timeline, missing: &MissingSamples, stats: &TagStats, delay_caused: &[Impact]) -> TagRow {
    let (ran, runs) = runs_shown(stats);
    TagRow {
        tag: stats.tag,
        name: timeline.labels.tag(stats.tag).into_owned(),
        ran,
        count: runs.count(),
        run_ns: runs.run_ns.percentiles_missing(&runs_missing(ran, stats.tag, missing)),
        wait_ns: match ran {
            RunPlace::Tasks => runs.queue_wait_ns.percentiles_missing(&missing.waits_of(stats.tag)),
            _ => runs.queue_wait_ns.percentiles(),
        },
        run_ns_total: runs.run_ns.total(),
        caused_ns: own_impact(stats, delay_caused).map_or(0, |impact| impact.total_ns()),
    }
}

/// The counts of a histogram in each bucket of [`EDGES_NS`].
#[must_use]
pub fn buckets(lag: &Histogram) -> Vec<u64> {
    if lag.is_empty() {
        return vec![0; EDGES_NS.len() + 1];
    }
    let up_to = |edge: u64| lag.count() - lag.count_between(edge, u64::MAX);
    let mut below = 0;
    let mut buckets = Vec::with_capacity(EDGES_NS.len() + 1);
    for edge in EDGES_NS {
        let count = up_to(edge);
        buckets.push(count.saturating_sub(below));
        below = below.max(count);
    }
    buckets.push(lag.count().saturating_sub(below));
    buckets
}

fn lag_buckets(timeline: &Timeline, unfinished: &Unfinished) -> Vec<u64> {
    let mut buckets = buckets(&timeline.timers.lag_ns);
    for timer in &unfinished.timers {
        buckets[EDGES_NS.partition_point(|edge| *edge < timer.lag_ns())] += 1;
    }
    buckets
}

fn queues(timeline: &Timeline, unfinished: &Unfinished, now: Timestamp) -> Vec<QueueRow> {
    // Microtasks have their own pane; only loops that sample the depth of their queue get a row here.
    let has_samples = |queue: &&QueueStats| queue.queue != Queue::Microtasks || queue.depth_now().is_some();
    timeline
        .queues
        .seen()
        .filter(has_samples)
        .map(|queue| QueueRow {
            queue: queue.queue,
            depth: queue.depth_now(),
            depth_max: u32::try_from(queue.depth_max.get()).unwrap_or(u32::MAX),
            may_be_deeper: timeline.depth_max_bounds(queue, unfinished).is_some(),
            through_time: queue.through_time.series(now),
        })
        .collect()
}

fn microtasks(timeline: &Timeline) -> MicrotaskFigures {
    let microtasks = &timeline.microtasks;
    MicrotaskFigures {
        checkpoints: microtasks.checkpoints(),
        ran: microtasks.ran_per_checkpoint.percentiles(),
        ran_mean: microtasks.ran_per_checkpoint.mean(),
        run_ns: microtasks.run_ns.percentiles(),
        samples: microtasks.samples.iter().map(|ran| u64::from(*ran)).collect(),
    }
}

/// Maximum number of decisions kept for the pane.
const GC_ROWS: usize = 16;

fn gc(timeline: &Timeline, whole: &Timeline) -> GcFigures {
    let gc = &timeline.gc;
    let ran_after = |check: &GcCheck| {
        let after = gc.runs.iter().find(|run| run.at >= check.at);
        (check.action == GcAction::Collect).then(|| after.map(|run| run.run_ns)).flatten()
    };
    // Skips are the most frequent and least informative: they are only counted.
    let decided = gc.decisions.iter().filter(|check| check.action != GcAction::Skip);
    GcFigures {
        decided: whole.families().gc_decisions.then_some([gc.collect, gc.defer, gc.skip]),
        last: decided.rev().take(GC_ROWS).map(|check| (*check, ran_after(check))).collect(),
        heap_bytes: gc.heap_bytes,
        threshold_bytes: gc.last.map(|check| check.threshold_bytes),
        mode: gc.mode,
        heap: gc.heap_samples.iter().copied().collect(),
    }
}

#[cfg(test)]
mod tests {
    use loop_probes::event::{Event, Outcome};
    use loop_probes::ids::{LabelId, SourceId, TaskId, TimerId};
    use loop_probes::recorder::Running;
    use loop_probes::stamped::Stamped;
    use loop_traces::timeline::TimelineConfig;

    use super::super::fold::Fold;
    use super::*;

    const MS: u64 = 1_000_000;

    fn read(fold: &Fold, now: Timestamp, hangs: bool, order: Order, filter: &Filter) -> Figures {
        Figures::read(&fold.timeline, &fold.timeline, now, hangs, order, filter)
    }

    #[test]
    fn a_task_that_is_running_counts_in_its_tag() {
        let fold = Fold::new(TimelineConfig::default());
        let event = |at_ms, event| Stamped { at: Timestamp(at_ms * MS), source: SourceId(1), event };
        let running = |tag, at_ms| {
            let running = Running::Task { task: TaskId(9), tag: Tag(tag) };
            event(at_ms, running.event(Timestamp(20 * MS)))
        };
        let (task, tag, outcome) = (TaskId(1), Tag(1), Outcome::Done);
        let [queued, start] = [Timestamp(10 * MS); 2];
        let events = [
            event(10, Event::TickStart { tick: 1 }),
            event(12, Event::TaskRan { task, tag, outcome, queued, start }),
        ];
        for tag in [1, 2] {
            let mut fold = fold.clone();
            events.iter().chain(&[running(tag, 3_020)]).for_each(|event| fold.fold(event));
            let figures = read(&fold, Timestamp(3_020 * MS), false, Order::default(), &Filter::default());
            let worst = &figures.tags[0];
            assert_eq!((worst.tag, worst.count), (Tag(tag), u64::from(tag == 1)));
            let bounds = worst.run_ns.bounds.unwrap();
            assert!(bounds.max.lo >= 3_000 * MS && bounds.max.hi.is_none(), "{bounds:?}");
        }
    }

    #[test]
    fn what_a_tick_runs_unseen_counts_once_it_may_be_a_stall() {
        let event = |at_ms, event| Stamped { at: Timestamp(at_ms * MS), source: SourceId(1), event };
        let (tag, outcome) = (Tag(1), Outcome::Done);
        let ran = |at_ms, task| {
            let start = Timestamp((at_ms - 1) * MS);
            event(at_ms, Event::TaskRan { task: TaskId(task), tag, outcome, queued: start, start })
        };
        let (tick, start) = (1, Timestamp(MS));
        let events = [
            event(1, Event::TickStart { tick }),
            ran(3, 1),
            event(4, Event::TickEnd { tick, tasks_run: 1, start }),
            event(5, Event::TickStart { tick: 2 }),
            ran(7, 2),
        ];
        for (last_ms, is_open) in [(8, false), (15, false), (16, true)] {
            let mut fold = Fold::new(TimelineConfig::default());
            events
                .iter()
                .chain(&[event(last_ms, Event::Mark { label: LabelId(1) })])
                .for_each(|event| fold.fold(event));
            let figures = read(&fold, Timestamp(last_ms * MS), false, Order::default(), &Filter::default());
            let row = &figures.tags[0];
            assert_eq!((row.count, row.run_ns.max), (2, Some(MS)));
            assert_eq!(row.run_ns.bounds.is_some(), is_open, "at {last_ms} ms: {row:?}");
        }
    }

    #[test]
    fn a_timer_that_is_overdue_counts_as_late_before_it_fires() {
        let mut fold = Fold::new(TimelineConfig::default());
        let event = |at_ms, event| Stamped { at: Timestamp(at_ms * MS), source: SourceId(1), event };
        let due = Timestamp(11 * MS);
        let timer = TimerId(1);
        let events = [
            event(1, Event::TickStart { tick: 1 }),
            event(1, Event::TimerArmed { timer, tag: Tag(1), due, period_ns: Some(10 * MS) }),
            event(60, Event::TimerCleared { timer: TimerId(2) }),
        ];
        events.iter().for_each(|event| fold.fold(event));
        let figures = read(&fold, Timestamp(60 * MS), false, Order::default(), &Filter::default());
        assert_eq!((fold.timeline.timers.late, figures.timers_late, figures.timers_skipped), (0, 1, 4));
        let up_to_50_ms = EDGES_NS.iter().position(|edge| *edge == 50 * MS).unwrap();
        assert_eq!((figures.lag_buckets[up_to_50_ms], figures.lag_buckets.iter().sum::<u64>()), (1, 1));
    }
}
