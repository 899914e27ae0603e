//! The recorded stream as the check reads it: a sliding window, never the whole of it.
//!
//! Events that decide nothing are left out. Those between the start of a callback and its end become a [`Frame`]: what
//! the callback has to do when the loop reaches it. The window always holds the rest of this tick and the whole next
//! one, because some facts show only later.

use std::collections::{HashSet, VecDeque};

use loop_core::low_level::replay::Flags;
use loop_probes::event::{ClockPoint, Event, LoopCall, Origin, Outcome, Phase, Queue, StopReason};
use loop_probes::ids::{SourceId, TaskId, Timestamp};
use loop_probes::stamped::Stamped;
use loop_probes::text::printable;
use loop_traces::timeline::TickNumbers;

use super::compared::{is_compared, normal};
use super::stream::Stream;
use crate::RerunError;
use crate::act::{Act, Acts, Done, Role, completes_unit};

/// Ticks that the window holds, the current one included.
const TICKS_AHEAD: u32 = 2;
/// Maximum events in the window: no real loop has larger ticks.
const WINDOW_MAX: usize = 1 << 20;

const SKIPPED: &str = "the events that were skipped: they are damaged, or of an unknown kind";
const HOST: &str = "how many microtasks its host had between two turns";
const OUTSIDE: &str = "all that its program did between the turns of the loop";
const HALF: &str = "whether a tick without a poll is the half of a turn";

/// A compared event.
#[derive(Clone, Copy, Debug)]
pub(super) struct ComparedEvent {
    pub(super) at: Timestamp,
    /// The event as recorded, for display.
    pub(super) raw: Event,
    /// The event without times, as it is compared.
    pub(super) event: Event<()>,
}

/// What runs in a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FrameKind {
    /// A task or the callback of a source, with its id.
    Callback(TaskId),
    /// A checkpoint that ran this many microtasks, and whose budget left that many.
    Microtasks { ran: u32, left: u32 },
    /// A drain of this many entries of the deferred queue.
    Deferred(u32),
    /// Acts between two ticks: of a callback from outside (true) or of no callback at all.
    Outside(bool),
}

/// What a callback, a checkpoint or a drain has to do.
#[derive(Clone, Debug)]
pub(super) struct Frame {
    pub(super) kind: FrameKind,
    pub(super) outcome: Outcome,
    /// Whether it reloads the program.
    reloads: bool,
    pub(super) acts: VecDeque<Done>,
    /// References released for the end of the tick.
    pub(super) releases: u32,
    /// Callbacks of the drain, or microtasks of the checkpoint, started so far.
    pub(super) begun: u32,
    /// The place of its end.
    pub(super) end: u64,
}

/// The next part of the recording.
pub(super) struct Window {
    pub(super) stream: Stream,
    emitter: SourceId,
    /// Whether the source has no more events of this loop after those in the window.
    is_read: bool,
    numbers: TickNumbers,
    entries: VecDeque<ComparedEvent>,
    /// The place of the first event in the window.
    pub(super) place: u64,
    pub(super) frames: VecDeque<Frame>,
    /// Acts outside of all callbacks, with their places.
    pub(super) unowned: VecDeque<(u64, Done)>,
    /// Whether records of the loop were lost after the start of the check: it starts too early.
    pub(super) has_loss: bool,
    /// Whether the loop went on after the end of its shutdown: that is not compared.
    pub(super) goes_on: bool,
    /// The place of the event with which the recording ends within a tick or between two: nothing from there on is
    /// compared.
    limit: Option<u64>,
    /// The place after the last complete unit: a tick, a run, a callback between two ticks.
    whole: u64,
    ticks_ahead: u32,
    acts: Acts,
    places: Vec<u64>,
    immediates: HashSet<TaskId>,
    reading: Reading,
    not_shown: NotShown,
    /// The last event, if it was a wakeup behind such a future: of that future or of the loop, as the next one shows.
    wake: Option<Stamped>,
    /// Whether the recording has the releases that were put off, and where the loop carries them out.
    shows_releases: bool,
    /// Releases before the start of the check, in a recording without them.
    pub(super) released_before: u64,
}

