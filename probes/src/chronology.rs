//! Rejects events with impossible times. An event whose times contradict each other is damaged, and figures derived
//! from it would look certain and be wrong: a task that starts after it ends would have run for 0.
//!
//! Every reader asks a [`Chronology`], so that a ring and the recording of it yield the same events. It rejects times
//! of one event in an impossible order; an activity of a loop that began before the tick that contains its end; an
//! activity that began before the session; a loss of zero records, which would close everything open for no reason;
//! and an activity of a thread without a thread.

use std::collections::HashMap;

use crate::event::{Event, RunningKind};
use crate::ids::{SourceId, Timestamp};
use crate::stamped::Stamped;

/// How far two times of one clock may be in the wrong order: the clocks of two processors differ slightly, and a loop
/// that keeps due times in milliseconds fires up to one early.
const SLACK_NS: u64 = 2_000_000;

/// How far two times of different clocks may be in the wrong order, beyond the known error of the clocks. Records may
/// lie in the future by the same amount.
const CLOCKS_SLACK_NS: u64 = 1_000_000_000;

/// Maximum number of emitters that are followed.
const EMITTERS_MAX: usize = 1024;

/// The rule for the times of an event, relative to the record's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rule {
    /// The event has no times, or only due times and deadlines, which may be in the past or in the future, or readings
    /// of a clock that may be another one. Or the event marks a gap, and is always believed.
    Any,
    /// `first`, then `start`, then the record's time.
    Extent { first: Timestamp, start: Timestamp },
    /// Like `Extent`, for a loop: within the session, and from `start` on within one tick if a tick is open.
    OfLoop { first: Timestamp, start: Timestamp },
    /// A timer: due, then found due, then the record's time. Each skipped period lasted at least 1 ns.
    Fired { due: Timestamp, fired: Timestamp, skipped: u32 },
    /// An activity in progress: within the session, and within its tick if it is in one. It may have begun after the
    /// recorder read its clock.
    Running { since: Timestamp, is_in_tick: bool },
}

