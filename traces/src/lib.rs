//! Saved and folded events.
pub mod analysis;
pub mod histogram;
pub mod labels;
pub mod reader;
pub mod recent;
pub mod source;
pub mod timeline;
