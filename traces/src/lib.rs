//! Saved and folded events.
pub mod analysis;
pub mod format;
pub mod histogram;
pub mod labels;
pub mod reader;
pub mod recent;
pub mod source;
#[cfg(any(test, feature = "synthetic"))]
pub mod synthetic;
pub mod timeline;
pub mod writer;