/// What the current position in the stream is nested in.
#[derive(Clone, Copy, Debug, Default)]
struct Reading {
    in_tick: bool,
    /// Whether the current tick has polled.
    has_polled: bool,
    in_snapshot: bool,
    /// Whether the snapshot with which the check starts has been read.
    has_snapshot: bool,
    /// Whether a shutdown has ended.
    has_shut_down: bool,
    /// Whether the run in which the shutdown ended has stopped.
    has_stopped: bool,
    /// Whether a shutdown is cancelling.
    in_shutdown: bool,
    /// Whether the loop compared its shutdown deadline between two ticks.
    after_deadline: bool,
    /// Whether everything is released: no more decisions.
    in_teardown: bool,
    /// Whether the last event queued a future that was woken outside of all callbacks.
    woken: bool,
}

impl Window {
    /// A window on the loop of `emitter` that follows in `stream`.
    pub(super) fn new(stream: Stream, emitter: SourceId) -> Result<Self, RerunError> {
        let mut window = Self {
            stream,
            emitter,
            is_read: false,
            numbers: TickNumbers::default(),
            entries: VecDeque::new(),
            place: 0,
            frames: VecDeque::new(),
            unowned: VecDeque::new(),
            has_loss: false,
            goes_on: false,
            limit: None,
            whole: 0,
            ticks_ahead: 0,
            acts: Acts::default(),
            places: Vec::new(),
            immediates: HashSet::new(),
            reading: Reading::default(),
            not_shown: NotShown::default(),
            wake: None,
            shows_releases: false,
            released_before: 0,
        };
        window.refill(TICKS_AHEAD)?;
        Ok(window)
    }

    /// An event as the recording has it.
    pub(super) const fn stamped(&self, entry: &ComparedEvent) -> Stamped {
        Stamped { at: entry.at, source: self.emitter, event: entry.raw }
    }

    /// The name of the recording.
    pub(super) fn name(&self) -> &str {
        self.stream.name()
    }

    /// The next event, if it is compared.
    pub(super) fn front(&self) -> Option<&ComparedEvent> {
        self.entries.front().filter(|_| self.limit.is_none_or(|limit| self.place < limit))
    }

    /// The tick in which the recording is cut off, if it is.
    pub(super) fn cut_in(&self) -> Option<u64> {
        let limit = usize::try_from(self.limit?.saturating_sub(self.place)).unwrap_or(usize::MAX);
        self.entries.iter().skip(limit).find_map(|entry| match entry.event {
            Event::TickStart { tick } => Some(tick),
            _ => None,
        })
    }

    /// The next events in order, compared or not. Each entry looked at is charged as an operation.
    pub(super) fn ahead(&self) -> impl Iterator<Item = &ComparedEvent> {
        self.entries.iter().inspect(|_| {
            self.stream.meter.spend(1);
        })
    }

    /// Consumes the next event.
    pub(super) fn advance(&mut self) -> Result<Option<ComparedEvent>, RerunError> {
        let Some(entry) = self.entries.pop_front() else { return Ok(None) };
        self.place += 1;
        self.pay(1)?;
        if matches!(entry.event, Event::TickEnd { .. }) {
            self.ticks_ahead = self.ticks_ahead.saturating_sub(1);
        }
        if self.ticks_ahead < TICKS_AHEAD {
            self.refill(TICKS_AHEAD)?;
        }
        Ok(Some(entry))
    }

    /// Charges operations to the budget.
    pub(super) fn pay(&self, operations: u64) -> Result<(), RerunError> {
        if self.stream.meter.spend(operations) {
            Ok(())
        } else {
            Err(self.stream.meter.exceeded(self.name()))
        }
    }

    /// Reads further ahead than usual; false if there is nothing more.
    pub(super) fn look_further(&mut self) -> Result<bool, RerunError> {
        let before = self.entries.len();
        self.refill(self.ticks_ahead.saturating_mul(2).saturating_add(8))?;
        Ok(self.entries.len() > before)
    }

