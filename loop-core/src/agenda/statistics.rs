//! Statistics: tasklets added and run and their waiting times, by priority and by worker.
//!
//! Each worker has counters that no other thread writes, so that counting needs no lock and causes no contention; a
//! reader adds them up. The sums are exact once no tasklet is pending.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use loop_probes::clock::{Anchor, SystemClock, TickUnit};
use loop_probes::event::{Priority, WorkerPhase};
use loop_probes::ids::{Tag, TaskId, Ticks};
use loop_probes::tags;

use super::failure::CurrentTasklet;

/// Counters over a set of tasklet runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tally {
    /// Completed runs.
    pub run: u64,
    /// Runs that returned an error or panicked.
    pub failed: u64,
    /// Total queue wait of all runs, in nanoseconds.
    pub waited_ns: u64,
    /// Total run time of all runs, in nanoseconds.
    pub ran_ns: u64,
}

impl Tally {
    fn plus(self, other: Self) -> Self {
        Self {
            run: self.run + other.run,
            failed: self.failed + other.failed,
            waited_ns: self.waited_ns + other.waited_ns,
            ran_ns: self.ran_ns + other.ran_ns,
        }
    }
}

/// Counters of one priority.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PriorityStatistics {
    /// The priority that these counters belong to.
    pub priority: Priority,
    /// Tasklets queued; a tasklet that asks to run again counts again.
    pub added: u64,
    /// Tasklets waiting now.
    pub waiting: u32,
    /// Completed runs.
    pub tally: Tally,
}

/// Counters of one worker.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WorkerStatistics {
    /// The worker's number, from 0.
    pub worker: u16,
    /// The worker's current state.
    pub state: WorkerPhase,
    /// The tasklet that the worker is running.
    pub current: Option<CurrentTasklet>,
    /// The worker's completed runs.
    pub tally: Tally,
}

/// An agenda's counters since it began.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Statistics {
    /// The agenda's name.
    pub agenda: String,
    /// Tasklets queued; a tasklet that asks to run again counts again.
    pub added: u64,
    /// Completed runs.
    pub tally: Tally,
    /// Failures that were reported to no owner.
    pub unreported: u64,
    /// Tasklets that wait or run now, by label.
    pub pending: Vec<(Arc<str>, u32)>,
    /// Priorities, from highest to lowest.
    pub priorities: Vec<PriorityStatistics>,
    /// Workers, by number.
    pub workers: Vec<WorkerStatistics>,
}

impl Statistics {
    /// Counters of one priority.
    #[must_use]
    pub fn of(&self, priority: Priority) -> Option<&PriorityStatistics> {
        self.priorities.iter().find(|of| of.priority == priority)
    }
}

impl fmt::Display for Statistics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Tally { run, failed, waited_ns, .. } = self.tally;
        let waited = Duration::from_nanos(waited_ns);
        writeln!(
            f,
            "agenda {}: {} added, {run} run, {failed} failed, waited {waited:.1?}",
            self.agenda, self.added
        )?;
        for of in &self.priorities {
            let Tally { run, failed, waited_ns, .. } = of.tally;
            let (added, waiting, waited) = (of.added, of.waiting, Duration::from_nanos(waited_ns));
            let name = of.priority;
            writeln!(
                f,
                "  {name:<6} {added} added, {waiting} waiting, {run} run, {failed} failed, waited {waited:.1?}"
            )?;
        }
        for worker in &self.workers {
            let Tally { run, failed, ran_ns, .. } = worker.tally;
            write!(
                f,
                "  worker {} {}: {run} run, {failed} failed, busy {:.1?}",
                worker.worker,
                worker.state,
                Duration::from_nanos(ran_ns)
            )?;
            match &worker.current {
                Some(CurrentTasklet { task, label }) => writeln!(f, ", in {label} #{task}")?,
                None => writeln!(f)?,
            }
        }
        for (label, count) in &self.pending {
            writeln!(f, "  pending {label} {count}")?;
        }
        Ok(())
    }
}

/// Counters of one worker and one priority. Times are in ticks of the record clock.
#[derive(Debug, Default)]
struct RunCounters {
    run: AtomicU64,
    failed: AtomicU64,
    waited: AtomicU64,
    ran: AtomicU64,
}

