//! The script: the behaviour of a recorded program, independent of the rule it ran under.
//!
//! It holds what each callback did, when, and at what cost; what arrived from outside, and when. Everything is in a few
//! flat tables and referred to by index, so that ten minutes of a busy server fit into a few hundred megabytes.

mod acts;
mod agenda_runs;
mod arrive;
mod callback;
mod finish;
mod keys;
mod ops;
mod read;
mod reading;

use acts::ActLists;
pub(super) use acts::{Act, NONE, Op, RunId};
pub(super) use read::read;

use std::collections::{BTreeSet, HashMap};

use loop_core::gc::GcState;
use loop_probes::event::{GcReason, Outcome, PolicyField, Priority, Queue, StopReason};
use loop_probes::ids::{IoSource, LabelId, SourceId, Tag};
use loop_probes::metadata::Metadata;
use loop_traces::labels::Labels;
use loop_traces::source::SourceKind;
use loop_traces::summary::OpenTickSummary;

use super::cost::Costs;
use super::measure::Detail;
use crate::ChosenLoop;
use crate::budget::{bytes_of, table_bytes};

/// Maximum number of microtasks of a checkpoint that run one by one.
pub(super) const MICROTASKS_MAX: u32 = 1 << 20;

/// One callback, from its start to its end; for microtasks, all of a checkpoint. Millions of them are kept.
#[derive(Clone, Copy, Debug)]
pub(super) struct Run {
    /// The run time in nanoseconds, or [`LARGE_COST`]. [`Script::cost_ns`] returns it.
    cost_ns: u32,
    /// A list of [`Script::acts`].
    pub(super) acts: u32,
    /// The checkpoint that follows.
    pub(super) drain: RunId,
    /// For a checkpoint, its number of microtasks; for others, the next firing of the same timer, or the next run of
    /// the same deferred callback.
    more: u32,
    /// Bytes that it added to the heap, or [`LARGE_GROWTH`].
    heap: i32,
    /// The recorded tag.
    pub(super) tag: Tag,
    /// The recorded outcome; `None` if the callback did not run within the recording: it costs the median of its tag.
    pub(super) outcome: Option<Outcome>,
    pub(super) role: RunRole,
}

const _: () = assert!(size_of::<Run>() == 24, "the tables of a script grow");

/// The run time of a run is in [`Script::large_costs`].
const LARGE_COST: u32 = u32::MAX;

/// The heap growth of a run is in [`Script::large_growth`].
const LARGE_GROWTH: i32 = i32::MIN;

/// The kind of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RunRole {
    Callback,
    /// A deferred callback that stays queued for the next drain.
    Kept,
    /// An immediate that is cleared, referenced or unreferenced later.
    Followed,
    /// The microtasks of a checkpoint.
    Checkpoint,
    /// The poll of a future.
    Poll,
}

/// One arming of a timer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arm {
    /// The number of the timer.
    pub(super) timer: u32,
    pub(super) tag: Tag,
    pub(super) delay_ns: u64,
    pub(super) period_ns: Option<u64>,
    /// The run of the timer's first firing.
    pub(super) first: RunId,
    /// For timers armed before the beginning: when they are due.
    pub(super) due_ns: Option<u64>,
    pub(super) referenced: bool,
}

/// A job for the pool.
#[derive(Clone, Copy, Debug)]
pub(super) struct Job {
    pub(super) tag: Tag,
    /// The run of its completion.
    pub(super) run: RunId,
    pub(super) cost_ns: u64,
    /// Time from submission until an idle worker takes the job.
    pub(super) wake_ns: u64,
    /// Whether a worker ran it within the recording.
    pub(super) is_known: bool,
    /// Whether the job is cancelled later.
    pub(super) is_cancelled: bool,
}

/// One run of a tasklet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tasklet {
    pub(super) tag: Tag,
    pub(super) priority: Priority,
    pub(super) outcome: Outcome,
    pub(super) cost_ns: u64,
    /// From being added until it was taken, if a worker was idle all that time.
    pub(super) wake_ns: Option<u64>,
    /// What the tasklet did: a list of [`Script::acts`].
    pub(super) acts: u32,
    /// The tasklet's next run, if it asked for one.
    pub(super) next: u32,
    /// Whether a worker ran it within the recording.
    pub(super) is_known: bool,
}

