//! The session: matches the recorded stream against the running loop, event by event.
//!
//! The loop reports each event as it happens. If it equals the recorded one, the session advances to the next, and
//! injects the external events that had arrived by then; if not, the two have diverged, and the check is over. The
//! recorded stream answers every question of the loop to its environment (time, heap, readiness, signals).

mod answers;
mod divergence;
mod inject;
mod residue;

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::rc::Rc;

use loop_core::low_level::replay::ExternalEvents;
use loop_core::policy::RULES;
use loop_core::{LocalHandle, Timer};
use loop_probes::event::{
    ClockPoint, Event, LoopCall, Origin, Outcome, PolicyField, Queue, RefKind, StopReason,
};
use loop_probes::ids::{Tag, Ticks, TimerId, Timestamp};
use loop_traces::labels::Labels;

use super::assumptions::Assumptions;
use super::checked::{Coverage, Divergence, Happened};
use super::compared::{is_compared, normal};
use super::window::{ComparedEvent, Frame, FrameKind, Window};
use crate::RerunError;
use crate::engine::{Remote, StandIn};

/// Events kept to be shown before a divergence.
const HISTORY: usize = 6;
/// Maximum entries of a batch, and microtasks of a snapshot: a recording with more is damaged.
pub(super) const MOST: u32 = 1 << 20;
/// A depth that no queue can have.
const NEVER: u32 = u32::MAX;

/// Where the check is in the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// Before the first tick.
    Starting,
    Comparing,
    /// A shutdown releases everything: until the run has ended.
    Ending,
}

pub(super) struct ReplaySession {
    pub(super) recorded: Window,
    mode: Mode,
    in_tick: bool,
    /// Whether a callback failed in this tick or since the last tick.
    has_failed: bool,
    /// Whether a stop was requested, and no run has ended since.
    stops: bool,
    /// Whether a callback failed and a stop was requested: the run may fail.
    may_fail: bool,
    pub(super) diverged: Option<Box<Divergence>>,
    pub(super) failed: Option<RerunError>,
    pub(super) seen: Coverage,
    pub(super) outside: Option<ExternalEvents<Replayed>>,
    pub(super) local: Option<LocalHandle<Replayed>>,
    pub(super) timers: HashMap<TimerId, Timer>,
    pub(super) assumed: Assumptions,
    /// Finished jobs that were injected and put aside.
    pub(super) set_aside: usize,
    start: Start,
    /// Whether an event was recorded that depends on the revision of the rules.
    depends_on_rules: bool,
    tick: u64,
    began: Timestamp,
    latest: Timestamp,
    agenda: u32,
    signals_dropped: u64,
    /// Whether the depths of signals and of the pool are still to be sampled in this tick.
    samples: [bool; 2],
    /// The depths reported last.
    depths: [u32; 2],
    prepared: Option<u64>,
    history: VecDeque<ComparedEvent>,
}

/// A recorded callback.
#[derive(Clone, Copy, Debug)]
pub(super) enum Callback {
    /// A task, a timer's, a source's, a signal's: by its recorded tag.
    Tagged(Tag),
    /// A microtask: none has a tag.
    Microtask,
}

/// The stand-in for a recorded task.
pub(super) type Replayed = StandIn<Replay>;

/// Re-executes a recorded loop: its tasks, its environment and its recorder share the session.
pub(super) struct Replay(RefCell<ReplaySession>);

impl Replay {
    pub(super) fn new(session: ReplaySession) -> Rc<Self> {
        Rc::new(Self(RefCell::new(session)))
    }

    /// The stand-in for a task with this tag.
    pub(super) fn tagged(self: &Rc<Self>, tag: Tag) -> Replayed {
        StandIn::new(self, Callback::Tagged(tag))
    }

    /// The stand-in for a task that another thread or a job posted.
    pub(super) fn remote(self: &Rc<Self>, tag: Tag) -> Remote<Self> {
        Remote::new(self, Callback::Tagged(tag))
    }

    pub(super) fn microtask(self: &Rc<Self>) -> Replayed {
        StandIn::new(self, Callback::Microtask)
    }

