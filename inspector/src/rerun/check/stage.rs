//! The stage: where the recorded stream and the loop that runs again meet, event by event.
//!
//! The loop tells each event at once. Where it is the recorded one, the stage goes on to the next, and brings in what
//! had come from outside by then; where it is another one, both have parted, and nothing more is compared. Everything
//! that the loop asks of its surroundings (the time, the heap, readiness, signals) is answered from what the recorded
//! stream has next.
//!
//! It belongs to the thread: the tasks of the loop, its clock and its recorder all reach it, and some of them must
//! be `Send`.

mod answers;
mod bring;
mod left;
mod parting;

use std::cell::RefCell;
use std::collections::{HashMap, HashSet, VecDeque};

use loop_core::policy::RULES;
use loop_core::replay::Outside;
use loop_core::{LocalHandle, Timer};
use loop_probes::event::{ClockPoint, Event, Outcome, PolicyField, Queue, RefKind};
use loop_probes::ids::{IoSource, TaskId, Ticks, TimerId, Timestamp};
use loop_traces::labels::Labels;

use super::compared::{is_compared, normal};
use super::replayed::Replayed;
use super::window::{Entry, Frame, Kind, Window};
use super::{Divergence, Seen};
use crate::rerun::RerunError;
pub(super) use left::Supposed;

/// Events kept to be shown before the one at which both part.
const HISTORY: usize = 6;
/// Most entries of one batch, and microtasks of one snapshot: what says more is damaged.
pub(super) const MOST: u32 = 1 << 20;
/// A depth that no queue has.
const NEVER: u32 = u32::MAX;

thread_local! {
    static STAGE: RefCell<Option<Stage>> = const { RefCell::new(None) };
}

/// How far the check is with the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// Until the first tick.
    Starting,
    Comparing,
    /// A shutdown gives everything back: until the run has ended.
    Ending,
}

pub(super) struct Stage {
    pub(super) recorded: Window,
    mode: Mode,
    /// The run goes on that the caller had interrupted.
    pub(super) resumes: bool,
    /// A callback from outside entered the loop and has not left it.
    pub(super) entered: bool,
    pub(super) diverged: Option<Box<Divergence>>,
    pub(super) failed: Option<RerunError>,
    pub(super) seen: Seen,
    pub(super) outside: Option<Outside<Replayed>>,
    pub(super) local: Option<LocalHandle<Replayed>>,
    pub(super) timers: HashMap<TimerId, Timer>,
    /// What the shutdown that was asked for will cancel.
    pub(super) cancels: Cancels,
    pub(super) supposed: Supposed,
    /// Microtasks that wait since the last checkpoint, where no callback ran since.
    waiting: Option<u64>,
    /// Jobs that were brought in and put aside.
    pub(super) aside: usize,
    puts_aside: bool,
    drains_late: bool,
    /// The revision of the rules that the recorded loop decided by.
    rules: u64,
    /// Something was recorded that later rules decide otherwise.
    depends_on_rules: bool,
    tick: u64,
    began: Timestamp,
    latest: Timestamp,
    agenda: u32,
    signals_dropped: u64,
    /// Whether the depths of signals and of the pool are asked for the record.
    samples: [bool; 2],
    /// The depths that were told last.
    told: [u32; 2],
    prepared: Option<u64>,
    history: VecDeque<Entry>,
}

/// What a shutdown cancels, as the record has it.
#[derive(Debug, Default)]
pub(super) struct Cancels {
    pub(super) timers: HashSet<TimerId>,
    pub(super) sources: HashSet<IoSource>,
    pub(super) jobs: HashSet<TaskId>,
}

/// Does something with the stage of this thread; `None` where there is none.
pub(super) fn with<R>(f: impl FnOnce(&mut Stage) -> R) -> Option<R> {
    STAGE.with_borrow_mut(|stage| stage.as_mut().map(f))
}

/// Puts up a stage on this thread, and takes down the one that was there.
pub(super) fn put_up(stage: Option<Stage>) -> Option<Stage> {
    STAGE.replace(stage)
}

/// The loop told an event.
pub(super) fn observe(event: Event<Ticks>) {
    with(|stage| stage.observe(event));
}

impl Stage {
    pub(super) fn new(recorded: Window, start: Start) -> Self {
        let began = recorded.front().map_or(Timestamp(0), |entry| entry.at);
        Self {
            recorded,
            mode: Mode::Starting,
            resumes: false,
            entered: false,
            diverged: None,
            failed: None,
            seen: Seen::default(),
            outside: None,
            local: None,
            timers: HashMap::new(),
            cancels: Cancels::default(),
            supposed: Supposed::default(),
            waiting: Some(start.microtasks),
            aside: 0,
            puts_aside: start.puts_aside,
            drains_late: start.drains_late,
            rules: start.rules,
            depends_on_rules: start.checks_in_vain,
            tick: 0,
            began,
            latest: start.now,
            agenda: start.agenda,
            signals_dropped: start.signals_dropped,
            samples: [false; 2],
            told: [NEVER; 2],
            prepared: None,
            history: VecDeque::new(),
        }
    }

    /// Nothing more is compared: both parted, or the record is over.
    pub(super) fn is_over(&self) -> bool {
        self.diverged.is_some() || self.failed.is_some() || self.recorded.front().is_none()
    }

