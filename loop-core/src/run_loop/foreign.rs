//! The interface that a foreign loop offers to be pumped from ours, and its implementation for our own loop.
//!
//! A foreign loop states what to wait for and how long at most, and runs one turn at a time. If it has a descriptor to
//! wait for, readiness can drive it; otherwise a timer does.

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
/// /// A minimal loop: a queue of numbers.
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
    /// The loop's name in errors.
    fn name(&self) -> &str;

    /// Prepares the loop to run, for example opens its library. The first pump calls this once, before anything else;
    /// after a failure, the next pump calls it again.
    ///
    /// # Errors
    ///
    /// [`PumpError::Missing`] if the loop is not installed, [`PumpError::WrongThread`] if it belongs to another thread.
    fn start(&mut self) -> Result<(), PumpError> {
        Ok(())
    }

    /// The only thread that may pump the loop, such as the thread of a user interface. `None` if any thread may.
    fn thread(&self) -> Option<ThreadId> {
        None
    }

    /// Runs one turn: waits at most for `timeout` until there is work, then does it. With zero it does not wait.
    /// Returns true if it did something.
    ///
    /// # Errors
    ///
    /// [`PumpError`] if the loop cannot continue.
    fn iterate(&mut self, timeout: Duration) -> Result<bool, PumpError>;

    /// Time until the loop has work even if [`readiness`](Self::readiness) does not become readable: zero means now,
    /// `None` means never. Called after each turn of [`RunLoop::run_ready`](super::RunLoop::run_ready), so a loop can
    /// update its descriptor here.
    ///
    /// # Errors
    ///
    /// [`PumpError`] if the loop cannot continue.
    fn next_wait(&mut self) -> Result<Option<Duration>, PumpError>;

    /// Makes the [`readiness`](Self::readiness) descriptor readable, if there is one. Called when the program changed or
    /// pumped the loop directly during a [`RunLoop::run_ready`](super::RunLoop::run_ready).
    fn wake(&mut self) {}

    /// A descriptor that is readable while the loop has work; always the same one. `None` if the loop has none.
    fn readiness(&self) -> Option<Source> {
        None
    }
}

/// Why a foreign loop could not be pumped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PumpError {
    /// The foreign loop's library is not installed.
    #[error("cannot find {what}: looked for {}; {hint}", looked_for.join(", "))]
    Missing {
        /// Name of the missing library.
        what: &'static str,
        /// The names tried, and the system's error for each.
        looked_for: Vec<String>,
        /// How to install the library.
        hint: &'static str,
    },
    /// The foreign loop belongs to another thread.
    #[error("{name} belongs to another thread: pump it there, and post to this loop with a handle")]
    WrongThread {
        /// The loop's name.
        name: String,
    },
    /// One of the foreign loop's callbacks tried to pump it again.
    #[error("{name} is being pumped already: a callback that it called cannot pump it again")]
    Reentered {
        /// The loop's name.
        name: String,
    },
    /// The foreign loop was shut down. This ends a run without failing its task.
    #[error("{name} was shut down: there is nothing left to pump")]
    Ended {
        /// The loop's name.
        name: String,
    },
    /// The foreign loop has no descriptor to wait for.
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
    /// Our loop refused the timer or source that pumps, or the foreign loop refused to watch a source.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// The foreign loop returned an error.
    #[error("the foreign loop failed")]
    Foreign(#[source] Box<dyn Error + Send + Sync>),
}

/// A second loop of ours on the same thread, with its own policy, tasks and pool. It gets turns while something keeps it
/// alive, and when other threads post to it. A request to stop ends the current pump but not the run; a shutdown ends
/// both.
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
        // A direct pump leaves the loop marked as awake, and waking it would then do nothing. `next_wait` marks it as
        // waiting.
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