    /// Runs `f` with the session.
    pub(super) fn with<R>(&self, f: impl FnOnce(&mut ReplaySession) -> R) -> R {
        f(&mut self.0.borrow_mut())
    }

    pub(super) fn is_over(&self) -> bool {
        self.with(|session| session.is_over())
    }

    /// Called by the loop's recorder for each event.
    pub(super) fn observe(self: &Rc<Self>, event: Event<Ticks>) {
        self.with(|session| session.observe(self, event));
    }

    /// The session, once the loop is gone.
    pub(super) fn into_session(self: Rc<Self>) -> Option<ReplaySession> {
        Rc::into_inner(self).map(|replay| replay.0.into_inner())
    }
}

impl ReplaySession {
    pub(super) fn new(recorded: Window, start: Start) -> Self {
        let began = recorded.front().map_or(Timestamp(0), |entry| entry.at);
        Self {
            recorded,
            mode: Mode::Starting,
            in_tick: false,
            has_failed: false,
            stops: start.stops,
            may_fail: start.stops,
            diverged: None,
            failed: None,
            seen: Coverage::default(),
            outside: None,
            local: None,
            timers: HashMap::new(),
            assumed: Assumptions::default(),
            set_aside: 0,
            depends_on_rules: start.checks_in_vain || start.stops_on_panic,
            tick: 0,
            began,
            latest: start.now,
            agenda: start.agenda,
            signals_dropped: start.signals_dropped,
            samples: [false; 2],
            depths: [NEVER; 2],
            prepared: None,
            history: VecDeque::new(),
            start,
        }
    }

    /// Whether the comparison has ended: the two diverged, or the recording is over.
    pub(super) fn is_over(&self) -> bool {
        self.diverged.is_some() || self.failed.is_some() || self.recorded.front().is_none()
    }

    /// Whether the next event is an action of the loop's caller.
    pub(super) fn is_for_the_caller(&self) -> bool {
        let Some(entry) = self.recorded.front() else { return true };
        match entry.event {
            Event::InputRun { .. } => true,
            // `done` was checked before a poll that was not made: the caller took the loop back.
            Event::TickEnd { .. } => true,
            // A run that ends for any other reason records that it stops.
            Event::LoopStopped { reason: StopReason::Closed } => true,
            Event::InputCall { call: LoopCall::Drain } => true,
            Event::TickStart { .. } => self.turn_called().is_some(),
            _ => {
                !self.in_tick
                    && matches!(self.recorded.frames.front(), Some(Frame { kind: FrameKind::Outside(_), end, .. })
                if *end >= self.recorded.place && self.is_between_ticks())
            }
        }
    }

    /// The call that starts the next tick, if it was a call.
    pub(super) fn turn_called(&self) -> Option<LoopCall> {
        match self.recorded.ahead().nth(1)?.event {
            Event::InputCall { call: call @ (LoopCall::Turn | LoopCall::Tick | LoopCall::AutoTick) } => {
                Some(call)
            }
            _ => None,
        }
    }

    /// Whether a call with a time limit asked for one turn and not for a run: a turn never reads the clock to check its
    /// limit.
    pub(super) fn is_turn_within(&self) -> bool {
        let mut later = self.recorded.ahead().skip(1).map(|entry| entry.event);
        let shows = later.find(|event| {
            matches!(
                event,
                Event::TickStart { .. }
                    | Event::InputRun { .. }
                    | Event::InputClock { point: ClockPoint::Until, .. }
                    | Event::LoopStopped { .. }
            )
        });
        matches!(shows, Some(Event::TickStart { .. } | Event::InputRun { .. }))
    }

    /// Whether the next drain includes the host's microtasks.
    pub(super) fn is_host_drain(&self) -> bool {
        let next = self.recorded.front().map(|entry| entry.raw);
        matches!(next, Some(Event::InputCall { call: LoopCall::HostDrain }))
    }

    /// Whether the running callback is external and its microtasks are recorded one by one.
    pub(super) fn is_all_shown(&self) -> bool {
        self.start.shows_calls
            && matches!(self.recorded.frames.front(), Some(Frame { kind: FrameKind::Outside(_), .. }))
    }

