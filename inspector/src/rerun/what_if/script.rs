//! The script: what a recording says about the program, apart from the rule it ran under.
//!
//! What each callback did, after how long, and what it cost; what arrived from outside, and when. Everything is held
//! in a few flat tables and named by its place in them, so that ten minutes of a busy server fit into some hundred
//! megabytes.

pub(super) mod arrive;
mod beside;
mod callback;
mod did;
mod finish;
mod keys;
mod read;

use std::collections::BTreeSet;

use loop_core::gc::GcState;
use loop_probes::event::{GcReason, Outcome, PolicyField, Priority, Queue, StopReason};
use loop_probes::ids::{IoSource, LabelId, SourceId, Tag};
use loop_probes::metadata::Metadata;
use loop_traces::labels::Labels;
use loop_traces::source::{EventSource, SourceKind};

use super::cost::Costs;
use super::measure::Measure;
use crate::rerun::budget::{Meter, bytes_of};
use crate::rerun::{Chosen, RerunError};

/// A place in [`Script::runs`].
pub(super) type RunId = u32;

/// No place.
pub(super) const NONE: u32 = u32::MAX;

/// Most microtasks of a checkpoint that run one by one.
pub(super) const MICROTASKS_MAX: u32 = 1 << 20;

/// One callback, from its start to its end; of microtasks, all of a checkpoint.
#[derive(Clone, Copy, Debug)]
pub(super) struct Run {
    /// As recorded.
    pub(super) tag: Tag,
    pub(super) outcome: Outcome,
    /// It ran within the recording. What did not costs what its tag costs.
    pub(super) is_known: bool,
    /// Of a deferred callback: it stays for the next drain, where it is `next`.
    pub(super) kept: bool,
    /// Of an immediate: it is cleared, referenced or unreferenced later.
    pub(super) is_followed: bool,
    /// Microtasks of a checkpoint; 1 of all else.
    pub(super) count: u32,
    pub(super) cost_ns: u64,
    /// What it added to the heap.
    pub(super) heap: i64,
    /// Places in [`Script::acts`].
    pub(super) acts: (u32, u32),
    /// The checkpoint that follows.
    pub(super) drain: RunId,
    /// The next firing of the same timer, or the next run of the same deferred callback.
    pub(super) next: RunId,
}

/// Something that a callback did.
#[derive(Clone, Copy, Debug)]
pub(super) struct Act {
    /// After its start.
    pub(super) after_ns: u64,
    pub(super) what: What,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum What {
    Post(RunId),
    Immediate(RunId),
    AfterLoop(RunId),
    ClearImmediate(RunId),
    ImmediateRef {
        run: RunId,
        referenced: bool,
    },
    Defer {
        key: u64,
        run: RunId,
    },
    Undefer(u64),
    Arm(u32),
    Clear(u32),
    TimerRef {
        timer: u32,
        referenced: bool,
    },
    Work(u32),
    CancelWork(u32),
    Register(u32),
    Modify {
        source: u32,
        interest: u8,
    },
    SourceRef {
        source: u32,
        referenced: bool,
    },
    Remove(u32),
    /// A handler of a signal, or (no tag) none any more.
    OnSignal {
        signo: u8,
        tag: Option<Tag>,
    },
    /// Added a tasklet to the agenda.
    Tasklet(u32),
    /// A span of the program's own ended, which took so long.
    Span {
        label: LabelId,
        run_ns: u64,
    },
    Mark(LabelId),
    Hold(i32),
    Gc(GcReason),
}

/// One arming of a timer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arm {
    /// Which timer.
    pub(super) timer: u32,
    pub(super) tag: Tag,
    pub(super) delay_ns: u64,
    pub(super) period_ns: Option<u64>,
    /// Its first firing.
    pub(super) first: RunId,
    /// Of those that were armed at the beginning: when they are due.
    pub(super) due_ns: Option<u64>,
    pub(super) referenced: bool,
}

/// A job for the pool.
#[derive(Clone, Copy, Debug)]
pub(super) struct Job {
    pub(super) tag: Tag,
    /// Its completion.
    pub(super) run: RunId,
    pub(super) cost_ns: u64,
    /// From its post until an idle worker takes it.
    pub(super) wake_ns: u64,
    /// A worker ran it within the recording.
    pub(super) is_known: bool,
    /// Somebody takes it back.
    pub(super) is_cancelled: bool,
}

/// One run of a tasklet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tasklet {
    pub(super) tag: Tag,
    pub(super) priority: Priority,
    pub(super) outcome: Outcome,
    pub(super) cost_ns: u64,
    /// From its addition until it was taken, where a worker was idle all the while.
    pub(super) wake_ns: Option<u64>,
    /// What it did, in [`Script::acts`].
    pub(super) acts: (u32, u32),
    /// Its next run, where it asked for one.
    pub(super) next: u32,
    /// A worker ran it within the recording.
    pub(super) is_known: bool,
}

/// A source of readiness.
#[derive(Clone, Copy, Debug)]
pub(super) struct Source {
    pub(super) tag: Tag,
    /// Of those that were there at the beginning: its recorded number.
    pub(super) id: Option<IoSource>,
    pub(super) label: Option<LabelId>,
    /// What it was asked about first, as far as it shows.
    pub(super) interest: u8,
    /// It keeps the loop alive, at first.
    pub(super) referenced: bool,
}

