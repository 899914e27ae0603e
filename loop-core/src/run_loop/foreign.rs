//! The foreign loop: what somebody else's event loop has to offer to be pumped from ours.
//!
//! Two questions and one deed: what to wait for, how long at most, and one turn. Whoever can answer the first
//! with a descriptor is driven by events, everybody else by the clock.

use std::error::Error;
use std::io;
use std::thread::ThreadId;
use std::time::Duration;

use crate::error::LoopError;
use crate::poller::Source;

/// Somebody else's event loop, as a [`RunLoop`](super::RunLoop) pumps it.
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
    /// What it is called in errors.
    fn name(&self) -> &str;

    /// Gets it ready to run: opens its library, takes its context. Called once, before anything else, by the
    /// first pump; again only where it failed.
    ///
    /// # Errors
    ///
    /// [`PumpError::Missing`] where it is not there, [`PumpError::WrongThread`] where it is another thread's.
    fn start(&mut self) -> Result<(), PumpError> {
        Ok(())
    }

    /// The one thread that may pump it, where it is bound to one: a user interface's, mostly.
    fn thread(&self) -> Option<ThreadId> {
        None
    }

    /// One turn: waits at most for `timeout` until something is there to do, then does it. Zero never waits. True
    /// where it did something.
    ///
    /// # Errors
    ///
    /// [`PumpError`] where it cannot go on.
    fn iterate(&mut self, timeout: Duration) -> Result<bool, PumpError>;

    /// How long until it has something to do without a word from [`readiness`](Self::readiness): zero is now,
    /// `None` is never. Called after each turn that readiness drives, so it is the place to bring up to date
    /// what the descriptor stands for.
    ///
    /// # Errors
    ///
    /// [`PumpError`] where it cannot go on.
    fn next_wait(&mut self) -> Result<Option<Duration>, PumpError>;

    /// Somebody changed it, or pumped it by hand, while others wait for its [`readiness`](Self::readiness): makes that
    /// say so, where it has one.
    fn wake(&mut self) {}

    /// A descriptor that is readable while it has something to do, where it has one. The same one each time.
    fn readiness(&self) -> Option<Source> {
        None
    }
}

/// Why a foreign loop was not pumped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PumpError {
    /// It is not installed here.
    #[error("cannot find {what}: looked for {}; {hint}", looked_for.join(", "))]
    Missing {
        /// What is missing.
        what: &'static str,
        /// Under which names it was looked for, and what the system said to each.
        looked_for: Vec<String>,
        /// How to get it.
        hint: &'static str,
    },
    /// It belongs to another thread.
    #[error("{name} belongs to another thread: pump it there, and post to this loop with a handle")]
    WrongThread {
        /// What the loop is called.
        name: String,
    },
    /// It is being pumped already: somebody pumps it from one of its own callbacks.
    #[error("{name} is being pumped already: a callback that it called cannot pump it again")]
    Reentered {
        /// What the loop is called.
        name: String,
    },
    /// It was shut down. A run that finds this ends, and its task did not fail.
    #[error("{name} was shut down: there is nothing left to pump")]
    Ended {
        /// What the loop is called.
        name: String,
    },
    /// It has no descriptor to wait for.
    #[error("{name} has no descriptor that tells its readiness: pump it by interval, with `run`")]
    NoReadiness {
        /// What the loop is called.
        name: String,
    },
    /// The system refused.
    #[error("cannot {action} for {name}")]
    System {
        /// What the loop is called.
        name: String,
        /// What was tried.
        action: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// A loop of ours failed, as the host or as the foreign one.
    #[error(transparent)]
    Loop(#[from] LoopError),
    /// The foreign loop has its own word for it.
    #[error("the foreign loop failed")]
    Foreign(#[source] Box<dyn Error + Send + Sync>),
}
