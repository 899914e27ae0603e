//! Spawned futures: the references that they hold, how often they were woken, and how often in vain.

/// All futures of the loop.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Futures {
    /// References taken: by each spawned future that keeps the loop alive, and by each that is to do so again.
    pub refs_taken: u64,
    /// References released: by each of them that ended or was cancelled, or no longer keeps the loop alive.
    pub refs_released: u64,
    /// Polls queued: the first one by the spawn, the others by wake-ups.
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

    pub(crate) fn referenced(&mut self, delta: i32) {
        let count = u64::from(delta.unsigned_abs());
        let counter = if delta > 0 { &mut self.refs_taken } else { &mut self.refs_released };
        *counter = counter.saturating_add(count);
    }
}
