//! Times between two runs, when the program does something else: repeated at the recorded times.

use super::World;

impl World {
    /// When the run ends next.
    pub(super) fn outside_at(&self) -> Option<u64> {
        self.script.costs.outside.get(self.next_outside.get()).map(|outside| outside.at_ns)
    }

    /// Advances the clock to the start of the next run, if this one has ended.
    pub(super) fn pass_outside(&self) {
        while let Some(outside) = self.script.costs.outside.get(self.next_outside.get())
            && outside.at_ns <= self.now_ns()
        {
            self.next_outside.set(self.next_outside.get() + 1);
            self.advance_to(outside.at_ns.saturating_add(outside.ns));
        }
    }
}
