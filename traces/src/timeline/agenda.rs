//! The agenda: its three priorities, its workers, its collections.
//!
//! Waiting tasklets are tracked by id, so that one that is repeatedly passed over is visible while it waits. The list is
//! bounded. Each addition carries the depth of its priority, which corrects the list after a gap or a race between
//! emitters.

mod waiting;
mod workers;

pub use workers::{AgendaWorker, Rendezvous, RendezvousStats};

use loop_probes::event::{Event, Outcome, Priority, WorkerPhase};
use loop_probes::ids::{SourceId, TaskId, Timestamp};
use loop_probes::recorder::Running;
use loop_probes::stamped::Stamped;

use super::baseline::Figures;
use super::config::TimelineConfig;
use super::depth_slots::DepthSlots;
use super::in_progress::RunningTask;
use super::last_activity::StreamEnd;
use super::tags::failed;
use crate::histogram::Histogram;
use crate::loss::Missing;
use crate::peak::Peak;
use waiting::WaitingTasklets;
use workers::{AgendaWorkers, TaskletRun};

/// The tasklet that has waited longest in its priority.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OldestWaiting {
    /// Id of the tasklet.
    pub task: TaskId,
    /// When it was added.
    pub added: Timestamp,
    /// Tasklets of a higher priority that ran since.
    pub passed_by: u64,
    /// A worker has been busy since then, possibly with this tasklet: a run is reported only when done.
    pub taken_after: Option<Timestamp>,
    /// When the oldest tasklet that certainly still waits was added: each worker in an unnamed tasklet may have taken
    /// an older one.
    pub surely_added: Option<Timestamp>,
}

impl OldestWaiting {
    /// Lower bound on the longest queue wait so far; `None` if not even the smallest is certain.
    #[must_use]
    pub fn waited_ns(&self, now: Timestamp) -> Option<u64> {
        let until = self.taken_after.map_or(now, |taken| taken.min(now));
        let its_ns = (self.added < until || self.taken_after.is_none()).then(|| until.ns_since(self.added));
        let surely_ns = self.surely_added.filter(|added| *added < now).map(|added| now.ns_since(added));
        its_ns.max(surely_ns)
    }
}

/// One priority.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct PriorityStats {
    /// The priority that these figures belong to.
    pub priority: Priority,
    /// Tasklets added.
    pub added: u64,
    /// Tasklets that ran, the failed ones included.
    pub ran: u64,
    /// Tasklets that failed or panicked.
    pub failed: u64,
    /// Tasklets that were cancelled before they ran.
    pub cancelled: u64,
    /// Queue waits in nanoseconds, from added to taken by a worker.
    pub queue_wait_ns: Histogram,
    /// Run times in nanoseconds, from taken to done.
    pub run_ns: Histogram,
    /// The greatest depth reached.
    pub depth_max: Peak,
    /// How deep it was through the last seconds.
    pub depths: DepthSlots,
    /// Maximum number of tasklets of a higher priority that ran while one of these waited.
    pub passed_by_max: Peak,
    /// Tasklets that ran before the figures began.
    ran_before: u64,
    waiting: WaitingTasklets,
}

impl PriorityStats {
    fn new(priority: Priority, config: &TimelineConfig) -> Self {
        Self {
            priority,
            added: 0,
            ran: 0,
            failed: 0,
            cancelled: 0,
            queue_wait_ns: Histogram::new(),
            run_ns: Histogram::new(),
            depth_max: Peak::default(),
            depths: DepthSlots::new(config.rate_window),
            passed_by_max: Peak::default(),
            ran_before: 0,
            waiting: WaitingTasklets::new(config.tasklets_followed),
        }
    }

    /// Tasklets waiting now, as far as the stream shows. One that a worker is running counts until it is done, unless a
    /// sample shows it or another was added since.
    #[must_use]
    pub const fn waiting(&self) -> u32 {
        self.waiting.depth()
    }

