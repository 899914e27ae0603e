//! Folds one event into the timeline.

mod losses;
mod runs;
mod ticks;

use std::sync::Arc;

use loop_probes::event::{ClockPoint, Event, Origin, Outcome, RefKind, StopReason};
use loop_probes::ids::NonMax;
use loop_probes::recorder::Running;
use loop_probes::stamped::Stamped;

use super::gaps::{Gaps, start_of};
use super::gc::{GcCheck, GcRun};
use super::loops::is_of_a_loop;
use super::open_tick::{OpenTick, Wait};
use super::program::{Trouble, TroubleKind};
use super::shutdown::{Shutdown, ShutdownEnd, Stopped};
use super::suspensions::Suspension;
use super::tags::failed;
use super::timers::LateTimer;
use super::worst_runs::WorstRun;
use super::{LateSignal, Timeline, Waiter};
use crate::span::TickSpan;
use runs::TaskRun;

/// Whether an event may be the first one of a loop, and is never recorded by a closed loop.
const fn begins_loop(event: &Event) -> bool {
    matches!(
        event,
        Event::InputRun { .. }
            | Event::TickStart { .. }
            | Event::TimerArmed { .. }
            | Event::TaskQueued { .. }
            | Event::IoRegistered { .. }
            | Event::SnapshotBegin { .. }
    )
}

