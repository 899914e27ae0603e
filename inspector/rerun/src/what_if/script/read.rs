//! Turns the stream of events into the script: which callback did what.
//!
//! A callback is recorded at its end, after the events for its acts. So acts are collected until a callback ends, and
//! become its own. Acts between two callbacks belong to the one that ended.

use std::sync::Arc;
use std::thread;

use loop_core::gc::GcState;
use loop_probes::event::{
    Event, GcAction, LabelKind, Origin, Outcome, PolicyField, Queue, RefKind, StopReason,
};
use loop_probes::ids::{IoSource, SourceId, Tag, TimerId, Timestamp};
use loop_probes::stamped::Stamped;
use loop_traces::labels::Labels;
use loop_traces::source::{EventSource, MemorySource, read_ahead};
use loop_traces::summary::OpenTickSummary;

use super::super::cost::Costs;
use super::super::measure::{Detail, Measure};
use super::arrive::JobTimes;
use super::reading::Reading;
use super::{ArrivalKind, LeftOut, NONE, Op, RunId, Script, finish};
use crate::RerunError;
use crate::act::Role;
use crate::budget::KEPT_BYTES;
use crate::loops::{Loops, Wanted};
use crate::since_loss::SinceLoss;

/// Maximum number of loops read at once.
const LOOPS_MAX: usize = 16;

/// Maximum number of policy values read.
const POLICY_MAX: usize = 1024;

/// One loop of the recording.
struct Slot {
    source: SourceId,
    reading: SinceLoss<Box<Reading>>,
    first_at: Timestamp,
    /// The events of a tick that may turn out to be the first: a snapshot is near its start.
    tick: Vec<Stamped>,
    left: LeftOut,
}

/// Reads `source` to its end: the loop that is `wanted`. Also returns the fold of what was recorded.
pub(in crate::what_if) fn read(
    source: &mut (dyn EventSource + Send),
    wanted: Wanted<'_>,
    detail: Detail,
) -> Result<(Script, Measure), RerunError> {
    // Stands for the source while another thread has it.
    let head = MemorySource::new(source.name(), source.kind(), source.metadata().clone(), Vec::new());
    let mut blank = finish::blank(&head, detail);
    let (mut loops, mut slots): (Loops, Vec<Slot>) = Default::default();
    thread::scope(|scope| {
        let (batches, _) = read_ahead(scope, &mut *source);
        batches.into_iter().try_for_each(|batch| {
            let events = batch?.events;
            for stamped in &events {
                blank.labels.learn_event(&stamped.event);
                loops.see(stamped);
                let is_known = || slots.iter().any(|slot| slot.source == stamped.source);
                if let Event::TickStart { .. } = stamped.event
                    && slots.len() < LOOPS_MAX
                    && !is_known()
                {
                    let (source, left) = (stamped.source, LeftOut::default());
                    let (reading, tick) = (SinceLoss::default(), Vec::new());
                    slots.push(Slot { source, reading, first_at: stamped.at, tick, left });
                }
                for slot in &mut slots {
                    slot.see(stamped, &head, detail);
                }
            }
            blank.events += events.len() as u64;
            let kept = slots.iter().flat_map(|slot| slot.reading.kept());
            if kept.map(|reading| reading.bytes()).sum::<u64>() > KEPT_BYTES {
                return Err(RerunError::TooLong { name: blank.name.clone(), most: KEPT_BYTES });
            }
            Ok(())
        })
    })?;
    if loops.len() == 0 {
        return Err(loops.refuse(source, None));
    }
    let chosen = loops.choose(&blank.name, wanted)?;
    let Some(mut slot) = slots.into_iter().find(|slot| slot.source == chosen.source) else {
        let (name, wanted) = (blank.name, chosen.name);
        return Err(RerunError::TooManyLoops { name, wanted, most: LOOPS_MAX });
    };
    let Some(begun) = slot.reading.finish().filter(|begun| begun.is_begun()) else {
        return Err(loops.refuse(source, Some(&chosen)));
    };
    if !begun.started {
        return Err(RerunError::NoWholeTick { name: blank.name });
    }
    // Its re-execution has the name that it has in reports of the whole recording.
    blank.labels.learn(LabelKind::Source, chosen.source.0, &chosen.name);
    let before_ns = begun.begin.ns_since(slot.first_at);
    let open_tick = begun.open_tick(source, &blank.labels);
    let (mut script, mut before) = begun.finish(&mut slot.left);
    before.timeline.labels = Arc::new(blank.labels.clone());
    script.open_tick = open_tick;
    (script.labels, script.left, script.chosen) = (blank.labels, slot.left, Some(chosen));
    script.left.before_ns = before_ns;
    script.events = blank.events;
    Ok((script, before))
}

