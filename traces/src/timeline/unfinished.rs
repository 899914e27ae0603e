//! Work that has not ended: running ticks and tasks, queued tasks and overdue timers, each with the duration known so
//! far.
//!
//! A record is written when something ends, so in the loop's own records a hang shows as silence. What the loop is in
//! the middle of is known from its recorder's samples ([`Event::Running`](loop_probes::event::Event::Running)), or else
//! from a timer that fired and whose task has not ended. What happened after the last known moment is unknown.

use loop_probes::event::{Outcome, PollReason};
use loop_probes::ids::{SourceId, Tag, TaskId, TimerId, Timestamp};
use loop_probes::recorder::Running;

use super::open_tick::OpenTick;
use super::queues::Waits;
use super::span::{SpanKind, TickSpan};
use super::{MissingSamples, Timeline, Waiter};
use crate::analysis::attribution::sweep::Nodes;
use crate::analysis::attribution::{Ledger, What, busy};
use crate::analysis::loss::Missing;
use crate::histogram::Histogram;
use crate::labels::Labels;

/// What an emitter was last seen doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) running: Running,
    pub(crate) since: Timestamp,
    pub(crate) as_of: Timestamp,
    /// The stream already has the end of it: the cell is written when something begins. What followed has no name, but
    /// it is not a poll, which would have been written to the cell.
    pub(crate) is_over: bool,
    /// Imported from another program: its end may be missing, and later events say nothing about it.
    pub(crate) end_may_miss: bool,
}

impl Seen {
    /// Whether it lasts until something else is recorded: true of tasks and polls, whose ends are always recorded. A
    /// phase in which nothing ran leaves no record.
    const fn lasts(&self) -> bool {
        !self.is_over
            && !self.end_may_miss
            && matches!(self.running, Running::Task { .. } | Running::Poll { .. })
    }

    /// Until when it is known to have lasted, given a stream known up to `known`.
    pub(crate) fn until(&self, known: Timestamp) -> Timestamp {
        if self.lasts() { known.max(self.since) } else { self.as_of }
    }

    /// Whether `span`, which has just ended, implies that it is over.
    pub(crate) const fn ends_with(span: &TickSpan) -> bool {
        matches!(
            span.what,
            SpanKind::Task { .. }
                | SpanKind::Io { .. }
                | SpanKind::Phase(_)
                | SpanKind::Poll { .. }
                | SpanKind::Pump { .. }
        )
    }

    /// As a span that ends at `until`; `None` if it has no name.
    pub(crate) fn span(&self, until: Timestamp) -> Option<TickSpan> {
        let what = match self.running {
            _ if self.is_over => return None,
            Running::Outside => return None,
            Running::Phase(phase) => SpanKind::Phase(phase),
            Running::Task { task, tag } => {
                SpanKind::Task { task, tag, outcome: Outcome::Pending, queue_wait_ns: None }
            }
            Running::Poll { deadline } => SpanKind::Poll {
                reason: if deadline.is_some() { PollReason::Timer } else { PollReason::Idle },
                ready: 0,
                timeout_ns: deadline.map(|deadline| deadline.ns_since(self.since)),
            },
        };
        (self.since < until).then_some(TickSpan { start: self.since, end: until, what })
    }
}

/// A tick that has not ended. Its figures are lower bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnfinishedTick {
    /// The loop it belongs to.
    pub source: SourceId,
    /// Its number; `None` if its beginning was not seen.
    pub tick: Option<u64>,
    /// When it began, or, if its beginning was not seen, when its current activity began.
    pub start: Timestamp,
    /// The moment for which the figures hold.
    pub as_of: Timestamp,
    /// Lower bound on its busy time.
    pub busy_ns: u64,
    /// Lower bound on its poll wait.
    pub poll_wait_ns: u64,
    /// Of the time until the last known moment, the part not known to be busy or a poll.
    pub unknown_ns: u64,
    /// Its last known activity, and since when; `None` if unknown.
    pub running: Option<(Running, Timestamp)>,
}