    /// Whether the number of waiting tasklets is unknown because records were lost, until the next addition.
    #[must_use]
    pub const fn is_after_loss(&self) -> bool {
        self.waiting.is_after_loss()
    }

    /// Further tasklets that may wait: added before records were lost, in which they may have run.
    pub(crate) const fn may_wait(&self) -> u64 {
        self.waiting.may_wait()
    }

    fn figures(&mut self, by: &mut impl Figures) {
        let ran_in_all = self.ran_in_all();
        let Self {
            added,
            ran,
            failed,
            cancelled,
            queue_wait_ns,
            run_ns,
            depth_max,
            passed_by_max,
            waiting,
            ..
        } = self;
        by.counts([added, ran, failed, cancelled]);
        by.histogram(queue_wait_ns);
        by.histogram(run_ns);
        by.peak(depth_max, waiting.depth().into());
        by.peak(passed_by_max, 0);
        self.ran_before = ran_in_all - self.ran;
    }

    const fn ran_in_all(&self) -> u64 {
        self.ran_before + self.ran
    }

    fn sample(&mut self, at: Timestamp) {
        let depth = self.waiting.depth();
        self.depths.set(at, Some(depth));
        self.depth_max.reach(depth.into());
    }
}

/// Figures of the agenda: its priorities, workers and collections.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Agenda {
    /// Figures of each priority, the highest first.
    pub priorities: [PriorityStats; 3],
    /// Collections for which all workers had to stop.
    pub rendezvous: RendezvousStats,
    workers: AgendaWorkers,
}

/// The order in which priorities are shown and checked.
const HIGHEST_FIRST: [Priority; 3] = [Priority::High, Priority::Normal, Priority::Low];

impl Agenda {
    pub(crate) fn new(config: &TimelineConfig) -> Self {
        Self {
            priorities: HIGHEST_FIRST.map(|priority| PriorityStats::new(priority, config)),
            rendezvous: RendezvousStats::new(config),
            workers: AgendaWorkers::default(),
        }
    }

    /// Its figures, for [`baseline`](super::baseline).
    pub(super) fn figures(&mut self, by: &mut impl Figures) {
        self.priorities.iter_mut().for_each(|priority| priority.figures(by));
        self.rendezvous.figures(by);
        self.workers.figures(by);
    }

    /// Forgets what was before `from`.
    pub(super) fn forget_before(&mut self, from: Timestamp) {
        self.rendezvous.recent.retain(|rendezvous| rendezvous.at > from);
        self.workers.count_from(from);
    }

    /// Whether any event of an agenda was seen.
    #[must_use]
    pub fn is_seen(&self) -> bool {
        self.added() > 0 || self.ran() > 0 || !self.workers.is_empty() || self.rendezvous.count > 0
    }

    /// One priority.
    #[must_use]
    pub fn priority(&self, priority: Priority) -> &PriorityStats {
        &self.priorities[place(priority)]
    }

    /// Tasklets added.
    #[must_use]
    pub fn added(&self) -> u64 {
        self.sum(|priority| priority.added)
    }

    /// Tasklets that ran.
    #[must_use]
    pub fn ran(&self) -> u64 {
        self.sum(|priority| priority.ran)
    }

    /// Tasklets that failed or panicked.
    #[must_use]
    pub fn failed(&self) -> u64 {
        self.sum(|priority| priority.failed)
    }

    /// Tasklets that wait.
    #[must_use]
    pub fn waiting(&self) -> u64 {
        self.sum(|priority| u64::from(priority.waiting()))
    }

    /// Further tasklets that may wait: added before records were lost, in which they may have run.
    #[must_use]
    pub fn may_wait(&self) -> u64 {
        self.sum(PriorityStats::may_wait)
    }

    /// The most waiting tasklets that workers may have taken without a record so far.
    pub(crate) fn may_be_taken(&self) -> u32 {
        u32::try_from(self.workers.in_unnamed().0).unwrap_or(u32::MAX)
    }

