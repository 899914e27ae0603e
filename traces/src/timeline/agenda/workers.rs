//! The agenda's workers, and the collections for which all of them stop.

use loop_probes::event::WorkerPhase;
use loop_probes::ids::{SourceId, Tag, TaskId, Timestamp};

use super::TaskletRun;
use crate::histogram::Histogram;
use crate::recent::Recent;
use crate::timeline::config::TimelineConfig;
use crate::timeline::failed;
use crate::timeline::pool::WORKERS_MAX;

/// One worker of the agenda.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct AgendaWorker {
    /// Tasklets that it ran, the failed ones included.
    pub ran: u64,
    /// Of these, failed or panicked.
    pub failed: u64,
    /// Time it spent in them.
    pub busy_ns: u64,
    /// The longest of its runs.
    pub run_ns_max: u64,
    /// Time it was stopped for collections.
    pub stopped_ns: u64,
    /// Its state, where reported, and since when.
    pub state: Option<(WorkerPhase, Timestamp)>,
    /// The last tasklet that it finished, and when.
    pub last: Option<(TaskId, Tag, Timestamp)>,
    /// The emitter of its last event: its own ring, or the loop's.
    pub source: Option<SourceId>,
    first_at: Option<Timestamp>,
    /// Since when it has been in a tasklet that is not reported yet.
    pub(super) run_since: Option<Timestamp>,
}

impl AgendaWorker {
    /// Busy share (0 to 1) of the time from its first event until `now`.
    #[must_use]
    pub fn busy_share(&self, now: Timestamp) -> f64 {
        let known_ns = self.first_at.map_or(0, |first| now.ns_since(first)).max(self.busy_ns);
        if known_ns == 0 { 0.0 } else { self.busy_ns as f64 / known_ns as f64 }
    }

    /// Whether any event of it was seen.
    #[must_use]
    pub const fn is_seen(&self) -> bool {
        self.source.is_some()
    }

    fn seen(&mut self, source: SourceId, since: Timestamp) {
        self.source = Some(source);
        self.first_at.get_or_insert(since);
    }
}

/// Workers by number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct AgendaWorkers(Vec<AgendaWorker>);

impl AgendaWorkers {
    /// The earliest time since when a worker has been in its current tasklet.
    pub(super) fn longest_run_since(&self) -> Option<Timestamp> {
        self.0.iter().filter_map(|worker| worker.run_since).min()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn all(&self) -> &[AgendaWorker] {
        &self.0
    }

    fn worker(&mut self, number: u16) -> Option<&mut AgendaWorker> {
        let place = usize::from(number);
        if place >= WORKERS_MAX {
            return None;
        }
        if place >= self.0.len() {
            self.0.resize_with(place + 1, AgendaWorker::default);
        }
        self.0.get_mut(place)
    }

    pub(super) fn ran(&mut self, source: SourceId, number: u16, run: &TaskletRun) {
        let Some(worker) = self.worker(number) else { return };
        let run_ns = run.end.ns_since(run.start);
        worker.seen(source, run.start);
        worker.ran += 1;
        worker.failed += u64::from(failed(run.outcome));
        worker.busy_ns = worker.busy_ns.saturating_add(run_ns);
        worker.run_ns_max = worker.run_ns_max.max(run_ns);
        worker.last = Some((run.task, run.tag, run.end));
        // Unless its state is known, it is assumed to continue with the next tasklet.
        let is_idle = worker.state.is_some_and(|(state, _)| state == WorkerPhase::Idle);
        worker.run_since = (!is_idle).then_some(run.end);
    }

    pub(super) fn changed(
        &mut self,
        source: SourceId,
        number: u16,
        from: WorkerPhase,
        to: WorkerPhase,
        at: Timestamp,
    ) {
        let Some(worker) = self.worker(number) else { return };
        worker.seen(source, at);
        if let Some((before, since)) = worker.state
            && before == from
            && matches!(from, WorkerPhase::Gc | WorkerPhase::EndGc)
        {
            worker.stopped_ns = worker.stopped_ns.saturating_add(at.ns_since(since));
        }
        worker.state = Some((to, at));
        match to {
            WorkerPhase::Idle => worker.run_since = None,
            WorkerPhase::Run => drop(worker.run_since.get_or_insert(at)),
            // It may stop in the middle of a tasklet.
            WorkerPhase::Gc | WorkerPhase::EndGc => {}
        }
    }
}

/// One collection for which all workers had to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rendezvous {
    /// When all had arrived, or the wait was given up.
    pub at: Timestamp,
    /// Workers that arrived.
    pub arrived: u32,
    /// Workers that were expected.
    pub expected: u32,
    /// From request to the last arrival.
    pub waited_ns: u64,
}

impl Rendezvous {
    /// Whether a worker failed to arrive.
    #[must_use]
    pub const fn is_failed(&self) -> bool {
        self.arrived < self.expected
    }
}

/// All rendezvous.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct RendezvousStats {
    /// Attempts.
    pub count: u64,
    /// Of these, attempts in which a worker failed to arrive.
    pub failed: u64,
    /// From request to the last arrival, or to giving up.
    pub waited_ns: Histogram,
    /// The last ones.
    pub recent: Recent<Rendezvous>,
}

impl RendezvousStats {
    pub(super) fn new(config: &TimelineConfig) -> Self {
        let recent = Recent::new(config.entries_kept);
        Self { count: 0, failed: 0, waited_ns: Histogram::new(), recent }
    }

    pub(super) fn add(&mut self, rendezvous: Rendezvous) {
        self.count += 1;
        self.failed += u64::from(rendezvous.is_failed());
        self.waited_ns.record(rendezvous.waited_ns);
        self.recent.push(rendezvous);
    }
}