/// Adds to a counter that only this thread writes.
fn bump(counter: &AtomicU64, by: u64) {
    counter.store(counter.load(Ordering::Relaxed).wrapping_add(by), Ordering::Relaxed);
}

/// Published state of one worker, aligned to its own cache lines.
#[derive(Debug)]
#[repr(align(128))]
pub(super) struct WorkerSlot {
    counters: [RunCounters; Priority::ALL.len()],
    unreported: AtomicU64,
    /// The current tasklet: its tag in the high bits, its number in the low bits; 0 if none.
    current: AtomicU64,
    state: AtomicU64,
}

const TASK_BITS: u32 = 48;

impl WorkerSlot {
    pub(super) fn new() -> Self {
        Self {
            counters: Default::default(),
            unreported: AtomicU64::new(0),
            current: AtomicU64::new(0),
            state: AtomicU64::new(u64::from(WorkerPhase::Idle.code())),
        }
    }

    pub(super) fn enter(&self, task: TaskId, tag: Tag) {
        let task = task.0 & ((1 << TASK_BITS) - 1);
        self.current.store(u64::from(tag.0) << TASK_BITS | task, Ordering::Release);
    }

    pub(super) fn leave(&self) {
        self.current.store(0, Ordering::Release);
    }

    pub(super) fn ran(&self, priority: Priority, failed: bool, waited: u64, ran: u64) {
        let counters = &self.counters[usize::from(priority.code())];
        bump(&counters.run, 1);
        bump(&counters.failed, u64::from(failed));
        bump(&counters.waited, waited);
        bump(&counters.ran, ran);
    }

    pub(super) fn unreported(&self) {
        bump(&self.unreported, 1);
    }

    pub(super) fn unreported_count(&self) -> u64 {
        self.unreported.load(Ordering::Relaxed)
    }

    pub(super) fn set_state(&self, state: WorkerPhase) {
        self.state.store(u64::from(state.code()), Ordering::Release);
    }

    pub(super) fn state(&self) -> WorkerPhase {
        let code = self.state.load(Ordering::Acquire) as u8;
        WorkerPhase::from_code(code).unwrap_or(WorkerPhase::Idle)
    }

    /// The tasklet that the worker is running.
    pub(super) fn current(&self) -> Option<CurrentTasklet> {
        let word = self.current.load(Ordering::Acquire);
        if word == 0 {
            return None;
        }
        let tag = Tag((word >> TASK_BITS) as u16);
        let label = tags::name(tag).unwrap_or_else(|| "untagged".into());
        Some(CurrentTasklet { task: TaskId(word & ((1 << TASK_BITS) - 1)), label })
    }

    pub(super) fn tally(&self, priority: Priority, scale: &Scale) -> Tally {
        let counters = &self.counters[usize::from(priority.code())];
        Tally {
            run: counters.run.load(Ordering::Relaxed),
            failed: counters.failed.load(Ordering::Relaxed),
            waited_ns: scale.ns(counters.waited.load(Ordering::Relaxed)),
            ran_ns: scale.ns(counters.ran.load(Ordering::Relaxed)),
        }
    }
}

/// The sum of some tallies.
pub(super) fn sum(tallies: impl Iterator<Item = Tally>) -> Tally {
    tallies.fold(Tally::default(), Tally::plus)
}

/// Length of a record-clock tick, measured between two readings of all clocks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scale {
    ns: u64,
    ticks: u64,
}

impl Scale {
    pub(super) fn since(first: Anchor, clock: SystemClock) -> Self {
        if clock.unit() == TickUnit::Monotonic {
            return Self { ns: 1, ticks: 1 };
        }
        let now = clock.anchor();
        let ticks = now.ticks.0.saturating_sub(first.ticks.0).max(1);
        Self { ns: now.monotonic.ns_since(first.monotonic).max(1), ticks }
    }

    fn ns(&self, ticks: u64) -> u64 {
        u64::try_from(u128::from(ticks) * u128::from(self.ns) / u128::from(self.ticks)).unwrap_or(u64::MAX)
    }
}

/// Ticks from `from` to `to`; 0 if `to` is earlier, as readings on different cores may be.
pub(super) const fn between(from: Ticks, to: Ticks) -> u64 {
    to.0.saturating_sub(from.0)
}
