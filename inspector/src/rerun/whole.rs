//! The complete units of a recorded loop. A recording that was cut off is re-executed up to the last one: what the rest
//! of an unfinished tick did, and how long it took, is not recorded.

use loop_probes::event::Event;

/// Whether `event` of a loop completes a unit: a tick, a run, or a callback between two ticks.
pub(super) const fn completes_unit<T>(event: &Event<T>, in_tick: bool) -> bool {
    match event {
        Event::TickEnd { .. } | Event::LoopStopped { .. } => true,
        Event::CallbackRan { .. } => !in_tick,
        _ => false,
    }
}
