//! An event with its time and its emitter: the item of every stream that a reader sees.

use crate::event::{Event, Outcome};
use crate::ids::{SourceId, Timestamp};

/// An event as readers get it, converted to monotonic time and merged over all emitters of its process. `T` is the time
/// domain, as in [`Event`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamped<T = Timestamp> {
    /// When it happened; for an event with an extent, when it ended.
    pub at: T,
    /// The emitter that recorded the event.
    pub source: SourceId,
    /// What happened.
    pub event: Event<T>,
}

impl Event {
    /// For a timer that fired, recorded `at` this time: its due time, and the beginning of its callback. The timer lag is
    /// the time between them. A pass compares all due timers with one clock reading, so a callback begins later than
    /// that reading (`fired`) if others of the pass ran before it. The record has the time of the callback's
    /// beginning by another clock, so it is raised to `fired` if it is earlier.
    #[must_use]
    pub const fn timer_wait(&self, at: Timestamp) -> Option<(Timestamp, Timestamp)> {
        match *self {
            Self::TimerFired { due, fired, .. } => Some((due, if at.0 < fired.0 { fired } else { at })),
            _ => None,
        }
    }
}

impl Stamped {
    /// [`Event::timer_wait`] of this event.
    #[must_use]
    pub const fn timer_wait(&self) -> Option<(Timestamp, Timestamp)> {
        self.event.timer_wait(self.at)
    }

    /// Whether it reports work that was cancelled and took no time. A cancelled task can take time: a future is
    /// dropped when its turn comes.
    #[must_use]
    pub const fn never_ran(&self) -> bool {
        match self.event {
            Event::AgendaRan { outcome: Outcome::Cancelled, .. }
            | Event::WorkRan { outcome: Outcome::Cancelled, .. } => true,
            Event::TaskRan { outcome: Outcome::Cancelled, start, .. } => self.at.0 <= start.0,
            _ => false,
        }
    }
}
