//! Signals, from the handler to the loop.
//!
//! A handler only stores the signal's number and arrival time in the loop's [`ring`] and wakes the loop: atomics, a
//! clock reading, and one write to a pipe that the poller watches. `signal-hook` chains handlers and preserves `errno`,
//! so several loops of a process, and other users of `signal-hook`, all get the signal. The loop takes the arrivals at
//! the start of a tick and runs them as ordinary tasks.

pub mod ring;
#[cfg(test)]
#[cfg(not(loom))]
mod tests;

#[expect(unsafe_code, reason = "a signal handler must be async-signal-safe")]
mod install;

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use loop_probes::clock::{Clock, SystemClock};

use crate::poller::SignalWaker;
use install::Installed;
pub use ring::{Arrival, SLOTS, SignalRing};
use signal_hook::consts::FORBIDDEN;
/// Numbers of signals, such as `SIGTERM`.
pub use signal_hook::consts::signal as number;

/// Why a signal cannot be caught.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SignalError {
    /// No process can catch the signal (`SIGKILL`), or none can continue after it (`SIGSEGV`).
    #[error("signal {signo} cannot be caught by a loop")]
    Forbidden {
        /// The signal's number.
        signo: i32,
    },
    /// The poller has no way for a signal handler to wake it.
    #[error("cannot catch signal {signo}: the loop's poller cannot be woken by a signal handler: {source}")]
    NoWaker {
        /// The signal's number.
        signo: i32,
        /// The reason.
        source: io::Error,
    },
    /// The system returned an error.
    #[error("cannot catch signal {signo}")]
    System {
        /// The signal's number.
        signo: i32,
        /// The system's error.
        source: io::Error,
    },
}

/// A loop's source of signals: [`Signals`], or a script.
pub trait SignalSource {
    /// Makes `signo` arrive here from now on. Idempotent.
    ///
    /// # Errors
    ///
    /// [`SignalError`] if the signal cannot be caught.
    fn install(&mut self, signo: i32) -> Result<(), SignalError>;

    /// Stops `signo` from arriving here. False if it was not installed.
    fn uninstall(&mut self, signo: i32) -> bool;

    /// Number of signals waiting to be taken.
    fn pending(&self) -> u32;

    /// Takes the oldest arrival.
    fn take(&mut self) -> Option<Arrival>;

    /// Number of signals dropped because the ring was full.
    fn dropped(&self) -> u64;
}

/// The process's signals, as received by one loop. Dropping it removes its handlers. `signal-hook` does not restore the
/// default action: afterwards, a signal without other handlers is ignored.
///
/// # Examples
///
/// ```
/// use loop_core::poller::{Poller, os::OsPoller};
/// use loop_core::signal::{SignalSource, Signals};
/// use loop_probes::clock::SystemClock;
///
/// let mut poller = OsPoller::new()?;
/// let mut signals = Signals::new(SystemClock::new(), poller.signal_waker()?);
/// signals.install(signal_hook::consts::SIGUSR1)?;
/// signal_hook::low_level::raise(signal_hook::consts::SIGUSR1)?;
/// poller.wait(None, &mut Vec::new())?; // woken by the handler
/// let arrival = signals.take().expect("it was raised");
/// assert_eq!(i32::from(arrival.signo), signal_hook::consts::SIGUSR1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Signals {
    ring: Arc<SignalRing>,
    clock: SystemClock,
    waker: SignalWaker,
    installed: BTreeMap<i32, Installed>,
}

impl Signals {
    /// A source without signals. `clock` stamps the arrivals, and `waker` ends the poller's wait.
    #[must_use]
    pub fn new(clock: SystemClock, waker: SignalWaker) -> Self {
        // The first reading may initialise the clock, which must not happen in a handler.
        clock.ticks();
        Self { ring: Arc::new(SignalRing::new()), clock, waker, installed: BTreeMap::new() }
    }

    /// The signals installed here.
    pub fn installed(&self) -> impl Iterator<Item = i32> + '_ {
        self.installed.keys().copied()
    }
}

impl SignalSource for Signals {
    fn install(&mut self, signo: i32) -> Result<(), SignalError> {
        if self.installed.contains_key(&signo) {
            return Ok(());
        }
        let catchable = u8::try_from(signo).ok().filter(|_| !FORBIDDEN.contains(&signo));
        let number = catchable.ok_or(SignalError::Forbidden { signo })?;
        let installed = Installed::new(number, &self.ring, self.clock, &self.waker)
            .map_err(|source| SignalError::System { signo, source })?;
        self.installed.insert(signo, installed);
        Ok(())
    }

    fn uninstall(&mut self, signo: i32) -> bool {
        self.installed.remove(&signo).is_some()
    }

    fn pending(&self) -> u32 {
        self.ring.pending()
    }

    fn take(&mut self) -> Option<Arrival> {
        self.ring.pop()
    }

    fn dropped(&self) -> u64 {
        self.ring.dropped()
    }
}
