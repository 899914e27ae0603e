//! Saved and folded events.
pub mod analysis;
pub mod chrome;
pub mod format;
pub mod histogram;
pub mod labels;
pub mod reader;
pub mod recent;
pub mod report;
pub mod source;
pub mod summary;
#[cfg(any(test, feature = "synthetic"))]
pub mod synthetic;
pub mod timeline;
pub mod units;
pub mod writer;
