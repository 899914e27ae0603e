//! Work that has not ended: running ticks and tasks, queued tasks and overdue timers, each with the duration known so
//! far.
//!
//! A record is written when something ends, so a hang shows as silence in the loop's records. What the loop is running is
//! known from its recorder's samples ([`Event::Running`]), or from a timer that fired and whose task has not ended.

#[cfg(test)]
mod tests;

use loop_probes::event::{Event, Phase};
use loop_probes::ids::{SourceId, Tag, TaskId, Timestamp};
use loop_probes::recorder::Running;
use loop_probes::stamped::Stamped;

use super::in_progress::{OverdueTimer, RunningTask, Unfinished, UnfinishedTick, WaitingTask};
use super::last_activity::{LastActivity, StreamEnd};
use super::open_tick::OpenTick;
use super::queues::QueuedTask;
use super::{Timeline, Waiter};
use crate::attribution::Breakdown;
use crate::attribution::sweep::Nodes;
use crate::span::{SpanKind, TickSpan};

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
            (Running::Phase(Phase::Microtasks), SpanKind::Microtasks { .. })
            | (Running::Phase(Phase::Deferred), SpanKind::Deferred { .. }) => span.end > since,
            _ => false,
        };
        let last = self
            .last_run
            .is_some_and(|(ended, _)| matches!(running, Running::Task { task, .. } if task == ended));
        last || self.spans().iter().rev().any(is_end)
    }

    /// When the poll ended in which it was seen, if that is over.
    fn poll_ended(&self, seen: LastActivity) -> Timestamp {
        let is_end = |span: &&TickSpan| matches!(span.what, SpanKind::Poll { .. }) && span.end > seen.since;
        let is_over = seen.is_over && matches!(seen.running, Running::Poll { .. });
        let poll = self.spans().iter().rev().find(is_end).filter(|_| is_over);
        poll.map_or(Timestamp(0), |poll| poll.end)
    }

    /// Whether its emitter runs a loop's tasks. Workers of a pool run jobs, and those of an agenda run tasklets.
    pub(super) fn is_loop(&self) -> bool {
        self.ticked || self.going_on().is_some() || self.last_run.is_some()
    }

    /// The last moment at which nothing of the tick was running.
    fn last_end(&self) -> Timestamp {
        let is_end = |span: &&TickSpan| {
            matches!(span.what, SpanKind::Task { .. } | SpanKind::Io { .. } | SpanKind::Phase(_))
        };
        self.spans().iter().rev().find(is_end).map_or(Timestamp(0), |span| span.end)
    }

    /// Adds to `nodes` its last seen activity, up to the moment to which that is known.
    pub(super) fn gather_seen(&self, known: Timestamp, nodes: &mut Nodes) {
        let span = self.seen.and_then(|seen| seen.span(self.source, seen.until(known, StreamEnd::Known)));
        nodes.add(span.as_slice(), false);
    }

    /// The moment up to which the emitter is known, in a stream known up to `known` that ended like `end`. Lost records are
    /// reported with the emitter's next record, so if a recording was cut, later events of other emitters do not show that
    /// this one recorded nothing.
    fn known_until(&self, known: Timestamp, end: StreamEnd) -> Timestamp {
        match end {
            StreamEnd::Known | StreamEnd::Died => known,
            StreamEnd::Cut => self.seen.map_or(self.last, |seen| self.last.max(seen.as_of)).min(known),
        }
    }

    /// The moment up to which what waits for the loop is known to wait: the loop's stop, if it has stopped.
    fn waits_until(&self, known: Timestamp, end: StreamEnd) -> Timestamp {
        self.stopped.unwrap_or_else(|| self.known_until(known, end))
    }

    /// Like [`waits_until`](Self::waits_until), if the loop stopped as early as it may have.
    fn surely_waits_until(&self, known: Timestamp, end: StreamEnd) -> Timestamp {
        let until = self.waits_until(known, end);
        self.may_have_stopped.map_or(until, |from| from.min(until))
    }

    /// The tick it is in, given a stream known up to `known` that ended like `end`.
    fn unfinished(&self, known: Timestamp, end: StreamEnd) -> Option<UnfinishedTick> {
        let until = self.known_until(known, end);
        let begun = self.going_on().filter(|_| !self.is_damaged());
        // Outside of tasks, phases and polls, a loop in a tick is busy without a name.
        let seen = self.seen.filter(|seen| seen.running != Running::Outside || begun.is_some());
        // Work between ticks, or by an emitter that never ticked, is not a tick.
        let is_loop = self.going_on().is_some()
            || !self.ticked
                && seen
                    .is_some_and(|seen| matches!(seen.running, Running::Phase(_)) || self.last_run.is_some());
        let (tick, start) = match (begun, seen) {
            (Some((_, tick, start)), _) => (Some(tick), start),
            // Of a tick with a loss, the number may be that of an earlier one.
            (None, Some(seen)) if is_loop => (None, seen.since.max(self.poll_ended(seen))),
            _ => return None,
        };
        let last = self.last_busy();
        let as_of = seen.map_or(last, |seen| seen.until(until, end).max(last)).max(start);
        let mut polls = self.polls_since(start);
        if let Some(seen) = seen.filter(|seen| !seen.is_over && matches!(seen.running, Running::Task { .. }))
        {
            // A poll inside a task counts as the task's own time.
            polls.running(seen.since);
        }
        if let Some(seen) = seen.filter(|seen| !seen.is_over && matches!(seen.running, Running::Poll { .. }))
        {
            polls.add(seen.since, as_of);
        }
        let poll_wait_ns = polls.wait_ns(as_of);
        Some(UnfinishedTick {
            source: self.source,
            tick,
            start,
            as_of,
            busy_ns: as_of.ns_since(start) - poll_wait_ns,
            poll_wait_ns,
            unknown_ns: known.ns_since(as_of),
            before_ns: 0,
            running: seen
                .filter(|seen| !seen.is_over && seen.running != Running::Outside)
                .map(|seen| (seen.running, seen.since)),
        })
    }
}

