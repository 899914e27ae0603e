//! An event with its when and its who: the item of every stream that a reader sees.

use crate::event::Event;
use crate::ids::{SourceId, Timestamp};

/// An event as readers get it, converted to monotonic time and merged over all emitters of its process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamped {
    /// When it happened; the end of an event with an extent.
    pub at: Timestamp,
    /// Who emitted it.
    pub source: SourceId,
    /// What happened.
    pub event: Event,
}