    fn refill(&mut self, ticks: u32) -> Result<(), RerunError> {
        while self.ticks_ahead < ticks {
            let stamped = if self.is_read { None } else { self.stream.next()? };
            let Some(stamped) = stamped else {
                self.is_read = true;
                self.leave_unowned();
                self.limit = Some(self.whole);
                return Ok(());
            };
            if stamped.source != self.emitter {
                continue;
            }
            let is_behind_hole = self.numbers.is_behind_hole(&stamped.event);
            if is_behind_hole || matches!(stamped.event, Event::Lost { .. }) {
                (self.has_loss, self.is_read) = (true, true);
                continue;
            }
            // A shutdown releases everything in an order that is not compared, which asks for what no callback does:
            // what is left of the loop is not known.
            if self.reading.has_shut_down && self.follows_shutdown(&stamped.event) {
                continue;
            }
            // Another loop may use the ring of one that was closed.
            self.is_read |= matches!(stamped.event, Event::LoopStopped { reason: StopReason::Closed });
            self.reading.has_shut_down |= matches!(stamped.event, Event::ShutdownEnded { .. });
            self.read(&stamped);
            if self.entries.len() > WINDOW_MAX {
                let name = printable(self.name());
                return Err(RerunError::TickTooLong { name, most: WINDOW_MAX });
            }
        }
        Ok(())
    }

    /// Reads on after the end of a shutdown, to see whether the loop went on. Returns false for the event with which the
    /// run ends.
    fn follows_shutdown(&mut self, event: &Event) -> bool {
        let is_end = matches!(event, Event::LoopStopped { .. });
        if is_end && !std::mem::replace(&mut self.reading.has_stopped, true) {
            return false;
        }
        let is_closed = matches!(event, Event::LoopStopped { reason: StopReason::Closed });
        if is_closed || is_compared(event) {
            (self.goes_on, self.is_read) = (!is_closed, true);
        }
        true
    }

    fn read(&mut self, stamped: &Stamped) {
        let follows_woken = std::mem::replace(&mut self.reading.woken, is_woken_elsewhere(&stamped.event));
        if let Some(wake) = self.wake.take()
            && matches!(stamped.event, Event::Phase { phase: Phase::Concurrent, .. })
        {
            // It was the loop that was woken, not only a future.
            self.take_in(&wake);
        }
        if follows_woken && matches!(stamped.event, Event::Wake { .. }) {
            self.wake = Some(*stamped);
        } else {
            self.take_in(stamped);
        }
    }

    fn take_in(&mut self, stamped: &Stamped) {
        let Stamped { at, ref event, .. } = *stamped;
        self.not_shown.read(event, self.place + self.entries.len() as u64);
        if !is_compared(event) || self.is_passed_over(event) {
            return;
        }
        let is_own = self.notice(event);
        let place = self.place + self.entries.len() as u64;
        let role = if is_own {
            Role::Own
        } else {
            let immediates = &mut self.immediates;
            self.acts.feed(at, event, |task| immediates.remove(&task))
        };
        match role {
            Role::Act => self.places.push(place),
            Role::End => self.end(place, event),
            Role::Own => self.leave_unowned(),
            Role::Aside => {}
        }
        self.entries.push_back(ComparedEvent { at, raw: *event, event: normal(event.map_time(|_| ())) });
        if completes_unit(event, self.reading.in_tick) {
            self.whole = place + 1;
        }
    }

    /// Whether an event follows from no decision: the releases at the very end.
    fn is_passed_over(&mut self, event: &Event) -> bool {
        let reading = &mut self.reading;
        if std::mem::take(&mut reading.after_deadline)
            && !matches!(
                event,
                Event::TickStart { .. } | Event::ShutdownBegan { .. } | Event::InputClock { .. }
            )
        {
            reading.in_teardown = true;
        }
        if reading.in_teardown && matches!(event, Event::LoopStopped { .. }) {
            reading.in_teardown = false;
        }
        reading.in_teardown
    }

