//! What is known of a loop's stretch while its recording is read.

use std::collections::{BTreeSet, HashMap, HashSet};

use loop_probes::event::Event;
use loop_probes::ids::{IoSource, LabelId, SourceId, Tag, TaskId, TimerId, Timestamp};
use loop_probes::stamped::Stamped;

use super::super::cost::Overheads;
use super::super::measure::Measure;
use super::arrive::{ExternalEvents, JobTimes};
use super::keys::Keys;
use super::{Arm, Arrival, ArrivalKind, NONE, Op, Run, RunId, Script, Source};
use crate::act::Acts;
use crate::act::completes_unit;
use crate::budget::{bytes_of, table_bytes};

/// An act: its time, the task that did it if recorded, and what it was.
pub(super) type TimedOp = (Timestamp, Option<TaskId>, Op);

/// A timer as the recording numbers it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timer {
    pub(super) timer: u32,
    /// The timer's latest arming; `fired` is the latest firing of that arming.
    pub(super) arm: u32,
    pub(super) fired: RunId,
}

/// Holds events back until the unit that they belong to is complete, those of other emitters included. A recording that
/// ends in a tick has no script for that tick: the acts and the cost of its running callback were never recorded, and the
/// time until the end of the recording would be idle time in a re-execution.
#[derive(Debug, Default)]
pub(super) struct Pending {
    pub(super) events: Vec<Stamped>,
    pub(super) in_tick: bool,
}

impl Pending {
    /// Adds an event. Returns true if it completes a unit of the loop `own`, or is the last one that counts: the
    /// beginning of a shutdown.
    pub(super) fn push(&mut self, stamped: &Stamped, own: SourceId) -> bool {
        self.events.push(*stamped);
        if stamped.source != own {
            return false;
        }
        let event = &stamped.event;
        match event {
            Event::TickStart { .. } => self.in_tick = true,
            Event::TickEnd { .. } | Event::ShutdownBegan { .. } => self.in_tick = false,
            _ => {}
        }
        completes_unit(event, self.in_tick) || matches!(event, Event::ShutdownBegan { .. })
    }

    /// The events so far. [`reuse`](Self::reuse) takes the memory back.
    pub(super) fn take(&mut self) -> Vec<Stamped> {
        std::mem::take(&mut self.events)
    }

    pub(super) fn reuse(&mut self, mut events: Vec<Stamped>) {
        events.clear();
        self.events = events;
    }

    /// Memory used so far, in bytes.
    pub(super) fn bytes(&self) -> u64 {
        bytes_of::<Stamped>(self.events.len())
    }
}

/// A stretch of the recording, as read so far: from the first snapshot after a loss.
pub(super) struct Reading {
    pub(super) source: SourceId,
    pub(super) begin: Timestamp,
    pub(super) end: Timestamp,
    pub(super) script: Script,
    /// The fold of the stretch.
    pub(super) before: Measure,
    /// Announced callbacks, by recorded number.
    pub(super) expected: HashMap<TaskId, RunId>,
    /// The announced callbacks that are immediates: with the outcome `cancelled`, another callback cleared them.
    pub(super) immediates: HashSet<TaskId>,
    pub(super) timers: HashMap<TimerId, Timer>,
    pub(super) sources: HashMap<IoSource, u32>,
    /// Sources removed since the end of the last callback: one of them may be the running callback's own.
    pub(super) removed: Vec<(IoSource, u32)>,
    pub(super) jobs: HashMap<TaskId, u32>,
    pub(super) worked: HashMap<TaskId, JobTimes>,
    /// Acts since the end of the last callback.
    pub(super) open: Vec<TimedOp>,
    /// The callback that ended last, and its recorded number.
    pub(super) last: Option<(RunId, Option<TaskId>)>,
    /// The last checkpoint after the callback that ended last.
    pub(super) tail: RunId,
    /// Keys of the deferred queue with their runs.
    pub(super) deferred: Keys,
    /// The callbacks of the drain that asked to stay queued.
    pub(super) kept: BTreeSet<u32>,
    /// The latest time at which the last acts can still be a callback's.
    pub(super) last_end: Timestamp,
    /// The explanation of a source that is being registered.
    pub(super) label: Option<(IoSource, LabelId)>,
    /// The tasklets of the agenda, and the acts of its workers.
    pub(super) agenda: AgendaReader,
    /// Events of the unit that is not complete so far.
    pub(super) pending: Pending,
    pub(super) acts: Acts,
    pub(super) heap: Option<u64>,
    pub(super) is_collecting: bool,
    /// Callbacks that ran since the last reading of the heap.
    pub(super) grew: Vec<RunId>,
    pub(super) in_snapshot: bool,
    /// Whether the snapshot at the beginning is complete.
    pub(super) started: bool,
    pub(super) over: bool,
    pub(super) overheads: Overheads,
    pub(super) outside: ExternalEvents,
}

/// Maximum number of workers tracked.
const WORKERS_MAX: usize = 1024;

/// A worker, and what it ran last.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Worker {
    pub(super) last: Option<(TaskId, u32)>,
    pub(super) end: Timestamp,
}

