//! The part of the summary about features that only some loops use: an agenda, commands, pumps, futures, a shutdown,
//! and a list of active handles. Each is present only if something was recorded.

use loop_probes::event::Priority;
use loop_probes::ids::Timestamp;
use serde::{Deserialize, Serialize};

use crate::histogram::{Histogram, Percentiles};
use crate::loss::{Bounds, Missing};
use crate::timeline::{MissingSamples, PriorityStats, StreamEnd, Timeline, Unfinished, command_name};

/// Figures of the agenda: its tasklets, priorities and workers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct AgendaSummary {
    /// Tasklets added.
    pub added: u64,
    /// Tasklets that ran, including failed ones.
    pub ran: u64,
    /// Tasklets that failed or panicked.
    pub failed: u64,
    /// Tasklets that waited at the end.
    pub waiting: u64,
    /// Range of `waiting`, if lost records may include runs of tasklets added earlier, or if tasklets added before the
    /// reading began may still wait.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waiting_bounds: Option<Bounds>,
    /// Figures by priority, the highest first.
    #[serde(deserialize_with = "super::lists::entries")]
    pub priorities: Vec<PrioritySummary>,
    /// Figures of each worker.
    #[serde(deserialize_with = "super::lists::entries")]
    pub workers: Vec<AgendaWorkerSummary>,
    /// Collections for which all workers had to stop.
    pub rendezvous: RendezvousSummary,
}

/// One priority.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct PrioritySummary {
    /// The priority that these figures belong to.
    #[cfg_attr(test, schemars(with = "String"))]
    pub priority: Priority,
    /// Tasklets added.
    pub added: u64,
    /// Tasklets that ran, including failed ones.
    pub ran: u64,
    /// Tasklets that failed or panicked.
    pub failed: u64,
    /// Tasklets that were cancelled before they ran.
    pub cancelled: u64,
    /// Tasklets that waited at the end.
    pub waiting: u64,
    /// Range of `waiting` if records were lost since the last addition, if a worker may have taken one, or if the reading
    /// began later than the agenda.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waiting_bounds: Option<Bounds>,
    /// Maximum number of tasklets waiting at once.
    pub depth_max: u64,
    /// Range of `depth_max` if records were lost, or if the reading began later than the agenda.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub depth_max_bounds: Option<Bounds>,
    /// Lower bound on the longest wait of the tasklets that waited at the end; null if none waited, or if no wait is
    /// certain.
    pub oldest_waiting_ns: Option<u64>,
    /// Maximum number of tasklets of a higher priority that ran while one of these waited.
    pub passed_by_max: u64,
    /// Range of `passed_by_max` if records were lost, or if the reading began later than the agenda.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub passed_by_max_bounds: Option<Bounds>,
    /// Queue waits, from added to taken by a worker.
    pub queue_wait_ns: Percentiles,
    /// Run times, from taken to done.
    pub run_ns: Percentiles,
}

/// One worker of the agenda.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct AgendaWorkerSummary {
    /// The worker's number, from 0.
    pub worker: u64,
    /// Tasklets that it ran, including failed ones.
    pub ran: u64,
    /// Tasklets that failed or panicked.
    pub failed: u64,
    /// Time it spent running tasklets, including the known part of an unfinished run.
    pub busy_ns: u64,
    /// The worker's longest run, including the known part of an unfinished one.
    pub run_ns_max: u64,
    /// Lower bound on the length of its unfinished run; null if none is known.
    pub running_ns: Option<u64>,
    /// Time it was stopped for collections.
    pub stopped_ns: u64,
}

/// Collections for which all workers had to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct RendezvousSummary {
    /// Number of attempts to stop all workers.
    pub count: u64,
    /// Attempts in which a worker did not stop in time.
    pub failed: u64,
    /// From the request until all workers had stopped, or until the attempt was given up.
    pub waited_ns: Percentiles,
}

/// Active handles with the same kind and name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct HeldSummary {
    /// The kind of handle: `timer`, `io`, `work`, …
    pub what: String,
    /// The name of the handles; `unnamed` if only their kind is known.
    pub name: String,
    /// Number of active handles with this kind and name.
    pub count: u64,
}

/// Command bytes through the self-pipe.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct CommandsSummary {
    /// Bytes received.
    pub count: u64,
    /// Bytes that name no command.
    pub unknown: u64,
    /// The commands by their byte.
    pub by_byte: Vec<CommandSummary>,
}

/// One command byte.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct CommandSummary {
    /// The character, or its number as `0x07`.
    pub byte: String,
    /// Whether it names a command.
    pub known: bool,
    /// How often it was received.
    pub count: u64,
}