/// The rule of each kind of event. The `match` is exhaustive, so that a new kind has to choose one.
const fn rule_of(event: &Event) -> Rule {
    match *event {
        Event::TickEnd { start, .. }
        | Event::Phase { start, .. }
        | Event::Poll { start, .. }
        | Event::Microtasks { start, .. }
        | Event::DeferredRan { start, .. }
        | Event::Immediates { start, .. }
        | Event::GcRan { start, .. }
        | Event::IoReady { start, .. }
        | Event::SlowTask { start, .. }
        | Event::Pumped { start, .. } => Rule::OfLoop { first: start, start },
        Event::TaskRan { queued, start, .. } => Rule::OfLoop { first: queued, start },
        Event::WorkRan { queued, start, .. } | Event::AgendaRan { queued, start, .. } => {
            Rule::Extent { first: queued, start }
        }
        Event::TaskQueued { queued: start, .. }
        | Event::SnapshotTask { queued: start, .. }
        | Event::SignalArrived { arrived: start, .. }
        | Event::SignalDelivered { arrived: start, .. }
        | Event::GcRendezvous { start, .. }
        // A span may have begun in an earlier tick, and so may a shutdown.
        | Event::Span { start, .. }
        | Event::ShutdownEnded { start, .. }
        | Event::CallbackRan { start, .. }
        | Event::Pressure { start, .. } => Rule::Extent { first: start, start },
        Event::Suspended { alive, start, .. } => Rule::Extent { first: alive, start },
        Event::Running { since, deadline: _, what, .. } => {
            Rule::Running { since, is_in_tick: !matches!(what, RunningKind::Outside) }
        }
        Event::TimerFired { due, fired, skipped, .. } => Rule::Fired { due, fired, skipped },
        // An interval whose period was changed, or a loop that is late, arms timers that are due already.
        Event::TimerArmed { due: _, .. }
        | Event::SnapshotTimer { due: _, .. }
        | Event::SnapshotLoop { due: _, .. }
        | Event::SnapshotGc { periodic_due_ns: _, one_shot_due_ns: _, sample_due_ns: _, .. }
        | Event::InputRun { until_ns: _ }
        | Event::ShutdownBegan { deadline: _ }
        // The times of a ring may go back between two records.
        | Event::Lost { from: _, .. }
        // The clocks are compared as a whole.
        | Event::Calibration { monotonic: _, .. }
        // The loop's own clock, which a test or a simulation sets.
        | Event::InputClock { now: _, .. } => Rule::Any,
        Event::TickStart { tick: _ }
        | Event::DeferredPosted { key: _, existed: _ }
        | Event::TimerCleared { timer: _ }
        | Event::QueueDepth { queue: _, depth: _ }
        | Event::SignalDropped { total: _ }
        | Event::GcDecision { action: _, reason: _, heap_bytes: _, threshold_bytes: _ }
        | Event::GcMode { mode: _, unchanged_ticks: _ }
        | Event::WorkQueued { task: _, tag: _, depth: _, parent: _ }
        | Event::WorkSettled { task: _, tag: _ }
        | Event::AgendaAdded { task: _, tag: _, priority: _, depth: _ }
        | Event::WorkerState { worker: _, from: _, to: _ }
        | Event::Wake { from: _, coalesced: _ }
        | Event::Command { byte: _, known: _ }
        | Event::RefChanged { what: _, delta: _, alive: _ }
        | Event::LoopStopped { reason: _ }
        | Event::IoRegistered { source: _, tag: _ }
        | Event::IoRemoved { source: _ }
        | Event::Exception { task: _, message: _ }
        | Event::Violation { rule: _ }
        | Event::Mark { label: _ }
        | Event::Label { kind: _, id: _, text: _ }
        | Event::InputBatch { queue: _, taken: _ }
        | Event::InputHeap { heap_bytes: _ }
        | Event::InputReturned { task: _, value: _ }
        | Event::SnapshotBegin { tick: _, next_task: _, next_timer: _ }
        | Event::SnapshotQueue { queue: _, depth: _ }
        | Event::SnapshotRef { what: _, count: _ }
        | Event::SnapshotEnd { parts: _, left_out: _ }
        | Event::TimerRef { timer: _, referenced: _ }
        | Event::ImmediateRef { task: _, referenced: _ }
        | Event::InputGc { reason: _ }
        | Event::DeferredRemoved { key: _ }
        | Event::SnapshotDeferred { key: _, kept: _ }
        | Event::IoLabel { source: _, label: _ }
        | Event::IoModified { source: _, interest: _ }
        | Event::SnapshotPending { what: _, tag: _, label: _, count: _ }
        | Event::SnapshotPolicy { field: _, value: _ }
        | Event::SnapshotIo { source: _, tag: _, interest: _, referenced: _, read: _, write: _ }
        | Event::SnapshotSignal { signo: _, tag: _ }
        | Event::SnapshotWork { task: _, tag: _, parent: _ }
        | Event::SignalHandler { signo: _, tag: _, installed: _ }
        | Event::IoRef { source: _, referenced: _ }
        | Event::InputReady { source: _, readiness: _ }
        | Event::InputNews { ends: _ }
        | Event::InputStop { outside: _ }
        | Event::InputShutdown { outside: _, within_ns: _ }
        | Event::SnapshotOrigin { task: _, origin: _, signo: _ }
        | Event::InputRefs { delta: _ }
        | Event::InputCall { call: _ }
        | Event::Crashed {} => Rule::Any,
    }
}

/// A tick in progress.
#[derive(Clone, Copy, Debug)]
struct OpenTick {
    number: u64,
    began: Timestamp,
}

/// An emitter so far.
#[derive(Clone, Copy, Debug, Default)]
struct Emitter {
    tick: Option<OpenTick>,
    /// The latest time of an event, since its last step back.
    latest: Timestamp,
}

