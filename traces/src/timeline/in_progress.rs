//! Unfinished ticks, tasks, waits and timers, and how the stream ended.

use loop_probes::ids::{SourceId, Tag, TaskId, TimerId, Timestamp};
use loop_probes::recorder::Running;

use super::last_activity::StreamEnd;
use super::loss_bounds::MissingSamples;
use super::open_tick::is_stall;
use crate::attribution::What;
use crate::histogram::Histogram;
use crate::histogram::spaced::Spaced;
use crate::labels::Labels;
use crate::loss::Missing;

/// A tick that has not ended. Its figures are lower bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnfinishedTick {
    /// The loop it belongs to.
    pub source: SourceId,
    /// The tick's number; `None` if its beginning was not seen.
    pub tick: Option<u64>,
    /// When it began, or, if its beginning was not seen, when its current activity began.
    pub start: Timestamp,
    /// The moment for which the figures hold.
    pub as_of: Timestamp,
    /// Lower bound on its busy time.
    pub busy_ns: u64,
    /// Lower bound on its poll wait.
    pub poll_wait_ns: u64,
    /// The part of the time until the last known moment that is not known to be busy or a poll.
    pub unknown_ns: u64,
    /// If its beginning was not seen, the time before `start` that may belong to it and is in no other figure.
    pub before_ns: u64,
    /// Last known activity of the tick, and since when; `None` if unknown.
    pub running: Option<(Running, Timestamp)>,
}

impl UnfinishedTick {
    /// Whether it already counts as a stall.
    #[must_use]
    pub const fn is_stall(&self, limit_ns: u64) -> bool {
        is_stall(self.busy_ns, limit_ns)
    }

    /// Whether it was in a poll at the last known moment: its busy time is complete so far and not growing.
    #[must_use]
    pub const fn is_polling(&self) -> bool {
        matches!(self.running, Some((Running::Poll { .. }, _)))
    }

    /// Whether it may be running a task without a record, in a stream that ended like `end`. After a cut, anything may have
    /// followed.
    pub(super) const fn may_run_unseen(&self, end: StreamEnd) -> bool {
        match self.running {
            Some((Running::Task { .. }, _)) => false,
            Some((Running::Poll { .. }, _)) => matches!(end, StreamEnd::Cut),
            // A phase is known only as of its sample.
            Some((Running::Phase(_), _)) => self.unknown_ns > 0 || !matches!(end, StreamEnd::Known),
            Some((Running::Outside, _)) | None => true,
        }
    }

    /// Whether it may be in a checkpoint or a collection. Only their ends are recorded.
    pub(super) const fn may_collect_unseen(&self, end: StreamEnd) -> bool {
        match self.running {
            Some((Running::Phase(_), _)) => true,
            _ => self.may_run_unseen(end),
        }
    }

    /// Describes its last known activity: `task ReadFile #12`, `phase timers`, `poll`.
    #[must_use]
    pub fn describe(&self, labels: &Labels) -> Option<String> {
        Some(match self.running?.0 {
            Running::Outside => return None,
            Running::Phase(phase) => What::Phase(phase).describe(labels),
            Running::Task { task, tag } => What::Task { task, tag }.describe(labels),
            Running::Poll { .. } => What::Poll.describe(labels),
        })
    }

    /// Lower bound on how long its current activity has lasted.
    #[must_use]
    pub fn running_ns(&self) -> u64 {
        self.running.map_or(0, |(_, since)| self.as_of.ns_since(since))
    }
}

/// A task, or a tasklet of an agenda, that has not ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RunningTask {
    /// The loop or worker that runs it.
    pub source: SourceId,
    /// Id of the task or tasklet.
    pub task: TaskId,
    /// Tag of the task or tasklet.
    pub tag: Tag,
    /// When it started.
    pub start: Timestamp,
    /// The last moment at which it is known to have been running.
    pub as_of: Timestamp,
}

impl RunningTask {
    /// Lower bound on its run time.
    #[must_use]
    pub const fn run_ns(&self) -> u64 {
        self.as_of.ns_since(self.start)
    }
}