impl UnfinishedTick {
    /// It was in a poll at the last known moment, so its busy time is complete so far and not growing.
    #[must_use]
    pub const fn is_polling(&self) -> bool {
        matches!(self.running, Some((Running::Poll { .. }, _)))
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

/// A task that has not ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RunningTask {
    /// The loop that runs it.
    pub source: SourceId,
    /// The task.
    pub task: TaskId,
    /// Its tag.
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

/// A task that was queued and has not ended, while its loop's current activity is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WaitingTask {
    /// The loop whose queue holds it.
    pub source: SourceId,
    /// The task.
    pub task: TaskId,
    /// Its tag.
    pub tag: Tag,
    /// When it was queued.
    pub queued: Timestamp,
    /// The last moment at which it is known to have been waiting: its start if it is running.
    pub as_of: Timestamp,
}

impl WaitingTask {
    /// Lower bound on its queue wait.
    #[must_use]
    pub const fn queue_wait_ns(&self) -> u64 {
        self.as_of.ns_since(self.queued)
    }
}

/// A timer that is due and has not fired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OverdueTimer {
    /// The loop on which it is armed.
    pub source: SourceId,
    /// The timer.
    pub timer: TimerId,
    /// The tag of its task.
    pub tag: Tag,
    /// When it was due.
    pub due: Timestamp,
    /// The period of an interval.
    pub period_ns: Option<u64>,
    /// The last known moment.
    pub as_of: Timestamp,
}

impl OverdueTimer {
    /// Lower bound on its lag.
    #[must_use]
    pub const fn lag_ns(&self) -> u64 {
        self.as_of.ns_since(self.due)
    }
}

impl OpenTick {
    /// Whether the stream contains the end of `running`, which began at `since`.
    fn has_ended(&self, running: Running, since: Timestamp) -> bool {
        let is_end = |span: &TickSpan| match (running, span.what) {
            (
                Running::Task { task, .. },
                SpanKind::Task { task: ended, .. } | SpanKind::Io { task: ended, .. },
            ) => task == ended,
            (Running::Poll { .. }, SpanKind::Poll { .. }) => span.end > since,
            (Running::Phase(phase), SpanKind::Phase(ended)) => phase == ended && span.end > since,
            _ => false,
        };
        let last = self
            .last_run
            .is_some_and(|(ended, _)| matches!(running, Running::Task { task, .. } if task == ended));
        last || self.spans().iter().rev().any(is_end)
    }

    /// Adds to `nodes` its last seen activity, up to the moment to which that is known.
    pub(super) fn gather_seen(&self, known: Timestamp, nodes: &mut Nodes) {
        let span = self.seen.and_then(|seen| seen.span(seen.until(known)));
        nodes.add(span.as_slice(), false);
    }

    /// The tick it is in, given a stream known up to `known`.
    fn unfinished(&self, known: Timestamp) -> Option<UnfinishedTick> {
        let seen = self.seen.filter(|seen| seen.running != Running::Outside);
        let begun = self.going_on().filter(|_| !self.is_damaged());
        // What an emitter runs between ticks, or without ever having ticked, is not a tick.
        let is_loop = self.going_on().is_some()
            || !self.ticked
                && seen
                    .is_some_and(|seen| matches!(seen.running, Running::Phase(_)) || self.last_run.is_some());
        let (tick, start) = match (begun, seen) {
            (Some((_, tick, start)), _) => (Some(tick), start),
            (None, Some(seen)) if is_loop => (self.number(), seen.since),
            _ => return None,
        };
        let as_of = seen.map_or(self.last, |seen| seen.until(known).max(self.last)).max(start);
        let mut polls = self.polls_since(start);
        if let Some(seen) = seen.filter(|seen| !seen.is_over && matches!(seen.running, Running::Task { .. }))
        {
            // A poll inside a task counts as the task's own time.
            polls.ran(seen.since);
        }
        if let Some(seen) = seen.filter(|seen| !seen.is_over && matches!(seen.running, Running::Poll { .. }))
        {
            polls.add(seen.since, as_of);
        }
        let poll_wait_ns = polls.wait_ns.min(as_of.ns_since(start));
        Some(UnfinishedTick {
            source: self.source,
            tick,
            start,
            as_of,
            busy_ns: as_of.ns_since(start) - poll_wait_ns,
            poll_wait_ns,
            unknown_ns: known.ns_since(as_of),
            running: seen.filter(|seen| !seen.is_over).map(|seen| (seen.running, seen.since)),
        })
    }
}

