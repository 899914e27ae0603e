//! Finds where the check starts, the first complete snapshot after the last loss, and restores the loop's state from
//! it.

use std::collections::HashMap;
use std::rc::Rc;

use loop_core::OnShutdown;
use loop_core::gc::GcState;
use loop_core::low_level::replay::{Flags, LoopState, QueuedState, SourceState, TimerState};
use loop_core::policy::{Policy, Step, Validation};
use loop_core::poller::Interest;
use loop_core::sim::SimSource;
use loop_probes::event::{ClockPoint, Event, LoopCall, Origin, PolicyField, Queue, RefKind, StopReason};
use loop_probes::ids::{LabelId, SourceId, TaskId, Timestamp};
use loop_probes::stamped::Stamped;
use loop_probes::text::printable;
use loop_traces::source::{EventSource, SourceState as Reading};
use loop_traces::timeline::TickNumbers;

use super::replay_session::{MOST, PolicyFields, Replay, Replayed};
use super::replayed::deferred;
use super::window::{ComparedEvent, Window};
use crate::loops::{Loops, Wanted};
use crate::since_loss::SinceLoss;
use crate::{ChosenLoop, RerunError};

/// Maximum number of emitters tracked.
const EMITTERS_MAX: usize = 1024;

/// Maximum number of loops checked that used one ring, one after the other.
const SEQUENCE_MAX: usize = 4096;

/// Which loop is checked, and from which event on.
#[derive(Clone, Debug)]
pub(super) struct StartPoint {
    pub(super) chosen: ChosenLoop,
    /// Events of all emitters before the first tick checked. A program that closes a loop and builds one of the same
    /// name uses the same ring: one entry for each of these loops.
    pub(super) starts: Vec<u64>,
    /// Further loops of this ring that cannot be checked.
    pub(super) unchecked: u64,
    /// Records of this loop lost before the first tick checked.
    pub(super) lost_records: u64,
}

#[derive(Clone, Debug, Default)]
struct Emitter {
    tick_start: Option<u64>,
    candidate: Option<u64>,
    found: SinceLoss<Found>,
    lost_records: u64,
    numbers: TickNumbers,
    has_loop_snapshot: bool,
}

/// The starts of an emitter's loops since its last loss.
#[derive(Clone, Debug, Default)]
struct Found {
    starts: Vec<u64>,
    unchecked: u64,
    /// Whether the current loop has ticks.
    ticks: bool,
    /// Whether the current loop has a start.
    has_start: bool,
    /// Records lost before.
    lost_records: u64,
}

impl Found {
    fn start(&mut self, place: u64) {
        if !self.has_start && self.starts.len() < SEQUENCE_MAX {
            self.starts.push(place);
            self.has_start = true;
        }
    }

    /// The loop was closed, or the recording is over.
    fn ends(&mut self) {
        self.unchecked += u64::from(self.ticks && !self.has_start);
        (self.ticks, self.has_start) = (false, false);
    }
}

/// Events after which the loop is selected, if nothing was lost.
const QUICK_EVENTS: u64 = 1 << 15;

/// Selects the loop and finds where its check starts. With `quickly` (nothing lost and, as far as known, one loop) the
/// beginning of the stream decides.
pub(super) fn find(
    source: &mut dyn EventSource,
    quickly: bool,
    wanted: Wanted<'_>,
) -> Result<StartPoint, RerunError> {
    let mut loops = Loops::default();
    let mut emitters: HashMap<SourceId, Emitter> = HashMap::new();
    let (mut batch, mut events, mut state) = (Vec::new(), 0_u64, Reading::More);
    while state == Reading::More {
        let has_start =
            || emitters.values().flat_map(|it| it.found.kept()).any(|found| !found.starts.is_empty());
        if quickly && events > QUICK_EVENTS && loops.len() == 1 && has_start() {
            break;
        }
        batch.clear();
        state = source.poll(&mut batch)?;
        for stamped in &batch {
            loops.see(stamped);
            let known = emitters.len();
            if known < EMITTERS_MAX || emitters.contains_key(&stamped.source) {
                emitters.entry(stamped.source).or_default().look(events, stamped);
            }
            events += 1;
        }
    }
    if loops.len() == 0 {
        return Err(loops.refuse(source, None));
    }
    let chosen = loops.choose(source.name(), wanted)?;
    let emitter = emitters.remove(&chosen.source).unwrap_or_default();
    let mut found = emitter.found.finish().unwrap_or_default();
    if found.starts.is_empty() {
        return Err(loops.refuse(source, Some(&chosen)));
    }
    found.ends();
    Ok(StartPoint {
        chosen,
        starts: found.starts,
        unchecked: found.unchecked,
        lost_records: found.lost_records,
    })
}

