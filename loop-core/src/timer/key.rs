//! The key of a timer.

use std::fmt;

use loop_probes::ids::TimerId;

/// The key of a timer, returned by arming it: its id, and its place in the queue. Once the timer is gone, the
/// place may belong to another timer; the key then refers to none, and calls with it report that the timer is
/// gone.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Timer {
    pub(super) id: TimerId,
    pub(super) slot: u32,
}

impl Timer {
    /// Its id in traces: counts up from 1, is never reused, and stays the same when the timer is re-armed.
    #[must_use]
    pub const fn id(self) -> TimerId {
        self.id
    }
}

impl fmt::Display for Timer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.id, f)
    }
}

impl fmt::Debug for Timer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Timer").field(&self.id.0).finish()
    }
}