impl Slot {
    fn see(&mut self, stamped: &Stamped, head: &MemorySource, detail: Detail) {
        let is_own = stamped.source == self.source;
        if is_own {
            self.left.lost += u64::from(self.reading.see(stamped));
        }
        match (self.reading.read(), stamped.event) {
            (None, Event::Lost { .. }) if is_own => self.tick.clear(),
            (Some(begun), _) => begun.see(stamped, &mut self.left),
            (None, Event::TickStart { .. }) if is_own => {
                self.tick.clear();
                self.tick.push(*stamped);
            }
            (None, Event::SnapshotBegin { .. }) if is_own && !self.tick.is_empty() => {
                let mut begun = Box::new(Reading::new(self.tick[0], finish::blank(head, detail)));
                self.tick.drain(..).for_each(|earlier| begun.see(&earlier, &mut self.left));
                begun.see(stamped, &mut self.left);
                *self.reading.read() = Some(begun);
            }
            (None, _) if self.tick.len() < 64 && !self.tick.is_empty() => self.tick.push(*stamped),
            (None, _) => {}
        }
    }
}

impl Reading {
    /// Takes an event into account: the script takes those of a unit when it is complete.
    pub(super) fn see(&mut self, stamped: &Stamped, left: &mut LeftOut) {
        if self.over {
            return;
        }
        let Stamped { at, event, .. } = *stamped;
        if let Event::WorkRan { task, queued, start, worker, .. } = event {
            // The cost of a job is known even if the tick of its completion did not end.
            self.worked.insert(task, JobTimes { queued, start, end: at, worker });
        }
        if self.pending.push(stamped, self.source) {
            let mut whole = self.pending.take();
            // A closed loop does not run what it leaves.
            if let Event::LoopStopped { reason: StopReason::Closed } = event
                && !self.pending.in_tick
            {
                whole.retain(|stamped| stamped.source != self.source);
            }
            whole.iter().for_each(|stamped| self.take(stamped, left));
            self.pending.reuse(whole);
        }
    }

    /// Whether a complete snapshot was read, if only in a tick that did not end.
    pub(super) fn is_begun(&self) -> bool {
        let is_end = |stamped: &Stamped| {
            stamped.source == self.source && matches!(stamped.event, Event::SnapshotEnd { .. })
        };
        self.started || self.pending.events.iter().any(is_end)
    }

    /// The tick that did not end, as a report on the recording describes it; its times count from the beginning.
    pub(super) fn open_tick(&self, source: &dyn EventSource, labels: &Labels) -> Option<OpenTickSummary> {
        if !self.pending.in_tick {
            return None;
        }
        let mut all = self.before.clone();
        for stamped in &self.pending.events {
            if stamped.source == self.source { all.fold(stamped) } else { all.fold_other(stamped) }
        }
        all.timeline.labels = Arc::new(labels.clone());
        OpenTickSummary::of(source, &all.timeline)
    }

    /// Takes an event of a complete unit into the script.
    pub(super) fn take(&mut self, stamped: &Stamped, left: &mut LeftOut) {
        if self.over {
            return;
        }
        let Stamped { at, source, event } = *stamped;
        if source != self.source {
            left.collections += u64::from(matches!(event, Event::GcRendezvous { .. }));
            self.before.fold_other(stamped);
            self.see_agenda(at, source, event);
            return;
        }
        if let Event::ShutdownBegan { .. } = event {
            left.shutdown = true;
            self.over = true;
            return;
        }
        self.end = self.end.max(at);
        self.before.fold(stamped);
        left.pumps += u64::from(matches!(event, Event::Pumped { .. }));
        if self.in_snapshot {
            self.see_snapshot(event);
        } else {
            self.see_own(at, event);
        }
    }

