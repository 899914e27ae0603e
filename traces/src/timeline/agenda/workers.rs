//! Those who run tasklets, and the collections for which all of them stop.

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
    /// The longest of them.
    pub run_ns_max: u64,
    /// Time it stood still for collections.
    pub stopped_ns: u64,
    /// What it does, where it said so, and since when.
    pub state: Option<(WorkerPhase, Timestamp)>,
    /// The last tasklet that it finished, and when.
    pub last: Option<(TaskId, Tag, Timestamp)>,
    /// The emitter that told of it last: its own ring, or the loop's.
    pub source: Option<SourceId>,
    first_at: Option<Timestamp>,
    /// Since when it has been in a tasklet of which nothing is told yet.
    run_since: Option<Timestamp>,
}

impl AgendaWorker {
    /// Busy share (0 to 1) of the time from its first word until `now`.
    #[must_use]
    pub fn busy_share(&self, now: Timestamp) -> f64 {
        let known_ns = self.first_at.map_or(0, |first| now.ns_since(first)).max(self.busy_ns);
        if known_ns == 0 { 0.0 } else { self.busy_ns as f64 / known_ns as f64 }
    }

    /// Anything was heard of it.
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
    /// Since when the worker that finished nothing for longest has been in a tasklet.
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
        // Without a word of its state it is taken to go on with the next one.
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
    /// When all had come, or the wait was given up.
    pub at: Timestamp,
    /// Workers that came.
    pub arrived: u32,
    /// Workers that should have come.
    pub expected: u32,
    /// From asked to met.
    pub waited_ns: u64,
}

impl Rendezvous {
    /// Somebody did not come.
    #[must_use]
    pub const fn is_failed(&self) -> bool {
        self.arrived < self.expected
    }
}

/// All of them.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct RendezvousStats {
    /// How many were tried.
    pub count: u64,
    /// Of these, somebody did not come.
    pub failed: u64,
    /// From asked to met, or given up.
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
