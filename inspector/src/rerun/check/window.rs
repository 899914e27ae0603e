//! The recorded stream as the check reads it: a window of what comes next, never the whole of it.
//!
//! What decides nothing is left out. Events between the start of a callback and its end become a [`Frame`]: what the
//! callback has to do when the loop comes to it. The window always holds the rest of this tick and the whole next
//! one, because some of what happened shows only later.

use std::collections::{HashSet, VecDeque};

use loop_probes::event::{ClockPoint, Event, Origin, Outcome, Queue};
use loop_probes::ids::{SourceId, TaskId, Timestamp};
use loop_probes::stamped::Stamped;
use loop_traces::labels::Labels;
use loop_traces::source::{EventSource, SourceState};

use super::compared::{is_compared, normal};
use crate::rerun::RerunError;
use crate::rerun::act::{Act, Acts, Done, Role};
use crate::rerun::budget::Meter;
use crate::rerun::loops::Loops;

/// Ticks that the window holds beside the current one.
const TICKS_AHEAD: u32 = 2;
/// Most events in the window: a tick of more is no tick of a loop that anybody runs.
const WINDOW_MAX: usize = 1 << 20;

/// An event that counts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub(super) at: Timestamp,
    /// As it was recorded, to be shown.
    pub(super) told: Event,
    /// What is compared of it.
    pub(super) event: Event<()>,
}

/// What runs in a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A task, or the callback of a source, by its id.
    Callback(TaskId),
    /// A checkpoint of so many microtasks, those included that a budget leaves.
    Microtasks(u64),
    /// A drain of so many entries of the deferred queue.
    Deferred(u32),
    /// Something between two ticks: a callback from outside, or not even that.
    Outside(bool),
}

/// What a callback, a checkpoint or a drain has to do.
#[derive(Clone, Debug)]
pub(super) struct Frame {
    pub(super) kind: Kind,
    pub(super) outcome: Outcome,
    /// It reloads the program.
    reloads: bool,
    pub(super) acts: VecDeque<Done>,
    /// References that it gave back for the end of the turn.
    pub(super) releases: u32,
    /// Callbacks of the drain that began.
    pub(super) begun: u32,
    /// Where its end is.
    pub(super) end: u64,
}

/// What comes next in the recording.
pub(super) struct Window {
    source: Box<dyn EventSource>,
    emitter: SourceId,
    batch: Vec<Stamped>,
    next: usize,
    state: SourceState,
    entries: VecDeque<Entry>,
    /// The place of the first event of the window.
    pub(super) place: u64,
    pub(super) frames: VecDeque<Frame>,
    /// What was done outside of all callbacks, and where.
    pub(super) loose: VecDeque<(u64, Done)>,
    pub(super) labels: Labels,
    pub(super) loops: Loops,
    /// Records of the loop were lost behind where the check began: it begins too early.
    pub(super) has_loss: bool,
    /// What it may cost to check it.
    pub(super) meter: Meter,
    /// The recording ends within a tick, or between two, with this event: what lies behind is not compared.
    limit: Option<u64>,
    /// Where the last thing that is whole ends: a tick, a run, a callback between two ticks.
    whole: u64,
    ticks_ahead: u32,
    acts: Acts,
    places: Vec<u64>,
    immediates: HashSet<TaskId>,
    reading: Reading,
}

/// Where in the stream the reading is.
#[derive(Clone, Copy, Debug, Default)]
struct Reading {
    in_tick: bool,
    in_snapshot: bool,
    /// A shutdown cancels what it cancels.
    in_shutdown: bool,
    /// The loop looked at the deadline of its shutdown between two ticks.
    after_deadline: bool,
    /// All is given back: nothing is decided any more.
    in_teardown: bool,
    /// A future was queued that another thread had woken.
    woken: bool,
}

