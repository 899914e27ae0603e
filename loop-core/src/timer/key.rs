//! The key of a timer.

use std::fmt;

use loop_probes::ids::TimerId;

/// The key of a timer, as arming it gave it out: its id, and where the loop keeps it. Once the timer is gone the
/// place may be another's; the key then names nobody, and whoever asks with it is told that the timer is gone.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Timer {
    pub(super) id: TimerId,
    pub(super) slot: u32,
}

impl Timer {
    /// Its id, which traces know it by: counts up from 1, is never used again, stays when it is armed again.
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
