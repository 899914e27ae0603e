//! Pauses of the loop to drain its recorder: repeated at the recorded times, for the recorded durations.
//!
//! Whether a pause is needed depends on the thread that drains the ring, on the disk and on the load of the processor:
//! nothing that a re-execution knows. So the world decides when, and the loop pauses between two callbacks.

use super::{WORLD, World, world};

/// Whether the loop of this thread's world should pause now.
pub(in super::super) fn is_due() -> bool {
    WORLD.with_borrow(|world| world.as_ref().is_some_and(|world| world.drain_pause_ns().is_some()))
}

/// Pauses it for the recorded time.
pub(in super::super) fn stop() {
    if let Some(world) = world()
        && let Some(ns) = world.drain_pause_ns()
    {
        world.next_drain_pause.set(world.next_drain_pause.get() + 1);
        world.begin();
        world.advance_to(world.now_ns().saturating_add(ns));
        world.end();
    }
}

impl World {
    /// The duration of the pause that is due now, if any.
    fn drain_pause_ns(&self) -> Option<u64> {
        let next = self.script.costs.drain_pauses.get(self.next_drain_pause.get())?;
        (next.at_ns <= self.now_ns()).then_some(next.ns)
    }
}
