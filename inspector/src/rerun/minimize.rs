//! The smallest part of a trace that still shows something.

pub mod ddmin;
pub mod search;
