//! An event with its time and its emitter: the item of every stream that a reader sees.

use crate::event::Event;
use crate::ids::{SourceId, Timestamp};

/// An event as readers get it, converted to monotonic time and merged over all emitters of its process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamped {
    /// When it happened; for an event with an extent, when it ended.
    pub at: Timestamp,
    /// The emitter.
    pub source: SourceId,
    /// What happened.
    pub event: Event,
}

impl Stamped {
    /// For a timer that fired: its due time, and the beginning of its callback. The timer lag is the time between
    /// them. A pass compares all due timers with one clock reading, so a callback begins later than that reading
    /// (`fired`) if others of the pass ran before it. The record has the time of its beginning, by another clock
    /// than the loop's: never before the reading.
    #[must_use]
    pub const fn timer_wait(&self) -> Option<(Timestamp, Timestamp)> {
        match self.event {
            Event::TimerFired { due, fired, .. } => {
                Some((due, if self.at.0 < fired.0 { fired } else { self.at }))
            }
            _ => None,
        }
    }
}