impl Timeline {
    /// Folds `events`, in the order of the stream.
    pub fn extend<'a>(&mut self, events: impl IntoIterator<Item = &'a Stamped>) {
        for stamped in events {
            self.fold(stamped);
        }
    }

    /// Folds one event.
    #[inline]
    pub fn fold(&mut self, stamped: &Stamped) {
        if self.loops.concerns(stamped) {
            self.fold_by_loop(stamped);
        }
        self.fold_alone(stamped);
    }

    pub(super) fn fold_alone(&mut self, stamped: &Stamped) {
        let Stamped { at, source, event } = *stamped;
        self.events += 1;
        if let Event::Label { .. } = event {
            // A name is recorded when first needed, with any timestamp at hand.
            Arc::make_mut(&mut self.labels).learn_event(&event);
            return;
        }
        if let Event::Pressure { waited_ns, stolen_ns, delayed_ns, start } = event {
            // Concerns the whole process, not what a loop did.
            self.pressure_from = Some(self.pressure_from.map_or(at, |from| from.min(at)));
            self.pressure.add(start, at, [waited_ns, stolen_ns, delayed_ns].map(|ns| ns.map(NonMax::get)));
            return;
        }
        if let Event::Crashed {} = event {
            self.has_crashed = true;
            self.last = self.last.map(|last| last.max(at));
            return;
        }
        self.last = Some(self.last.map_or(at, |last| last.max(at)));
        // The first event is usually the earliest, but times may go back a little across emitters.
        let first = self.first.map_or_else(|| start_of(stamped), |first| first.min(at));
        self.first = Some(first);
        self.rates.began(first);

        let place = self.place_of(stamped);
        if let Some(place) = place.filter(|place| self.open[*place].closed.is_some() && begins_loop(&event)) {
            // A ring is used again by the next loop of the same name.
            self.loop_replaced(place);
            let open = &mut self.open[place];
            (open.closed, open.stopped, open.may_have_stopped) = (None, None, None);
        }
        if let (Some(place), Some(span)) = (place, TickSpan::of(stamped)) {
            let open = &mut self.open[place];
            open.ended(&span);
            if open.open {
                open.add(span, &self.config);
            }
        }

        self.loops_left_out |= place.is_none() && is_of_a_loop(&event);
        if let Event::Lost { count, from } = event {
            let from = self.gap_from(place, from, at);
            self.queues.see(at, place, &Event::Lost { count, from });
        } else {
            self.queues.see(at, place, &event);
        }
        if let Some(place) = place {
            match event {
                Event::InputClock { point: ClockPoint::AfterPoll, .. } => self.open[place].poll_over(),
                Event::Poll { .. } => self.open[place].poll_since = None,
                _ => {}
            }
            self.recorded(place, stamped);
            self.keep_alive.see(at, place, &stamped.event);
            self.count_timers(at, place, &event);
        }
        match event {
            Event::TickStart { tick } => self.tick_started(place, tick, stamped),
            Event::TickEnd { tick, tasks_run, start } => {
                self.tick_ended(place, tick, tasks_run, start, stamped)
            }
            Event::TaskQueued { tag, place: placement, .. } => {
                self.futures.woken += u64::from(placement.origin == Origin::Future);
                self.tags.entry(tag).queued += 1;
                if let Some(place) = place {
                    let open = &mut self.open[place];
                    open.tasks_queued = open.tasks_queued.saturating_add(1);
                    self.keep_alive.task_queued(place, placement.queue, placement.depth);
                }
            }
            Event::TaskRan { task, outcome: Outcome::Cancelled, .. } => {
                self.task_cancelled(place, task, stamped);
            }
            Event::TaskRan { task, tag, outcome, queued, start } => {
                let run = TaskRun { task, tag, outcome, queued, start };
                self.task_ran(place, run, stamped);
            }
            Event::Microtasks { trigger, ran, left, start } => {
                self.microtasks.add(ran, left, at.ns_since(start));
                let last = place.and_then(|place| self.open[place].last_run);
                if let Some((_, tag)) = last.filter(|(task, _)| Some(*task) == trigger) {
                    let tag = self.tags.entry(tag);
                    tag.microtasks_ns = tag.microtasks_ns.saturating_add(at.ns_since(start));
                }
            }
            Event::DeferredPosted { existed, .. } => {
                self.deferred.posted += 1;
                self.deferred.existed += u64::from(existed);
            }
            Event::DeferredRan { ran, kept, start } => self.deferred.add(ran, kept, at.ns_since(start)),
            Event::Immediates { ran, moved_to_next, start } => {
                self.immediates.add(ran, moved_to_next, at.ns_since(start));
            }
            Event::TimerArmed { timer, period_ns, .. } => {
                self.timers.armed(source, timer, period_ns, self.knows_armed(place));
            }
            Event::SnapshotTimer { timer, period_ns, .. } => self.timers.listed(source, timer, period_ns),
            Event::TimerFired { tag, task, fired: found, .. } => {
                let tick = self.tick_of(place);
                let Some(mut fired) = LateTimer::of(stamped, tick) else { return };
                let are_known = self.knows_armed(place);
                self.history.fired(fired.fired, fired.lag_ns());
                let late = self.timers.fired(&mut fired, found, self.config.late_timer_ns, are_known);
                if late {
                    self.timer_was_late(fired);
                    let wait = Wait { kind: Waiter::Timer, from: fired.due, to: fired.fired };
                    self.kept_waiting(place, wait);
                }
                if let Some(place) = place {
                    let open = &mut self.open[place];
                    open.timers_fired += 1;
                    open.timers_late += u32::from(late);
                    self.task_of_timer_runs(place, task, tag, at);
                }
            }
            Event::TimerCleared { timer } => self.timers.cleared(source, timer),
            Event::SignalArrived { signo, depth, .. } => {
                self.signals.signal(signo).arrived += 1;
                self.signals.depth_max = self.signals.depth_max.max(depth);
            }
            Event::SignalDelivered { signo, task, arrived } => {
                if let Some(place) = place {
                    self.open[place].signal_task = Some(task);
                }
                let signal = self.signals.signal(signo);
                signal.delivered += 1;
                signal.latency_ns.record(at.ns_since(arrived));
                if at.ns_since(arrived) > self.config.late_signal_ns {
                    let tick = self.tick_of(place);
                    self.signal_was_late(LateSignal { source, signo, task, arrived, delivered: at, tick });
                    self.kept_waiting(place, Wait { kind: Waiter::Signal, from: arrived, to: at });
                }
            }
            Event::SignalDropped { total } => {
                self.signals.dropped_so_far(place.unwrap_or(usize::MAX), total);
            }
            Event::SnapshotLoop { signals_dropped, .. } => {
                self.signals.dropped_so_far(place.unwrap_or(usize::MAX), signals_dropped.into());
            }
            Event::GcDecision { action, reason, heap_bytes, threshold_bytes } => {
                self.gc.looked(GcCheck { at, action, reason, heap_bytes, threshold_bytes });
            }
            Event::GcRan { heap_bytes_before, heap_bytes_after, start } => {
                self.gc.ran(GcRun { at, run_ns: at.ns_since(start), heap_bytes_before, heap_bytes_after });
            }
            Event::GcMode { mode, unchanged_ticks } => {
                self.gc.mode = Some(mode);
                self.gc.unchanged_ticks = unchanged_ticks;
            }
            Event::WorkQueued { task, .. } => self.work.scheduled(task, self.config.queued_followed),
            Event::WorkRan { task, tag, worker, outcome, queued, start } => {
                let waited_ns = start.ns_since(queued);
                let run = WorstRun { task, at, run_ns: at.ns_since(start), queue_wait_ns: Some(waited_ns) };
                self.work.ran(worker, &run, failed(outcome));
                self.worked(tag, |tag| &mut tag.work, run, outcome);
            }
            Event::WorkSettled { task, .. } => self.work.settled(task),
            Event::AgendaAdded { depth, .. } => {
                self.agenda.see(stamped);
                self.agenda_changed(at, depth);
            }
            Event::AgendaRan { task, tag, outcome, queued, start, .. } => {
                self.agenda.see(stamped);
                self.agenda_changed(at, 0);
                let queue_wait_ns = Some(start.ns_since(queued));
                let run = WorstRun { task, at, run_ns: at.ns_since(start), queue_wait_ns };
                // Cancelled work never ran.
                if outcome != Outcome::Cancelled {
                    self.worked(tag, |tag| &mut tag.tasklets, run, outcome);
                }
            }
            Event::WorkerState { .. } => {
                self.agenda.see(stamped);
                self.agenda_changed(at, 0);
            }
            Event::GcRendezvous { .. } => self.agenda.see(stamped),
            Event::Wake { coalesced, .. } => {
                self.wakes.count += 1;
                self.wakes.coalesced += u64::from(coalesced);
            }
            Event::Command { byte, known } => self.commands.command_received(at, byte, known),
            Event::Pumped { handled, ready, start, .. } => {
                self.pumps.add(at, handled, ready, at.ns_since(start));
            }
            Event::RefChanged { what: RefKind::Future, delta, .. } => self.futures.referenced(delta),
            Event::ShutdownBegan { deadline } => {
                self.shutdown = Some(Shutdown { began: at, deadline: Some(deadline), ended: None });
            }
            Event::ShutdownEnded { finished, cancelled, left, start } => {
                let run_ns = at.ns_since(start);
                let ended = Some(ShutdownEnd { at, run_ns, finished, cancelled, left });
                let going_on = self.shutdown.filter(|shutdown| shutdown.ended.is_none());
                let deadline = going_on.and_then(|shutdown| shutdown.deadline);
                self.shutdown = Some(Shutdown { began: start, deadline, ended });
            }
            Event::IoLabel { .. } => Arc::make_mut(&mut self.labels).learn_event(&event),
            Event::LoopStopped { reason } => {
                // Closing a loop that had stopped does not change when and why it stopped.
                let is_closed = reason == StopReason::Closed;
                if !is_closed || self.stopped.is_none() {
                    self.stopped = Some(Stopped { at, reason });
                }
                if let Some(open) = place.map(|place| &mut self.open[place]) {
                    if is_closed {
                        open.closed.get_or_insert(at);
                    }
                    if !is_closed {
                        open.may_have_stopped = None;
                    }
                    if !is_closed || open.stopped.is_none() {
                        (open.stopped, open.seen) = (Some(at), None);
                    }
                }
            }
            Event::IoReady { tag, task, start, .. } => {
                let run = WorstRun { task, at, run_ns: at.ns_since(start), queue_wait_ns: None };
                if let Some(place) = place {
                    self.open[place].last_run = Some((task, tag));
                }
                let keep = self.config.worst_runs_kept;
                self.tags.entry(tag).io.get_or_insert_with(Box::default).add(run, false, keep);
            }
            Event::Exception { task, message } => {
                self.troubles.exceptions += 1;
                self.trouble(stamped, TroubleKind::Exception { task, message });
            }
            Event::Violation { rule } => {
                self.troubles.violations += 1;
                self.trouble(stamped, TroubleKind::Violation { rule });
            }
            Event::SlowTask { task, tag, limit_ns, start } => {
                self.troubles.slow_tasks += 1;
                let run_ns = at.ns_since(start);
                self.trouble(stamped, TroubleKind::SlowTask { task, tag, run_ns, limit_ns });
            }
            Event::Span { label, start } => {
                if let Some(label) = self.spans.entry(label, self.config.labels_max) {
                    label.run_ns.get_or_insert_with(Box::default).record(at.ns_since(start));
                }
            }
            Event::Mark { label } => {
                if let Some(label) = self.spans.entry(label, self.config.labels_max) {
                    label.marks += 1;
                }
            }
            Event::Lost { count, from } => {
                self.agenda.see(stamped);
                if self.agenda.is_seen() {
                    self.agenda_changed(at, 0);
                }
                self.records_lost(place, from, at, count);
            }
            Event::SnapshotEnd { .. } => {
                self.snapshots += 1;
                if place.is_some_and(|place| self.keep_alive.of(place).is_listed()) {
                    self.timers.all_listed(source);
                }
            }
            Event::Suspended { asleep_ns, alive, start } => {
                self.suspended(Suspension { alive, start, end: at, asleep_ns });
            }
            Event::SnapshotGc { mode, unchanged_ticks, .. } => {
                self.gc.mode = Some(mode);
                self.gc.unchanged_ticks = unchanged_ticks;
            }
            Event::Running { .. } => {
                if let (Some(place), Some((running, since))) = (place, Running::of_event(&event)) {
                    self.saw_running(place, running, since, at);
                    // What a loop runs is not a tasklet.
                    if !self.open[place].is_loop() && !self.config.queue_waits_in_part {
                        self.agenda.saw_running(source, running, since, at);
                        if self.agenda.is_seen() {
                            self.agenda_changed(at, 0);
                        }
                    }
                }
            }
            // Part of the open tick, handled above, or inputs that only re-execution needs.
            Event::Poll { start, .. } => self.polled(place, start, at),
            Event::Phase { .. } | _ => {}
        }
    }

    /// Like [`fold`](Self::fold), but only for stalls, breakdowns and unfinished ticks: folds ticks, their spans,
    /// suspensions and losses.
    pub(crate) fn follow(&mut self, stamped: &Stamped) {
        if let Event::Label { .. } | Event::Pressure { .. } | Event::Crashed {} = stamped.event {
            return;
        }
        self.last = Some(self.last.map_or(stamped.at, |last| last.max(stamped.at)));
        let place = self.place_of(stamped);
        if let Some(place) = place {
            let open = &mut self.open[place];
            if let Some(span) = TickSpan::of(stamped) {
                open.ended(&span);
                if open.open {
                    open.add(span, &self.config);
                }
            }
            match stamped.event {
                Event::TaskRan { task, tag, .. } | Event::IoReady { task, tag, .. }
                    if !stamped.never_ran() =>
                {
                    open.last_run = Some((task, tag));
                }
                Event::LoopStopped { .. } => open.seen = None,
                Event::InputClock { point: ClockPoint::AfterPoll, .. } => open.poll_over(),
                Event::Poll { .. } => open.poll_since = None,
                _ => {}
            }
            self.recorded(place, stamped);
            match stamped.event {
                Event::TimerFired { task, tag, .. } => self.task_of_timer_runs(place, task, tag, stamped.at),
                Event::Running { .. } => {
                    if let Some((running, since)) = Running::of_event(&stamped.event) {
                        self.saw_running(place, running, since, stamped.at);
                    }
                }
                _ => {}
            }
        }
        match stamped.event {
            Event::TickStart { tick } => self.tick_started(place, tick, stamped),
            Event::TickEnd { tick, tasks_run, start } => {
                self.tick_ended(place, tick, tasks_run, start, stamped)
            }
            Event::Lost { count, from } => self.records_lost(place, from, stamped.at, count),
            Event::Suspended { asleep_ns, alive, start } => {
                self.suspended(Suspension { alive, start, end: stamped.at, asleep_ns });
            }
            _ => {}
        }
    }

    /// The index of an emitter's open tick; `None` for emitters beyond the limit.
    #[inline]
    fn place_of(&mut self, stamped: &Stamped) -> Option<usize> {
        let source = stamped.source;
        // Events come in runs of one emitter.
        if self.open.get(self.last_open).is_some_and(|open| open.source == source) {
            return Some(self.last_open);
        }
        let found = self.open.iter().position(|open| open.source == source);
        let place = match found {
            Some(place) => place,
            None if self.open.len() < self.config.sources_max => {
                self.open.push(OpenTick::new(source));
                self.gaps.push(Gaps::new(start_of(stamped), self.config.entries_kept));
                self.loss_bounds.add_emitter();
                self.keep_alive.add_emitter();
                self.open.len() - 1
            }
            None => return None,
        };
        self.last_open = place;
        Some(place)
    }

    fn trouble(&mut self, stamped: &Stamped, what: TroubleKind) {
        self.troubles.recent.push(Trouble { at: stamped.at, what });
    }
}

#[cfg(test)]
mod tests;
