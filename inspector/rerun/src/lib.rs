//! Re-execution: a recording drives the real loop again, under a virtual clock.
//!
//! ```text
//!  trace ─▶ act.rs ─┬▶ check/      fed with exactly what the loop saw     does it decide the same?
//!                   └▶ what_if/    arrivals by their time, another rule   what would have been?
//!                         ▲
//!                         └─ minimize/   the same on ever smaller parts   how much of it is enough?
//! ```
//!
//! There is no second scheduler here: the loop that runs is `loop_core`'s, and its callbacks do what the trace
//! recorded. `engine.rs` has the one task that stands for all recorded ones; the check's `Replay` and the what-if's
//! `World` are the engines behind it, and the oracles that the loop's environment asks.

pub mod check;
pub mod minimize;
pub mod what_if;

mod act;
mod budget;
mod engine;
mod error;
mod loops;
mod refusal;
mod scratch;
mod since_loss;

pub use check::{Checked, Divergence, check};
pub use error::RerunError;
pub use loops::ChosenLoop;
pub use scratch::Scratch;
pub use what_if::{Answer, Changes, Filter, Recorded};