    /// Tracks the position in the stream. Returns true if the event cannot be an act.
    fn notice(&mut self, event: &Event) -> bool {
        let reading = &mut self.reading;
        match *event {
            Event::TickStart { .. } => {
                self.leave_unowned();
                let place = self.place + self.entries.len() as u64;
                let is_between_ticks = |frame: &Frame| matches!(frame.kind, FrameKind::Outside(_));
                if self.frames.back().is_some_and(|frame| is_between_ticks(frame) && frame.end + 1 >= place) {
                    self.not_shown.follows_outside(place);
                }
                let reading = &mut self.reading;
                (reading.in_tick, reading.in_shutdown, reading.has_polled) = (true, false, false);
            }
            Event::Poll { .. } => reading.has_polled = true,
            Event::TickEnd { .. } => {
                self.leave_unowned();
                if !self.reading.has_polled {
                    self.not_shown.has_not_polled(self.place + self.entries.len() as u64);
                }
                self.reading.in_tick = false;
                self.ticks_ahead += 1;
            }
            Event::SnapshotBegin { .. } => reading.in_snapshot = true,
            Event::SnapshotLoop { flags, .. } => {
                self.shows_releases = Flags::from_bits(flags).contains(Flags::SHOWS_CALLS);
            }
            Event::SnapshotEnd { .. } => {
                (reading.in_snapshot, reading.has_snapshot) = (false, true);
                return true;
            }
            Event::TaskQueued { task, place, .. } if place.queue == Queue::Immediates => {
                self.immediates.insert(task);
            }
            Event::SnapshotTask { task, queue: Queue::Immediates, .. } => {
                self.immediates.insert(task);
            }
            Event::ShutdownBegan { .. } => reading.in_shutdown = true,
            Event::InputClock { point: ClockPoint::Shutdown, .. } => {
                (reading.in_shutdown, reading.after_deadline) = (false, !reading.in_tick);
            }
            _ => {}
        }
        self.reading.in_snapshot || self.reading.in_shutdown
    }

    fn end(&mut self, place: u64, event: &Event) {
        let mut acts = self.acts.take();
        let mut places = std::mem::take(&mut self.places);
        let (kind, outcome) = match *event {
            Event::TaskRan { task, outcome, .. } => (FrameKind::Callback(task), outcome),
            Event::IoReady { task, .. } => (FrameKind::Callback(task), Outcome::Done),
            Event::Microtasks { ran, left, .. } => (FrameKind::Microtasks { ran, left }, Outcome::Done),
            Event::DeferredRan { ran, .. } => (FrameKind::Deferred(ran), Outcome::Done),
            _ => (FrameKind::Outside(true), Outcome::Done),
        };
        if let FrameKind::Callback(task) = kind {
            // What futures asked for during the previous callback is done after its drains: what another task
            // queued was queued before this one ran, and so was everything before it.
            let before = |done: &Done| is_before(task, done);
            let count = acts.iter().rposition(before).map_or(0, |last| last + 1);
            self.unowned.extend(places.drain(..count).zip(acts.drain(..count)));
        }
        if let Event::CallbackRan { start, .. } = *event {
            // Acts before the callback was called are not its own.
            let before = |done: &Done| done.at < start || of_no_callback(&done.act);
            let count = acts.iter().rposition(before).map_or(0, |last| last + 1);
            if count > 0 {
                let acts = acts.drain(..count).collect();
                self.frames.push_back(Frame::new(FrameKind::Outside(false), Outcome::Done, acts, place));
            }
        }
        self.immediates_ran(event);
        self.frames.push_back(Frame::new(kind, outcome, acts, place));
    }

    fn immediates_ran(&mut self, event: &Event) {
        if let Event::TaskRan { task, .. } = event {
            self.immediates.remove(task);
        }
    }

    /// Tells it what the snapshot says of the recorded loop: where the check starts, and what the loop records.
    pub(super) fn starts(&mut self, flags: Flags) {
        self.not_shown.starts(flags);
    }

