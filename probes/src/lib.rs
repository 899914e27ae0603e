//! The bottom of loopscope: what an event is, how it is recorded, and how a record is found again.

pub mod clock;
pub mod event;
pub mod ids;
pub mod metadata;
pub mod record;
pub mod recorder;
pub mod stamped;
pub mod text;