/// A source of readiness.
#[derive(Clone, Copy, Debug)]
pub(super) struct Source {
    pub(super) tag: Tag,
    /// For sources that existed at the beginning: the recorded number.
    pub(super) id: Option<IoSource>,
    pub(super) label: Option<LabelId>,
    /// The source's first interest set, as far as known.
    pub(super) interest: u8,
    /// Whether it keeps the loop alive initially.
    pub(super) referenced: bool,
}

/// An arrival from outside.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arrival {
    pub(super) at_ns: u64,
    pub(super) what: ArrivalKind,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum ArrivalKind {
    /// A post of another thread.
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
    /// A tasklet added to the agenda, but not by a callback.
    Tasklet(u32),
    /// A wakeup by another thread, without a recorded reason.
    Wake,
}

/// The state at the beginning.
#[derive(Clone, Debug, Default)]
pub(super) struct Start {
    /// In arming order.
    pub(super) timers: Vec<u32>,
    /// In queue order.
    pub(super) tasks: Vec<(Queue, RunId)>,
    pub(super) sources: Vec<u32>,
    pub(super) deferred: Vec<(u64, RunId)>,
    /// References held by the program itself.
    pub(super) held: u32,
    /// References held by futures.
    pub(super) futures: u32,
    /// The first reading of the heap, in bytes.
    pub(super) heap_bytes: u64,
    /// Signals that have a handler.
    pub(super) signals: Vec<(u8, Tag)>,
    /// The policy, as far as it was recorded.
    pub(super) policy: Vec<(PolicyField, Option<u64>)>,
    pub(super) gc: Option<GcState>,
    pub(super) notices: Vec<GcReason>,
    /// Parts that did not fit into the snapshot.
    pub(super) left_out: u32,
}

/// The behaviour of a recorded program. See the [module](self).
#[derive(Debug)]
pub(super) struct Script {
    pub(super) name: String,
    pub(super) kind: SourceKind,
    /// What is measured of the recording and of its re-executions.
    pub(super) detail: Detail,
    pub(super) metadata: Metadata,
    pub(super) labels: Labels,
    /// The emitter of the loop.
    pub(super) source: SourceId,
    /// The loop, and why it was selected.
    pub(super) chosen: Option<ChosenLoop>,
    pub(super) begin_ns: u64,
    /// The end of the last complete unit.
    pub(super) end_ns: u64,
    /// How the run ended, if recorded.
    pub(super) ended: Option<StopReason>,
    pub(super) runs: Vec<Run>,
    /// Run times of the few runs whose field does not hold them.
    pub(super) large_costs: HashMap<RunId, u64>,
    /// Heap growth of the few runs whose field does not hold it.
    pub(super) large_growth: HashMap<RunId, i64>,
    /// What the runs and tasklets did.
    pub(super) acts: ActLists,
    pub(super) arms: Vec<Arm>,
    /// The number of different timers in `arms`.
    pub(super) timers: u32,
    pub(super) jobs: Vec<Job>,
    pub(super) tasklets: Vec<Tasklet>,
    pub(super) sources: Vec<Source>,
    /// Arrivals in order of time.
    pub(super) arrivals: Vec<Arrival>,
    pub(super) start: Start,
    pub(super) workers: u16,
    /// Workers of the agenda; 0 if there is no agenda.
    pub(super) agenda_workers: u16,
    /// Labels of the program's own spans and marks.
    pub(super) spans: BTreeSet<LabelId>,
    /// Signals whose handler a callback installed or removed.
    pub(super) handled: Vec<u8>,
    /// Whether the loop watches a heap.
    pub(super) has_heap: bool,
    pub(super) costs: Costs,
    /// The median cost of a callback, by tag.
    pub(super) typical_ns: Vec<u64>,
    pub(super) ticks: u64,
    /// Events of the recording, by which a re-execution is limited.
    pub(super) events: u64,
    pub(super) left: LeftOut,
    /// The tick in which the recording ends, which is not part of the script.
    pub(super) open_tick: Option<OpenTickSummary>,
}

/// Parts of the recording that are not re-executed.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct LeftOut {
    pub(super) collections: u64,
    pub(super) pumps: u64,
    pub(super) shutdown: bool,
    /// Recorded time of the loop before the stretch begins, in nanoseconds.
    pub(super) before_ns: u64,
    /// Starting points given up because of a later loss.
    pub(super) lost: u64,
    /// Jobs that workers ran, but that were scheduled before the stretch.
    pub(super) jobs: u64,
}

