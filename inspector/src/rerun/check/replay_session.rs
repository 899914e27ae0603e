//! The stage: matches the recorded stream against the running loop, event by event.
//!
//! The loop reports each event as it happens. If it equals the recorded one, the stage advances to the next, and
//! injects what had arrived from outside by then; if not, the two have diverged, and nothing more is compared. Every
//! question of the loop to its environment (the time, the heap, readiness, signals) is answered from the recorded
//! stream.
//!
//! It is thread-local: the tasks of the loop, its clock and its recorder all reach it, and some of them must be `Send`.

mod answers;
mod divergence;
mod inject;
mod residue;

use std::cell::RefCell;
use std::collections::{HashMap, HashSet, VecDeque};

use loop_core::policy::RULES;
use loop_core::replay::ExternalEvents;
use loop_core::{LocalHandle, Timer};
use loop_probes::event::{
    ClockPoint, Event, LoopCall, Origin, Outcome, PolicyField, Queue, RefKind, StopReason,
};
use loop_probes::ids::{IoSource, TaskId, Ticks, TimerId, Timestamp};
use loop_traces::labels::Labels;

use super::compared::{is_compared, normal};
use super::replayed::Replayed;
use super::window::{ComparedEvent, Frame, FrameKind, Window};
use super::{Coverage, Divergence};
use crate::rerun::RerunError;
pub(super) use residue::Assumptions;

/// Events kept to be shown before a divergence.
const HISTORY: usize = 6;
/// Maximum entries of a batch, and microtasks of a snapshot: a recording with more is damaged.
pub(super) const MOST: u32 = 1 << 20;
/// A depth that no queue can have.
const NEVER: u32 = u32::MAX;

thread_local! {
    static STAGE: RefCell<Option<ReplaySession>> = const { RefCell::new(None) };
}

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
    /// The run that the caller interrupted continues.
    pub(super) resumes: bool,
    /// When that run ends, if it has a time.
    pub(super) until: Option<Timestamp>,
    in_tick: bool,
    /// A shutdown has begun.
    pub(super) shuts_down: bool,
    pub(super) diverged: Option<Box<Divergence>>,
    pub(super) failed: Option<RerunError>,
    pub(super) seen: Coverage,
    pub(super) outside: Option<ExternalEvents<Replayed>>,
    pub(super) local: Option<LocalHandle<Replayed>>,
    pub(super) timers: HashMap<TimerId, Timer>,
    /// What the requested shutdown will cancel.
    pub(super) cancels: Cancels,
    pub(super) assumed: Assumptions,
    /// Finished jobs that were injected and put aside.
    pub(super) set_aside: usize,
    sets_jobs_aside: bool,
    drains_late: bool,
    /// Calls between two turns are recorded.
    shows_calls: bool,
    /// The revision of the recorded loop's rules.
    rules: u64,
    policy_fields: PolicyFields,
    /// An event was recorded that depends on the revision of the rules.
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

/// What a shutdown cancels, according to the recording.
#[derive(Debug, Default)]
pub(super) struct Cancels {
    pub(super) timers: HashSet<TimerId>,
    pub(super) sources: HashSet<IoSource>,
    pub(super) jobs: HashSet<TaskId>,
}

/// Runs `f` with the stage of this thread; `None` if there is none.
pub(super) fn with<R>(f: impl FnOnce(&mut ReplaySession) -> R) -> Option<R> {
    STAGE.with_borrow_mut(|session| session.as_mut().map(f))
}

/// Installs a stage on this thread and returns the previous one.
pub(super) fn put_up(session: Option<ReplaySession>) -> Option<ReplaySession> {
    STAGE.replace(session)
}

/// Called by the loop's recorder for each event.
pub(super) fn observe(event: Event<Ticks>) {
    with(|session| session.observe(event));
}

impl ReplaySession {
    pub(super) fn new(recorded: Window, start: Start) -> Self {
        let began = recorded.front().map_or(Timestamp(0), |entry| entry.at);
        Self {
            recorded,
            mode: Mode::Starting,
            resumes: false,
            until: None,
            in_tick: false,
            shuts_down: false,
            diverged: None,
            failed: None,
            seen: Coverage::default(),
            outside: None,
            local: None,
            timers: HashMap::new(),
            cancels: Cancels::default(),
            assumed: Assumptions::default(),
            set_aside: 0,
            sets_jobs_aside: start.sets_jobs_aside,
            drains_late: start.drains_late,
            shows_calls: start.shows_calls,
            rules: start.rules,
            policy_fields: start.policy_fields,
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
        }
    }

    /// Whether comparing has ended: the two diverged, or the recording is over.
    pub(super) fn is_over(&self) -> bool {
        self.diverged.is_some() || self.failed.is_some() || self.recorded.front().is_none()
    }

