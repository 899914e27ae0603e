//! Selects what is compared: the decisions, not the measurements.

use loop_core::low_level::replay::Flags;
use loop_probes::event::{Event, LoopCall, Placement, PolicyField, Queue};
use loop_probes::ids::LabelId;

/// Whether an event bears on a decision. Not compared are:
///
/// - durations and labels: phases, slow tasks, spans, marks, calibrations, names;
/// - agendas and pumps, which are separate programs, and the microtasks of a host, which the check does not have;
/// - lists by name, which repeat other parts of a snapshot, and shutdown counts, which depend on the owners' labels;
/// - posts that the loop never took, and the depth of their queue. The batch is the input; its depth is reported only
///   for a batch taken before the passes over the task queue, and the stream does not always show which one it was.
pub(super) const fn is_compared<T>(event: &Event<T>) -> bool {
    !matches!(
        event,
        Event::Label { .. }
            | Event::IoLabel { .. }
            | Event::Calibration { .. }
            | Event::Running { .. }
            | Event::Pressure { .. }
            | Event::Crashed {}
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
            | Event::TaskQueued { place: Placement { queue: Queue::Concurrent, .. }, .. }
            | Event::InputCall { call: LoopCall::HostMicrotasks }
    )
}

/// The event without label numbers, and without the fields that a check sets itself.
pub(super) fn normal(mut event: Event<()>) -> Event<()> {
    match &mut event {
        Event::Exception { message: label, .. } | Event::CallbackRan { label, .. } => *label = LabelId(0),
        Event::SnapshotPolicy {
            field: PolicyField::Name | PolicyField::Validation | PolicyField::SlowTaskLimit,
            value,
        } => *value = None,
        Event::SnapshotLoop { flags, concurrent, .. } => {
            *flags &= !(Flags::FUTURES.bits() | Flags::SHOWS_CALLS.bits());
            *concurrent = 0;
        }
        Event::InputCall { call: call @ LoopCall::HostDrain } => *call = LoopCall::Drain,
        Event::SnapshotEnd { parts, left_out } => (*parts, *left_out) = (0, 0),
        // Its tasks are compared one by one; older versions counted those that were cancelled.
        Event::TickEnd { tasks_run, .. } => *tasks_run = 0,
        _ => {}
    }
    event
}
