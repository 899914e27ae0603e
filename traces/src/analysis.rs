//! Analysis: pure functions from what was folded to who is to blame, and how far that can be trusted.

pub mod attribution;
pub mod loss;
