//! The foreign loop: the interface that an event loop must offer to be pumped from ours, and ours as one.
//!
//! It provides what to wait for, how long at most, and one turn. A loop that provides a descriptor to wait for is
//! driven by events, any other by the clock.

use std::error::Error;
use std::io;
use std::thread::ThreadId;
use std::time::Duration;

use loop_probes::clock::Clock;

use crate::error::{RequestError, RunError};
use crate::event_loop::EventLoop;
use crate::poller::{Poller, Source};
use crate::task::Task;

/// A foreign event loop, as pumped by a [`RunLoop`](super::RunLoop).
///
/// # Examples
///
/// ```
/// use std::collections::VecDeque;
/// use std::time::Duration;
/// use loop_core::run_loop::{ForeignLoop, PumpError, RunLoop};
///
/// /// A loop as small as they come: a queue of numbers.
/// struct Numbers(VecDeque<u32>);
///
/// impl ForeignLoop for Numbers {
///     fn name(&self) -> &str {
///         "numbers"
///     }
///
///     fn iterate(&mut self, _timeout: Duration) -> Result<bool, PumpError> {
///         Ok(self.0.pop_front().is_some())
///     }
///
///     fn next_wait(&mut self) -> Result<Option<Duration>, PumpError> {
///         Ok(if self.0.is_empty() { None } else { Some(Duration::ZERO) })
///     }
/// }
///
/// let numbers = RunLoop::new(Numbers([1, 2].into()));
/// assert!(numbers.pump(Duration::ZERO)?);
/// assert!(numbers.pump(Duration::ZERO)?);
/// assert!(!numbers.pump(Duration::ZERO)?);
/// # Ok::<(), PumpError>(())
/// ```
pub trait ForeignLoop: 'static {
    /// Its name in errors.
    fn name(&self) -> &str;

    /// Prepares it to run: opens its library, takes its context. Called once, before anything else, by the first pump;
    /// again only after a failure.
    ///
    /// # Errors
    ///
    /// [`PumpError::Missing`] if it is not installed, [`PumpError::WrongThread`] if it belongs to another thread.
    fn start(&mut self) -> Result<(), PumpError> {
        Ok(())
    }

    /// The only thread that may pump it, if it is bound to one: usually that of a user interface.
    fn thread(&self) -> Option<ThreadId> {
        None
    }

    /// Runs one turn: waits at most for `timeout` until there is something to do, then does it. Zero never waits.
    /// Returns true if it did something.
    ///
    /// # Errors
    ///
    /// [`PumpError`] if it cannot continue.
    fn iterate(&mut self, timeout: Duration) -> Result<bool, PumpError>;

    /// How long until it has something to do without [`readiness`](Self::readiness) becoming readable: zero means now,
    /// `None` means never. Called after each turn driven by readiness, so this is the place to update what the
    /// descriptor stands for.
    ///
    /// # Errors
    ///
    /// [`PumpError`] if it cannot continue.
    fn next_wait(&mut self) -> Result<Option<Duration>, PumpError>;

    /// Called when it was changed, or pumped by hand, while others wait for its [`readiness`](Self::readiness): makes
    /// that readable, if it has one.
    fn wake(&mut self) {}

    /// A descriptor that is readable while it has something to do, if it has one. Must be the same one each time.
    fn readiness(&self) -> Option<Source> {
        None
    }
}

/// Why a foreign loop could not be pumped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PumpError {
    /// It is not installed on this system.
    #[error("cannot find {what}: looked for {}; {hint}", looked_for.join(", "))]
    Missing {
        /// What is missing.
        what: &'static str,
        /// The names tried, and the system's error for each.
        looked_for: Vec<String>,
        /// How to install it.
        hint: &'static str,
    },
    /// It belongs to another thread.
    #[error("{name} belongs to another thread: pump it there, and post to this loop with a handle")]
    WrongThread {
        /// The loop's name.
        name: String,
    },
    /// It is being pumped already: one of its own callbacks tried to pump it.
    #[error("{name} is being pumped already: a callback that it called cannot pump it again")]
    Reentered {
        /// The loop's name.
        name: String,
    },
    /// It was shut down. This ends a run without failing its task.
    #[error("{name} was shut down: there is nothing left to pump")]
    Ended {
        /// The loop's name.
        name: String,
    },
    /// It has no descriptor to wait for.
    #[error("{name} has no readiness descriptor: pump it by interval, with `run`")]
    NoReadiness {
        /// The loop's name.
        name: String,
    },
    /// The system returned an error.
    #[error("cannot {action} for {name}")]
    System {
        /// The loop's name.
        name: String,
        /// The attempted operation.
        action: &'static str,
        /// The system's error.
        source: io::Error,
    },
    /// The foreign loop is one of ours, and its run failed.
    #[error(transparent)]
    Run(#[from] RunError),
    /// Our loop refused the registration that pumps, or the foreign one to watch a source.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// An error of the foreign loop itself.
    #[error("the foreign loop failed")]
    Foreign(#[source] Box<dyn Error + Send + Sync>),
}

/// A second loop of ours, on the same thread, with a policy, tasks and a pool of its own. It is turned while
/// something keeps it alive, and when other threads post to it. A request to stop ends the pump but not the run;
/// a shutdown ends both.
impl<T: Task, C: Clock + 'static, P: Poller + 'static> ForeignLoop for EventLoop<T, C, P> {
    fn name(&self) -> &str {
        "the second event loop"
    }

    fn iterate(&mut self, timeout: Duration) -> Result<bool, PumpError> {
        not_over(self)?;
        Ok(self.turn_within(timeout)?)
    }

    fn next_wait(&mut self) -> Result<Option<Duration>, PumpError> {
        not_over(self)?;
        Ok(EventLoop::next_wait(self))
    }

    fn wake(&mut self) {
        // Pumping by hand left it marked as awake, and a loop that is awake is not woken.
        let _ = EventLoop::next_wait(self);
        self.handle().wake();
    }

    fn readiness(&self) -> Option<Source> {
        EventLoop::readiness(self)
    }
}

fn not_over<T: Task, C: Clock + 'static, P: Poller + 'static>(
    event_loop: &EventLoop<T, C, P>,
) -> Result<(), PumpError> {
    match event_loop.shutdown_report() {
        Some(_) => Err(PumpError::Ended { name: event_loop.name().to_owned() }),
        None => Ok(()),
    }
}
