//! What is compared: the decisions, without what the record clock alone says.

use loop_probes::event::{Event, PolicyField, Queue};
use loop_probes::ids::LabelId;

/// Whether an event says something about a decision. Phases, slow tasks, spans, marks, calibrations and names say how
/// long things took or what they are called; agendas and pumps are programs of their own; lists by name repeat what
/// other parts of a snapshot say; what a shutdown counts depends on what its owners called their work. How much other
/// threads had posted is what the check is fed with, and its batch says it: the depth of their queue is told of a batch
/// that came before the passes over the task queue, not of one that came while they ran, and where nothing else is told
/// in between, the two cannot be told apart.
pub(super) const fn is_compared<T>(event: &Event<T>) -> bool {
    !matches!(
        event,
        Event::Label { .. }
            | Event::IoLabel { .. }
            | Event::Calibration { .. }
            | Event::Running { .. }
            | Event::Pressure { .. }
            | Event::Suspended { .. }
            | Event::Phase { .. }
            | Event::SlowTask { .. }
            | Event::Violation { .. }
            | Event::Span { .. }
            | Event::Mark { .. }
            | Event::Lost { .. }
            | Event::Command { .. }
            | Event::Pumped { .. }
            | Event::AgendaAdded { .. }
            | Event::AgendaRan { .. }
            | Event::WorkerState { .. }
            | Event::GcRendezvous { .. }
            | Event::WorkRan { .. }
            | Event::ShutdownEnded { .. }
            | Event::SnapshotPending { .. }
            | Event::QueueDepth { queue: Queue::Concurrent, .. }
    )
}

/// The event without the numbers that stand for names, and without what a check sets itself.
pub(super) fn normal(mut event: Event<()>) -> Event<()> {
    match &mut event {
        Event::Exception { message: label, .. } | Event::CallbackRan { label, .. } => *label = LabelId(0),
        Event::SnapshotPolicy {
            field: PolicyField::Name | PolicyField::Validation | PolicyField::SlowTaskLimit,
            value,
        } => *value = None,
        Event::SnapshotLoop { flags, concurrent, .. } => {
            *flags &= !loop_core::replay::Flags::FUTURES.bits();
            *concurrent = 0;
        }
        Event::SnapshotEnd { parts, left_out } => (*parts, *left_out) = (0, 0),
        _ => {}
    }
    event
}
