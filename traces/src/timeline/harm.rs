//! Harm: who *caused* how much lateness of others, in total. What a ledger says of one wait, summed over all
//! late ones: late timers ([due, fired]), late signals ([arrived, delivered]) and tasks that waited for longer
//! than the limit ([queued, start]).

use loop_probes::event::Phase;
use loop_probes::ids::{LabelId, Tag, TaskId, Timestamp};

use crate::analysis::attribution::What;
use crate::labels::Labels;

/// Who caused lateness: what a ledger's lines have in common over many ledgers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Cause {
    /// Tasks of a tag.
    Tasks(Tag),
    /// Readiness callbacks of a tag.
    Io(Tag),
    /// Microtasks after tasks of a tag, where that is known.
    Microtasks(Option<Tag>),
    /// The deferred queue.
    Deferred,
    /// Batches of immediates, less the tasks in them.
    Immediates,
    /// Collections.
    Gc,
    /// Labelled spans outside of any task.
    Spans(LabelId),
    /// A phase, less what ran in it.
    Phase(Phase),
    /// A phase, less what is kept of what ran in it.
    ShortRuns(Phase),
    /// Polling as long as the loop had meant to.
    Poll,
    /// Polls that came back late.
    PollLate,
    /// Causes beyond the number that is told apart.
    Others,
    /// Before the first event of the recording.
    BeforeRecording,
    /// Longer ago than what is kept goes back.
    NotKept,
    /// Records of this time were lost.
    Unknown,
    /// Time of which nothing is known.
    Unattributed,
}

impl Cause {
    /// The cause behind a ledger's line.
    #[must_use]
    pub const fn of(what: &What) -> Self {
        match *what {
            What::Task { tag, .. } => Self::Tasks(tag),
            What::Io { tag, .. } => Self::Io(tag),
            What::Microtasks { after: Some((_, tag)) } => Self::Microtasks(Some(tag)),
            What::Microtasks { after: None } => Self::Microtasks(None),
            What::Deferred => Self::Deferred,
            What::Immediates => Self::Immediates,
            What::Gc => Self::Gc,
            What::Span { label } => Self::Spans(label),
            What::Phase(phase) => Self::Phase(phase),
            What::ShortRuns(phase) => Self::ShortRuns(phase),
            What::Poll => Self::Poll,
            What::PollLate => Self::PollLate,
            What::Others { .. } => Self::Others,
            What::BeforeRecording => Self::BeforeRecording,
            What::NotKept => Self::NotKept,
            What::Unknown { .. } => Self::Unknown,
            What::Unattributed => Self::Unattributed,
        }
    }

    /// It says what is not known, and nobody is to blame for it.
    #[must_use]
    pub const fn is_ignorance(&self) -> bool {
        matches!(self, Self::BeforeRecording | Self::NotKept | Self::Unknown | Self::Unattributed)
    }

    /// What it is called: a tag's name alone, `io Echo`, `microtasks after Echo`, `poll late`.
    #[must_use]
    pub fn describe(&self, labels: &Labels) -> String {
        match self {
            Self::Tasks(tag) => labels.tag(*tag).into_owned(),
            Self::Io(tag) => format!("io {}", labels.tag(*tag)),
            Self::Microtasks(Some(tag)) => format!("microtasks after {}", labels.tag(*tag)),
            Self::Microtasks(None) => "microtasks".to_owned(),
            Self::Deferred => "deferred".to_owned(),
            Self::Immediates => "immediates".to_owned(),
            Self::Gc => "gc".to_owned(),
            Self::Spans(label) => format!("span {}", labels.span(*label)),
            Self::Phase(phase) => format!("phase {phase}"),
            Self::ShortRuns(phase) => format!("phase {phase} and its short runs"),
            Self::Poll => "poll".to_owned(),
            Self::PollLate => "poll late".to_owned(),
            Self::Others => "others".to_owned(),
            Self::BeforeRecording => "before the recording".to_owned(),
            Self::NotKept => "not kept".to_owned(),
            Self::Unknown => "unknown (records lost)".to_owned(),
            Self::Unattributed => "unattributed".to_owned(),
        }
    }
}

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
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Timer, Self::Signal, Self::Task];
}

/// The run that did most harm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WorstHarm {
    /// The task or callback, where it was one; of microtasks the one before them.
    pub task: Option<TaskId>,
    /// When it began.
    pub at: Timestamp,
    /// How much lateness it caused.
    pub lateness_ns: u64,
    /// How many waited for it.
    pub victims: u64,
}

/// How much lateness one cause is to blame for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Harm {
    /// Who.
    pub cause: Cause,
    /// Lateness caused, in nanoseconds, by [`Waiter`] in the order of [`Waiter::ALL`].
    pub lateness_ns: [u64; 3],
    /// How many waited for it: a wait counts once for every stretch of it in which it waited.
    pub victims: [u64; 3],
    /// The worst run.
    pub worst: Option<WorstHarm>,
    /// All its runs together; `None` where it has none of its own.
    pub run_ns: Option<u64>,
}

impl Harm {
    /// Lateness caused, of all kinds.
    #[must_use]
    pub fn total_ns(&self) -> u64 {
        self.lateness_ns.iter().fold(0, |sum, ns| sum.saturating_add(*ns))
    }

    /// How many waited for it, of all kinds.
    #[must_use]
    pub fn victims(&self) -> u64 {
        self.victims.iter().fold(0, |sum, count| sum.saturating_add(*count))
    }
}