    fn see_snapshot(&mut self, event: Event) {
        match event {
            Event::SnapshotTimer { timer, tag, due, period_ns, referenced } => {
                let due_ns = Some(due.as_ns());
                let arm = self.arm(timer, tag, due.ns_since(self.begin), period_ns, due_ns, referenced);
                self.script.start.timers.push(arm);
            }
            Event::SnapshotTask { task, tag, queue, .. } => {
                let run = self.expect(task, tag);
                if queue == Queue::Immediates {
                    self.immediates.insert(task);
                }
                self.script.start.tasks.push((queue, run));
            }
            Event::SnapshotDeferred { key, kept } if self.deferred.has_room() => {
                let run = self.new_run(Tag(0));
                if kept {
                    self.deferred.keep(key, run);
                } else {
                    self.deferred.post(key, run);
                }
                self.script.start.deferred.push((key, run));
            }
            Event::SnapshotRef { what: RefKind::Handle, count } => {
                self.script.start.held = self.script.start.held.saturating_add(count);
            }
            Event::SnapshotRef { what: RefKind::Future, count } => self.script.start.futures = count,
            Event::SnapshotRef { what: RefKind::Agenda, count } => self.agenda.at_the_start(count),
            Event::SnapshotGc { .. } => self.script.start.gc = GcState::of_part(&event),
            Event::SnapshotPolicy { field: PolicyField::Name, .. } => {}
            Event::SnapshotPolicy { field, value } if self.script.start.policy.len() < POLICY_MAX => {
                self.script.start.policy.push((field, value));
            }
            Event::SnapshotIo { source, tag, interest, referenced, .. } => {
                let place = self.new_source(tag, interest, referenced);
                self.script.sources[place as usize].id = Some(source);
                self.sources.insert(source, place);
                self.script.start.sources.push(place);
            }
            Event::SnapshotSignal { signo, tag } => {
                let signals = &mut self.script.start.signals;
                if signals.iter().all(|(known, _)| *known != signo) {
                    signals.push((signo, tag));
                }
            }
            Event::InputGc { reason } => self.script.start.notices.push(reason),
            Event::SnapshotEnd { left_out, .. } => {
                self.in_snapshot = false;
                if !self.started {
                    self.started = true;
                    self.script.start.left_out = left_out;
                }
            }
            _ => {}
        }
    }

    fn see_own(&mut self, at: Timestamp, event: Event) {
        if matches!(event, Event::TaskQueued { place, .. } if place.queue == Queue::Concurrent) {
            return; // A post that the loop never took.
        }
        self.overheads.see(at, &event);
        self.outside.see(at, &event, &mut self.script);
        let role = self.acts.feed(at, &event, |task| self.immediates.contains(&task));
        if let Event::TaskRan { task, .. } = event {
            self.immediates.remove(&task);
        }
        while let Some(done) = self.acts.settled() {
            self.ops(done);
        }
        match role {
            Role::Act => {}
            Role::End => self.ended(at, event),
            Role::Own | Role::Aside => self.see_loop(at, event),
        }
    }

    /// Handles the end of a callback, a checkpoint or a drain.
    fn ended(&mut self, at: Timestamp, event: Event) {
        if !matches!(event, Event::Microtasks { .. } | Event::DeferredRan { .. }) {
            self.deferred.end_drain();
        }
        match event {
            Event::TaskRan { task, tag, outcome, queued, start } => {
                let run = match self.expected.remove(&task) {
                    Some(run) => run,
                    None => {
                        // Queued before the beginning, and missing in the snapshot: counts as an arrival.
                        let run = self.new_run(tag);
                        self.arrived(queued, ArrivalKind::Post(run));
                        run
                    }
                };
                self.ran(run, Some(task), start, at, outcome);
            }
            Event::IoReady { source, tag, readiness, task, start } => {
                let run = self.new_run(tag);
                let source = self.known_source(source, tag, readiness);
                let ready_at = self.outside.ready_at(start);
                self.arrived(ready_at, ArrivalKind::Ready { source, readiness, run });
                self.ran(run, Some(task), start, at, Outcome::Done);
            }
            Event::Microtasks { ran, start, .. } => self.checkpoint(at, ran, start),
            Event::DeferredRan { ran, start, .. } => self.deferred_ran(at, ran, start),
            _ => {}
        }
        self.removed.clear();
    }