    /// Whether the next event lies between two ticks.
    fn is_between_ticks(&self) -> bool {
        !self.is_over()
            && !matches!(
                self.recorded.front().map(|entry| entry.event),
                Some(Event::TickStart { .. } | Event::InputClock { .. } | Event::LoopStopped { .. })
            )
    }

    fn observe(&mut self, replay: &Rc<Replay>, event: Event<Ticks>) {
        if self.is_over() || !is_compared(&event) || self.is_newer(&event) {
            return;
        }
        let raw = event;
        let event = normal(event.map_time(|_| ()));
        match (self.mode, event) {
            // An end has no ticks: otherwise a made-up recording could keep the loop running where it should end.
            (Mode::Starting | Mode::Ending, Event::TickStart { .. })
            | (Mode::Ending, Event::LoopStopped { .. }) => self.mode = Mode::Comparing,
            (Mode::Starting | Mode::Ending, _) => return,
            (Mode::Comparing, _) => {}
        }
        if self.recorded.front().is_some_and(|entry| self.is_same(entry.event, event)) {
            self.advance(replay);
        } else {
            self.part_with(&raw, event);
        }
    }

    /// Whether older recordings lack this event.
    fn is_newer(&self, event: &Event<Ticks>) -> bool {
        match event {
            Event::SnapshotPolicy { field, .. } => !self.start.policy_fields.contains(*field),
            Event::InputCall { .. } => !self.start.shows_calls,
            _ => false,
        }
    }

    /// Whether older rules of the recorded loop may explain a divergence.
    pub(super) const fn is_of_old_rules(&self) -> bool {
        self.start.rules < RULES && self.depends_on_rules
    }

    /// If microtasks wait for the end of a pass, the recording does not show which of its tasks queued them, and so not
    /// how many references there were in between.
    fn is_same(&self, recorded: Event<()>, happened: Event<()>) -> bool {
        recorded == happened
            || matches!((recorded, happened), (
                Event::RefChanged { what, delta, .. },
                Event::RefChanged { what: other, delta: by, .. },
            ) if self.start.drains_late && (what, delta) == (other, by))
    }

    fn advance(&mut self, replay: &Rc<Replay>) {
        let place = self.recorded.place;
        let entry = match self.recorded.advance() {
            Ok(Some(entry)) => entry,
            Ok(None) => return,
            Err(error) => {
                self.failed = Some(error);
                return;
            }
        };
        if self.recorded.frames.front().is_some_and(|frame| frame.end <= place) {
            self.recorded.frames.pop_front();
        }
        self.note(&entry);
        if self.history.len() == HISTORY {
            self.history.pop_front();
        }
        self.history.push_back(entry);
        self.prepare(replay);
    }

    fn note(&mut self, entry: &ComparedEvent) {
        self.seen.decisions += 1;
        match entry.event {
            Event::Exception { .. } => {
                self.has_failed = true;
                self.may_fail |= self.stops;
            }
            Event::InputStop { outside } if !outside || self.in_tick => {
                self.stops = true;
                self.may_fail |= self.has_failed;
            }
            Event::LoopStopped { .. } => {
                (self.has_failed, self.stops, self.may_fail) = (false, false, false);
            }
            Event::TickStart { tick } => {
                (self.in_tick, self.has_failed) = (true, false);
                self.tick = tick;
                self.seen.first_tick.get_or_insert(tick);
                self.samples = [true; 2];
            }
            Event::TickEnd { tick, .. } => {
                self.in_tick = false;
                self.seen.ticks += 1;
                self.seen.last_tick = tick;
                self.seen.span_ns = entry.at.ns_since(self.began);
            }
            Event::QueueDepth { queue: Queue::Signals, depth } => self.depths[0] = depth,
            Event::QueueDepth { queue: Queue::Work, depth } => self.depths[1] = depth,
            Event::TaskRan { outcome, .. } => {
                self.seen.tasks += u64::from(outcome != Outcome::Woke);
                self.depends_on_rules |= outcome == Outcome::Reload;
            }
            Event::DeferredPosted { .. }
            | Event::SnapshotDeferred { .. }
            | Event::InputReturned { value: 0, .. } => self.depends_on_rules = true,
            Event::TaskQueued { place, .. } if place.origin == Origin::Future => self.depends_on_rules = true,
            Event::Microtasks { .. } => self.assumed.settle(),
            Event::IoReady { .. } => self.seen.ready += 1,
            Event::TimerFired { .. } => self.seen.timers += 1,
            Event::GcDecision { .. } => self.seen.gc += 1,
            Event::Poll { .. } => self.seen.polls += 1,
            Event::SnapshotEnd { .. } => self.seen.snapshots += 1,
            Event::InputBatch { queue: Queue::Work, taken } => {
                self.set_aside = self.set_aside.saturating_sub(taken as usize);
            }
            Event::RefChanged { what: RefKind::Agenda, delta, .. } => {
                self.agenda = self.agenda.saturating_add_signed(delta);
            }
            Event::InputClock { point, now } => {
                self.latest = now;
                let ends =
                    self.recorded.front().is_some_and(|next| matches!(next.event, Event::LoopStopped { .. }));
                if point == ClockPoint::Shutdown && ends {
                    self.mode = Mode::Ending;
                }
            }
            _ => {}
        }
    }

