//! Analysis: pure functions that attribute time, judge and compare runs, and bound what can be concluded.
//!
//! | file | what |
//! |---|---|
//! | [`attribution`] | breakdown of a stretch of time into parts that sum to it |
//! | [`loss`] | bounds on a percentile where records were lost |
//! | [`metric`] | the figures of a summary by name, from a closed list |
//! | [`condition`], [`gate`] | a metric against a bound: held, failed or undecided |
//! | [`diff`] | runs against runs: better, worse, the same, or undecided |
//! | [`statistics`] | the underlying tests: permutations, intervals, multiple testing |

pub mod attribution;
pub mod condition;
pub mod diff;
pub mod gate;
pub mod loss;
pub mod metric;
pub mod statistics;
