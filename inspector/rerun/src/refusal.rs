//! Explains why a loop of a recording cannot be re-executed, in one place for all commands.

use loop_probes::event::Event;
use loop_traces::source::{EventSource, SourceKind};
use loop_traces::timeline::TickNumbers;

use super::RerunError;

/// Facts about one loop of a recording that decide whether it can be re-executed.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Evidence {
    /// Whether the loop's recording has inputs of decisions, which only loop-core loops record.
    is_of_loop_core: bool,
    /// Whether records were lost, and no snapshot follows.
    is_behind_loss: bool,
    /// Whether the loop's snapshots predate some of the parts needed.
    is_old: bool,
    has_loop_snapshot: bool,
    numbers: TickNumbers,
}

impl Evidence {
    /// Whether `event` is relevant; few are.
    pub(super) const fn is_one(event: &Event) -> bool {
        matches!(
            event,
            Event::InputRun { .. }
                | Event::InputClock { .. }
                | Event::InputHeap { .. }
                | Event::TickStart { .. }
                | Event::TickEnd { .. }
                | Event::LoopStopped { .. }
                | Event::SnapshotBegin { .. }
                | Event::SnapshotLoop { .. }
                | Event::SnapshotEnd { .. }
                | Event::Lost { .. }
        )
    }

    pub(super) const fn see(&mut self, event: &Event) {
        if self.numbers.is_behind_hole(event) {
            (self.is_behind_loss, self.is_old) = (true, false);
        }
        match *event {
            Event::InputRun { .. } | Event::InputClock { .. } | Event::InputHeap { .. } => {
                self.is_of_loop_core = true;
            }
            Event::SnapshotBegin { .. } => (self.is_of_loop_core, self.has_loop_snapshot) = (true, false),
            Event::SnapshotLoop { .. } => self.has_loop_snapshot = true,
            Event::SnapshotEnd { left_out: 0, .. } => {
                self.is_behind_loss = false;
                self.is_old |= !self.has_loop_snapshot;
            }
            Event::Lost { .. } => (self.is_behind_loss, self.is_old) = (true, false),
            _ => {}
        }
    }
}

/// Why the events of `source`, read to its end, cannot be re-executed. `evidence` is of the selected loop; `None` if no
/// loop ticks.
pub(super) fn refuse(source: &dyn EventSource, evidence: Option<Evidence>) -> RerunError {
    let name = loop_probes::text::printable(source.name());
    let foreign = |what| RerunError::Foreign { name: name.clone(), what };
    if source.kind() == SourceKind::Chrome {
        return foreign("was imported from a Chrome trace");
    }
    let lost = source.counts().lost_records;
    match evidence {
        None if lost > 0 => RerunError::NothingLeft { name, lost },
        None => RerunError::NoLoop { name },
        Some(evidence) if evidence.is_old => RerunError::Old { name },
        Some(evidence) if !evidence.is_of_loop_core => foreign("was not recorded by loop-core's loop"),
        Some(evidence) if evidence.is_behind_loss => RerunError::BehindLoss { name },
        Some(_) => RerunError::NoSnapshot { name },
    }
}

#[cfg(test)]
mod tests {
    use loop_probes::ids::{TaskId, TimerId, Timestamp};
    use loop_probes::metadata::Metadata;
    use loop_traces::source::MemorySource;

    use super::*;

    fn why(kind: SourceKind, events: Option<&[Event]>) -> String {
        let source = MemorySource::new("t", kind, Metadata::new("t"), Vec::new());
        let evidence = events.map(|events| {
            let mut evidence = Evidence::default();
            events.iter().for_each(|event| evidence.see(event));
            evidence
        });
        refuse(&source, evidence).to_string()
    }

    #[test]
    fn each_is_refused_for_what_it_is() {
        let begin = Event::SnapshotBegin { tick: 1, next_task: TaskId(1), next_timer: TimerId(1) };
        let lost = Event::Lost { count: 1, from: Timestamp(0) };
        let run = Event::InputRun { until_ns: None };
        for (kind, events, expected) in [
            (SourceKind::Chrome, Some(&[][..]), "was imported from a Chrome trace"),
            (SourceKind::Chrome, None, "was imported from a Chrome trace"),
            (SourceKind::Trace, None, "t has no ticks of a loop-core loop"),
            (SourceKind::Trace, Some(&[][..]), "was not recorded by loop-core's loop"),
            (SourceKind::Trace, Some(&[run][..]), "no snapshot of its loop that is whole"),
            (SourceKind::Trace, Some(&[begin][..]), "no snapshot of its loop that is whole"),
            (SourceKind::Trace, Some(&[begin, lost][..]), "no snapshot of a loop after its last loss"),
        ] {
            let refused = why(kind, events);
            assert!(refused.contains(expected), "{kind:?}, {events:?}: {refused}");
        }
    }
}
