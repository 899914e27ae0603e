//! Ctrl-C and its kin, for commands that do not draw: they end, and what they have is printed and saved.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use loop_probes::clock::monotonic_now;
use loop_probes::ids::Timestamp;
use loop_traces::writer::TraceOutput;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;

use crate::exit::Failure;

/// When a command that does not draw is to end: at a signal, or after a time.
#[derive(Clone, Debug)]
pub struct Interrupt {
    asked: Arc<AtomicBool>,
    deadline: Option<Timestamp>,
}

impl Interrupt {
    /// Ends at `SIGINT`, `SIGTERM` and `SIGHUP`, and after `duration` where one is given. A second signal ends
    /// the process at once.
    ///
    /// # Errors
    ///
    /// [`Failure::Input`] where the signals cannot be caught.
    pub fn new(duration: Option<Duration>) -> Result<Self, Failure> {
        let asked = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            // In this order: the first one finds the flag still down.
            flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&asked))
                .and_then(|_| flag::register(signal, Arc::clone(&asked)))
                .map_err(|error| Failure::Input(format!("cannot catch signal {signal}: {error}")))?;
        }
        let deadline = duration
            .map(|duration| monotonic_now().plus_ns(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)));
        Ok(Self { asked, deadline })
    }

    /// Whether it is time to end.
    #[must_use]
    pub fn is_due(&self) -> bool {
        self.is_asked() || self.left() == Some(Duration::ZERO)
    }

    /// Whether somebody asked for the end, by a signal.
    #[must_use]
    pub fn is_asked(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }

    /// Sleeps for `period`, or less when the end comes first.
    pub fn nap(&self, period: Duration) {
        std::thread::sleep(self.left().map_or(period, |left| left.min(period)));
    }

    fn left(&self) -> Option<Duration> {
        self.deadline.map(|deadline| Duration::from_nanos(deadline.ns_since(monotonic_now())))
    }
}

/// A file that cannot be written any more once a signal came, so that who writes it removes it, as after any other
/// failure.
#[derive(Debug)]
pub struct Stopping<W> {
    out: W,
    interrupt: Option<Interrupt>,
}

impl<W> Stopping<W> {
    /// `out`, as long as `interrupt` is not due.
    pub const fn new(out: W, interrupt: Option<Interrupt>) -> Self {
        Self { out, interrupt }
    }
}

impl<W: Write> Write for Stopping<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.interrupt.as_ref().is_some_and(Interrupt::is_due) {
            return Err(io::Error::other("interrupted"));
        }
        self.out.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

impl<W: TraceOutput> TraceOutput for Stopping<W> {
    fn truncate(&mut self, len: u64) -> io::Result<()> {
        self.out.truncate(len)
    }
}
