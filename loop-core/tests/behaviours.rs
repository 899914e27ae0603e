//! Tests what the loop promises, statement by statement. Each test is named after its statement.

#[cfg(test)]
mod kit;

#[cfg(test)]
mod agenda;
#[cfg(test)]
mod busy;
#[cfg(test)]
mod concurrent;
#[cfg(test)]
mod deferred;
#[cfg(test)]
mod determinism;
#[cfg(test)]
mod dispatch;
#[cfg(test)]
mod futures;
#[cfg(test)]
mod futures_work;
#[cfg(test)]
mod gc;
#[cfg(test)]
mod immediates;
#[cfg(test)]
mod invariants;
#[cfg(test)]
mod io;
#[cfg(test)]
mod keep_alive;
#[cfg(test)]
mod kept;
#[cfg(test)]
mod loop_kinds;
#[cfg(test)]
mod model;
#[cfg(test)]
mod order;
#[cfg(test)]
mod owners;
#[cfg(test)]
mod pictures;
#[cfg(test)]
mod policies;
#[cfg(test)]
mod pollers;
#[cfg(test)]
mod quickjs;
#[cfg(test)]
mod rebuild;
#[cfg(test)]
mod recording;
#[cfg(test)]
mod run_loop;
#[cfg(test)]
mod script_timers;
#[cfg(test)]
mod self_pipe;
#[cfg(test)]
mod shutdown;
#[cfg(test)]
mod signals;
#[cfg(test)]
mod silent;
#[cfg(test)]
mod statements;
#[cfg(test)]
mod tick;
#[cfg(test)]
mod timer_handles;
#[cfg(test)]
mod timers;
#[cfg(test)]
mod trouble;
#[cfg(test)]
mod wake_ups;
#[cfg(test)]
mod work;
