//! What every verb reads and prints: its inputs, its output, how it ends, and the streams in between.

pub mod exit;
pub mod gates;
pub mod input;
pub mod interrupt;
pub mod recording;
pub mod sink;
pub mod stdout;
mod temp_file;