impl Emitter {
    fn look(&mut self, place: u64, stamped: &Stamped) {
        let event = &stamped.event;
        if let Event::Label { .. } = event {
            return;
        }
        self.found.see(stamped);
        if self.numbers.is_behind_hole(event) {
            // How many records are missing is not known.
            self.lost_records = self.lost_records.saturating_add(1);
            (*self.found.read(), self.candidate, self.tick_start) = (None, None, None);
        }
        if let Event::Lost { count, .. } = *event {
            self.lost_records = self.lost_records.saturating_add(count);
            (self.candidate, self.tick_start) = (None, None);
            return;
        }
        let lost_records = self.lost_records;
        let found = self.found.read().get_or_insert_with(|| Found { lost_records, ..Found::default() });
        match *event {
            Event::TickStart { .. } => {
                (self.tick_start, found.ticks) = (Some(place), true);
            }
            Event::TickEnd { .. } => self.tick_start = None,
            Event::LoopStopped { reason: StopReason::Closed } => found.ends(),
            Event::SnapshotBegin { .. } => {
                (self.candidate, self.has_loop_snapshot) = (self.tick_start, false)
            }
            Event::SnapshotLoop { flags, .. } => {
                self.has_loop_snapshot = true;
                if Flags::from_bits(flags).contains(Flags::SHUTTING_DOWN) {
                    self.candidate = None;
                }
            }
            Event::SnapshotEnd { left_out: 0, .. } => {
                if let Some(candidate) = self.candidate.take().filter(|_| self.has_loop_snapshot) {
                    found.start(candidate);
                }
            }
            _ => {}
        }
    }
}

/// A snapshot, as read from the recording.
pub(super) struct Snapshot {
    pub(super) policy: Policy,
    pub(super) flags: Flags,
    /// The latest clock reading.
    pub(super) now: Timestamp,
    pub(super) until: Option<Timestamp>,
    /// Finished jobs put aside.
    pub(super) finished: u32,
    /// Tasklets that keep the loop alive.
    pub(super) agenda: u32,
    /// References that the next poll releases.
    pub(super) releases: u64,
    pub(super) signals_dropped: u64,
    /// The revision of the recorded loop's rules.
    pub(super) rules: u64,
    pub(super) policy_fields: PolicyFields,
    /// Whether the tick of the snapshot read the clock: then the one before read none.
    reads: bool,
    /// Queue depths reported before the snapshot.
    head: Vec<(Queue, u32)>,
    parts: Vec<Event>,
}

/// Reads the snapshot at the beginning of the stream.
pub(super) fn read(recorded: &Window) -> Result<Snapshot, RerunError> {
    let mut values = Vec::new();
    let mut policy_fields = PolicyFields::default();
    let mut name = None;
    let (mut parts, mut head, mut reads) = (Vec::new(), Vec::new(), false);
    for ComparedEvent { raw, .. } in recorded.ahead() {
        if let Event::SnapshotPolicy { field, .. } = *raw {
            policy_fields.add(field);
        }
        match *raw {
            Event::SnapshotPolicy { field: PolicyField::Name, value } => name = value,
            Event::SnapshotPolicy { field, value } => values.push((field, value)),
            Event::QueueDepth { queue, depth } => head.push((queue, depth)),
            Event::InputClock { point: ClockPoint::Tick, .. } => reads = true,
            Event::SnapshotEnd { .. } => break,
            part => parts.push(part),
        }
    }
    let rules = values.iter().find(|(field, _)| *field == PolicyField::Rules).and_then(|(_, value)| *value);
    let mut policy = policy(name, values, recorded)?;
    // Measurements are not compared, and a broken rule of the program is not a decision.
    policy.slow_task_limit = std::time::Duration::MAX;
    policy.validation = Validation::Off;
    let mut snapshot = Snapshot {
        policy,
        flags: Flags::NONE,
        now: Timestamp(0),
        until: None,
        finished: 0,
        agenda: 0,
        releases: 0,
        signals_dropped: 0,
        rules: rules.unwrap_or(1),
        policy_fields,
        reads,
        head,
        parts: Vec::new(),
    };
    let mut is_of_a_loop = false;
    for part in &parts {
        match *part {
            Event::SnapshotLoop { due, signals_dropped, finished, flags, .. } => {
                let interval = snapshot.policy.snapshot_interval.as_nanos();
                let interval_ns = u64::try_from(interval).unwrap_or(u64::MAX);
                (is_of_a_loop, snapshot.now) = (true, Timestamp(due.0.saturating_sub(interval_ns)));
                (snapshot.signals_dropped, snapshot.finished) = (signals_dropped.into(), finished);
                snapshot.flags = Flags::from_bits(flags);
            }
            Event::InputRun { until_ns } => snapshot.until = until_ns.map(Timestamp),
            Event::InputCall { call: LoopCall::Release } => snapshot.releases += 1,
            Event::SnapshotRef { what: RefKind::Agenda, count } => snapshot.agenda = count,
            _ => {}
        }
    }
    snapshot.parts = parts;
    if is_of_a_loop { Ok(snapshot) } else { Err(damaged(recorded.name())) }
}

/// The error for a snapshot with parts that no loop records.
pub(super) fn damaged(name: &str) -> RerunError {
    RerunError::Damaged { name: printable(name), tick: 0, what: "its snapshot" }
}

