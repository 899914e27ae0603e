//! What the loop promises, statement by statement. A test is named after the statement that it holds.

mod kit;

mod concurrent;
mod deferred;
mod determinism;
mod gc;
mod immediates;
mod io;
mod keep_alive;
mod model;
mod signals;
mod tick;
mod timers;
mod work;