/// A task that was queued and has not ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WaitingTask {
    /// The loop whose queue holds it.
    pub source: SourceId,
    /// Id of the task.
    pub task: TaskId,
    /// Tag of the task.
    pub tag: Tag,
    /// When it was queued.
    pub queued: Timestamp,
    /// The last moment at which it is known to have waited: its start if it is running, the stop of its loop if that has
    /// stopped, or the end of the last task or phase if the loop's current activity is unknown.
    pub as_of: Timestamp,
    /// Whether the loop has stopped, so that the wait will not grow.
    pub is_final: bool,
}

impl WaitingTask {
    /// Lower bound on its queue wait.
    #[must_use]
    pub const fn queue_wait_ns(&self) -> u64 {
        self.as_of.ns_since(self.queued)
    }
}

/// A timer that is due and has not fired, or had not when its loop stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OverdueTimer {
    /// The loop on which it is armed.
    pub source: SourceId,
    /// Id of the timer.
    pub timer: TimerId,
    /// The tag of its task.
    pub tag: Tag,
    /// When it was due.
    pub due: Timestamp,
    /// The period of an interval.
    pub period_ns: Option<u64>,
    /// The last known moment, or that at which its loop stopped.
    pub as_of: Timestamp,
    /// Whether the loop has stopped, so that the delay will not grow.
    pub is_final: bool,
}

impl OverdueTimer {
    /// Lower bound on its lag.
    #[must_use]
    pub const fn lag_ns(&self) -> u64 {
        self.as_of.ns_since(self.due)
    }

    /// Lower bound on the periods that it will have skipped, counted as for one that has fired.
    #[must_use]
    pub fn skipped(&self) -> u64 {
        self.period_ns.map_or(0, |period_ns| self.lag_ns() / period_ns.max(1)).min(u32::MAX.into())
    }
}

/// The timers that were due and the tasks that waited when loops stopped whose rings were then reused: a program that
/// drops a loop and starts one of the same name reuses the ring.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Replaced {
    pub(super) timers: Vec<OverdueTimer>,
    pub(super) waiting: Vec<WaitingTask>,
    /// Whether more timers or tasks were due or waiting than are kept.
    pub(super) is_full: bool,
    /// Like [`Unfinished::timers_lost`](Unfinished::timers_lost), and how many of those are intervals.
    pub(super) timers_lost: u64,
    pub(super) intervals_lost: u64,
    /// Like [`Unfinished::waiting_lost`](Unfinished::waiting_lost).
    pub(super) waiting_lost: u64,
}

/// Everything in a run that has not ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Unfinished {
    /// Ticks, earliest first.
    pub ticks: Vec<UnfinishedTick>,
    /// Tasks.
    pub tasks: Vec<RunningTask>,
    /// Readiness callbacks.
    pub callbacks: Vec<RunningTask>,
    /// Tasks that loops may be running without a record: one for each loop in a tick whose activity is unknown.
    pub tasks_unseen: u64,
    /// Queued tasks, longest wait first.
    pub waiting: Vec<WaitingTask>,
    /// Checkpoints and collections that may be running: at most one for each loop.
    pub in_ticks_unseen: u64,
    /// Posts that may be waiting for loops, which record them when they take them: any number if a loop has been busy for
    /// long, or paused.
    pub waiting_unseen: u64,
    /// The same of signals, which may also have waited when a loop stopped.
    pub signals_unseen: u64,
    /// Tasks queued before records were lost, which may or may not have run.
    pub waiting_lost: u64,
    /// Overdue timers, most overdue first.
    pub timers: Vec<OverdueTimer>,
    /// Timers that may be overdue without being known to be: armed ones, after the last known moment; any number if they
    /// may have been armed before the reading began.
    pub timers_to_come: u64,
    /// Timers that may or may not have been overdue, because they may have fired, or their loop stopped, in lost records;
    /// and how many of them are intervals.
    pub timers_before_loss: [u64; 2],
    /// Timers that may have been overdue at the last known moment because of lost records, besides the known ones.
    pub timers_lost: u64,
    /// How many of `timers_to_come` may be intervals, which may have skipped periods.
    pub intervals_to_come: u64,
    /// Timers whose arming the stream does not show may be overdue: their loop is busy.
    pub has_timers_unseen: bool,
    /// Whether timers beyond the most that are tracked may be overdue.
    pub has_timers_beyond_limit: bool,
    /// How the stream ended, which tells what may have followed the last known moment.
    pub end: StreamEnd,
}

