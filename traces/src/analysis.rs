//! Analysis: pure functions that judge and compare runs by their summaries.
//!
//! | file | what |
//! |---|---|
//! | [`metric`] | the figures of a summary by name, from a closed list |
//! | [`condition`], [`gate`] | a metric against a bound: held, failed or undecided |
//! | [`diff`] | runs against runs: better, worse, the same, or undecided |
//! | [`statistics`] | the underlying tests: permutations, intervals, multiple testing |

pub mod condition;
pub mod diff;
pub mod gate;
pub mod metric;
pub mod statistics;