    /// Handles events of the loop itself, and arrivals from outside.
    fn see_loop(&mut self, at: Timestamp, event: Event) {
        match event {
            Event::SnapshotBegin { .. } if !self.started => self.in_snapshot = true,
            Event::TickStart { .. } => {
                (self.script.ticks, self.script.ended) = (self.script.ticks + 1, None);
                self.deferred.end_drain();
            }
            Event::Poll { .. } => self.deferred.end_drain(),
            Event::TaskQueued { task, tag, place, queued, poster, .. } => {
                let run = self.expect(task, tag);
                match (place.origin, self.jobs.get(&task)) {
                    (Origin::Signal, _) => self.outside.signal_queued(run, &mut self.script),
                    (Origin::Work, Some(job)) => self.script.jobs[*job as usize].run = run,
                    _ => self.posted(queued, poster, run),
                }
            }
            Event::TimerFired { timer, tag, task, .. } => {
                let run = self.expect(task, tag);
                self.fired(timer, tag, run);
            }
            Event::IoLabel { source, label } => match self.sources.get(&source) {
                Some(source) => self.script.sources[*source as usize].label = Some(label),
                None => self.label = Some((source, label)),
            },
            Event::Span { .. } | Event::Mark { .. } => {
                let operation = self.operation(at, &event);
                self.open.extend(operation.map(|what| (at, None, what)));
            }
            Event::AgendaAdded { .. } | Event::AgendaRan { .. } => self.see_agenda(at, self.source, event),
            Event::InputRefs { delta } => self.open.push((at, None, Op::Hold(delta))),
            Event::InputHeap { heap_bytes } => self.heap_read(heap_bytes),
            Event::GcDecision { action: GcAction::Collect, .. } => self.is_collecting = true,
            // Closing a loop ends no run.
            Event::LoopStopped { reason: StopReason::Closed } => {}
            Event::LoopStopped { reason } => self.script.ended = Some(reason),
            _ => {}
        }
    }

    fn fired(&mut self, id: TimerId, tag: Tag, run: RunId) {
        if !self.timers.contains_key(&id) {
            // Armed before the beginning, and missing in the snapshot: treated as due at once.
            let arm = self.arm(id, tag, 0, None, Some(self.begin.as_ns()), true);
            self.script.start.timers.push(arm);
        }
        let Some(timer) = self.timers.get_mut(&id) else { return };
        match timer.fired {
            NONE => self.script.arms[timer.arm as usize].first = run,
            earlier => self.script.runs[earlier as usize].set_next(run),
        }
        timer.fired = run;
    }

    fn known_source(&mut self, id: IoSource, tag: Tag, readiness: u8) -> u32 {
        let own = self.removed.iter().find(|(removed, _)| *removed == id).map(|(_, place)| place);
        let place = match own.or_else(|| self.sources.get(&id)) {
            Some(place) => *place,
            None => {
                let place = self.new_source(tag, 0, true);
                self.sources.insert(id, place);
                self.script.start.sources.push(place);
                place
            }
        };
        self.script.sources[place as usize].interest |= readiness & 3;
        place
    }

    fn finish(mut self: Box<Self>, left: &mut LeftOut) -> (Script, Measure) {
        // Emitters are merged slightly out of order: other threads' events before the end belong to the stretch.
        for stamped in self.pending.take() {
            if stamped.source != self.source && stamped.at <= self.end {
                self.take(&stamped, left);
            }
        }
        left.jobs = self.worked.keys().filter(|job| !self.jobs.contains_key(job)).count() as u64;
        let open = std::mem::take(&mut self.open);
        self.add_to_last(&open);
        let overheads = std::mem::take(&mut self.overheads);
        let outside = std::mem::take(&mut self.outside);
        let tasklets = self.finish_agenda();
        self.script.costs = Costs::new(overheads, outside.waits(), tasklets);
        finish::finish(*self)
    }
}