impl Unfinished {
    /// The ticks that already count as stalls.
    pub fn stalls(&self, limit_ns: u64) -> impl Iterator<Item = &UnfinishedTick> + '_ {
        self.ticks.iter().filter(move |tick| tick.is_stall(limit_ns))
    }

    /// Whether there are ticks, none of which can be a stall so far, whatever it does.
    pub(crate) fn has_only_short_ticks(&self, limit_ns: u64) -> bool {
        let is_short = |tick: &UnfinishedTick| tick.busy_ns.saturating_add(tick.unknown_ns) <= limit_ns;
        !self.ticks.is_empty() && self.ticks.iter().all(is_short)
    }

    /// The number of overdue timers that are later than `limit_ns`.
    #[must_use]
    pub fn late_timers(&self, limit_ns: u64) -> u64 {
        self.timers.iter().filter(|timer| timer.lag_ns() > limit_ns).count() as u64
    }

    /// The ticks whose busy time may exceed its known part.
    pub fn growing(&self) -> impl Iterator<Item = &UnfinishedTick> + '_ {
        self.ticks.iter().filter(|tick| self.is_growing(tick))
    }

    /// Whether the busy time of this tick may exceed its known part.
    pub(crate) fn is_growing(&self, tick: &UnfinishedTick) -> bool {
        self.end == StreamEnd::Cut || !tick.is_polling() || tick.before_ns > 0
    }

    /// Sum of their busy times.
    #[must_use]
    pub fn busy_ns(&self) -> u64 {
        self.ticks.iter().fold(0, |sum, tick| sum.saturating_add(tick.busy_ns))
    }

    /// Sum of their poll waits.
    #[must_use]
    pub fn poll_wait_ns(&self) -> u64 {
        self.ticks.iter().fold(0, |sum, tick| sum.saturating_add(tick.poll_wait_ns))
    }

    /// The busy time and the poll wait within a window of `window_ns` that ends now.
    #[must_use]
    pub fn within(&self, window_ns: u64) -> [u64; 2] {
        self.ticks.iter().fold([0; 2], |[busy_ns, poll_wait_ns], tick| {
            // The current activity is at the end of the window.
            let [busy, wait] = if tick.is_polling() {
                let wait = tick.running_ns().min(window_ns);
                [tick.busy_ns.min(window_ns - wait), wait]
            } else {
                let busy = tick.busy_ns.min(window_ns);
                [busy, tick.poll_wait_ns.min(window_ns - busy)]
            };
            [u64::saturating_add(busy_ns, busy), u64::saturating_add(poll_wait_ns, wait)]
        })
    }

    /// Periods of overdue intervals that have passed since they were due.
    #[must_use]
    pub fn skipped(&self) -> u64 {
        self.timers.iter().map(OverdueTimer::skipped).fold(0, u64::saturating_add)
    }

    /// Whether more periods may have been skipped than [`skipped`](Self::skipped) counts.
    #[must_use]
    pub fn may_skip_more(&self) -> bool {
        let is_growing = |timer: &OverdueTimer| !timer.is_final && timer.period_ns.is_some();
        self.intervals_to_come > 0 || self.timers_before_loss[1] > 0 || self.timers.iter().any(is_growing)
    }

    /// Adds all unfinished work to `missing`: each duration is at least its known part and has no upper bound, unless
    /// its loop has stopped. A tick in its poll is idle: if its beginning was seen, its busy time is known, and does
    /// not grow.
    pub(super) fn add_to(&self, missing: &mut MissingSamples) {
        let of = |all: &mut dyn Iterator<Item = u64>| {
            let mut samples = Histogram::new();
            all.for_each(|ns| samples.record(ns));
            samples
        };
        let add = |missing: &mut Missing, samples: Histogram, to_come: u64| {
            *missing = std::mem::take(missing).with_unfinished(samples, to_come);
        };
        let (growing, paused): (Vec<&UnfinishedTick>, Vec<_>) =
            self.ticks.iter().partition(|tick| self.is_growing(tick));
        let busy = |ticks: &[&UnfinishedTick]| of(&mut ticks.iter().map(|tick| tick.busy_ns));
        add(&mut missing.ticks, busy(&growing), 0);
        let paused: Vec<_> = paused.into_iter().filter(|tick| tick.busy_ns > 0).collect();
        missing.ticks = std::mem::take(&mut missing.ticks).with_paused(busy(&paused));
        add(&mut missing.tasks, of(&mut self.tasks.iter().map(RunningTask::run_ns)), self.tasks_unseen);
        (missing.running_unseen, missing.waiting_unseen) = (self.tasks_unseen, self.waiting_unseen);
        // Tasks that waited and timers that were due before a loss may have ended in it, after any time.
        let more =
            |missing: &mut Missing, samples: u64| *missing = std::mem::take(missing).with_more(samples);
        more(&mut missing.waits, self.waiting_lost);
        more(&mut missing.waits_lost, self.waiting_lost);
        let [timers, intervals] = self.timers_before_loss;
        more(&mut missing.lag, timers);
        more(&mut missing.lag_corrected, with_periods(timers, intervals));
        missing.running = self.tasks.iter().map(|task| (task.tag, task.run_ns())).collect();
        add(&mut missing.in_ticks, Histogram::new(), self.in_ticks_unseen);
        add(&mut missing.signals, Histogram::new(), self.signals_unseen);
        // Waits and lags that ended with the stop of their loop are final.
        let (waited, waiting): (Vec<&WaitingTask>, Vec<_>) =
            self.waiting.iter().partition(|task| task.is_final);
        let (late, overdue): (Vec<&OverdueTimer>, Vec<_>) =
            self.timers.iter().partition(|timer| timer.is_final);
        let waits = |tasks: &[&WaitingTask]| of(&mut tasks.iter().map(|task| task.queue_wait_ns()));
        let by_tag =
            |tasks: &[&WaitingTask]| tasks.iter().map(|task| (task.tag, task.queue_wait_ns())).collect();
        let lag = |timers: &[&OverdueTimer]| of(&mut timers.iter().map(|timer| timer.lag_ns()));
        let corrected = |timers: &[&OverdueTimer]| {
            let mut samples = Spaced::new();
            for timer in timers {
                let (period_ns, count) = (timer.period_ns.unwrap_or(0), timer.skipped().max(1));
                samples.record(timer.lag_ns(), period_ns, count);
            }
            samples.histogram().into_owned()
        };
        let add_final = |missing: &mut Missing, samples: Histogram| {
            *missing = std::mem::take(missing).with_cut_short(samples);
        };
        (missing.waiting, missing.waited) = (by_tag(&waiting), by_tag(&waited));
        add_final(&mut missing.waits, waits(&waited));
        add(&mut missing.waits, waits(&waiting), self.waiting_unseen);
        add_final(&mut missing.lag, lag(&late));
        add(&mut missing.lag, lag(&overdue), self.timers_to_come);
        add_final(&mut missing.lag_corrected, corrected(&late));
        let intervals = overdue.iter().filter(|timer| timer.period_ns.is_some()).count() as u64;
        let to_come = with_periods(
            self.timers_to_come.saturating_add(intervals),
            self.intervals_to_come.saturating_add(intervals),
        );
        add(&mut missing.lag_corrected, corrected(&overdue), to_come);
    }
}

/// The most samples of the corrected lag of this many timers, of which `intervals` may have skipped periods.
const fn with_periods(timers: u64, intervals: u64) -> u64 {
    intervals.saturating_mul(u32::MAX as u64).saturating_add(timers.saturating_sub(intervals))
}