impl Timeline {
    /// Records that the emitter at `place` has been in `running` since `since`, and still was at `at`. This holds until
    /// the stream contradicts it.
    pub(super) fn saw_running(&mut self, place: usize, running: Running, since: Timestamp, at: Timestamp) {
        let end_may_miss = self.config.queue_waits_in_part;
        let open = &mut self.open[place];
        let is_over = open.has_ended(running, since);
        open.seen = (since <= at).then_some(Seen { running, since, as_of: at, is_over, end_may_miss });
    }

    /// The ticks that have not ended, earliest first.
    #[must_use]
    pub fn unfinished_ticks(&self) -> Vec<UnfinishedTick> {
        let Some(known) = self.last else { return Vec::new() };
        let ticks = self.open.iter().filter_map(|open| open.unfinished(known));
        let mut ticks: Vec<UnfinishedTick> = ticks.collect();
        ticks.sort_by_key(|tick| tick.start);
        ticks
    }

    /// The breakdown of the busy time of a tick that has not ended.
    #[must_use]
    pub fn blame_unfinished(&self, tick: &UnfinishedTick) -> Ledger {
        let mut nodes = Nodes::default();
        if let Some(open) = self.open.iter().find(|open| open.source == tick.source) {
            if !open.is_damaged() {
                open.gather(&mut nodes);
            }
            open.gather_seen(tick.as_of, &mut nodes);
        }
        busy(tick.start, tick.as_of, nodes, self.config.ledger_lines)
    }

    /// The breakdown of a timer's delay so far.
    #[must_use]
    pub fn blame_overdue(&self, timer: &OverdueTimer) -> Ledger {
        self.waited(Waiter::Timer, timer.source, timer.due, timer.as_of, self.config.ledger_lines)
    }

    /// The tasks that loops are running.
    #[must_use]
    pub fn running_tasks(&self) -> Vec<RunningTask> {
        let Some(known) = self.last else { return Vec::new() };
        let running = |open: &OpenTick| {
            let seen = open.seen.filter(|seen| !seen.is_over)?;
            let Running::Task { task, tag } = seen.running else { return None };
            // Workers of a pool run jobs, which are not tasks of a loop.
            let is_loop = open.ticked || open.going_on().is_some() || open.last_run.is_some();
            let task =
                RunningTask { source: open.source, task, tag, start: seen.since, as_of: seen.until(known) };
            is_loop.then_some(task)
        };
        self.open.iter().filter_map(running).collect()
    }

    /// Tasks that were queued and have not ended, longest wait first.
    #[must_use]
    pub fn waiting_tasks(&self) -> Vec<WaitingTask> {
        let Some(known) = self.last else { return Vec::new() };
        let mut waiting = Vec::new();
        for (place, open) in self.open.iter().enumerate().filter(|(_, open)| !open.has_stopped) {
            // Another task may have begun since the last record, so a wait is known only for as long as the loop's
            // current activity.
            let Some(seen) = open.seen.filter(|seen| !seen.is_over) else { continue };
            waiting.extend(self.queues.waiting(place).map(|&Waits { task, tag, queued }| {
                let is_it = matches!(seen.running, Running::Task { task: running, .. } if running == task);
                let as_of = if is_it { seen.since } else { seen.until(known) };
                WaitingTask { source: open.source, task, tag, queued, as_of }
            }));
        }
        waiting.sort_by_key(|task| (std::cmp::Reverse(task.queue_wait_ns()), task.source, task.task));
        waiting
    }

    /// Timers that were due at the last known moment and had not fired, most overdue first.
    #[must_use]
    pub fn overdue_timers(&self) -> Vec<OverdueTimer> {
        let Some(as_of) = self.last else { return Vec::new() };
        let mut overdue = Vec::new();
        for (place, open) in self.open.iter().enumerate().filter(|(_, open)| !open.has_stopped) {
            self.keep_alive.each_armed(place, |timer, tag, due, period_ns| {
                if due < as_of {
                    overdue.push(OverdueTimer { source: open.source, timer, tag, due, period_ns, as_of });
                }
            });
        }
        overdue.sort_by_key(|timer| (timer.due, timer.source, timer.timer));
        overdue.truncate(self.config.names_kept);
        overdue
    }