    /// Whether what comes next is done by whoever runs the loop.
    pub(super) fn is_for_the_caller(&self) -> bool {
        let Some(entry) = self.recorded.front() else { return true };
        match entry.event {
            Event::InputRun { .. } | Event::InputShutdown { outside: true, .. } => true,
            // `done` was asked before a poll that was not made: the caller wanted the loop back.
            Event::TickEnd { .. } => true,
            _ => matches!(self.recorded.frames.front(), Some(Frame { kind: Kind::Outside(_), end, .. })
                if *end >= self.recorded.place && self.is_at_outside()),
        }
    }

    /// Whether the next event is what was done between two ticks.
    fn is_at_outside(&self) -> bool {
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
        let told = event;
        let event = normal(event.map_time(|_| ()));
        match (self.mode, event) {
            // A tick in an end is none: a made-up record has the loop go on for ever where it was to end.
            (Mode::Starting | Mode::Ending, Event::TickStart { .. })
            | (Mode::Ending, Event::LoopStopped { .. }) => self.mode = Mode::Comparing,
            (Mode::Starting | Mode::Ending, _) => return,
            (Mode::Comparing, Event::InputRun { .. }) if std::mem::take(&mut self.resumes) => return,
            (Mode::Comparing, _) => {}
        }
        if self.recorded.front().is_some_and(|entry| self.is_same(entry.event, event)) {
            self.advance();
        } else {
            let happened = self.words(&told, event);
            self.part(&happened);
        }
    }

    /// Whether a recording by older rules cannot hold this event.
    const fn is_newer(&self, event: &Event<Ticks>) -> bool {
        self.rules < RULES
            && matches!(
                event,
                Event::SnapshotPolicy { field: PolicyField::Rules | PolicyField::GcSample, .. }
            )
    }

    /// Whether both could part because the recorded loop decided by older rules.
    pub(super) const fn is_of_old_rules(&self) -> bool {
        self.rules < RULES && self.depends_on_rules
    }

    /// Where microtasks wait for the end of a pass, nobody knows which task of it queued them, and so how many
    /// references there were in between.
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

    fn note(&mut self, entry: &Entry) {
        self.seen.decisions += 1;
        match entry.event {
            Event::TickStart { tick } => {
                self.tick = tick;
                self.seen.first_tick.get_or_insert(tick);
                self.samples = [true; 2];
            }
            Event::TickEnd { tick, .. } => {
                self.seen.ticks += 1;
                self.seen.last_tick = tick;
                self.seen.span_ns = entry.at.ns_since(self.began);
            }
            Event::QueueDepth { queue: Queue::Signals, depth } => self.told[0] = depth,
            Event::QueueDepth { queue: Queue::Work, depth } => self.told[1] = depth,
            Event::TaskRan { outcome, .. } => {
                self.seen.tasks += 1;
                self.depends_on_rules |= outcome == Outcome::Reload;
            }
            Event::DeferredPosted { .. }
            | Event::SnapshotDeferred { .. }
            | Event::InputReturned { value: 0, .. } => self.depends_on_rules = true,
            Event::Microtasks { left, .. } => self.settle(left),
            Event::IoReady { .. } => self.seen.ready += 1,
            Event::TimerFired { .. } => self.seen.timers += 1,
            Event::GcDecision { .. } => self.seen.gc += 1,
            Event::Poll { .. } => self.seen.polls += 1,
            Event::SnapshotEnd { .. } => self.seen.snapshots += 1,
            Event::InputBatch { queue: Queue::Work, taken } => {
                self.aside = self.aside.saturating_sub(taken as usize);
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

    /// As many as `count` says, where the recording may ask for that; otherwise nothing more is compared.
    pub(super) fn afford(&mut self, count: u64) -> u64 {
        match self.recorded.pay(count) {
            Ok(()) => count,
            Err(error) => {
                self.failed.get_or_insert(error);
                0
            }
        }
    }

    /// The frame that the loop is in, where it is this one; otherwise both part.
    pub(super) fn enter(
        &mut self,
        is_it: impl FnOnce(&Kind) -> bool,
        what: impl FnOnce(&Labels) -> String,
    ) -> bool {
        if self.is_over() {
            return false;
        }
        if self.recorded.frames.front().is_some_and(|frame| is_it(&frame.kind)) {
            return true;
        }
        let what = what(&self.recorded.labels);
        self.part(&what);
        false
    }

    pub(super) fn frame(&mut self) -> Option<&mut Frame> {
        self.recorded.frames.front_mut()
    }

    /// Takes note of what the shutdown that comes now cancels.
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

    /// Passes over an event that nobody can be asked for.
    pub(super) fn skip(&mut self) {
        self.advance();
    }
}

/// What the stage has to know from the snapshot.
#[derive(Clone, Copy, Debug)]
pub(super) struct Start {
    pub(super) now: Timestamp,
    pub(super) agenda: u32,
    pub(super) signals_dropped: u64,
    pub(super) microtasks: u64,
    pub(super) puts_aside: bool,
    pub(super) drains_late: bool,
    pub(super) rules: u64,
    /// A GC controller that is off: by older rules it made its checks all the same.
    pub(super) checks_in_vain: bool,
}