impl Snapshot {
    /// The state of the loop, with the stand-ins of `replay` for its tasks; `None` if the snapshot is damaged.
    pub(super) fn state(&self, replay: &Rc<Replay>) -> Option<LoopState<Replayed>> {
        let flags = self.flags;
        let mut state = LoopState::new(self.now);
        if self.reads {
            // The tick before read no clock.
            (state.has_read, state.snapshot_due) = (false, Some(state.now));
        }
        (state.woken, state.futures) = (flags.contains(Flags::WOKEN), true);
        state.stopping = flags.contains(Flags::STOPPING);
        state.owes_drain = flags.contains(Flags::OWES_DRAIN);
        state.signals_dropped = self.signals_dropped;
        let origins: HashMap<TaskId, (Origin, u8)> = self.parts.iter().filter_map(origin).collect();
        let mut immediates: HashMap<TaskId, usize> = HashMap::new();
        for part in &self.parts {
            match *part {
                Event::ImmediateRef { task, referenced } => {
                    if let Some(immediate) =
                        immediates.get(&task).and_then(|place| state.immediates.get_mut(*place))
                    {
                        immediate.1 = referenced;
                    }
                }
                Event::SnapshotTask { task, tag, queue, .. } => {
                    let (origin, signo) = origins.get(&task).copied().unwrap_or((Origin::Local, 0));
                    let queued = QueuedState { id: task, task: replay.tagged(tag), origin, signo };
                    match queue {
                        Queue::Immediates => {
                            immediates.insert(task, state.immediates.len());
                            state.immediates.push((queued, true));
                        }
                        Queue::AfterLoop => state.after_loop.push(queued),
                        _ => state.tasks.push(queued),
                    }
                }
                _ => restore_part(replay, part, &mut state)?,
            }
        }
        // Depths that changed since they were last reported are reported again.
        state.depths.extend(self.head.iter().map(|(queue, depth)| (*queue, depth.wrapping_add(1))));
        state.depths.extend([Queue::Signals, Queue::Work].map(|queue| (queue, u32::MAX)));
        Some(state)
    }
}

fn policy(
    name: Option<u64>,
    values: Vec<(PolicyField, Option<u64>)>,
    recorded: &Window,
) -> Result<Policy, RerunError> {
    let label = LabelId(name.and_then(|name| u32::try_from(name).ok()).unwrap_or(0));
    let name = recorded.stream.labels.text(label).into_owned();
    Policy::from_values(name, values)
        .map_err(|error| RerunError::DamagedPolicy { name: printable(recorded.name()), error })
}

fn origin(part: &Event) -> Option<(TaskId, (Origin, u8))> {
    match *part {
        Event::SnapshotOrigin { task, origin, signo } => Some((task, (origin, signo))),
        _ => None,
    }
}

fn restore_part(replay: &Rc<Replay>, part: &Event, state: &mut LoopState<Replayed>) -> Option<()> {
    let on_shutdown = OnShutdown::Finish;
    match *part {
        Event::SnapshotBegin { tick, next_task, next_timer } => {
            (state.tick, state.next_task, state.next_timer) = (tick, next_task, next_timer);
        }
        Event::SnapshotLoop { polled_ns, next_source, calls, concurrent, held, .. } => {
            (state.next_source, state.calls, state.held) = (next_source, calls, held.into());
            state.polled = polled_ns.map(|ns| Timestamp(ns.get()));
            state.depths.push((Queue::Concurrent, concurrent));
        }
        Event::SnapshotGc { .. } => state.gc = GcState::of_part(part),
        Event::InputGc { reason } => state.notices.push(reason),
        Event::SnapshotTimer { timer, tag, due, period_ns, referenced } => {
            let task = replay.tagged(tag);
            state.timers.push(TimerState { timer, task, due, period_ns, referenced, on_shutdown });
        }
        Event::SnapshotQueue { queue: Queue::Microtasks, depth } => {
            (depth <= MOST).then_some(())?;
            state.microtasks.extend((0..depth).map(|_| replay.microtask()));
        }
        Event::SnapshotDeferred { key, kept } => state.deferred.push((key, kept, Box::new(deferred(replay)))),
        Event::SnapshotRef { what, count } => state.refs.push((what, i32::try_from(count).ok()? as u32)),
        Event::SnapshotIo { source, tag, interest, referenced, read, write } => {
            let interest = Interest::from_bits_truncate(interest);
            let (watched, task, called) = (SimSource::new(), replay.tagged(tag), [read, write]);
            let restored = SourceState { source, watched, task, interest, referenced, called, on_shutdown };
            state.sources.push(restored);
        }
        Event::SnapshotSignal { signo, tag } => state.handlers.push((signo, replay.tagged(tag))),
        Event::SnapshotWork { task, tag, parent } => state.work.push((task, replay.tagged(tag), parent)),
        _ => {}
    }
    Some(())
}

/// Whether finished jobs wait for a step of their own.
pub(super) fn sets_jobs_aside(policy: &Policy) -> bool {
    policy.has(Step::Work)
}
