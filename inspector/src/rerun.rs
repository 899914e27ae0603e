//! Re-execution: a recording drives the real loop again, under a virtual clock.

pub mod minimize;
pub mod what_if;

mod error;

pub use error::RerunError;
pub use what_if::{Answer, Changes, Filter, Recorded, what_if};