    /// Whether the caller of the loop does what comes next.
    pub(super) fn is_for_the_caller(&self) -> bool {
        let Some(entry) = self.recorded.front() else { return true };
        match entry.event {
            Event::InputRun { .. } => true,
            Event::InputShutdown { outside: true, .. } => !self.shuts_down,
            Event::InputStop { outside: true } => self.shutdown_with_stop().is_some(),
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

    /// How the caller asked for the tick that begins next, if it did.
    pub(super) fn turn_called(&self) -> Option<LoopCall> {
        match self.recorded.ahead().nth(1)?.event {
            Event::InputCall { call: call @ (LoopCall::Turn | LoopCall::Tick | LoopCall::AutoTick) } => {
                Some(call)
            }
            _ => None,
        }
    }

    /// Whether one turn within a time was called, not a run: that does not look whether its time is over.
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

    /// The time of the shutdown that was asked for before the loop stopped, if it was.
    pub(super) fn shutdown_with_stop(&self) -> Option<u64> {
        match self.recorded.ahead().nth(1)?.event {
            Event::InputShutdown { outside: true, within_ns } if !self.shuts_down => Some(within_ns),
            _ => None,
        }
    }

    /// Whether the drain that comes next is also of the host's microtasks.
    pub(super) fn is_host_drain(&self) -> bool {
        let next = self.recorded.front().map(|entry| entry.raw);
        matches!(next, Some(Event::InputCall { call: LoopCall::HostDrain }))
    }

    /// Whether a callback from outside of the loop is repeated whose microtasks are recorded one by one.
    pub(super) fn is_all_shown(&self) -> bool {
        self.shows_calls
            && matches!(self.recorded.frames.front(), Some(Frame { kind: FrameKind::Outside(_), .. }))
    }

    /// Whether the next event is what was done between two ticks.
    fn is_between_ticks(&self) -> bool {
        !self.is_over()
            && !matches!(
                self.recorded.front().map(|entry| entry.event),
                Some(Event::TickStart { .. } | Event::InputClock { .. } | Event::LoopStopped { .. })
            )
    }

    fn observe(&mut self, event: Event<Ticks>) {
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
            (Mode::Comparing, Event::InputRun { .. }) if std::mem::take(&mut self.resumes) => return,
            (Mode::Comparing, _) => {}
        }
        if self.recorded.front().is_some_and(|entry| self.is_same(entry.event, event)) {
            self.advance();
        } else {
            let happened = self.describe_pair(&raw, event);
            self.part(&happened);
        }
    }

    /// Whether older recordings lack this event.
    fn is_newer(&self, event: &Event<Ticks>) -> bool {
        match event {
            Event::SnapshotPolicy { field, .. } => !self.policy_fields.contains(*field),
            Event::InputCall { .. } => !self.shows_calls,
            _ => false,
        }
    }

    /// Whether older rules of the recorded loop may explain a divergence.
    pub(super) const fn is_of_old_rules(&self) -> bool {
        self.rules < RULES && self.depends_on_rules
    }

    /// If microtasks wait for the end of a pass, the recording does not show which of its tasks queued them, and so not
    /// how many references there were in between.
    fn is_same(&self, recorded: Event<()>, happened: Event<()>) -> bool {
        recorded == happened
            || matches!((recorded, happened), (
                Event::RefChanged { what, delta, .. },
                Event::RefChanged { what: other, delta: by, .. },
            ) if self.drains_late && (what, delta) == (other, by))
    }

    fn advance(&mut self) {
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
        self.prepare();
    }

    fn note(&mut self, entry: &ComparedEvent) {
        self.seen.decisions += 1;
        match entry.event {
            Event::ShutdownBegan { .. } => self.shuts_down = true,
            Event::InputRun { until_ns } => self.until = until_ns.map(Timestamp),
            Event::TickStart { tick } => {
                self.in_tick = true;
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
            Event::Microtasks { .. } => self.settle(),
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

    /// Whether the running tick is the last of a run that fails.
    pub(super) fn run_fails(&self) -> bool {
        let mut later =
            self.recorded.ahead().skip_while(|entry| !matches!(entry.event, Event::TickEnd { .. }));
        let end =
            later.find(|entry| matches!(entry.event, Event::LoopStopped { .. } | Event::TickStart { .. }));
        end.is_some_and(|entry| matches!(entry.event, Event::LoopStopped { reason: StopReason::Failed }))
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
        self.part(&what);
        false
    }

    pub(super) fn frame(&mut self) -> Option<&mut Frame> {
        self.recorded.frames.front_mut()
    }

    /// Reads ahead for what the coming shutdown cancels.
    pub(super) fn expect_shutdown(&mut self) {
        let mut began = false;
        let mut cancels = Cancels::default();
        for entry in self.recorded.ahead() {
            match entry.event {
                Event::ShutdownBegan { .. } => began = true,
                Event::TickStart { .. } | Event::InputClock { .. } if began => break,
                Event::TimerCleared { timer } if began => drop(cancels.timers.insert(timer)),
                Event::IoRemoved { source } if began => drop(cancels.sources.insert(source)),
                Event::WorkSettled { task, .. } if began => drop(cancels.jobs.insert(task)),
                _ => {}
            }
        }
        self.cancels = cancels;
    }

    /// Skips an event that the loop cannot produce.
    pub(super) fn skip(&mut self) {
        self.advance();
    }
}

/// The fields of the policy in the recorded snapshot: those that policies got later are missing there.
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

/// The stage's part of the snapshot.
#[derive(Clone, Copy, Debug)]
pub(super) struct Start {
    pub(super) now: Timestamp,
    pub(super) agenda: u32,
    pub(super) signals_dropped: u64,
    pub(super) sets_jobs_aside: bool,
    pub(super) drains_late: bool,
    pub(super) shows_calls: bool,
    pub(super) rules: u64,
    pub(super) policy_fields: PolicyFields,
    /// The GC controller is off, but by older rules still made its checks.
    pub(super) checks_in_vain: bool,
    /// A panic stops the run, which older rules did not record.
    pub(super) stops_on_panic: bool,
}
