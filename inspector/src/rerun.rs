//! Re-execution: the program of a trace runs again on the real loop, under a virtual clock.
//!
//! ```text
//!  trace ─▶ act.rs: what callbacks did ─▶ program.rs: callbacks, costs, arrivals ─▶ what if (another rule)
//!                                     └─▶ check.rs: fed with exactly what the loop saw ─▶ the same decisions?
//! ```
//!
//! There is no second scheduler here: the loop that runs is `loop_core`'s, and what runs on it does what the trace
//! says.

pub mod act;
pub mod program;