impl Timeline {
    /// Records that the emitter at `place` was in `running` from `since` to `at`, and still is, until the stream contradicts
    /// it.
    pub(super) fn saw_running(&mut self, place: usize, running: Running, since: Timestamp, at: Timestamp) {
        let end_may_miss = self.config.queue_waits_in_part;
        let open = &mut self.open[place];
        let is_over = open.has_ended(running, since);
        if running != Running::Outside && open.may_have_stopped.is_some_and(|from| from <= since) {
            open.may_have_stopped = None;
        }
        open.seen =
            (since <= at).then_some(LastActivity { running, since, as_of: at, is_over, end_may_miss });
    }

    /// A timer fired: its task runs from here on, and its end will be recorded.
    pub(super) fn task_of_timer_runs(&mut self, place: usize, task: TaskId, tag: Tag, at: Timestamp) {
        let (running, end_may_miss) = (Running::Task { task, tag }, self.config.queue_waits_in_part);
        self.open[place].seen =
            Some(LastActivity { running, since: at, as_of: at, is_over: false, end_may_miss });
    }

    /// Unfinished work in a stream that ended like `end`, as the events that would have recorded it, inner before outer.
    /// None for a tick with an unknown beginning or activity.
    pub(crate) fn unfinished_events(&self, end: StreamEnd) -> Vec<Stamped> {
        let known = self.last.unwrap_or_default();
        let mut events = Vec::new();
        for open in &self.open {
            let (open, end) = open.as_known(end);
            let begun = open.going_on().filter(|_| !open.is_damaged());
            let (Some((source, tick, start)), Some(unfinished)) = (begun, open.unfinished(known, end)) else {
                continue;
            };
            let work = open.seen.filter(|seen| !seen.is_over).and_then(|seen| seen.event());
            let tick = work.map(|_| Event::TickEnd { tick, tasks_run: 0, start });
            let at = unfinished.as_of;
            events.extend(work.into_iter().chain(tick).map(|event| Stamped { at, source, event }));
        }
        events.sort_by_key(|stamped| stamped.source);
        events
    }