/// Checks the events of one stream, in its order. See the [module](self).
///
/// ```
/// use loop_probes::chronology::Chronology;
/// use loop_probes::event::Event;
/// use loop_probes::ids::{LabelId, SourceId, Timestamp};
/// use loop_probes::stamped::Stamped;
///
/// let mut chronology = Chronology::new(Timestamp(0));
/// let mut allows = |start| {
///     let event = Event::Span { label: LabelId(1), start: Timestamp(start) };
///     chronology.allows(&Stamped { at: Timestamp(50_000_000), source: SourceId(1), event }, 0)
/// };
/// assert!(allows(50_000_000) && !allows(60_000_000));
/// ```
#[derive(Clone, Debug)]
pub struct Chronology {
    /// When the session started.
    started: Timestamp,
    places: HashMap<SourceId, usize>,
    emitters: Vec<Emitter>,
    /// The last emitter looked up, which is usually the next one, too, and its place in `emitters`.
    newest: Option<(SourceId, usize)>,
    /// Start and end of the last loss of records.
    shared_loss: Option<(Timestamp, Timestamp)>,
    steps_back: u64,
    back_ns_max: u64,
}

impl Chronology {
    /// A checker of the stream of a session that started at `started`.
    #[must_use]
    pub fn new(started: Timestamp) -> Self {
        Self {
            started,
            places: HashMap::new(),
            emitters: Vec::new(),
            newest: None,
            shared_loss: None,
            steps_back: 0,
            back_ns_max: 0,
        }
    }

    /// How often an event for which an emitter read its clock was earlier than a previous event of that emitter, by more
    /// than the clocks are wrong, or one of two events was before the session and the other within it. One of the two
    /// times is wrong, and nothing tells which, so both events are allowed.
    #[must_use]
    pub const fn steps_back(&self) -> u64 {
        self.steps_back
    }

    /// The largest such step, in nanoseconds: times may be wrong by as much.
    #[must_use]
    pub const fn back_ns_max(&self) -> u64 {
        self.back_ns_max
    }

    /// Whether the times of the next event of the stream can be true. The clocks are wrong by up to `clock_error_ns`.
    #[inline]
    pub fn allows(&mut self, stamped: &Stamped, clock_error_ns: u64) -> bool {
        let Stamped { at, source, ref event } = *stamped;
        if self.is_impossible(stamped) {
            return false;
        }
        let emitter = self.emitter(source);
        let tick = emitter.and_then(|place| self.emitters[place].tick);
        let clocks = CLOCKS_SLACK_NS.saturating_add(clock_error_ns);
        let is_allowed = match rule_of(event) {
            Rule::Any => true,
            Rule::Extent { first, start } => follow(first, start, SLACK_NS) && follow(start, at, SLACK_NS),
            Rule::OfLoop { first, start } => {
                follow(first, start, SLACK_NS)
                    && follow(start, at, SLACK_NS)
                    && self.is_in_session(first, at, clock_error_ns)
                    && tick.is_none_or(|tick| {
                        follow(tick.began, start, SLACK_NS) && tick.is_as_old(event, clock_error_ns)
                    })
            }
            Rule::Running { since, is_in_tick } => {
                let tick = tick.filter(|_| is_in_tick);
                self.is_in_session(since, at, clock_error_ns)
                    && tick.is_none_or(|tick| follow(tick.began, since, SLACK_NS))
            }
            Rule::Fired { due, fired, skipped } => {
                let has_room = u64::from(skipped) <= fired.ns_since(due).saturating_add(SLACK_NS);
                follow(due, fired, SLACK_NS) && follow(fired, at, clocks) && has_room
            }
        };
        if let Some(place) = emitter {
            match *event {
                Event::TickStart { tick } => {
                    self.emitters[place].tick = Some(OpenTick { number: tick, began: at });
                }
                Event::TickEnd { .. } => self.emitters[place].tick = None,
                _ => {}
            }
            if is_allowed {
                self.follow_clock(place, at, event, clock_error_ns);
            }
        }
        is_allowed
    }

