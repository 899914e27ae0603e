//! What every re-execution reads out of a snapshot in the same way.

use loop_core::gc::GcState;
use loop_probes::event::Event;
use loop_probes::ids::Timestamp;

/// The GC controller's state; `None` where the event is about something else.
pub(super) fn gc_state(event: &Event) -> Option<GcState> {
    let &Event::SnapshotGc {
        mode,
        unchanged_ticks,
        heap_bytes,
        periodic_due_ns,
        one_shot_due_ns,
        one_shot_fired,
    } = event
    else {
        return None;
    };
    let (periodic_due, one_shot_due) = (periodic_due_ns.map(Timestamp), one_shot_due_ns.map(Timestamp));
    Some(GcState { mode, unchanged_ticks, heap_bytes, periodic_due, one_shot_due, one_shot_fired })
}
