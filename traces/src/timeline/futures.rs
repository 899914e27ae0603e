//! Spawned futures: how many there are, and how often they were woken in vain.

/// All futures of the loop.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Futures {
    /// Spawned.
    pub spawned: u64,
    /// Ended or cancelled.
    pub ended: u64,
    /// Wake-ups that queued one for its next poll.
    pub woken: u64,
    /// Polls that returned pending.
    pub pending: u64,
}

impl Futures {
    /// Whether any future was seen.
    #[must_use]
    pub const fn is_seen(&self) -> bool {
        self.spawned > 0 || self.ended > 0 || self.woken > 0 || self.pending > 0
    }

    pub(crate) fn referenced(&mut self, delta: i32) {
        let count = u64::from(delta.unsigned_abs());
        let counter = if delta > 0 { &mut self.spawned } else { &mut self.ended };
        *counter = counter.saturating_add(count);
    }
}
