//! Causes: everything that delay can be attributed to.

use loop_probes::event::Phase;
use loop_probes::ids::{LabelId, Tag};

use crate::attribution::What;
use crate::labels::Labels;

/// What caused a delay: groups the lines of many breakdowns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Cause {
    /// Tasks of a tag.
    Tasks(Tag),
    /// Readiness callbacks of a tag.
    Io(Tag),
    /// Microtasks after tasks of a tag, if the tag is known.
    Microtasks(Option<Tag>),
    /// Callbacks of the deferred queue.
    Deferred,
    /// Batches of immediates, excluding their tasks.
    Immediates,
    /// Collections.
    Gc,
    /// Labelled spans outside of any task.
    Spans(LabelId),
    /// A phase, excluding what ran in it.
    Phase(Phase),
    /// A phase, including the runs that were too short to be kept.
    ShortRuns(Phase),
    /// Polls with a zero timeout.
    Poll,
    /// Polls, up to their own deadline: the loop asked to sleep although something was due or queued.
    Overslept,
    /// Polls that the system returned from late.
    LateWakeup,
    /// The whole process or the machine was suspended.
    Suspended,
    /// Causes beyond the limit on distinct ones.
    Others,
    /// Before the first event of the recording.
    BeforeRecording,
    /// Evicted: older than the history kept.
    Evicted,
    /// Records of this time were lost.
    Unknown,
    /// Time that no record accounts for.
    Unattributed,
}

impl Cause {
    /// The cause that a breakdown's line belongs to.
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
            What::Overslept => Self::Overslept,
            What::LateWakeup => Self::LateWakeup,
            What::Suspended => Self::Suspended,
            What::Others { .. } => Self::Others,
            What::BeforeRecording => Self::BeforeRecording,
            What::Evicted => Self::Evicted,
            What::Unknown { .. } => Self::Unknown,
            What::Unattributed => Self::Unattributed,
        }
    }

    /// Whether it stands for unknown time, with nothing to blame.
    #[must_use]
    pub const fn is_ignorance(&self) -> bool {
        matches!(self, Self::BeforeRecording | Self::Evicted | Self::Unknown | Self::Unattributed)
    }

    /// A number in the order of causes: searches for the cause of every stretch compare it several times as fast.
    pub(super) fn rank(self) -> u64 {
        let (kind, of) = match self {
            Self::Tasks(tag) => (0, u64::from(tag.0)),
            Self::Io(tag) => (1, u64::from(tag.0)),
            Self::Microtasks(tag) => (2, tag.map_or(0, |tag| u64::from(tag.0) + 1)),
            Self::Deferred => (3, 0),
            Self::Immediates => (4, 0),
            Self::Gc => (5, 0),
            Self::Spans(label) => (6, u64::from(label.0)),
            Self::Phase(phase) => (7, phase as u64),
            Self::ShortRuns(phase) => (8, phase as u64),
            Self::Poll => (9, 0),
            Self::Overslept => (10, 0),
            Self::LateWakeup => (11, 0),
            Self::Suspended => (12, 0),
            Self::Others => (13, 0),
            Self::BeforeRecording => (14, 0),
            Self::Evicted => (15, 0),
            Self::Unknown => (16, 0),
            Self::Unattributed => (17, 0),
        };
        kind << 40 | of
    }

    /// The display name: a tag's name alone, `io Echo`, `microtasks after Echo`, `late wakeup`.
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
            Self::Overslept => "overslept".to_owned(),
            Self::LateWakeup => "late wakeup".to_owned(),
            Self::Suspended => "suspended".to_owned(),
            Self::Others => "others".to_owned(),
            Self::BeforeRecording => "before the recording".to_owned(),
            Self::Evicted => "evicted".to_owned(),
            Self::Unknown => "unknown (records lost)".to_owned(),
            Self::Unattributed => "unattributed".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_are_in_the_order_of_causes() {
        let tags = [0, 1, u16::MAX].map(Tag);
        let labels = [0, 1, u32::MAX].map(LabelId);
        let mut all = Vec::new();
        all.extend(tags.map(Cause::Tasks));
        all.extend(tags.map(Cause::Io));
        all.push(Cause::Microtasks(None));
        all.extend(tags.map(|tag| Cause::Microtasks(Some(tag))));
        all.extend([Cause::Deferred, Cause::Immediates, Cause::Gc]);
        all.extend(labels.map(Cause::Spans));
        all.extend(Phase::ALL.iter().map(|phase| Cause::Phase(*phase)));
        all.extend(Phase::ALL.iter().map(|phase| Cause::ShortRuns(*phase)));
        all.extend([Cause::Poll, Cause::Overslept, Cause::LateWakeup, Cause::Suspended, Cause::Others]);
        all.extend([Cause::BeforeRecording, Cause::Evicted, Cause::Unknown, Cause::Unattributed]);
        all.sort();
        assert!(all.is_sorted_by(|a, b| a.rank() < b.rank()), "{all:?}");
    }
}
