//! What time can be attributed to, and what waits for it.

use loop_probes::event::Phase;
use loop_probes::ids::{IoSource, LabelId, Tag, TaskId};

use crate::labels::Labels;
use crate::units::counted;

/// What waited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Waiter {
    /// A timer, from due to fired.
    Timer,
    /// A signal, from its handler to its delivery.
    Signal,
    /// A task, from queued to started.
    Task,
}

impl Waiter {
    /// All kinds.
    pub const ALL: [Self; 3] = [Self::Timer, Self::Signal, Self::Task];
}

/// What time is attributed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum What {
    /// One task.
    Task {
        /// Id of the task.
        task: TaskId,
        /// Tag of the task.
        tag: Tag,
    },
    /// One readiness callback.
    Io {
        /// The source that was ready.
        source: IoSource,
        /// Tag of the callback.
        tag: Tag,
        /// The id of the callback.
        task: TaskId,
    },
    /// Microtask checkpoints.
    Microtasks {
        /// The task that most of them followed, if it is known.
        after: Option<(TaskId, Tag)>,
    },
    /// Callbacks of the deferred queue.
    Deferred,
    /// Batches of immediates, excluding their tasks.
    Immediates,
    /// Collections.
    Gc,
    /// A labelled span outside of any task; in the breakdown of a slow task, one within it.
    Span {
        /// The label with the span's name.
        label: LabelId,
    },
    /// A phase, excluding what ran in it.
    Phase(Phase),
    /// A phase, including its shortest runs: the tick had too many to keep them all.
    ShortRuns(Phase),
    /// A poll with a zero timeout; in the breakdown of a slow task, its own polls.
    Poll,
    /// Polling up to the poll's own deadline: the loop had asked to sleep although something was due or queued.
    Overslept,
    /// Polling past the deadline, or after an external event arrived: the system woke the loop late.
    LateWakeup,
    /// The whole process or the machine was suspended.
    Suspended,
    /// Several small parts.
    Others {
        /// The number of parts.
        parts: u32,
    },
    /// Before the first event of the recording.
    BeforeRecording,
    /// Evicted: older than the history kept.
    Evicted,
    /// Records of this time were lost.
    Unknown {
        /// The number of lost records; 0 if unknown.
        lost: u64,
    },
    /// Time that no record accounts for.
    Unattributed,
}

impl What {
    /// Whether it is this task.
    pub(crate) fn is_task(self, id: TaskId) -> bool {
        matches!(self, Self::Task { task, .. } if task == id)
    }

    /// The display name: `task ReadFile #12`, `phase timers`, `unattributed`.
    #[must_use]
    pub fn describe(&self, labels: &Labels) -> String {
        match self {
            Self::Task { task, tag } => format!("task {} #{task}", labels.tag(*tag)),
            Self::Io { source, tag, task } => {
                format!("io {} #{task} on {}", labels.tag(*tag), labels.io(*source))
            }
            Self::Microtasks { after: None } => "microtasks".to_owned(),
            Self::Microtasks { after: Some((task, tag)) } => {
                format!("microtasks after {} #{task}", labels.tag(*tag))
            }
            Self::Deferred => "deferred".to_owned(),
            Self::Immediates => "immediates".to_owned(),
            Self::Gc => "gc".to_owned(),
            Self::Span { label } => format!("span {}", labels.span(*label)),
            Self::Phase(phase) => format!("phase {phase}"),
            Self::ShortRuns(phase) => format!("phase {phase} and its short runs"),
            Self::Poll => "poll".to_owned(),
            Self::Overslept => "overslept".to_owned(),
            Self::LateWakeup => "late wakeup".to_owned(),
            Self::Suspended => "suspended".to_owned(),
            Self::Others { parts } => format!("+{parts} others"),
            Self::BeforeRecording => "before the recording".to_owned(),
            Self::Evicted => "evicted".to_owned(),
            Self::Unknown { lost: 0 } => "unknown (records lost)".to_owned(),
            Self::Unknown { lost } => {
                format!("unknown ({} lost)", counted(*lost, "record", "records"))
            }
            Self::Unattributed => "unattributed".to_owned(),
        }
    }

    /// Whether it stands for unknown time, with nothing to blame.
    #[must_use]
    pub const fn is_ignorance(&self) -> bool {
        matches!(self, Self::BeforeRecording | Self::Evicted | Self::Unknown { .. } | Self::Unattributed)
    }
}
