//! Analysis: pure functions from what was folded to who is to blame, and to better or worse.

pub mod attribution;
pub mod condition;
pub mod diff;
pub mod gate;
pub mod metric;
pub mod statistics;
