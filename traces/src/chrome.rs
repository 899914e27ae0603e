//! Chrome traces: the JSON that Perfetto, chrome://tracing, speedscope and the Firefox Profiler open.

pub mod export;
pub mod import;
pub mod lint;
mod phrase;
pub mod read;