    /// The ticks that have not ended, earliest first.
    #[must_use]
    pub fn unfinished_ticks(&self) -> Vec<UnfinishedTick> {
        self.unfinished_ticks_at(StreamEnd::Known)
    }

    /// The phase that has been running for longest outside of ticks, since when, and for how long at least, in a stream that
    /// ended like `end`. Phases of the agenda's workers are no loop's.
    pub(crate) fn phase_outside_ticks(&self, end: StreamEnd) -> Option<(Phase, Timestamp, u64)> {
        let known = self.last?;
        let outside = self.open.iter().filter(|open| !open.open && !self.agenda.is_worker(open.source));
        let phases = outside.filter_map(|open| {
            let seen = open.seen.filter(|seen| !seen.is_over)?;
            let Running::Phase(phase) = seen.running else { return None };
            Some((phase, seen.since, seen.until(known, end).ns_since(seen.since)))
        });
        phases.max_by_key(|(_, _, ns)| *ns)
    }

    pub(crate) fn unfinished_ticks_at(&self, end: StreamEnd) -> Vec<UnfinishedTick> {
        let Some(known) = self.last else { return Vec::new() };
        // An export, which only follows the stream, has no first event and does not use this.
        let first = self.first_at().unwrap_or(known);
        let ticks = self.open.iter().filter_map(|open| {
            let (open, end) = open.as_known(end);
            // A worker of the agenda that stops for a collection is in a phase, and in no tick.
            if !open.ticked && self.agenda.is_worker(open.source) {
                return None;
            }
            let tick = open.unfinished(known, end)?;
            // Events before the first tick seen are of a tick whose beginning is missing.
            let before_ns = if open.ticked { 0 } else { tick.start.ns_since(first) };
            Some(UnfinishedTick { before_ns, ..tick })
        });
        let mut ticks: Vec<UnfinishedTick> = ticks.collect();
        ticks.sort_by_key(|tick| tick.start);
        ticks
    }

    /// The breakdown of the busy time of a tick that has not ended.
    #[must_use]
    pub fn blame_unfinished(&self, tick: &UnfinishedTick) -> Breakdown {
        let mut nodes = Nodes::default();
        if let Some(place) = self.place_of_tick(tick) {
            let (open, _) = self.open[place].as_known(StreamEnd::Known);
            if !open.is_damaged() {
                open.gather(&mut nodes);
            }
            open.gather_seen(tick.as_of, &mut nodes);
        }
        let lines = self.config.breakdown_lines;
        self.suspensions.blame_busy((tick.start, tick.as_of), tick.busy_ns, nodes, lines)
    }

    /// The breakdown of a timer's delay so far.
    #[must_use]
    pub fn blame_overdue(&self, timer: &OverdueTimer) -> Breakdown {
        self.waited(Waiter::Timer, timer.source, timer.due, timer.as_of, self.config.breakdown_lines)
    }

    /// The tasks that loops are running.
    #[must_use]
    pub fn running_tasks(&self) -> Vec<RunningTask> {
        self.running_tasks_at(StreamEnd::Known, false)
    }

    /// The tasks that loops are running; if `of_sources`, their readiness callbacks.
    fn running_tasks_at(&self, end: StreamEnd, of_sources: bool) -> Vec<RunningTask> {
        let Some(known) = self.last else { return Vec::new() };
        let running = |(place, open): (usize, &OpenTick)| {
            let (open, end) = open.as_known(end);
            let seen = open.seen.filter(|seen| !seen.is_over)?;
            let Running::Task { task, tag } = seen.running else { return None };
            if self.is_of_sources(place, tag) != of_sources {
                return None;
            }
            // The event that ended the task may be missing.
            let as_of = match self.has_unplaced_loss() {
                true => seen.as_of,
                false => seen.until(open.known_until(known, end), end),
            };
            open.is_loop().then_some(RunningTask { source: open.source, task, tag, start: seen.since, as_of })
        };
        self.open.iter().enumerate().filter_map(running).collect()
    }

