//! Figures of the agenda: what waits in each priority, which one starves, what each worker is doing.

use loop_probes::event::{Priority, WorkerPhase};
use loop_probes::ids::{SourceId, Timestamp};
use loop_traces::histogram::Percentiles;
use loop_traces::loss::Bounds;
use loop_traces::summary::{AgendaSummary, PrioritySummary};
use loop_traces::timeline::{
    Agenda, MissingSamples, OldestWaiting, PriorityStats, Rendezvous, StreamEnd, Timeline,
};

/// A tasklet starves if it has waited longer than this while others overtook it, in nanoseconds.
const STARVING_NS: u64 = 100_000_000;
/// Minimum number of higher-priority tasklets that overtook a starving one: a single burst does not count.
const STARVING_PASSED_BY: u64 = 20;

/// A priority's figures.
#[derive(Clone, Debug, PartialEq)]
pub struct PriorityRow {
    /// The priority that the row describes.
    pub priority: Priority,
    /// Tasklets waiting.
    pub waiting: u32,
    /// The range of `waiting`, if the exact number is unknown.
    pub waiting_bounds: Option<Bounds>,
    /// Maximum number waiting.
    pub depth_max: u32,
    /// Whether tasklets may have waited or run without a record that was read: the maxima are lower bounds.
    pub is_lossy: bool,
    /// Tasklets added.
    pub added: u64,
    /// Tasklets run.
    pub ran: u64,
    /// Tasklets that failed or panicked, out of those run.
    pub failed: u64,
    /// Queue waits: from added to taken by a worker.
    pub wait_ns: Percentiles,
    /// Run times: from taken to done.
    pub run_ns: Percentiles,
    /// The tasklet that has waited longest.
    pub oldest: Option<OldestWaiting>,
    /// Maximum number of higher-priority tasklets that ran while a tasklet of this priority waited.
    pub passed_by_max: u64,
    /// The maximum depth in each tenth of a second.
    pub through_time: Vec<Option<u64>>,
}

/// A priority with a tasklet that waits while others are served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Starvation {
    /// The priority whose tasklets starve.
    pub priority: Priority,
    /// How long the priority's oldest tasklet has waited, in nanoseconds.
    pub waited_ns: u64,
    /// Higher-priority tasklets that ran while that tasklet waited.
    pub passed_by: u64,
}

/// A worker's figures.
#[derive(Clone, Debug, PartialEq)]
pub struct WorkerRow {
    /// The worker's number.
    pub worker: usize,
    /// The current phase and when it began; `None` if the worker reports no phases.
    pub state: Option<(WorkerPhase, Timestamp)>,
    /// Tasklets run.
    pub ran: u64,
    /// Tasklets that failed or panicked, out of those run.
    pub failed: u64,
    /// Share of the worker's time spent busy (0 to 1).
    pub busy: f64,
    /// Run time of the longest tasklet, finished or running, in nanoseconds.
    pub run_ns_max: u64,
    /// The last finished tasklet: name and end.
    pub last: Option<(String, Timestamp)>,
    /// Whether records were lost: the worker's counts and times are lower bounds.
    pub is_lossy: bool,
    /// Whether the busy share is a lower bound.
    pub may_be_busier: bool,
    /// The worker's emitter; `None` if several workers share one.
    pub source: Option<SourceId>,
}

/// The agenda's figures.
#[derive(Clone, Debug, PartialEq)]
pub struct AgendaFigures {
    /// Figures by priority, highest first.
    pub priorities: Vec<PriorityRow>,
    /// The lowest priority that starves.
    pub starving: Option<Starvation>,
    /// The workers seen so far.
    pub workers: Vec<WorkerRow>,
    /// Collections that stopped all workers: attempted, and failed.
    pub rendezvous: [u64; 2],
    /// Rendezvous times: from the request until all workers stopped, or until it was given up.
    pub rendezvous_ns: Percentiles,
    /// The last collections, newest first.
    pub last_met: Vec<Rendezvous>,
}

/// Maximum number of collections kept for the page.
const MET_ROWS: usize = 16;

impl AgendaFigures {
    /// The figures at `now`; `None` if no agenda was seen.
    #[must_use]
    pub fn read(timeline: &Timeline, missing: &MissingSamples, now: Timestamp) -> Option<Self> {
        let agenda = Some(&timeline.agenda).filter(|agenda| agenda.is_seen())?;
        let summary = AgendaSummary::of(timeline, missing)?;
        let rows = agenda.priorities.iter().zip(&summary.priorities);
        let priorities: Vec<PriorityRow> =
            rows.map(|(stats, summary)| priority_row(agenda, (stats, summary), now)).collect();
        let met = &agenda.rendezvous;
        Some(Self {
            starving: priorities.iter().rev().find_map(|row| starving(row, now)),
            priorities,
            workers: workers(timeline, now),
            rendezvous: [met.count, met.failed],
            rendezvous_ns: summary.rendezvous.waited_ns,
            last_met: met.recent.iter().rev().take(MET_ROWS).copied().collect(),
        })
    }

    /// The number of workers that report to be running a tasklet.
    #[must_use]
    pub fn running(&self) -> usize {
        let runs = |worker: &&WorkerRow| matches!(worker.state, Some((WorkerPhase::Run, _)));
        self.workers.iter().filter(runs).count()
    }
}

fn priority_row(
    agenda: &Agenda,
    (stats, summary): (&PriorityStats, &PrioritySummary),
    now: Timestamp,
) -> PriorityRow {
    PriorityRow {
        priority: stats.priority,
        waiting: stats.waiting(),
        waiting_bounds: summary.waiting_bounds,
        depth_max: u32::try_from(stats.depth_max.get()).unwrap_or(u32::MAX),
        is_lossy: summary.depth_max_bounds.is_some(),
        added: stats.added,
        ran: stats.ran,
        failed: stats.failed,
        wait_ns: summary.queue_wait_ns,
        run_ns: summary.run_ns,
        oldest: agenda.oldest(stats.priority),
        passed_by_max: stats.passed_by_max.get(),
        through_time: stats.depths.series(now),
    }
}

fn starving(row: &PriorityRow, now: Timestamp) -> Option<Starvation> {
    let oldest = row.oldest?;
    let waited_ns = oldest.waited_ns(now)?;
    let starves = waited_ns > STARVING_NS && oldest.passed_by >= STARVING_PASSED_BY;
    starves.then_some(Starvation { priority: row.priority, waited_ns, passed_by: oldest.passed_by })
}

fn workers(timeline: &Timeline, now: Timestamp) -> Vec<WorkerRow> {
    let all = timeline.agenda.workers();
    let own = |source: SourceId| all.iter().filter(|worker| worker.source == Some(source)).count() == 1;
    let seen = all.iter().enumerate().filter(|(_, worker)| worker.is_seen());
    // Any worker may have run a tasklet of which no record was read.
    let is_lossy = timeline.lost_in_all() > 0 || timeline.uncounted_gaps() > 0;
    seen.map(|(number, worker)| WorkerRow {
        worker: number,
        state: worker.state,
        ran: worker.ran,
        failed: worker.failed,
        busy: worker.busy_share(now),
        run_ns_max: worker
            .running(now, StreamEnd::Known)
            .map_or(0, |run| run.run_ns())
            .max(worker.run_ns_max.get()),
        is_lossy,
        may_be_busier: is_lossy || worker.may_run_unnamed(),
        last: worker.last.map(|(task, tag, at)| (format!("{} #{task}", timeline.labels.tag(tag)), at)),
        source: worker.source.filter(|source| own(*source)),
    })
    .collect()
}
