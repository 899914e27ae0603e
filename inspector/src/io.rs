//! Inputs, output and exit codes of the verbs, and the streams between them.

pub mod exit;
pub mod gates;
pub mod input;
pub mod interrupt;
pub mod recording;
pub mod sink;
pub mod stdout;
mod temp_file;
