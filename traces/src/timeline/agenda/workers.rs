//! The agenda's workers, and the collections for which all of them stop.

use loop_probes::event::{Outcome, Priority, WorkerPhase};
use loop_probes::ids::{SourceId, Tag, TaskId, Timestamp};
use loop_probes::recorder::Running;

use crate::histogram::Histogram;
use crate::peak::Peak;
use crate::recent::Recent;
use crate::timeline::baseline::Figures;
use crate::timeline::config::TimelineConfig;
use crate::timeline::in_progress::RunningTask;
use crate::timeline::last_activity::StreamEnd;
use crate::timeline::pool::WORKERS_MAX;
use crate::timeline::tags::failed;

/// A tasklet run by a worker.
#[derive(Clone, Copy, Debug)]
pub(super) struct TaskletRun {
    pub(super) task: TaskId,
    pub(super) tag: Tag,
    pub(super) priority: Priority,
    pub(super) outcome: Outcome,
    pub(super) queued: Timestamp,
    pub(super) start: Timestamp,
    pub(super) end: Timestamp,
}

/// One worker of the agenda.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct AgendaWorker {
    /// Tasklets that it ran, the failed ones included.
    pub ran: u64,
    /// Tasklets that failed or panicked, out of `ran`.
    pub failed: u64,
    /// Time it spent in tasklets.
    pub busy_ns: u64,
    /// The longest of its runs.
    pub run_ns_max: Peak,
    /// Time it was stopped for collections.
    pub stopped_ns: u64,
    /// The worker's phase and when it began; `None` if the worker reports no phases.
    pub state: Option<(WorkerPhase, Timestamp)>,
    /// The last tasklet that it finished, and when.
    pub last: Option<(TaskId, Tag, Timestamp)>,
    /// The emitter of its last event: its own ring, or the loop's.
    pub source: Option<SourceId>,
    first_at: Option<Timestamp>,
    /// Time of the worker's last event or sample.
    last_at: Timestamp,
    /// When the last tasklet that it finished started.
    last_start: Timestamp,
    /// Since when it has been in a tasklet that is not reported yet.
    run_since: Option<Timestamp>,
    /// The tasklet that the worker is in, if a sample shows it.
    sampled: Option<Sampled>,
}

/// A tasklet that a worker is running, from samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sampled {
    pub(super) run: RunningTask,
    /// The tasklet's priority, and the number of higher-priority runs when it was added; `None` if its addition
    /// was not seen.
    pub(super) added: Option<(Priority, u64)>,
}

impl AgendaWorker {
    /// Busy share (0 to 1) of the time from its first event until `now`, the run so far included. A lower bound where records
    /// were lost, and while it [may run](Self::may_run_unnamed) a tasklet that no record names.
    #[must_use]
    pub fn busy_share(&self, now: Timestamp) -> f64 {
        let run_ns = self.running(now, StreamEnd::Known).map_or(0, |run| run.run_ns());
        let busy_ns = self.busy_ns.saturating_add(run_ns);
        let known_ns = self.first_at.map_or(0, |first| now.ns_since(first)).max(busy_ns);
        if known_ns == 0 { 0.0 } else { busy_ns as f64 / known_ns as f64 }
    }

    /// The tasklet that it is running, if a sample shows it, in a stream known up to `known` that ended like `end`.
    #[must_use]
    pub fn running(&self, known: Timestamp, end: StreamEnd) -> Option<RunningTask> {
        let run = self.sampled?.run;
        let as_of = if end == StreamEnd::Cut { self.last_at.min(known) } else { known };
        Some(RunningTask { as_of: as_of.max(run.start), ..run })
    }

    /// Like [`running`](Self::running), with the priority of the tasklet, if known.
    pub(super) fn running_in(
        &self,
        known: Timestamp,
        end: StreamEnd,
    ) -> Option<(Option<Priority>, RunningTask)> {
        let run = self.running(known, end)?;
        Some((self.sampled?.added.map(|(priority, _)| priority), run))
    }

    /// Since when it has been in a tasklet that no record or sample names; `None` if it is in none.
    pub(super) fn in_unnamed_since(&self) -> Option<Timestamp> {
        self.run_since.filter(|_| self.sampled.is_none())
    }

    /// Whether the run that a sample shows had ended before.
    fn has_ended(&self, task: TaskId, since: Timestamp) -> bool {
        let is_last = |(last, _, end)| since < end || task == last && since <= self.last_start;
        let is_idle = |(state, at)| state == WorkerPhase::Idle && since < at;
        self.last.is_some_and(is_last) || self.state.is_some_and(is_idle)
    }

    /// Whether it may be in a tasklet that no record or sample names.
    #[must_use]
    pub fn may_run_unnamed(&self) -> bool {
        self.in_unnamed_since().is_some()
    }

    /// Whether any event of it was seen.
    #[must_use]
    pub const fn is_seen(&self) -> bool {
        self.source.is_some()
    }

    fn seen(&mut self, source: SourceId, since: Timestamp, at: Timestamp) {
        self.source = Some(source);
        self.first_at.get_or_insert(since);
        self.last_at = self.last_at.max(at);
    }
}

/// Workers by number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct AgendaWorkers(Vec<AgendaWorker>);