    /// The event that was compared last.
    pub(super) fn latest_event(&self) -> Option<&ComparedEvent> {
        self.history.back()
    }

    /// Charges `count` operations and returns `count`; if the recording may not ask for that, returns 0 and ends the
    /// check.
    pub(super) fn afford(&mut self, count: u64) -> u64 {
        match self.recorded.pay(count) {
            Ok(()) => count,
            Err(error) => {
                self.failed.get_or_insert(error);
                0
            }
        }
    }

    /// Whether the loop is in the frame that it should be in, by `is_it`; otherwise the two diverge.
    pub(super) fn enter(
        &mut self,
        is_it: impl FnOnce(&FrameKind) -> bool,
        what: impl FnOnce(&Labels) -> String,
    ) -> bool {
        if self.is_over() {
            return false;
        }
        if self.recorded.frames.front().is_some_and(|frame| is_it(&frame.kind)) {
            return true;
        }
        let what = what(&self.recorded.stream.labels);
        self.part(Happened::Other(what));
        false
    }

    pub(super) fn frame(&mut self) -> Option<&mut Frame> {
        self.recorded.frames.front_mut()
    }

    /// Recorded cancellations of the next shutdown.
    pub(super) fn cancelled(&self) -> Vec<Event<()>> {
        let mut later = self.recorded.ahead().map(|entry| entry.event);
        later.by_ref().find(|event| matches!(event, Event::ShutdownBegan { .. }));
        later
            .take_while(|event| !matches!(event, Event::TickStart { .. } | Event::InputClock { .. }))
            .collect()
    }

    /// Skips an event that the loop cannot produce.
    pub(super) fn skip(&mut self, replay: &Rc<Replay>) {
        self.advance(replay);
    }
}

/// The policy fields in the recorded snapshot; older snapshots lack newer fields.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct PolicyFields(u64);

impl PolicyFields {
    pub(super) fn add(&mut self, field: PolicyField) {
        self.0 |= Self::bit(field);
    }

    fn contains(self, field: PolicyField) -> bool {
        self.0 & Self::bit(field) != 0
    }

    fn bit(field: PolicyField) -> u64 {
        1_u64.checked_shl(field.code().into()).unwrap_or(0)
    }
}

/// The session's part of the snapshot.
#[derive(Clone, Copy, Debug)]
pub(super) struct Start {
    pub(super) now: Timestamp,
    pub(super) agenda: u32,
    pub(super) signals_dropped: u64,
    pub(super) sets_jobs_aside: bool,
    pub(super) drains_late: bool,
    /// Whether calls between two turns are recorded.
    pub(super) shows_calls: bool,
    /// The revision of the recorded loop's rules.
    pub(super) rules: u64,
    pub(super) policy_fields: PolicyFields,
    /// Whether the GC controller is off, but made its checks anyway under older rules.
    pub(super) checks_in_vain: bool,
    /// Whether a stop is pending.
    pub(super) stops: bool,
    /// Whether a panic stops the run, which older rules did not record.
    pub(super) stops_on_panic: bool,
}