/// Pumps of a foreign loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct PumpsSummary {
    /// Number of pumps.
    pub count: u64,
    /// Pumps that handled a source of the foreign loop.
    pub handled: u64,
    /// Pumps started because the foreign loop was ready; a timer started the others.
    pub ready: u64,
    /// Durations of the pumps.
    pub run_ns: Percentiles,
}

/// Spawned futures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct FuturesSummary {
    /// References taken: one when a future that keeps the loop alive is spawned, and one each time a future is referenced
    /// again.
    pub refs_taken: u64,
    /// References released: when a referenced future ends, is cancelled or is unreferenced.
    pub refs_released: u64,
    /// Polls queued: the first one by the spawn, the others by wakeups.
    pub woken: u64,
    /// Polls that returned pending.
    pub pending: u64,
}

/// The last shutdown of the loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct ShutdownSummary {
    /// When the shutdown began, in nanoseconds since the first event.
    pub at_ns: u64,
    /// Time until its deadline; null if its beginning was not seen.
    pub limit_ns: Option<u64>,
    /// The duration of the shutdown; null while it is in progress.
    pub run_ns: Option<u64>,
    /// Pieces of work that finished during the shutdown; null while it is in progress.
    pub finished: Option<u64>,
    /// Pieces of work that were cancelled; null while it is in progress.
    pub cancelled: Option<u64>,
    /// Pieces of work that the deadline cut off; null while it is in progress.
    pub left: Option<u64>,
}

impl AgendaSummary {
    /// The agenda of a live `timeline`, given what is [missing](Timeline::missing_with); `None` if there is none.
    #[must_use]
    pub fn of(timeline: &Timeline, missing: &MissingSamples) -> Option<Self> {
        agenda(timeline, &missing.others, StreamEnd::Known)
    }
}

pub(super) fn agenda(timeline: &Timeline, missing: &Missing, end: StreamEnd) -> Option<AgendaSummary> {
    let agenda = Some(&timeline.agenda).filter(|agenda| agenda.is_seen())?;
    let known = timeline.last_at().unwrap_or_default();
    let lost = timeline.lost_in_all();
    let has_unseen = agenda.priorities.iter().any(|stats| timeline.tasklets_unseen(stats.priority) > 0);
    let most = agenda.waiting().saturating_add(agenda.may_wait()).saturating_add(lost);
    // A tasklet seems to wait until its run is over.
    let may_be_taken = u64::from(agenda.may_be_taken()).min(agenda.waiting());
    let least = if lost > 0 || has_unseen { 0 } else { agenda.waiting() - may_be_taken };
    let workers = agenda.workers().iter().enumerate().filter(|(_, worker)| worker.is_seen());
    Some(AgendaSummary {
        added: agenda.added(),
        ran: agenda.ran(),
        failed: agenda.failed(),
        waiting: agenda.waiting(),
        waiting_bounds: (lost > 0 || has_unseen || may_be_taken > 0)
            .then_some(Bounds { lo: least, hi: (!has_unseen).then_some(most) }),
        priorities: priorities(timeline, known, missing, end),
        workers: workers
            .map(|(number, worker)| {
                let running_ns = worker.running(known, end).map(|run| run.run_ns());
                AgendaWorkerSummary {
                    worker: number as u64,
                    ran: worker.ran,
                    failed: worker.failed,
                    busy_ns: worker.busy_ns.saturating_add(running_ns.unwrap_or(0)),
                    run_ns_max: worker.run_ns_max.get().max(running_ns.unwrap_or(0)),
                    running_ns,
                    stopped_ns: worker.stopped_ns,
                }
            })
            .collect(),
        rendezvous: RendezvousSummary {
            count: agenda.rendezvous.count,
            failed: agenda.rendezvous.failed,
            waited_ns: agenda.rendezvous.waited_ns.percentiles_missing(missing),
        },
    })
}

fn priorities(
    timeline: &Timeline,
    known: Timestamp,
    missing: &Missing,
    end: StreamEnd,
) -> Vec<PrioritySummary> {
    let agenda = &timeline.agenda;
    // If it is unknown where an event is missing, any tasklet may have been taken or have ended in it.
    let as_known = |missing: Missing| match timeline.has_unplaced_loss() {
        true => missing.perhaps_ended(),
        false => missing,
    };
    let at_least = |lo| Bounds { lo, hi: None };
    let priority = |stats: &PriorityStats| {
        let (priority, unseen) = (stats.priority, timeline.tasklets_unseen(stats.priority));
        let waits = agenda.missing_waits(priority, &missing.clone().with_more(unseen), known, end);
        let runs = agenda.missing_runs(priority, missing, unseen, known, end);
        PrioritySummary {
            priority,
            added: stats.added,
            ran: stats.ran,
            failed: stats.failed,
            cancelled: stats.cancelled,
            waiting: u64::from(stats.waiting()),
            waiting_bounds: waiting_bounds(timeline, stats, unseen),
            depth_max: stats.depth_max.get(),
            depth_max_bounds: timeline.misses_tasklets().then(|| at_least(stats.depth_max.get())),
            oldest_waiting_ns: agenda.oldest_waiting_ns(priority, known, end),
            passed_by_max: stats.passed_by_max.get(),
            passed_by_max_bounds: timeline.misses_tasklets().then(|| at_least(stats.passed_by_max.get())),
            queue_wait_ns: stats.queue_wait_ns.percentiles_missing(&as_known(waits)),
            run_ns: stats.run_ns.percentiles_missing(&as_known(runs)),
        }
    };
    agenda.priorities.iter().map(priority).collect()
}

