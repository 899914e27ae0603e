//! The agenda: its three priorities, its workers, its collections.
//!
//! Waiting tasklets are tracked by id, so that one that is repeatedly passed over is visible while it waits, not only
//! once it has run. The list is bounded. Each addition carries the depth of its priority, which corrects whatever a gap
//! or a race between emitters left in the list.

mod waiting;
mod workers;

pub use workers::{AgendaWorker, Rendezvous, RendezvousStats};

use loop_probes::event::{Event, Outcome, Priority};
use loop_probes::ids::{SourceId, Tag, TaskId, Timestamp};
use loop_probes::stamped::Stamped;

use super::config::TimelineConfig;
use super::depth_slots::DepthSlots;
use super::failed;
use super::unfinished::StreamEnd;
use crate::analysis::loss::Missing;
use crate::histogram::Histogram;
use waiting::Waiting;
use workers::AgendaWorkers;

/// A tasklet run by a worker.
#[derive(Clone, Copy, Debug)]
struct TaskletRun {
    task: TaskId,
    tag: Tag,
    priority: Priority,
    outcome: Outcome,
    queued: Timestamp,
    start: Timestamp,
    end: Timestamp,
}

/// The tasklet that has waited longest in its priority.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OldestWaiting {
    /// The tasklet.
    pub task: TaskId,
    /// When it was added.
    pub added: Timestamp,
    /// Tasklets of a higher priority that ran since.
    pub passed_by: u64,
    /// A worker has been busy since then, possibly with this tasklet: a tasklet taken by a worker is reported only when
    /// done.
    pub taken_after: Option<Timestamp>,
}

impl OldestWaiting {
    /// Lower bound on its queue wait so far.
    #[must_use]
    pub fn waited_ns(&self, now: Timestamp) -> u64 {
        self.taken_after.map_or(now, |taken| taken.min(now)).ns_since(self.added)
    }
}

/// One priority.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct PriorityStats {
    /// The priority.
    pub priority: Priority,
    /// Tasklets added.
    pub added: u64,
    /// Tasklets that ran, the failed ones included.
    pub ran: u64,
    /// Tasklets that failed or panicked.
    pub failed: u64,
    /// Tasklets that were cancelled before they ran.
    pub cancelled: u64,
    /// From added to taken by a worker.
    pub queue_wait_ns: Histogram,
    /// From taken to done.
    pub run_ns: Histogram,
    /// The greatest depth reached.
    pub depth_max: u32,
    /// How deep it was through the last seconds.
    pub depths: DepthSlots,
    /// Most tasklets of a higher priority that ran while one of these waited.
    pub passed_by_max: u64,
    waiting: Waiting,
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
            depth_max: 0,
            depths: DepthSlots::new(config.rate_window),
            passed_by_max: 0,
            waiting: Waiting::new(config.tasklets_followed),
        }
    }

    /// Tasklets waiting now, as far as the stream shows: one that a worker is running counts until it is done, unless
    /// something was added since it was taken.
    #[must_use]
    pub const fn waiting(&self) -> u32 {
        self.waiting.depth()
    }

    fn sample(&mut self, at: Timestamp) {
        let depth = self.waiting.depth();
        self.depths.set(at, Some(depth));
        self.depth_max = self.depth_max.max(depth);
    }
}

/// The agenda.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Agenda {
    /// Its priorities, the highest first.
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

    fn sum(&self, of: impl Fn(&PriorityStats) -> u64) -> u64 {
        self.priorities.iter().map(of).fold(0, u64::saturating_add)
    }

    /// The tasklet of this priority that has waited longest, if known.
    #[must_use]
    pub fn oldest(&self, priority: Priority) -> Option<OldestWaiting> {
        let oldest = self.priority(priority).waiting.oldest()?;
        let passed_by = self.higher_ran(priority).saturating_sub(oldest.higher_ran);
        let taken_after = self.workers.longest_run_since();
        Some(OldestWaiting { task: oldest.task, added: oldest.added, passed_by, taken_after })
    }

    /// Queue waits of this priority, with the `lost` ones and those of waiting tasklets, in a stream known up to `known`
    /// that ended like `end`. Where it was cut, the last runs of a worker may be missing from it, so a minimum is not
    /// known.
    pub(crate) fn missing_waits(
        &self,
        priority: Priority,
        lost: &Missing,
        known: Timestamp,
        end: StreamEnd,
    ) -> Missing {
        let waiting = &self.priority(priority).waiting;
        let until = match end {
            StreamEnd::Cut => Timestamp(0),
            StreamEnd::Known | StreamEnd::Died => {
                self.workers.longest_run_since().map_or(known, |taken| taken.min(known))
            }
        };
        let mut at_least = Histogram::new();
        waiting.iter().for_each(|entry| at_least.record(until.ns_since(entry.added)));
        let to_come = u64::from(waiting.depth()).saturating_sub(at_least.count());
        lost.clone().with_unfinished(at_least, to_come)
    }

    /// Run times of this priority, with the `lost` ones and those of waiting tasklets that a worker may have taken, in a
    /// stream that ended like `end`.
    pub(crate) fn missing_runs(&self, priority: Priority, lost: &Missing, end: StreamEnd) -> Missing {
        let workers = self.workers.all().iter();
        let may_run =
            workers.filter(|worker| worker.run_since.is_some() || end == StreamEnd::Cut && worker.is_seen());
        let running = (may_run.count() as u64).min(self.priority(priority).waiting().into());
        lost.clone().with_unfinished(Histogram::new(), running)
    }

    /// Workers by number; empty entries for workers without events.
    #[must_use]
    pub fn workers(&self) -> &[AgendaWorker] {
        self.workers.all()
    }

    fn higher_ran(&self, priority: Priority) -> u64 {
        self.priorities[..place(priority)].iter().map(|higher| higher.ran).fold(0, u64::saturating_add)
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
            Event::WorkerState { worker, from, to } => self.workers.changed(source, worker, from, to, at),
            Event::GcRendezvous { arrived, expected, start } => {
                self.rendezvous.add(Rendezvous { at, arrived, expected, waited_ns: at.ns_since(start) });
            }
            Event::Lost { .. } => self.lost(),
            _ => {}
        }
    }

    fn added_one(&mut self, at: Timestamp, task: TaskId, priority: Priority, depth: u32) {
        let higher_ran = self.higher_ran(priority);
        let stats = &mut self.priorities[place(priority)];
        stats.added += 1;
        stats.waiting.added(at, task, depth, higher_ran);
        stats.depth_max = stats.depth_max.max(depth);
        stats.sample(at);
    }

    fn ran_one(&mut self, source: SourceId, worker: u16, run: TaskletRun) {
        let TaskletRun { task, priority, outcome, queued, start, end, .. } = run;
        let higher_ran = self.higher_ran(priority);
        let stats = &mut self.priorities[place(priority)];
        if let Some(then) = stats.waiting.taken(task, start) {
            stats.passed_by_max = stats.passed_by_max.max(higher_ran.saturating_sub(then));
        }
        stats.sample(end);
        if outcome == Outcome::Cancelled {
            stats.cancelled += 1;
            return;
        }
        stats.ran += 1;
        stats.failed += u64::from(failed(outcome));
        stats.queue_wait_ns.record(start.ns_since(queued));
        stats.run_ns.record(end.ns_since(start));
        self.workers.ran(source, worker, &run);
    }

    /// Records are missing: what still waits is unknown until the next addition.
    fn lost(&mut self) {
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
