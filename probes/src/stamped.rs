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