    /// Everything that has not ended, in a source that ended like `end`.
    #[must_use]
    pub fn unfinished(&self, end: StreamEnd) -> Unfinished {
        let (ticks, tasks, timers) = (self.unfinished_ticks(), self.running_tasks(), self.overdue_timers());
        let (waiting, timers_to_come) = (self.waiting_tasks(), 0);
        let unfinished = Unfinished { ticks, tasks, waiting, timers, timers_to_come, end };
        let timers_to_come = match end {
            StreamEnd::Known => 0,
            StreamEnd::Died | StreamEnd::Cut => self.timers_to_come(&unfinished),
        };
        Unfinished { timers_to_come, ..unfinished }
    }

    /// The number of armed timers that were not due yet, in loops that may have been busy for longer than is known.
    fn timers_to_come(&self, unfinished: &Unfinished) -> u64 {
        let Some(as_of) = self.last else { return 0 };
        let mut to_come = 0;
        for tick in unfinished.growing() {
            let Some(place) = self.open.iter().position(|open| open.source == tick.source) else { continue };
            self.keep_alive.each_armed(place, |_, _, due, _| to_come += u64::from(due >= as_of));
        }
        to_come
    }
}

/// What is known about the time after the last moment of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamEnd {
    /// Figures are as of the last moment.
    Known,
    /// The process died at some later time. Everything it recorded is present, so until then it kept doing what it was
    /// last seen doing.
    Died,
    /// The recording was cut off: anything may have followed.
    Cut,
}

/// Everything in a run that has not ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Unfinished {
    /// Ticks, earliest first.
    pub ticks: Vec<UnfinishedTick>,
    /// Tasks.
    pub tasks: Vec<RunningTask>,
    /// Queued tasks, longest wait first.
    pub waiting: Vec<WaitingTask>,
    /// Overdue timers, most overdue first.
    pub timers: Vec<OverdueTimer>,
    /// Armed timers that may have become overdue after the last known moment.
    pub timers_to_come: u64,
    /// What is known about the time after the last known moment.
    pub end: StreamEnd,
}

impl Unfinished {
    /// The ticks that already count as stalls.
    pub fn stalls(&self, limit_ns: u64) -> impl Iterator<Item = &UnfinishedTick> + '_ {
        self.ticks.iter().filter(move |tick| tick.busy_ns > limit_ns)
    }

    /// The ticks whose busy time may exceed what is known.
    pub fn growing(&self) -> impl Iterator<Item = &UnfinishedTick> + '_ {
        self.ticks.iter().filter(|tick| self.end == StreamEnd::Cut || !tick.is_polling())
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

    /// Adds all of it to what may be missing: each duration is at least what is known and has no upper bound.
    pub(super) fn add_to(&self, missing: &mut MissingSamples) {
        let of = |all: &mut dyn Iterator<Item = u64>| {
            let mut samples = Histogram::new();
            all.for_each(|ns| samples.record(ns));
            samples
        };
        let add = |missing: &mut Missing, samples: Histogram, to_come: u64| {
            *missing = std::mem::take(missing).with_unfinished(samples, to_come);
        };
        add(&mut missing.ticks, of(&mut self.growing().map(|tick| tick.busy_ns)), 0);
        add(&mut missing.tasks, of(&mut self.tasks.iter().map(RunningTask::run_ns)), 0);
        missing.running = self.tasks.iter().map(|task| (task.tag, task.run_ns())).collect();
        add(&mut missing.waits, of(&mut self.waiting.iter().map(WaitingTask::queue_wait_ns)), 0);
        missing.waiting = self.waiting.iter().map(|task| (task.tag, task.queue_wait_ns())).collect();
        let overdue = of(&mut self.timers.iter().map(OverdueTimer::lag_ns));
        add(&mut missing.lag, overdue, self.timers_to_come);
        let (mut corrected, mut to_come) =
            (Histogram::new(), self.timers_to_come.saturating_mul(u32::MAX.into()));
        for timer in &self.timers {
            // Skipped periods, counted as `Timers::fired` will.
            let skipped =
                timer.period_ns.map_or(0, |period_ns| timer.lag_ns() / period_ns.max(1)).min(u32::MAX.into());
            corrected.record_spaced(timer.lag_ns(), timer.period_ns.unwrap_or(0), skipped.max(1));
            to_come += u64::from(timer.period_ns.is_some()) * u64::from(u32::MAX);
        }
        add(&mut missing.lag_corrected, corrected, to_come);
    }
}

#[cfg(test)]
mod tests;
