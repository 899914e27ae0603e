//! Analysis: pure functions from what was folded to who is to blame.

pub mod attribution;
