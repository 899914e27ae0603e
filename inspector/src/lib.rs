//! loopscope.
pub mod cli;
pub mod commands;
pub mod diagnostics;
pub mod exit;
pub mod input;
pub mod interrupt;
pub mod recording;
pub mod sink;
pub mod stdout;
pub mod workload;
