//! Chrome traces: the JSON that Perfetto, chrome://tracing, speedscope and the Firefox Profiler open.

pub mod export;
pub mod import;
mod json;
mod layout;
mod phrase;
pub mod read;
pub mod survey;