    /// The task that has been running for longest on an emitter that has not recorded what it is: where the reading began
    /// later, a loop or a worker. With how long it has been running at least.
    pub(crate) fn running_on_unknown(&self, end: StreamEnd) -> Option<(SourceId, Tag, u64)> {
        let known = self.last?;
        let unknown = self.open.iter().filter(|open| !open.is_loop() && !self.agenda.is_worker(open.source));
        let tasks = unknown.filter_map(|open| {
            let seen = open.seen.filter(|seen| !seen.is_over)?;
            let Running::Task { tag, .. } = seen.running else { return None };
            Some((open.source, tag, seen.until(known, end).ns_since(seen.since)))
        });
        tasks.max_by_key(|(.., ns)| *ns)
    }

    /// Whether `tag` is one of readiness callbacks, which are not tasks. The recorder's sample does not distinguish them.
    fn is_of_sources(&self, place: usize, tag: Tag) -> bool {
        let stats = self.tags.tag(tag);
        let was_task = stats.is_some_and(|stats| stats.tasks.count() > 0 || stats.queued > 0);
        let was_io = stats.is_some_and(|stats| stats.io.is_some());
        !was_task && (was_io || self.keep_alive.of(place).has_source(tag))
    }

    /// Tasks that were queued and have not ended, longest wait first.
    #[must_use]
    pub fn waiting_tasks(&self) -> Vec<WaitingTask> {
        self.waiting_tasks_at(StreamEnd::Known)
    }

    fn waiting_tasks_at(&self, end: StreamEnd) -> Vec<WaitingTask> {
        // Any of them may have run in an event that is missing.
        let Some(known) = self.last.filter(|_| !self.has_unplaced_loss()) else { return Vec::new() };
        let mut waiting = self.replaced.waiting.clone();
        (0..self.open.len()).for_each(|place| waiting.extend(self.waiting_at(place, known, end)));
        waiting.sort_by_key(|task| (std::cmp::Reverse(task.queue_wait_ns()), task.source, task.task));
        waiting
    }

