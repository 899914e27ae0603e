//! Analysis: pure functions from what was folded to who is to blame, to better or worse, and how far to trust that.
//!
//! | file | what |
//! |---|---|
//! | [`attribution`] | who used a stretch of time, in lines that add up to it |
//! | [`loss`] | what is certain of a percentile although records were lost |
//! | [`metric`] | the figures of a summary by name, the closed list of them |
//! | [`condition`], [`gate`] | a metric against a bound: whether it holds, whether that can be told |
//! | [`diff`] | runs against runs: better, worse, the same, or undecided |
//! | [`statistics`] | what that rests on: permutations, intervals, many answers at once |

pub mod attribution;
pub mod condition;
pub mod diff;
pub mod gate;
pub mod loss;
pub mod metric;
pub mod statistics;
