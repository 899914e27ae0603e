//! Re-execution: a recording drives the real loop again, under a virtual clock.
//!
//! ```text
//!  trace ─▶ act.rs ─▶ what_if/: arrivals by their time, another rule   what would have been?
//!                  └▶ check/: fed with exactly what the loop saw       does it decide the same?
//!        minimize/: what_if on ever smaller parts                      what of it is enough?
//! ```
//!
//! There is no second scheduler here: the loop that runs is `loop_core`'s, and what runs on it does what the trace
//! says.

pub mod act;
pub mod check;
pub mod minimize;
pub mod what_if;

mod error;
mod snapshot;

pub use check::{Checked, Divergence, check};
pub use error::RerunError;
pub use what_if::{Answer, Changes, Filter, Recorded, what_if};