    /// Whether the stream shows how many tasklets of this priority wait, even if it begins while some do: an addition has
    /// given the depth, or a worker found nothing to run.
    pub(crate) const fn knows_depth_of(&self, priority: Priority) -> bool {
        self.priorities[place(priority)].waiting.is_depth_known()
    }

    fn sum(&self, of: impl Fn(&PriorityStats) -> u64) -> u64 {
        self.priorities.iter().map(of).fold(0, u64::saturating_add)
    }

    /// The tasklet of this priority that has waited longest, if known.
    #[must_use]
    pub fn oldest(&self, priority: Priority) -> Option<OldestWaiting> {
        let waiting = &self.priority(priority).waiting;
        let oldest = waiting.oldest()?;
        let passed_by = self.higher_ran(priority).saturating_sub(oldest.higher_ran);
        let (may_have_taken, taken_after) = self.workers.in_unnamed();
        let surely_added = waiting.iter().nth(may_have_taken).map(|entry| entry.added);
        Some(OldestWaiting { task: oldest.task, added: oldest.added, passed_by, taken_after, surely_added })
    }

    /// Lower bound on the longest queue wait in this priority, in a stream known up to `known` that ended like `end`;
    /// `None` if nothing waits or no wait is certain.
    #[must_use]
    pub fn oldest_waiting_ns(&self, priority: Priority, known: Timestamp, end: StreamEnd) -> Option<u64> {
        let waited_ns = self.oldest(priority)?.waited_ns(self.workers.known_until(known, end));
        waited_ns.filter(|ns| *ns > 0 || end != StreamEnd::Cut)
    }

    /// Queue waits of this priority, with the `lost` ones and the waiting tasklets, in a stream known up to `known` that
    /// ended like `end`.
    pub(crate) fn missing_waits(
        &self,
        priority: Priority,
        lost: &Missing,
        known: Timestamp,
        end: StreamEnd,
    ) -> Missing {
        let waiting = &self.priority(priority).waiting;
        let known = self.workers.known_until(known, end);
        let (may_have_taken, taken_after) = self.workers.in_unnamed();
        let mut at_least = Histogram::new();
        // Each of these workers may have taken any one, so the longest waits are the least certain; a taken one waited at
        // least as long as the youngest.
        waiting.iter().skip(may_have_taken).for_each(|entry| at_least.record(known.ns_since(entry.added)));
        let until = taken_after.map_or(known, |taken| taken.min(known));
        let youngest = waiting.iter().rev().take(may_have_taken);
        youngest.for_each(|entry| at_least.record(until.ns_since(entry.added)));
        let untracked = u64::from(waiting.depth()).saturating_sub(at_least.count());
        lost.clone().with_more(untracked.saturating_add(waiting.may_wait())).with_unfinished(at_least, 0)
    }

    /// Run times of this priority, with the `lost` ones, running tasklets, and waiting ones that a worker may have taken, in
    /// a stream known up to `known` that ended like `end`. Besides those known to wait, up to `unseen` may.
    pub(crate) fn missing_runs(
        &self,
        priority: Priority,
        lost: &Missing,
        unseen: u64,
        known: Timestamp,
        end: StreamEnd,
    ) -> Missing {
        let mut at_least = Histogram::new();
        let (mut may_run, mut unknown) = (0, 0);
        for worker in self.workers.all().iter().filter(|worker| worker.is_seen()) {
            match worker.running_in(known, end) {
                Some((Some(its), run)) if its == priority => at_least.record(run.run_ns()),
                Some((None, _)) => unknown += 1,
                _ => {}
            }
            may_run += u64::from(worker.in_unnamed_since().is_some() || end == StreamEnd::Cut);
        }
        let may_be_taken = unseen.saturating_add(self.priority(priority).waiting().into());
        let to_come = may_run.min(may_be_taken) + unknown;
        lost.clone().with_unfinished(at_least, to_come)
    }

    /// Workers by number; empty entries for workers without events.
    #[must_use]
    pub fn workers(&self) -> &[AgendaWorker] {
        self.workers.all()
    }