impl AgendaWorkers {
    pub(super) fn figures(&mut self, by: &mut impl Figures) {
        for (key, worker) in (0..).zip(&mut self.0) {
            by.part(key, false, |by| {
                let AgendaWorker { ran, failed, busy_ns, run_ns_max, stopped_ns, .. } = worker;
                by.counts([ran, failed, busy_ns, stopped_ns]);
                by.peak(run_ns_max, 0);
            });
        }
    }

    /// Figures of workers that were seen earlier count from `from`.
    pub(super) fn count_from(&mut self, from: Timestamp) {
        self.0.iter_mut().for_each(|worker| worker.first_at = worker.first_at.map(|first| first.max(from)));
    }

    /// The number of workers in tasklets that no record or sample names, and the earliest time since when one is.
    pub(super) fn in_unnamed(&self) -> (usize, Option<Timestamp>) {
        let since = || self.0.iter().filter_map(AgendaWorker::in_unnamed_since);
        (since().count(), since().min())
    }

    /// The moment up to which all workers are known, in a stream known up to `known` that ended like `end`. Where it was
    /// cut, the last records of a worker may be missing from it.
    pub(super) fn known_until(&self, known: Timestamp, end: StreamEnd) -> Timestamp {
        match end {
            StreamEnd::Known | StreamEnd::Died => known,
            StreamEnd::Cut => {
                let last = self.0.iter().filter(|worker| worker.is_seen()).map(|worker| worker.last_at);
                last.min().unwrap_or(Timestamp(0)).min(known)
            }
        }
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

    /// The emitter `source` was seen at `at` to have been in `running` since `since`. Returns the run, if it is a
    /// worker's and not over.
    pub(super) fn sampled(
        &mut self,
        source: SourceId,
        running: Running,
        since: Timestamp,
        at: Timestamp,
    ) -> Option<&mut Sampled> {
        let mut its = self.0.iter_mut().filter(|worker| worker.source == Some(source));
        // Workers that share an emitter cannot be distinguished.
        let (Some(worker), None) = (its.next(), its.next()) else { return None };
        worker.last_at = worker.last_at.max(at);
        match running {
            Running::Task { task, tag } if since <= at && !worker.has_ended(task, since) => {
                // After a collection in the middle of it, the sample counts from there.
                if worker.sampled.is_none_or(|sampled| sampled.run.task != task) {
                    let run = RunningTask { source, task, tag, start: since, as_of: at };
                    worker.sampled = Some(Sampled { run, added: None });
                }
                worker.sampled.as_mut()
            }
            // It may stop for a collection in the middle of a tasklet.
            Running::Task { .. } | Running::Phase(_) => None,
            Running::Outside | Running::Poll { .. } => {
                worker.sampled = worker.sampled.filter(|sampled| since < sampled.run.start);
                None
            }
        }
    }

    /// Records of `source` are missing: what its worker was running may be over.
    pub(super) fn lost(&mut self, source: SourceId) {
        let its = self.0.iter_mut().filter(|worker| worker.source == Some(source));
        its.for_each(|worker| worker.sampled = None);
    }

    /// A run has ended. Returns what samples showed of it.
    pub(super) fn ended(&mut self, number: u16, task: TaskId, end: Timestamp) -> Option<Sampled> {
        let worker = self.worker(number)?;
        let over = worker.sampled.filter(|sampled| sampled.run.start <= end)?;
        worker.sampled = None;
        Some(over).filter(|sampled| sampled.run.task == task)
    }

    pub(super) fn ran(&mut self, source: SourceId, number: u16, run: &TaskletRun) {
        let Some(worker) = self.worker(number) else { return };
        let run_ns = run.end.ns_since(run.start);
        worker.seen(source, run.start, run.end);
        worker.ran += 1;
        worker.failed += u64::from(failed(run.outcome));
        worker.busy_ns = worker.busy_ns.saturating_add(run_ns);
        worker.run_ns_max.reach(run_ns);
        worker.last = Some((run.task, run.tag, run.end));
        worker.last_start = run.start;
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
        worker.seen(source, at, at);
        if let Some((before, since)) = worker.state
            && before == from
            && matches!(from, WorkerPhase::Gc | WorkerPhase::EndGc)
        {
            worker.stopped_ns = worker.stopped_ns.saturating_add(at.ns_since(since));
        }
        worker.state = Some((to, at));
        match to {
            WorkerPhase::Idle => (worker.run_since, worker.sampled) = (None, None),
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
    /// Time from the request to the last arrival, in nanoseconds.
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
    /// Number of attempts to stop all workers.
    pub count: u64,
    /// Attempts in which a worker failed to arrive, out of `count`.
    pub failed: u64,
    /// Times from the request to the last arrival, or to giving up, in nanoseconds.
    pub waited_ns: Histogram,
    /// The most recent rendezvous.
    pub recent: Recent<Rendezvous>,
}

impl RendezvousStats {
    pub(super) fn new(config: &TimelineConfig) -> Self {
        let recent = Recent::new(config.entries_kept);
        Self { count: 0, failed: 0, waited_ns: Histogram::new(), recent }
    }

    pub(super) fn figures(&mut self, by: &mut impl Figures) {
        let Self { count, failed, waited_ns, recent: _ } = self;
        by.counts([count, failed]);
        by.histogram(waited_ns);
    }

    pub(super) fn add(&mut self, rendezvous: Rendezvous) {
        self.count += 1;
        self.failed += u64::from(rendezvous.is_failed());
        self.waited_ns.record(rendezvous.waited_ns);
        self.recent.push(rendezvous);
    }
}
