//! What an emitter is doing, as an event and as a *now running* cell.

use crate::event::{Event, Phase, RunningKind};
use crate::ids::{Tag, TaskId, Timestamp};
use crate::record::Stamp;

/// What the loop is doing right now: kept in a cell of the ring, so that a reader sees a hang while it lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Running {
    /// Between ticks, or not started.
    Outside,
    /// In a phase, between its tasks.
    Phase(Phase),
    /// In a task.
    Task {
        /// Id of the running task.
        task: TaskId,
        /// The tag of the task.
        tag: Tag,
    },
    /// Waiting for readiness.
    Poll {
        /// When the wait times out.
        deadline: Option<Timestamp>,
    },
}

impl Running {
    /// The event for this state, in effect since `since`.
    #[must_use]
    pub const fn event(self, since: Timestamp) -> Event {
        let (what, tag, phase, task, deadline) = match self {
            Self::Outside => (RunningKind::Outside, Tag(0), None, None, None),
            Self::Phase(phase) => (RunningKind::Phase, Tag(0), Some(phase), None, None),
            Self::Task { task, tag } => (RunningKind::Task, tag, None, Some(task), None),
            Self::Poll { deadline } => (RunningKind::Poll, Tag(0), None, None, deadline),
        };
        Event::Running { what, tag, phase, task, deadline, since }
    }

    /// The state in such an event, and since when. `None` for all other events, and for one without its phase or
    /// task.
    #[must_use]
    pub const fn of_event(event: &Event) -> Option<(Self, Timestamp)> {
        let &Event::Running { what, tag, phase, task, deadline, since } = event else { return None };
        let running = match (what, phase, task) {
            (RunningKind::Outside, ..) => Self::Outside,
            (RunningKind::Phase, Some(phase), _) => Self::Phase(phase),
            (RunningKind::Task, _, Some(task)) => Self::Task { task, tag },
            (RunningKind::Poll, ..) => Self::Poll { deadline },
            (RunningKind::Phase | RunningKind::Task, ..) => return None,
        };
        Some((running, since))
    }
    /// The kind, the tag and the detail of a cell in this state.
    pub(super) fn to_cell(self) -> (RunningKind, Tag, u64) {
        match self {
            Self::Outside => (RunningKind::Outside, Tag(0), 0),
            Self::Phase(phase) => (RunningKind::Phase, Tag(0), u64::from(phase.code())),
            Self::Task { task, tag } => (RunningKind::Task, tag, task.0),
            Self::Poll { deadline } => {
                (RunningKind::Poll, Tag(0), deadline.map_or(0, |deadline| deadline.0.saturating_add(1)))
            }
        }
    }

    /// The state in a cell; `None` if the cell is damaged.
    pub(crate) fn of_cell(stamp: Stamp, detail: u64) -> Option<Self> {
        Some(match RunningKind::from_code(stamp.kind())? {
            RunningKind::Outside => Self::Outside,
            RunningKind::Phase => Self::Phase(Phase::from_code(u8::try_from(detail).ok()?)?),
            RunningKind::Task => Self::Task { task: TaskId(detail), tag: Tag(stamp.tag()) },
            RunningKind::Poll => Self::Poll { deadline: detail.checked_sub(1).map(Timestamp) },
        })
    }
}