    fn waiting_at(
        &self,
        place: usize,
        known: Timestamp,
        end: StreamEnd,
    ) -> impl Iterator<Item = WaitingTask> + '_ {
        let open = &self.open[place];
        // Another task may have begun since the last record, so a wait is known only up to the end of the loop's current
        // or last activity. A stopped loop began none.
        let seen = open.seen.filter(|seen| !seen.is_over);
        let last_end = open.last_end();
        self.queues.waiting(place).map(move |&QueuedTask { task, tag, queued }| {
            // A task queued after the stop waited until the loop was closed, or waits still.
            let ended =
                open.stopped.and_then(|stopped| if queued <= stopped { Some(stopped) } else { open.closed });
            // If the stop is missing, it is unknown whether the task was queued before it.
            let ended = ended.filter(|_| open.may_have_stopped.is_none());
            let as_of = match (ended, seen) {
                (Some(ended), _) => ended,
                _ if open.may_have_stopped.is_some() => open.surely_waits_until(known, end),
                _ if open.stopped.is_some() => open.known_until(known, end),
                (None, Some(LastActivity { running: Running::Task { task: running, .. }, since, .. }))
                    if running == task =>
                {
                    since
                }
                (None, Some(seen)) => seen.until(open.known_until(known, end), end),
                (None, None) => last_end,
            };
            let (source, is_final) = (open.source, ended.is_some());
            WaitingTask { source, task, tag, queued, as_of: as_of.max(queued), is_final }
        })
    }

    /// Timers that were due at the last known moment, or when their loop stopped, and had not fired, most overdue
    /// first.
    #[must_use]
    pub fn overdue_timers(&self) -> Vec<OverdueTimer> {
        self.overdue_timers_at(StreamEnd::Known)
    }

    fn overdue_timers_at(&self, end: StreamEnd) -> Vec<OverdueTimer> {
        // Any of them may have fired in an event that is missing.
        let Some(known) = self.last.filter(|_| !self.has_unplaced_loss()) else { return Vec::new() };
        let mut overdue = self.replaced.timers.clone();
        (0..self.open.len()).for_each(|place| self.overdue_at(place, known, end, &mut overdue));
        overdue.sort_by_key(|timer| (timer.due, timer.source, timer.timer));
        overdue
    }

    fn overdue_at(&self, place: usize, known: Timestamp, end: StreamEnd, overdue: &mut Vec<OverdueTimer>) {
        let open = &self.open[place];
        let as_of = open.surely_waits_until(known, end);
        let (source, is_final) = (open.source, open.stopped.is_some() && open.may_have_stopped.is_none());
        self.keep_alive.of(place).each_armed(|timer, tag, due, period_ns| {
            if due < as_of {
                overdue.push(OverdueTimer { source, timer, tag, due, period_ns, as_of, is_final });
            }
        });
    }

    /// Whether a timer may be overdue that is not tracked because there are too many.
    fn may_be_overdue_beyond_limit(&self, end: StreamEnd) -> bool {
        let known = self.last.unwrap_or_default();
        self.open.iter().enumerate().any(|(place, open)| {
            let due = self.keep_alive.of(place).due_beyond_limit();
            let as_of = match open.stopped {
                Some(stopped) => Some(stopped),
                // It may have become due after the last known moment.
                None => (end == StreamEnd::Known).then_some(known),
            };
            due.is_some_and(|due| as_of.is_none_or(|as_of| due < as_of))
        })
    }

    /// Everything that has not ended in a stream that goes on, for figures that are refreshed all the time: what ticks may
    /// be doing unseen counts only once one of them may be a stall. Others are over before anybody has read the figures.
    #[must_use]
    pub fn unfinished_so_far(&self) -> Unfinished {
        let mut unfinished = self.unfinished(StreamEnd::Known);
        if unfinished.has_only_short_ticks(self.config.stall_limit_ns) {
            (unfinished.tasks_unseen, unfinished.in_ticks_unseen) = (0, 0);
        }
        unfinished
    }

    /// Everything that has not ended, in a source that ended like `end`.
    #[must_use]
    pub fn unfinished(&self, end: StreamEnd) -> Unfinished {
        let mut unfinished = Unfinished {
            ticks: self.unfinished_ticks_at(end),
            tasks: self.running_tasks_at(end, false),
            callbacks: self.running_tasks_at(end, true),
            tasks_unseen: 0,
            in_ticks_unseen: 0,
            waiting_unseen: 0,
            signals_unseen: 0,
            waiting_lost: self.waiting_lost(),
            waiting: self.waiting_tasks_at(end),
            timers: self.overdue_timers_at(end),
            timers_to_come: 0,
            timers_before_loss: self.timers_before_loss(end),
            timers_lost: 0,
            has_timers_unseen: false,
            has_timers_beyond_limit: self.may_miss_anything()
                || self.has_unplaced_loss()
                || self.replaced.is_full
                || self.may_be_overdue_beyond_limit(end),
            intervals_to_come: 0,
            end,
        };
        unfinished.tasks_unseen = unfinished.growing().filter(|tick| tick.may_run_unseen(end)).count() as u64;
        unfinished.in_ticks_unseen =
            unfinished.growing().filter(|tick| tick.may_collect_unseen(end)).count() as u64;
        unfinished.waiting_unseen = self.posts_unseen(&unfinished);
        unfinished.signals_unseen = unfinished.waiting_unseen.max(self.signals_unseen());
        [unfinished.timers_to_come, unfinished.intervals_to_come] = self.timers_to_come(&unfinished);
        unfinished.timers_lost = self.timers_lost(&unfinished);
        unfinished.has_timers_unseen = (0..self.open.len())
            .any(|place| self.has_timers_unseen(place) && self.is_late(place, &unfinished));
        unfinished
    }

    /// The most posts and signals that may wait, without a record, for the loops in these ticks, or for loops that are
    /// paused: none, or any number. A loop that goes on takes them in time, and one that is closed records those it never
    /// took.
    fn posts_unseen(&self, unfinished: &Unfinished) -> u64 {
        let may_wait = |tick: &UnfinishedTick| {
            let goes_on = unfinished.end == StreamEnd::Known && tick.busy_ns <= self.config.late_task_ns;
            !goes_on && self.place_of_tick(tick).is_some_and(|place| self.queues.may_wait_unseen(place))
        };
        let known = self.last.unwrap_or_default();
        let is_paused = |(place, open): (usize, &OpenTick)| {
            let is_between_ticks =
                open.going_on().is_none() && open.stopped.is_none() && open.closed.is_none();
            let since = open.last_ended.filter(|_| is_between_ticks && self.queues.may_wait_unseen(place));
            since.is_some_and(|(since, _)| known.ns_since(since) > self.config.late_task_ns)
        };
        let any = unfinished.growing().any(may_wait) || self.open.iter().enumerate().any(is_paused);
        if any { u32::MAX.into() } else { 0 }
    }

    /// The most signals that may have waited, without a record, when their loop stopped: any number if it had been busy for
    /// long.
    fn signals_unseen(&self) -> u64 {
        let was_busy = |open: &OpenTick| {
            open.stopped.and(open.last_ended).is_some_and(|(_, busy_ns)| busy_ns > self.config.late_signal_ns)
        };
        if self.open.iter().any(was_busy) { u32::MAX.into() } else { 0 }
    }

    /// The place of the loop that is in this tick.
    fn place_of_tick(&self, tick: &UnfinishedTick) -> Option<usize> {
        self.open.iter().position(|open| open.source == tick.source)
    }

    /// Whether all loops have stopped; false if none was seen.
    pub(crate) fn have_stopped(&self) -> bool {
        let mut loops = self.open.iter().filter(|open| open.ticked).peekable();
        loops.peek().is_some() && loops.all(|open| open.stopped.is_some())
    }

    /// Whether the stream shows all armed timers of the emitter at `place`, if it records arming: a snapshot listed them, or
    /// it was read from its beginning.
    pub(super) fn knows_armed(&self, place: Option<usize>) -> bool {
        let is_whole = |place: usize| !self.gaps[place].begin_midway() && !self.keep_alive.of(place).has_lost;
        place.is_some_and(|place| self.keep_alive.of(place).is_listed() || is_whole(place))
    }

    /// Whether the stream shows all armed timers of the emitter at `place`.
    pub(super) fn shows_armed(&self, place: usize) -> bool {
        self.knows_armed(Some(place)) && !self.keep_alive.of(place).fires_unarmed()
    }

    /// The number of timers that may or may not have been overdue at the last known moment, or at their loop's stop, and
    /// how many of them are intervals. They may have fired in the loss, or the loop may have stopped there before they were
    /// due.
    pub(super) fn may_be_overdue(&self, place: usize, known: Timestamp, end: StreamEnd) -> [u64; 2] {
        let open = &self.open[place];
        let (sure, as_of) = (open.surely_waits_until(known, end), open.waits_until(known, end));
        let [mut all, mut intervals] = self.keep_alive.of(place).may_be_overdue(as_of);
        if sure < as_of {
            self.keep_alive.of(place).each_armed(|_, _, due, period_ns| {
                let is_unsure = sure <= due && due < as_of;
                all += u64::from(is_unsure);
                intervals += u64::from(is_unsure && period_ns.is_some());
            });
        }
        [all, intervals]
    }

    /// The sum of [`may_be_overdue`](Self::may_be_overdue) over all loops.
    fn timers_before_loss(&self, end: StreamEnd) -> [u64; 2] {
        let known = self.last.unwrap_or_default();
        let of_others = [self.replaced.timers_lost, self.replaced.intervals_lost];
        (0..self.open.len()).fold(of_others, |[all, intervals], place| {
            let [own, own_intervals] = self.may_be_overdue(place, known, end);
            [all.saturating_add(own), intervals.saturating_add(own_intervals)]
        })
    }

    /// The number of timers that may be overdue because of lost records, each of which may have fired or armed a timer.
    fn timers_lost(&self, unfinished: &Unfinished) -> u64 {
        let has_lost = (0..self.open.len()).any(|place| self.keep_alive.of(place).has_lost);
        let lost = if has_lost { self.lost_in_all() } else { 0 };
        unfinished.timers_before_loss[0].saturating_add(lost)
    }

    /// The number of tasks that may have waited until now, or until their loop stopped, or have run in lost records.
    fn waiting_lost(&self) -> u64 {
        let full = if self.replaced.is_full { u32::MAX.into() } else { self.replaced.waiting_lost };
        (0..self.open.len()).fold(full, |sum, place| sum.saturating_add(self.queues.may_wait(place)))
    }

    /// The number of timers that may be overdue without being known to be, and how many of them may be intervals. Armed
    /// timers may have become due after the last known moment. If the reading began midway, any number of timers armed
    /// before may be due while the loop is busy.
    fn timers_to_come(&self, unfinished: &Unfinished) -> [u64; 2] {
        let Some(known) = self.last else { return [0; 2] };
        if unfinished.has_timers_beyond_limit {
            return [u32::MAX.into(); 2];
        }
        let [mut to_come, mut intervals] = [0; 2];
        let running = |open: &OpenTick| open.is_loop() && open.stopped.is_none();
        for (place, open) in self.open.iter().enumerate().filter(|(_, open)| running(open)) {
            let as_of = open.waits_until(known, unfinished.end);
            let is_end_known = unfinished.end == StreamEnd::Known;
            if self.has_timers_unseen(place) && (!is_end_known || self.is_late(place, unfinished)) {
                return [u32::MAX.into(); 2];
            }
            if is_end_known {
                continue;
            }
            self.keep_alive.of(place).each_armed(|_, _, due, period_ns| {
                to_come += u64::from(due >= as_of);
                intervals += u64::from(due >= as_of && period_ns.is_some());
            });
        }
        [to_come, intervals]
    }

    /// Whether a running loop may have timers armed that the stream does not show: before the reading began, without a
    /// snapshot that lists them, or because the loop does not record that it arms timers.
    fn has_timers_unseen(&self, place: usize) -> bool {
        let open = &self.open[place];
        let has_timers = self.timers.armed > 0 || self.timers.fired > 0;
        has_timers && open.is_loop() && open.stopped.is_none() && !self.shows_armed(place)
    }

    /// Whether the loop at `place` has been busy for so long that a timer that became due in this time is late.
    fn is_late(&self, place: usize, unfinished: &Unfinished) -> bool {
        let source = self.open[place].source;
        let own = unfinished.growing().filter(|tick| tick.source == source);
        own.map(|tick| tick.busy_ns).max() > Some(self.config.late_timer_ns)
    }

    /// Another loop begins to use the ring of the closed one at `place`: keeps the timers that were due and the tasks
    /// that waited at the stop, and forgets the rest.
    #[cold]
    pub(super) fn loop_replaced(&mut self, place: usize) {
        let open = &self.open[place];
        let (source, stopped) = (open.source, open.stopped.unwrap_or(open.last));
        let mut overdue = Vec::new();
        self.overdue_at(place, stopped, StreamEnd::Known, &mut overdue);
        let waiting: Vec<WaitingTask> = self.waiting_at(place, stopped, StreamEnd::Known).collect();
        let [timers_lost, intervals_lost] = self.may_be_overdue(place, stopped, StreamEnd::Known);
        let beyond_limit = self.keep_alive.of(place).due_beyond_limit().is_some_and(|due| due < stopped);
        let waiting_lost = self.queues.may_wait(place);
        let room = self.config.names_kept;
        let replaced = &mut self.replaced;
        replaced.is_full |= beyond_limit
            || replaced.timers.len() + overdue.len() > room
            || replaced.waiting.len() + waiting.len() > room;
        overdue.truncate(room - replaced.timers.len());
        replaced.timers.append(&mut overdue);
        replaced.waiting.extend(waiting.into_iter().take(room - replaced.waiting.len()));
        replaced.timers_lost = replaced.timers_lost.saturating_add(timers_lost);
        replaced.intervals_lost = replaced.intervals_lost.saturating_add(intervals_lost);
        replaced.waiting_lost = replaced.waiting_lost.saturating_add(waiting_lost);
        self.keep_alive.forget(place);
        self.queues.forget(place);
        self.signals.loop_replaced(place);
        self.timers.forget(source);
    }
}
