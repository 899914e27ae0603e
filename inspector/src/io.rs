//! Inputs, outputs and exit codes of the verbs.

pub mod exit;
pub mod gates;
pub mod input;
pub mod interrupt;
pub mod recording;
pub mod sink;
pub mod stdout;
pub mod temp_file;
pub mod toml_text;