/// Something from outside.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arrival {
    pub(super) at_ns: u64,
    pub(super) what: Came,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Came {
    /// Another thread posted.
    Post(RunId),
    Signal {
        signo: u8,
        run: RunId,
    },
    Ready {
        source: u32,
        readiness: u8,
        run: RunId,
    },
    /// Somebody else than a callback added a tasklet to the agenda.
    Tasklet(u32),
    /// Another thread woke the loop, for nothing that shows.
    Wake,
}

/// What there was at the beginning.
#[derive(Clone, Debug, Default)]
pub(super) struct Start {
    /// In arming order.
    pub(super) timers: Vec<u32>,
    /// In queue order.
    pub(super) tasks: Vec<(Queue, RunId)>,
    pub(super) sources: Vec<u32>,
    pub(super) deferred: Vec<(u64, RunId)>,
    /// References of the program's own.
    pub(super) held: u32,
    /// The heap as it was read first.
    pub(super) heap_bytes: u64,
    /// Signals that have a handler.
    pub(super) signals: Vec<(u8, Tag)>,
    /// The policy, as far as it was recorded.
    pub(super) policy: Vec<(PolicyField, Option<u64>)>,
    pub(super) gc: Option<GcState>,
    pub(super) notices: Vec<GcReason>,
    /// Parts that the snapshot had no room for.
    pub(super) left_out: u32,
}

/// What a recording says about the program. See the [module](self).
#[derive(Debug)]
pub(super) struct Script {
    pub(super) name: String,
    pub(super) kind: SourceKind,
    pub(super) metadata: Metadata,
    pub(super) labels: Labels,
    /// Whose loop it is.
    pub(super) source: SourceId,
    /// ... and why.
    pub(super) chosen: Option<Chosen>,
    pub(super) begin_ns: u64,
    pub(super) end_ns: u64,
    /// How it ended, where that was recorded.
    pub(super) ended: Option<StopReason>,
    pub(super) runs: Vec<Run>,
    pub(super) acts: Vec<Act>,
    pub(super) arms: Vec<Arm>,
    /// Timers that `arms` are of.
    pub(super) timers: u32,
    pub(super) jobs: Vec<Job>,
    pub(super) tasklets: Vec<Tasklet>,
    pub(super) sources: Vec<Source>,
    /// By time.
    pub(super) arrivals: Vec<Arrival>,
    pub(super) start: Start,
    pub(super) workers: u16,
    /// Workers of the agenda; none where there is none.
    pub(super) agenda_workers: u16,
    /// Labels of the program's own spans and marks.
    pub(super) spans: BTreeSet<LabelId>,
    /// Signals of which a callback installed or removed the handler.
    pub(super) handled: Vec<u8>,
    /// It watches a heap.
    pub(super) has_heap: bool,
    pub(super) costs: Costs,
    /// What callbacks of a tag cost in the middle, by tag.
    pub(super) typical_ns: Vec<u64>,
    pub(super) before: Measure,
    pub(super) ticks: u64,
    /// What it may cost to execute it.
    pub(super) meter: Meter,
    pub(super) left: Left,
}

/// What was seen and is not executed again.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Left {
    pub(super) collections: u64,
    pub(super) pumps: u64,
    pub(super) shutdown: bool,
    /// How long the loop was recorded before the stretch begins.
    pub(super) before_ns: u64,
    /// Beginnings before the last loss, that were given up.
    pub(super) lost: u64,
}

impl Script {
    /// Reads `source` to its end.
    pub(super) fn read(source: &mut dyn EventSource, wanted: Option<&str>) -> Result<Self, RerunError> {
        read::read(source, wanted)
    }

    /// The memory of its tables, in bytes.
    fn bytes(&self) -> u64 {
        let start = &self.start;
        bytes_of::<Run>(self.runs.len())
            + bytes_of::<Act>(self.acts.len())
            + bytes_of::<Arm>(self.arms.len())
            + bytes_of::<Job>(self.jobs.len())
            + bytes_of::<Tasklet>(self.tasklets.len())
            + bytes_of::<Source>(self.sources.len())
            // Arrivals are filtered again for each execution.
            + 2 * bytes_of::<Arrival>(self.arrivals.len())
            + bytes_of::<u32>(start.timers.len() + start.sources.len())
            + bytes_of::<(Queue, RunId)>(start.tasks.len())
            + bytes_of::<GcReason>(start.notices.len())
    }

    pub(super) fn run(&self, run: RunId) -> Run {
        self.runs[run as usize]
    }

    /// The tag of what arrived.
    pub(super) fn tag_of(&self, arrival: &Arrival) -> Tag {
        match arrival.what {
            Came::Post(run) | Came::Signal { run, .. } | Came::Ready { run, .. } => self.run(run).tag,
            Came::Tasklet(tasklet) => self.tasklets[tasklet as usize].tag,
            Came::Wake => Tag(0),
        }
    }

    /// The names of all tags of which something ran.
    pub(super) fn tag_names(&self) -> Vec<String> {
        let mut seen = vec![false; usize::from(u16::MAX) + 1];
        let tags = self.runs.iter().map(|run| run.tag).chain(self.tasklets.iter().map(|tasklet| tasklet.tag));
        tags.for_each(|tag| seen[usize::from(tag.0)] = true);
        let tags = (1..=u16::MAX).filter(|tag| seen[usize::from(*tag)]);
        tags.map(|tag| self.labels.tag(Tag(tag)).into_owned()).collect()
    }
}

impl Run {
    pub(super) const fn new(tag: Tag) -> Self {
        Self {
            tag,
            outcome: Outcome::Done,
            is_known: false,
            kept: false,
            is_followed: false,
            count: 1,
            cost_ns: 0,
            heap: 0,
            acts: (0, 0),
            drain: NONE,
            next: NONE,
        }
    }
}