impl Window {
    /// Reads on from `source`, of which `start` events of all emitters were passed over.
    pub(super) fn new(
        mut source: Box<dyn EventSource>,
        emitter: SourceId,
        start: u64,
    ) -> Result<Self, RerunError> {
        let (mut labels, mut batch, mut passed, mut next) = (Labels::default(), Vec::new(), 0, 0);
        let (mut state, mut loops) = (SourceState::More, Loops::default());
        while passed < start && state == SourceState::More {
            batch.clear();
            state = source.poll(&mut batch)?;
            let skipped = usize::try_from(start - passed).unwrap_or(usize::MAX).min(batch.len());
            batch[..skipped].iter().for_each(|stamped| {
                labels.learn_event(&stamped.event);
                loops.see(stamped);
            });
            passed += skipped as u64;
            next = skipped;
        }
        let mut window = Self {
            source,
            emitter,
            batch,
            next,
            state,
            entries: VecDeque::new(),
            place: 0,
            frames: VecDeque::new(),
            loose: VecDeque::new(),
            labels,
            loops,
            has_loss: false,
            meter: Meter::default(),
            limit: None,
            whole: 0,
            ticks_ahead: 0,
            acts: Acts::default(),
            places: Vec::new(),
            immediates: HashSet::new(),
            reading: Reading::default(),
        };
        window.refill(TICKS_AHEAD)?;
        Ok(window)
    }

    /// The recording.
    pub(super) fn name(&self) -> &str {
        self.source.name()
    }

    /// The next event, where it is compared.
    pub(super) fn front(&self) -> Option<&Entry> {
        self.entries.front().filter(|_| self.limit.is_none_or(|limit| self.place < limit))
    }

    /// The tick in which the recording ends, where it was cut off there.
    pub(super) fn cut_in(&self) -> Option<u64> {
        let limit = usize::try_from(self.limit?.saturating_sub(self.place)).unwrap_or(usize::MAX);
        self.entries.iter().skip(limit).find_map(|entry| match entry.event {
            Event::TickStart { tick } => Some(tick),
            _ => None,
        })
    }

    /// What comes next, in order, whether it is compared or not. Each entry looked at is an operation.
    pub(super) fn ahead(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().inspect(|_| {
            self.meter.spend(1);
        })
    }

    /// The next event is over.
    pub(super) fn advance(&mut self) -> Result<Option<Entry>, RerunError> {
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

    /// Spends this many operations of the budget.
    pub(super) fn pay(&self, operations: u64) -> Result<(), RerunError> {
        if self.meter.spend(operations) { Ok(()) } else { Err(self.meter.exceeded(self.name())) }
    }

    /// Reads further than usual; false where there is nothing further.
    pub(super) fn look_further(&mut self) -> Result<bool, RerunError> {
        let before = self.entries.len();
        self.refill(self.ticks_ahead.saturating_mul(2).saturating_add(8))?;
        Ok(self.entries.len() > before)
    }

    /// Reads to the end, for the loops that there are.
    pub(super) fn count_loops(&mut self) -> Result<&Loops, RerunError> {
        loop {
            self.batch[self.next..].iter().for_each(|stamped| self.loops.see(stamped));
            if self.state != SourceState::More {
                self.next = self.batch.len();
                return Ok(&self.loops);
            }
            self.batch.clear();
            self.next = 0;
            self.state = self.source.poll(&mut self.batch)?;
        }
    }

    fn refill(&mut self, ticks: u32) -> Result<(), RerunError> {
        while self.ticks_ahead < ticks {
            let Some(stamped) = self.batch.get(self.next).copied() else {
                if self.state != SourceState::More {
                    self.leave_loose();
                    self.limit = Some(self.whole);
                    return Ok(());
                }
                self.batch.clear();
                self.next = 0;
                self.state = self.source.poll(&mut self.batch)?;
                self.meter.read(self.batch.len() as u64);
                continue;
            };
            self.next += 1;
            self.labels.learn_event(&stamped.event);
            self.loops.see(&stamped);
            if stamped.source != self.emitter {
                continue;
            }
            if matches!(stamped.event, Event::Lost { .. }) {
                self.has_loss = true;
                (self.state, self.next) = (SourceState::Ended, self.batch.len());
                continue;
            }
            self.read(&stamped);
            if self.entries.len() > WINDOW_MAX {
                return Err(RerunError::TickTooLong { most: WINDOW_MAX });
            }
        }
        Ok(())
    }

    fn read(&mut self, stamped: &Stamped) {
        let Stamped { at, ref event, .. } = *stamped;
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
            Role::Own => self.leave_loose(),
            Role::Aside => {}
        }
        self.entries.push_back(Entry { at, told: *event, event: normal(event.map_time(|_| ())) });
        let ends = matches!(event, Event::TickEnd { .. } | Event::LoopStopped { .. });
        if ends || (matches!(event, Event::CallbackRan { .. }) && !self.reading.in_tick) {
            self.whole = place + 1;
        }
    }

