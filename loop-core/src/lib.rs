//! The instrumented event loop.

pub mod gc;
pub mod poller;
pub mod queue;
pub mod signal;
pub mod timer;
pub mod work_pool;

mod sync;
