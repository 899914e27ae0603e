//! The instrumented event loop: its parts, each usable alone.
//!
//! Time comes into the pure parts ([`timer`], [`gc`]) as an argument; the parts that meet the system
//! ([`poller`], [`signal`], [`work_pool`], [`queue::concurrent`]) decide nothing.

pub mod gc;
pub mod poller;
pub mod queue;
pub mod signal;
pub mod timer;
pub mod work_pool;

mod sync;
