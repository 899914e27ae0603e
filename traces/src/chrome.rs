//! Chrome traces: the JSON that Perfetto, chrome://tracing, speedscope and the Firefox Profiler open.
//!
//! | file | what |
//! |---|---|
//! | [`export`] | writes a recording for the viewers, with the original recording embedded |
//! | [`read`] | reads JSON from other programs, one event at a time, in bounded memory |
//! | [`import`] | turns that JSON into a recording: picks the loops and maps slices to events |
//! | [`lint`] | reports what each viewer would drop or misread in a file |
//! | `phrase` | names events for viewers |

pub mod export;
pub mod import;
pub mod lint;
mod phrase;
pub mod read;
