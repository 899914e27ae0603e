//! What several pages draw: panes and lists, breakdowns, histograms, times.
//!
//! The view depends on the state, never the other way round.

pub(crate) mod bounds;
pub(crate) mod breakdown;
pub(crate) mod delayed;
pub(crate) mod histogram;
pub(crate) mod paint;
pub(crate) mod shares;
pub(crate) mod table;
pub(crate) mod time;
