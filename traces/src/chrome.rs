//! Chrome traces: the JSON that Perfetto, chrome://tracing, speedscope and the Firefox Profiler open.
//!
//! | file | what |
//! |---|---|
//! | [`export`] | a recording for the viewers, and within it the recording itself |
//! | [`read`] | JSON that others wrote, an event at a time, in bounded memory |
//! | [`import`] | that, as a recording: which thread is a loop, what becomes what |
//! | [`lint`] | what each viewer will lose of a file |
//! | `phrase` | what an event is called in a viewer |

pub mod export;
pub mod import;
pub mod lint;
mod phrase;
pub mod read;