    /// Takes in the time of the next event of the emitter at `place`.
    fn follow_clock(&mut self, place: usize, at: Timestamp, event: &Event, clock_error_ns: u64) {
        let latest = &mut self.emitters[place].latest;
        let is_reading = match timing_of(event) {
            Timing::Reading => true,
            Timing::Earlier => false,
            Timing::OfReader => return,
        };
        // On both sides of the session's start: only a stream in virtual time is before it, and then as a whole.
        let (before, within) = (at.min(*latest), at.max(*latest));
        let enters = before > Timestamp(0) && before < self.started && self.started <= within;
        let back_ns = if is_reading && !follow(*latest, at, SLACK_NS.saturating_add(clock_error_ns)) {
            latest.ns_since(at)
        } else if enters && !follow(self.started, before, CLOCKS_SLACK_NS.saturating_add(clock_error_ns)) {
            self.started.ns_since(before)
        } else {
            *latest = within;
            return;
        };
        self.steps_back += 1;
        self.back_ns_max = self.back_ns_max.max(back_ns);
        *latest = if is_reading { at } else { within };
    }

    /// Whether an activity recorded at `at` can have begun at `first`: within the session, unless the stream is in
    /// virtual time, before the session as a whole. The clocks are wrong by up to `clock_error_ns`.
    pub(crate) fn is_in_session(&self, first: Timestamp, at: Timestamp, clock_error_ns: u64) -> bool {
        at < self.started || follow(self.started, first, CLOCKS_SLACK_NS.saturating_add(clock_error_ns))
    }

    /// Whether no writer records this: a loss of zero records, unless the same gap of several emitters is counted
    /// with the first of them; or an event of the whole process that only a thread can record.
    fn is_impossible(&mut self, stamped: &Stamped) -> bool {
        match stamped.event {
            Event::Lost { count: 0, from } => self.shared_loss != Some((from, stamped.at)),
            Event::Lost { from, .. } => {
                self.shared_loss = Some((from, stamped.at));
                false
            }
            Event::Label { .. } | Event::Pressure { .. } | Event::Crashed {} => false,
            _ => stamped.source.0 == 0,
        }
    }

    /// The place of an emitter; `None` if there are too many.
    fn emitter(&mut self, source: SourceId) -> Option<usize> {
        if let Some((_, place)) = self.newest.filter(|(newest, _)| *newest == source) {
            return Some(place);
        }
        let next = self.emitters.len();
        let place = match self.places.get(&source) {
            Some(place) => *place,
            None if next < EMITTERS_MAX => {
                self.places.insert(source, next);
                self.emitters.push(Emitter::default());
                next
            }
            None => return None,
        };
        self.newest = Some((source, place));
        Some(place)
    }
}

impl OpenTick {
    /// Whether the start in this tick's end is the recorded one. True for other events.
    const fn is_as_old(&self, event: &Event, clock_error_ns: u64) -> bool {
        match *event {
            // It is the same reading of the clock.
            Event::TickEnd { tick, start, .. } => {
                tick != self.number || start.0.abs_diff(self.began.0) <= clock_error_ns
            }
            _ => true,
        }
    }
}

/// Where the time of an event comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Timing {
    /// The emitter reads its clock for the event.
    Reading,
    /// The time may be an earlier reading: a loop reads its clock once per task.
    Earlier,
    /// A reader adds the event, or gives it a time.
    OfReader,
}

const fn timing_of(event: &Event) -> Timing {
    match event {
        Event::TickStart { .. }
        | Event::TickEnd { .. }
        | Event::Phase { .. }
        | Event::Poll { .. }
        | Event::TaskRan { .. }
        | Event::Microtasks { .. }
        | Event::DeferredRan { .. }
        | Event::Immediates { .. }
        | Event::GcRan { .. }
        | Event::IoReady { .. }
        | Event::SlowTask { .. }
        | Event::Pumped { .. }
        | Event::WorkRan { .. }
        | Event::AgendaRan { .. }
        | Event::Span { .. }
        | Event::CallbackRan { .. } => Timing::Reading,
        Event::Label { .. }
        | Event::Lost { .. }
        | Event::Running { .. }
        | Event::Pressure { .. }
        | Event::Crashed { .. } => Timing::OfReader,
        _ => Timing::Earlier,
    }
}

/// Whether `later` is at most `slack_ns` before `earlier`.
const fn follow(earlier: Timestamp, later: Timestamp, slack_ns: u64) -> bool {
    earlier.0 <= later.0.saturating_add(slack_ns)
}

#[cfg(test)]
mod tests;