    /// What happened up to the current place that the recording does not show, if anything did.
    pub(super) fn not_shown(&self) -> Option<&'static str> {
        let counts = self.stream.counts();
        self.not_shown.until(self.place, counts.malformed > 0 || counts.unknown_kinds > 0)
    }

    /// Acts before an event of the loop itself belong to no callback.
    fn leave_unowned(&mut self) {
        if self.acts.is_empty() {
            return;
        }
        let (acts, places) = (self.acts.take(), std::mem::take(&mut self.places));
        if !self.reading.in_tick {
            let end = self.place + self.entries.len() as u64;
            self.frames.push_back(Frame::new(FrameKind::Outside(false), Outcome::Done, acts, end));
            return;
        }
        for (place, done) in places.into_iter().zip(acts) {
            let released = match done.act {
                Act::Hold(delta @ ..0) if !self.shows_releases => delta.unsigned_abs(),
                _ => {
                    self.unowned.push_back((place, done));
                    continue;
                }
            };
            // In a recording without them, the last callback before the poll does it.
            match self.frames.back_mut() {
                Some(frame) => frame.releases = frame.releases.saturating_add(released),
                None => self.released_before += u64::from(released),
            }
        }
    }
}

impl Frame {
    fn new(kind: FrameKind, outcome: Outcome, acts: Vec<Done>, end: u64) -> Self {
        let reloads = outcome == Outcome::Reload || acts.iter().any(|done| done.act == Act::Reload);
        Self { kind, outcome, reloads, acts: acts.into(), releases: 0, begun: 0, end }
    }

    /// Whether the frame has no checkpoint: the microtasks that it queues wait for the next checkpoint.
    pub(super) const fn has_no_checkpoint(&self) -> bool {
        self.reloads || matches!(self.kind, FrameKind::Outside(_))
    }
}

/// Whether a future woken outside of all callbacks is queued.
fn is_woken_elsewhere(event: &Event) -> bool {
    matches!(event, Event::TaskQueued { place, parent: None, .. } if place.origin == Origin::Future)
}

/// Whether the act itself shows that no callback did it.
const fn of_no_callback(act: &Act) -> bool {
    matches!(act, Act::Heap | Act::Post { origin: Origin::Local, .. } | Act::AfterLoop(_, _, Origin::Local))
}

/// Whether the act itself shows that the callback of `task` had not begun.
fn is_before(task: TaskId, done: &Done) -> bool {
    let by_another = done.by.is_some_and(|by| by != task);
    by_another || matches!(done.act, Act::Post { origin: Origin::Future, parent: None, .. })
}

/// What a recording does not show of what was done to its loop: a divergence after that proves nothing.
#[derive(Debug, Default)]
struct NotShown {
    /// The place from which input is missing, and a description of it.
    from: Option<(u64, &'static str)>,
    /// Like `from`, for recordings without `input_call`.
    without_calls: Option<(u64, &'static str)>,
    lacks_calls: bool,
    /// Whether the host has microtasks, and nothing else was recorded since.
    host_waits: bool,
}

impl NotShown {
    /// Sets, from the snapshot with which the check starts, what the recorded loop shows.
    fn starts(&mut self, flags: Flags) {
        self.lacks_calls = !flags.contains(Flags::SHOWS_CALLS);
        if !flags.contains(Flags::RUNNING) {
            self.without_calls = Some((0, OUTSIDE));
        }
    }

    /// Takes the next event, at `place`, into account.
    fn read(&mut self, event: &Event, place: u64) {
        match event {
            Event::InputCall { call: LoopCall::HostMicrotasks } => self.host_waits = true,
            // The drain shows their number.
            Event::InputCall { call: LoopCall::HostDrain } => self.host_waits = false,
            _ if std::mem::take(&mut self.host_waits) => drop(self.from.get_or_insert((place, HOST))),
            _ => {}
        }
    }

    /// A tick at `place` follows acts of no tick.
    fn follows_outside(&mut self, place: u64) {
        self.without_calls.get_or_insert((place, OUTSIDE));
    }

    /// A tick that ends at `place` did not poll.
    fn has_not_polled(&mut self, place: u64) {
        self.without_calls.get_or_insert((place, HALF));
    }

    /// What is not shown up to `place`. Skipped events may have been anywhere.
    fn until(&self, place: u64, has_skipped: bool) -> Option<&'static str> {
        let lacking = self.without_calls.filter(|_| self.lacks_calls);
        let first = [self.from, lacking].into_iter().flatten().min();
        let shown = first.filter(|(from, _)| *from <= place).map(|(_, what)| what);
        has_skipped.then_some(SKIPPED).or(shown)
    }
}