    /// What is decided by nobody: a wake-up that came with futures, and what is given back at the very end.
    fn is_passed_over(&mut self, event: &Event) -> bool {
        let reading = &mut self.reading;
        let was_woken = std::mem::take(&mut reading.woken);
        match event {
            Event::Wake { .. } if was_woken => return true,
            Event::TaskQueued { place, parent: None, .. } if place.origin == Origin::Future => {
                reading.woken = true
            }
            _ => {}
        }
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

    /// Keeps track of where this is. True where the event can be no act.
    fn notice(&mut self, event: &Event) -> bool {
        let reading = &mut self.reading;
        match *event {
            Event::TickStart { .. } => {
                self.leave_loose();
                let reading = &mut self.reading;
                (reading.in_tick, reading.in_shutdown) = (true, false);
            }
            Event::TickEnd { .. } => {
                self.leave_loose();
                self.reading.in_tick = false;
                self.ticks_ahead += 1;
            }
            Event::SnapshotBegin { .. } => reading.in_snapshot = true,
            Event::SnapshotEnd { .. } => {
                reading.in_snapshot = false;
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
            Event::TaskRan { task, outcome, .. } => (Kind::Callback(task), outcome),
            Event::IoReady { task, .. } => (Kind::Callback(task), Outcome::Done),
            Event::Microtasks { ran, left, .. } => {
                (Kind::Microtasks(u64::from(ran) + u64::from(left)), Outcome::Done)
            }
            Event::DeferredRan { ran, .. } => (Kind::Deferred(ran), Outcome::Done),
            _ => (Kind::Outside(true), Outcome::Done),
        };
        if let Kind::Callback(task) = kind {
            // Futures that the callback before this one woke are queued after its drains.
            let of_others = |done: &&Done| matches!(done.act, Act::Post { origin: Origin::Future, parent, .. } if parent != Some(task));
            let count = acts.iter().take_while(of_others).count();
            self.loose.extend(places.drain(..count).zip(acts.drain(..count)));
        }
        if let Event::CallbackRan { start, .. } = *event {
            // What was done before the callback was called is none of its own.
            let before = |done: &Done| done.at < start || of_no_callback(&done.act);
            let count = acts.iter().rposition(before).map_or(0, |last| last + 1);
            if count > 0 {
                let acts = acts.drain(..count).collect();
                self.frames.push_back(Frame::new(Kind::Outside(false), Outcome::Done, acts, place));
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

    /// Acts in front of something that the loop does itself were no callback's.
    fn leave_loose(&mut self) {
        if self.acts.is_empty() {
            return;
        }
        let (acts, places) = (self.acts.take(), std::mem::take(&mut self.places));
        if !self.reading.in_tick {
            let end = self.place + self.entries.len() as u64;
            self.frames.push_back(Frame::new(Kind::Outside(false), Outcome::Done, acts, end));
            return;
        }
        for (place, done) in places.into_iter().zip(acts) {
            match (done.act, self.frames.back_mut()) {
                (Act::Hold(delta), Some(frame)) if delta < 0 => {
                    frame.releases = frame.releases.saturating_add(delta.unsigned_abs());
                }
                _ => self.loose.push_back((place, done)),
            }
        }
    }
}

impl Frame {
    fn new(kind: Kind, outcome: Outcome, acts: Vec<Done>, end: u64) -> Self {
        let reloads = outcome == Outcome::Reload || acts.iter().any(|done| done.act == Act::Reload);
        Self { kind, outcome, reloads, acts: acts.into(), releases: 0, begun: 0, end }
    }

    /// Whether no checkpoint belongs to it: what it queues waits for that of another.
    pub(super) const fn has_no_checkpoint(&self) -> bool {
        self.reloads || matches!(self.kind, Kind::Outside(false))
    }
}

/// Whether an act says itself that no callback did it.
const fn of_no_callback(act: &Act) -> bool {
    matches!(act, Act::Post { origin: Origin::Local, .. } | Act::AfterLoop(_, _, Origin::Local))
}