    /// Whether `source` is the emitter of a worker.
    pub(crate) fn is_worker(&self, source: SourceId) -> bool {
        self.workers().iter().any(|worker| worker.source == Some(source))
    }

    fn higher_ran(&self, priority: Priority) -> u64 {
        self.priorities[..place(priority)].iter().map(PriorityStats::ran_in_all).fold(0, u64::saturating_add)
    }

    /// Updates the agenda from `stamped`, if it concerns it.
    pub(crate) fn see(&mut self, stamped: &Stamped) {
        let Stamped { at, source, event } = *stamped;
        match event {
            Event::AgendaAdded { task, priority, depth, .. } => self.added_one(at, task, priority, depth),
            Event::AgendaRan { task, tag, priority, worker, outcome, queued, start } => {
                let run = TaskletRun { task, tag, priority, outcome, queued, start, end: at };
                self.ran_one(source, worker, run);
            }
            Event::WorkerState { worker, from, to } => {
                self.workers.changed(source, worker, from, to, at);
                if to == WorkerPhase::Idle {
                    self.priorities.iter_mut().for_each(|priority| priority.waiting.was_empty());
                }
            }
            Event::GcRendezvous { arrived, expected, start } => {
                self.rendezvous.add(Rendezvous { at, arrived, expected, waited_ns: at.ns_since(start) });
            }
            Event::Lost { .. } => self.lost(source),
            _ => {}
        }
    }

    fn added_one(&mut self, at: Timestamp, task: TaskId, priority: Priority, depth: u32) {
        let higher_ran = self.higher_ran(priority);
        let stats = &mut self.priorities[place(priority)];
        stats.added += 1;
        stats.waiting.added(at, task, depth, higher_ran);
        stats.depth_max.reach(depth.into());
        stats.sample(at);
    }

    fn ran_one(&mut self, source: SourceId, worker: u16, run: TaskletRun) {
        let TaskletRun { task, priority, outcome, queued, start, end, .. } = run;
        let higher_ran = self.higher_ran(priority);
        let was_cancelled = outcome == Outcome::Cancelled;
        let sampled = if was_cancelled { None } else { self.workers.ended(worker, task, end) };
        let stats = &mut self.priorities[place(priority)];
        let then = match sampled.and_then(|sampled| sampled.added) {
            Some((_, higher_ran)) => Some(higher_ran),
            None => stats.waiting.taken(task, start),
        };
        if let Some(then) = then {
            stats.passed_by_max.reach(higher_ran.saturating_sub(then));
        }
        stats.sample(end);
        if was_cancelled {
            stats.cancelled += 1;
            return;
        }
        stats.ran += 1;
        stats.failed += u64::from(failed(outcome));
        stats.queue_wait_ns.record(start.ns_since(queued));
        stats.run_ns.record(end.ns_since(start));
        self.workers.ran(source, worker, &run);
    }

    /// The emitter `source`, which is no loop, was seen at `at` to have been in `running` since `since`.
    pub(crate) fn saw_running(
        &mut self,
        source: SourceId,
        running: Running,
        since: Timestamp,
        at: Timestamp,
    ) {
        let Some(sampled) = self.workers.sampled(source, running, since, at) else { return };
        if sampled.added.is_some() {
            return;
        }
        let RunningTask { task, start, .. } = sampled.run;
        for stats in &mut self.priorities {
            if let Some(higher_ran) = stats.waiting.take_known(task, start) {
                sampled.added = Some((stats.priority, higher_ran));
                return stats.sample(at);
            }
        }
    }

    /// Records are missing: what still waits is unknown until the next addition.
    fn lost(&mut self, source: SourceId) {
        self.workers.lost(source);
        for priority in &mut self.priorities {
            priority.waiting.forget();
        }
    }
}

const fn place(priority: Priority) -> usize {
    match priority {
        Priority::High => 0,
        Priority::Normal => 1,
        Priority::Low => 2,
    }
}

#[cfg(test)]
mod tests;
