//! The instrumented event loop: its parts, each usable alone.
//!
//! Time comes into the pure parts ([`timer`], [`gc`]) as an argument; the parts that meet the system
//! ([`poller`], [`signal`], [`work_pool`], [`queue::concurrent`]) decide nothing.

mod context;
mod error;
pub mod event_loop;
pub mod gc;
mod handle;
mod host;
pub mod keep_alive;
pub mod microtask;
pub mod policy;
pub mod poller;
pub mod queue;
pub mod scheduler;
pub mod signal;
pub mod sim;
mod slow;
pub mod task;
pub mod timer;
pub mod validate;
pub mod work_pool;

mod sync;

pub use context::{Context, IoReadiness};
pub use error::LoopError;
pub use event_loop::{Builder, EventLoop, Metrics};
pub use handle::Handle;
pub use host::{HeapHost, Host, NativeHost};
pub use keep_alive::Pending;
pub use policy::Policy;
pub use queue::concurrent::Closed;
pub use scheduler::Scheduler;
pub use task::tag::TagOf;
pub use task::{Any, AnyRemote, Builtin, BuiltinRemote, Task};
