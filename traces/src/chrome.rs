//! Chrome traces: the JSON that Perfetto, chrome://tracing, speedscope and the Firefox Profiler open.

pub mod export;
mod phrase;
pub mod read;
