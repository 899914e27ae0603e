//! Analysis: pure functions from what was folded to who is to blame, to better or worse, and how far to trust that.

pub mod attribution;
pub mod condition;
pub mod diff;
pub mod gate;
pub mod loss;
pub mod metric;
pub mod statistics;
