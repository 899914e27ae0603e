//! Where the recorded loop stopped to make room for its recording: it does so again, at the same time and for as long.
//!
//! Whether it has to depends on the thread that drains the ring, on the disk and on whoever else wants the processor:
//! on nothing that a re-execution knows. So the loop is told when, and stops by itself, between two callbacks.

use super::{WORLD, World, world};

/// Whether the loop of this thread's world is to stop now.
pub(in super::super) fn is_due() -> bool {
    WORLD.with_borrow(|world| world.as_ref().is_some_and(|world| world.relief_ns().is_some()))
}

/// Stops it for as long as it did.
pub(in super::super) fn stop() {
    if let Some(world) = world()
        && let Some(ns) = world.relief_ns()
    {
        world.next_relief.set(world.next_relief.get() + 1);
        world.begin();
        world.advance_to(world.now_ns().saturating_add(ns));
        world.end();
    }
}

impl World {
    /// How long it stops now, where its time has come.
    fn relief_ns(&self) -> Option<u64> {
        let next = self.script.costs.reliefs.get(self.next_relief.get())?;
        (next.at_ns <= self.now_ns()).then_some(next.ns)
    }
}