/// The range of the number of waiting tasklets of a priority, of which up to `unseen` were added before the reading began.
fn waiting_bounds(timeline: &Timeline, stats: &PriorityStats, unseen: u64) -> Option<Bounds> {
    let waiting = u64::from(stats.waiting());
    let lost = timeline.lost_in_all();
    // A tasklet seems to wait until its run is over.
    let may_be_taken = u64::from(timeline.agenda.may_be_taken()).min(waiting);
    match () {
        () if unseen > 0 || timeline.may_miss_anything() || timeline.has_unplaced_loss() => {
            Some(Bounds::UNKNOWN)
        }
        () if stats.is_after_loss() => {
            Some(Bounds { lo: 0, hi: Some(waiting.saturating_add(stats.may_wait()).saturating_add(lost)) })
        }
        () => (may_be_taken > 0).then_some(Bounds { lo: waiting - may_be_taken, hi: Some(waiting) }),
    }
}

/// The active handles. `None` if neither a snapshot nor an event names any.
pub(super) fn keep_alive(timeline: &Timeline) -> Option<Vec<HeldSummary>> {
    let held = timeline.keep_alive.held();
    let is_known = timeline.keep_alive.as_of().is_some() || !held.is_empty();
    let named = held.into_iter().map(|held| HeldSummary {
        what: held.name.what.name().to_owned(),
        name: held.name.describe(&timeline.labels),
        count: held.count,
    });
    is_known.then(|| named.collect())
}

/// The age, at the end, of the snapshot on which the list of active handles is based.
pub(super) fn keep_alive_age_ns(timeline: &Timeline) -> Option<u64> {
    let end = timeline.last_at()?;
    timeline.keep_alive.as_of().map(|as_of| end.ns_since(as_of))
}

pub(super) fn commands(timeline: &Timeline) -> Option<CommandsSummary> {
    let commands = Some(&timeline.commands).filter(|commands| commands.count() > 0)?;
    let by_byte = commands.by_byte.iter().map(|command| CommandSummary {
        byte: command_name(command.byte),
        known: command.known,
        count: command.count,
    });
    Some(CommandsSummary { count: commands.count(), unknown: commands.unknown(), by_byte: by_byte.collect() })
}

/// The pumps. A running one has no record yet, so the bounds allow for one.
pub(super) fn pumps(timeline: &Timeline, missing: &Missing, unfinished: &Unfinished) -> Option<PumpsSummary> {
    let pumps = Some(&timeline.pumps).filter(|pumps| pumps.count() > 0)?;
    let missing = &missing.clone().with_unfinished(Histogram::new(), unfinished.in_ticks_unseen);
    Some(PumpsSummary {
        count: pumps.count(),
        handled: pumps.handled,
        ready: pumps.ready,
        run_ns: pumps.run_ns.percentiles_missing(missing),
    })
}

pub(super) fn futures(timeline: &Timeline) -> Option<FuturesSummary> {
    let futures = Some(timeline.futures).filter(crate::timeline::Futures::is_seen)?;
    let crate::timeline::Futures { refs_taken, refs_released, woken, pending } = futures;
    Some(FuturesSummary { refs_taken, refs_released, woken, pending })
}

pub(super) fn shutdown(timeline: &Timeline) -> Option<ShutdownSummary> {
    let shutdown = timeline.shutdown?;
    let first = timeline.first_at().unwrap_or_default();
    let counted = |of: fn(&crate::timeline::ShutdownEnd) -> u32| {
        shutdown.ended.as_ref().map(|ended| u64::from(of(ended)))
    };
    Some(ShutdownSummary {
        at_ns: shutdown.began.ns_since(first),
        limit_ns: shutdown.deadline.map(|deadline| deadline.ns_since(shutdown.began)),
        run_ns: shutdown.ended.map(|ended| ended.run_ns),
        finished: counted(|ended| ended.finished),
        cancelled: counted(|ended| ended.cancelled),
        left: counted(|ended| ended.left),
    })
}