/// A tasklet that has run.
#[derive(Clone, Copy, Debug)]
pub(super) struct FinishedTasklet {
    pub(super) worker: SourceId,
    pub(super) queued: Timestamp,
    pub(super) start: Timestamp,
    pub(super) end: Timestamp,
    pub(super) tasklet: u32,
}

/// What is known so far about the agenda.
#[derive(Debug, Default)]
pub(super) struct AgendaReader {
    pub(super) workers: HashMap<SourceId, Worker>,
    /// Tasklets added that did not run yet.
    pub(super) waiting: HashMap<TaskId, u32>,
    pub(super) ran: Vec<FinishedTasklet>,
    /// Acts of workers: posts, additions, spans.
    pub(super) ops: Vec<(SourceId, Timestamp, Op)>,
    /// Tasklets that waited or ran at the beginning, and how many of them ended.
    pub(super) at_start: u32,
    pub(super) at_start_ended: u32,
    pub(super) pending: u32,
}

impl AgendaReader {
    pub(super) const fn at_the_start(&mut self, tasklets: u32) {
        (self.at_start, self.pending) = (tasklets, tasklets);
    }

    /// Memory used, in bytes.
    pub(super) fn bytes(&self) -> u64 {
        bytes_of::<FinishedTasklet>(self.ran.len())
            + bytes_of::<(SourceId, Timestamp, Op)>(self.ops.len())
            + table_bytes::<TaskId, u32>(self.waiting.len())
    }

    pub(super) fn worker(&mut self, source: SourceId) -> Option<&mut Worker> {
        if self.workers.len() >= WORKERS_MAX && !self.workers.contains_key(&source) {
            return None;
        }
        Some(self.workers.entry(source).or_default())
    }
}

impl Reading {
    pub(super) fn new(first: Stamped, script: Script) -> Self {
        Self {
            source: first.source,
            begin: first.at,
            end: first.at,
            before: Measure::new(&script.metadata, script.detail),
            script,
            expected: HashMap::new(),
            immediates: HashSet::new(),
            timers: HashMap::new(),
            sources: HashMap::new(),
            removed: Vec::new(),
            jobs: HashMap::new(),
            worked: HashMap::new(),
            open: Vec::new(),
            last: None,
            tail: NONE,
            deferred: Keys::default(),
            kept: BTreeSet::new(),
            last_end: first.at,
            label: None,
            agenda: AgendaReader::default(),
            pending: Pending::default(),
            acts: Acts::default(),
            heap: None,
            is_collecting: false,
            grew: Vec::new(),
            in_snapshot: false,
            started: false,
            over: false,
            overheads: Overheads::default(),
            outside: ExternalEvents::default(),
        }
    }

    /// Memory used so far, in bytes.
    pub(super) fn bytes(&self) -> u64 {
        let script = &self.script;
        let tables = table_bytes::<TaskId, RunId>(self.expected.len())
            + table_bytes::<TaskId, ()>(self.immediates.len())
            + table_bytes::<TimerId, Timer>(self.timers.len())
            + table_bytes::<IoSource, u32>(self.sources.len())
            + table_bytes::<TaskId, u32>(self.jobs.len())
            + table_bytes::<TaskId, JobTimes>(self.worked.len());
        let gathered = bytes_of::<TimedOp>(self.open.len())
            + bytes_of::<(u64, RunId)>(self.deferred.len())
            + bytes_of::<RunId>(self.grew.len())
            + bytes_of::<(IoSource, u32)>(self.removed.len())
            + self.agenda.bytes()
            + self.pending.bytes()
            + self.overheads.bytes()
            + self.outside.bytes();
        script.bytes() + tables + gathered
    }

    /// The run of an announced callback.
    pub(super) fn expect(&mut self, task: TaskId, tag: Tag) -> RunId {
        if let Some(run) = self.expected.get(&task) {
            return *run;
        }
        let run = self.new_run(tag);
        self.expected.insert(task, run);
        run
    }

    pub(super) fn new_run(&mut self, tag: Tag) -> RunId {
        self.script.runs.push(Run::new(tag));
        (self.script.runs.len() - 1) as RunId
    }

    pub(super) fn arm(
        &mut self,
        id: TimerId,
        tag: Tag,
        delay_ns: u64,
        period_ns: Option<u64>,
        due_ns: Option<u64>,
        referenced: bool,
    ) -> u32 {
        let arm = self.script.arms.len() as u32;
        let timer = self.timers.get(&id).map_or_else(
            || {
                self.script.timers += 1;
                self.script.timers - 1
            },
            |known| known.timer,
        );
        self.timers.insert(id, Timer { timer, arm, fired: NONE });
        self.script.arms.push(Arm { timer, tag, delay_ns, period_ns, first: NONE, due_ns, referenced });
        arm
    }

    pub(super) fn arrived(&mut self, at: Timestamp, what: ArrivalKind) {
        let at_ns = at.max(self.begin).as_ns();
        self.script.arrivals.push(Arrival { at_ns, what });
    }

    pub(super) fn new_source(&mut self, tag: Tag, interest: u8, referenced: bool) -> u32 {
        self.script.sources.push(Source { tag, id: None, label: None, interest, referenced });
        (self.script.sources.len() - 1) as u32
    }
}
