//! Intermediate records of an import: rows of words that can be sorted by time and spilled until everything is known.

use loop_probes::event::{Event, Outcome, Placement, PollReason, Queue, RunningKind};
use loop_probes::ids::{LabelId, SourceId, Tag, TaskId, Timestamp};

use super::sorted::Sorter;

/// Words of a record.
pub(super) const WORDS: usize = 7;

/// The records made, before sorting.
pub(super) type IrRecords = Sorter<WORDS>;

/// One event of the result, or a note for the last pass. Names are numbers from the trace's table of names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum IrRecord {
    TickStart {
        tick: u64,
    },
    TickEnd {
        tick: u64,
        start: u64,
        tasks_run: u32,
    },
    Poll {
        start: u64,
    },
    Queued {
        task: u64,
        name: u32,
        queued: u64,
        parent: u64,
        poster: u32,
    },
    /// The task leaves its queue: not an event, but the queue's depth changes.
    Started,
    Ran {
        task: u64,
        name: u32,
        start: u64,
        queued: u64,
    },
    /// An unfinished task: it was running at this time.
    Running {
        task: u64,
        name: u32,
        start: u64,
    },
    Span {
        name: u32,
        start: u64,
    },
    Mark {
        name: u32,
    },
    Depth {
        queue: u8,
        depth: u32,
    },
    Gc {
        start: u64,
        before: u64,
        after: u64,
    },
    Lost {
        count: u64,
        from: u64,
    },
}

impl IrRecord {
    pub(super) fn to_words(self, at: u64, order: u64, source: u32) -> [u64; WORDS] {
        let (kind, small, a, b, c): (u64, u32, u64, u64, u64) = match self {
            Self::TickStart { tick } => (0, 0, tick, 0, 0),
            Self::TickEnd { tick, start, tasks_run } => (1, tasks_run, tick, start, 0),
            Self::Poll { start } => (2, 0, start, 0, 0),
            Self::Queued { task, name, queued, parent, poster } => {
                (3, name, task, queued, parent << 16 | u64::from(poster))
            }
            Self::Started => (4, 0, 0, 0, 0),
            Self::Ran { task, name, start, queued } => (5, name, task, start, queued),
            Self::Span { name, start } => (6, name, start, 0, 0),
            Self::Mark { name } => (7, name, 0, 0, 0),
            Self::Depth { queue, depth } => (8, depth, u64::from(queue), 0, 0),
            Self::Gc { start, before, after } => (9, 0, start, before, after),
            Self::Running { task, name, start } => (10, name, task, start, 0),
            Self::Lost { count, from } => (11, 0, count, from, 0),
        };
        [at, order, u64::from(source) << 8 | kind, u64::from(small), a, b, c]
    }

    /// The time, the source, and what happened.
    pub(super) fn from_words(words: [u64; WORDS]) -> (u64, u32, Self) {
        let [at, _, kind, small, a, b, c] = words;
        let small = small as u32;
        let made = match kind & 255 {
            0 => Self::TickStart { tick: a },
            1 => Self::TickEnd { tick: a, start: b, tasks_run: small },
            2 => Self::Poll { start: a },
            3 => {
                Self::Queued { task: a, name: small, queued: b, parent: c >> 16, poster: (c & 0xffff) as u32 }
            }
            4 => Self::Started,
            5 => Self::Ran { task: a, name: small, start: b, queued: c },
            6 => Self::Span { name: small, start: a },
            7 => Self::Mark { name: small },
            8 => Self::Depth { queue: a as u8, depth: small },
            10 => Self::Running { task: a, name: small, start: b },
            11 => Self::Lost { count: a, from: b },
            _ => Self::Gc { start: a, before: b, after: c },
        };
        (at, (kind >> 8) as u32, made)
    }

    /// The event it stands for. `None` if it stands for none.
    pub(super) fn event(self, tag: Tag, label: LabelId, depth: u32, placement: PlacementOf) -> Option<Event> {
        Some(match self {
            Self::TickStart { tick } => Event::TickStart { tick },
            Self::TickEnd { tick, start, tasks_run } => {
                Event::TickEnd { tick, tasks_run, start: Timestamp(start) }
            }
            // The file does not contain the reason for the wait, its timeout, or what was ready.
            Self::Poll { start } => {
                Event::Poll { reason: PollReason::Idle, ready: 0, timeout_ns: None, start: Timestamp(start) }
            }
            Self::Queued { task, queued, parent, poster, .. } => Event::TaskQueued {
                task: TaskId(task),
                tag,
                place: Placement { queue: Queue::Tasks, origin: placement.0, depth },
                parent: (parent > 0).then(|| TaskId(parent).into()),
                poster: (poster > 0).then_some(SourceId(poster)),
                queued: Timestamp(queued),
            },
            Self::Started => return None,
            Self::Running { task, start, .. } => Event::Running {
                what: RunningKind::Task,
                tag,
                phase: None,
                task: Some(TaskId(task)),
                deadline: None,
                since: Timestamp(start),
            },
            Self::Ran { task, start, queued, .. } => Event::TaskRan {
                task: TaskId(task),
                tag,
                outcome: Outcome::Done,
                queued: Timestamp(queued),
                start: Timestamp(start),
            },
            Self::Span { start, .. } => Event::Span { label, start: Timestamp(start) },
            Self::Mark { .. } => Event::Mark { label },
            Self::Lost { count, from } => Event::Lost { count, from: Timestamp(from) },
            Self::Depth { queue, depth } => Event::QueueDepth { queue: Queue::from_code(queue)?, depth },
            Self::Gc { start, before, after } => {
                Event::GcRan { heap_bytes_before: before, heap_bytes_after: after, start: Timestamp(start) }
            }
        })
    }
}

/// The origin of a task.
#[derive(Clone, Copy, Debug)]
pub(super) struct PlacementOf(pub(super) loop_probes::event::Origin);