impl Script {
    /// The size of its tables, in bytes.
    fn bytes(&self) -> u64 {
        let start = &self.start;
        bytes_of::<Run>(self.runs.len())
            + table_bytes::<RunId, u64>(self.large_costs.len())
            + table_bytes::<RunId, i64>(self.large_growth.len())
            + self.acts.bytes()
            + bytes_of::<Arm>(self.arms.len())
            + bytes_of::<Job>(self.jobs.len())
            + bytes_of::<Tasklet>(self.tasklets.len())
            + bytes_of::<Source>(self.sources.len())
            // Every execution filters the arrivals again.
            + 2 * bytes_of::<Arrival>(self.arrivals.len())
            + bytes_of::<u32>(start.timers.len() + start.sources.len())
            + bytes_of::<(Queue, RunId)>(start.tasks.len())
            + bytes_of::<GcReason>(start.notices.len())
    }

    pub(super) fn run(&self, run: RunId) -> Run {
        self.runs[run as usize]
    }

    /// The run time of a run, in nanoseconds.
    pub(super) fn cost_ns(&self, id: RunId) -> u64 {
        match self.run(id).cost_ns {
            LARGE_COST => self.large_costs.get(&id).copied().unwrap_or(0),
            cost_ns => cost_ns.into(),
        }
    }

    /// Sets a run and its run time, in nanoseconds.
    pub(super) fn set_run(&mut self, id: RunId, run: Run, cost_ns: u64) {
        let small = u32::try_from(cost_ns).ok().filter(|cost_ns| *cost_ns != LARGE_COST);
        if small.is_none() {
            self.large_costs.insert(id, cost_ns);
        }
        self.runs[id as usize] = Run { cost_ns: small.unwrap_or(LARGE_COST), ..run };
    }

    /// Bytes that a run added to the heap.
    pub(super) fn growth(&self, id: RunId) -> i64 {
        match self.run(id).heap {
            LARGE_GROWTH => self.large_growth.get(&id).copied().unwrap_or(0),
            heap => heap.into(),
        }
    }

    /// Adds to the heap growth of a run.
    pub(super) fn grow(&mut self, id: RunId, by: i64) {
        let growth = self.growth(id).saturating_add(by);
        let small = i32::try_from(growth).ok().filter(|growth| *growth != LARGE_GROWTH);
        if small.is_none() {
            self.large_growth.insert(id, growth);
        }
        self.runs[id as usize].heap = small.unwrap_or(LARGE_GROWTH);
    }

    /// The tag of an arrival.
    pub(super) fn tag_of(&self, arrival: &Arrival) -> Tag {
        match arrival.what {
            ArrivalKind::Post(run) | ArrivalKind::Signal { run, .. } | ArrivalKind::Ready { run, .. } => {
                self.run(run).tag
            }
            ArrivalKind::Tasklet(tasklet) => self.tasklets[tasklet as usize].tag,
            ArrivalKind::Wake => Tag(0),
        }
    }

    /// The names of all tags that ran.
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
        let (outcome, role) = (None, RunRole::Callback);
        Self { cost_ns: 0, acts: NONE, drain: NONE, more: NONE, heap: 0, tag, outcome, role }
    }

    /// All microtasks of a checkpoint.
    pub(super) const fn checkpoint(tag: Tag, count: u32) -> Self {
        let (outcome, role) = (Some(Outcome::Done), RunRole::Checkpoint);
        Self { outcome, role, more: count, ..Self::new(tag) }
    }

    /// Whether it ran within the recording.
    pub(super) const fn is_known(&self) -> bool {
        self.outcome.is_some()
    }

    /// The number of microtasks of a checkpoint.
    pub(super) fn count(&self) -> u32 {
        if self.role == RunRole::Checkpoint { self.more } else { 1 }
    }

    /// The next firing of the same timer, or the next run of the same deferred callback.
    pub(super) fn next(&self) -> RunId {
        if self.role == RunRole::Checkpoint { NONE } else { self.more }
    }

    pub(super) const fn set_next(&mut self, next: RunId) {
        self.more = next;
    }
}
