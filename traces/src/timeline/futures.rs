//! Spawned futures: their references, wakeups and fruitless polls.

use super::baseline::Figures;

/// All futures of the loop.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Futures {
    /// References taken, by each future that begins, or begins again, to keep the loop alive.
    pub refs_taken: u64,
    /// References released, by each future that ended, was cancelled, or stopped keeping the loop alive.
    pub refs_released: u64,
    /// Polls queued: the first by the spawn, the others by wakeups.
    pub woken: u64,
    /// Polls that returned pending.
    pub pending: u64,
}

impl Futures {
    /// Whether any future was seen.
    #[must_use]
    pub const fn is_seen(&self) -> bool {
        self.refs_taken > 0 || self.refs_released > 0 || self.woken > 0 || self.pending > 0
    }

    /// Its figures, for [`baseline`](super::baseline).
    pub(super) fn figures(&mut self, by: &mut impl Figures) {
        let Self { refs_taken, refs_released, woken, pending } = self;
        by.counts([refs_taken, refs_released, woken, pending]);
    }

    pub(crate) fn referenced(&mut self, delta: i32) {
        let count = u64::from(delta.unsigned_abs());
        let counter = if delta > 0 { &mut self.refs_taken } else { &mut self.refs_released };
        *counter = counter.saturating_add(count);
    }
}
