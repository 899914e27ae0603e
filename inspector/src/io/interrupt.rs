//! Ctrl-C and similar signals in commands that do not draw: the command ends early, but still prints and saves its
//! results.

#[cfg(test)]
mod tests;

use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use loop_probes::clock::monotonic_now;
use loop_probes::ids::Timestamp;
use loop_traces::writer::TraceOutput;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use signal_hook::flag;
use signal_hook::iterator::Signals;
use signal_hook::low_level::exit;

use super::exit::CommandError;

/// Further signals are ignored for this long after the first: `timeout` signals a command and then its process group, so
/// one request arrives twice, and must not prevent the results from being saved.
pub const GRACE: Duration = Duration::from_secs(1);

/// The signals that end a command. `SIGHUP` comes last, since [`ending_signals`] may leave it out.
const ENDING: [i32; 4] = [SIGINT, SIGTERM, SIGQUIT, SIGHUP];

/// The signals that end this command: without `SIGHUP` if that was ignored when the command started, as `nohup` does.
fn ending_signals() -> &'static [i32] {
    let was_hangup_ignored = ignored_signals().is_some_and(|ignored| ignored & (1 << (SIGHUP - 1)) != 0);
    if was_hangup_ignored { &ENDING[..3] } else { &ENDING }
}

/// The signals that this process ignores, one bit each, or `None` if the system does not say.
fn ignored_signals() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"))?;
    u64::from_str_radix(mask.trim(), 16).ok()
}

/// Decides when a command that does not draw ends: at a signal, or after a time.
#[derive(Clone, Debug)]
pub struct Interrupt {
    asked: Arc<AtomicBool>,
    deadline: Option<Timestamp>,
}

impl Interrupt {
    /// Becomes due at `SIGINT`, `SIGTERM`, `SIGQUIT` and, unless `nohup` started the command, `SIGHUP`, and after
    /// `duration` if given. Another signal more than [`GRACE`] later exits at once, with 128 plus its number as the exit
    /// code.
    ///
    /// # Errors
    ///
    /// [`CommandError::Input`] if the signals cannot be caught.
    pub fn new(duration: Option<Duration>) -> Result<Self, CommandError> {
        let asked = Arc::new(AtomicBool::new(false));
        let failed = |error: io::Error| CommandError::Input(format!("cannot handle signals: {error}"));
        let ending = ending_signals();
        for &signal in ending {
            flag::register(signal, Arc::clone(&asked)).map_err(failed)?;
        }
        let mut signals = Signals::new(ending).map_err(failed)?;
        let thread = std::thread::Builder::new().name("loopscope-signals".to_owned());
        thread.spawn(move || exit_when_repeated(&mut signals)).map_err(failed)?;
        let mut interrupt = Self { asked, deadline: None };
        interrupt.end_after(duration);
        Ok(interrupt)
    }

    /// Restarts the time limit from now, so that setting up, which takes long on a busy machine, does not use it up.
    pub fn end_after(&mut self, duration: Option<Duration>) {
        self.deadline = duration
            .map(|duration| monotonic_now().plus_ns(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)));
    }

    /// Whether the command must end now.
    #[must_use]
    pub fn is_due(&self) -> bool {
        self.is_asked() || self.left() == Some(Duration::ZERO)
    }

    /// Whether a signal has asked to end.
    #[must_use]
    pub fn is_asked(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }

    /// Sleeps for `period`, or until the deadline if that is earlier.
    pub fn nap(&self, period: Duration) {
        std::thread::sleep(self.left().map_or(period, |left| left.min(period)));
    }

    fn left(&self) -> Option<Duration> {
        self.deadline.map(|deadline| Duration::from_nanos(deadline.ns_since(monotonic_now())))
    }
}

fn exit_when_repeated(signals: &mut Signals) {
    let mut first: Option<Timestamp> = None;
    for signal in signals.forever() {
        let now = monotonic_now();
        if u128::from(now.ns_since(*first.get_or_insert(now))) > GRACE.as_nanos() {
            exit(128 + signal);
        }
    }
}

/// An output that fails once `interrupt` is due.
#[derive(Debug)]
pub struct Stopping<W> {
    out: W,
    interrupt: Option<Interrupt>,
}

impl<W> Stopping<W> {
    /// Writes to `out` until `interrupt` is due.
    pub const fn new(out: W, interrupt: Option<Interrupt>) -> Self {
        Self { out, interrupt }
    }

    fn check(&self) -> io::Result<()> {
        match &self.interrupt {
            Some(interrupt) if interrupt.is_due() => Err(io::Error::other("interrupted")),
            _ => Ok(()),
        }
    }
}

impl<W: Write> Write for Stopping<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.check()?;
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

    fn finish(&mut self) -> io::Result<()> {
        self.check()?;
        self.out.finish()
    }
}

/// Maximum delay in noticing a signal that arrived just before a wait.
const WAIT: Timespec = Timespec { tv_sec: 0, tv_nsec: 200_000_000 };

/// An input that fails once `interrupt` is due, even while it is waiting for data.
#[derive(Debug)]
pub struct StoppingInput<R> {
    input: R,
    interrupt: Interrupt,
}

impl<R> StoppingInput<R> {
    /// Reads from `input` until `interrupt` is due. `input` must be unbuffered: a poll does not see buffered data.
    pub const fn new(input: R, interrupt: Interrupt) -> Self {
        Self { input, interrupt }
    }
}

impl<R: Read + AsFd> Read for StoppingInput<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // A blocking read is restarted after a signal; a poll is not.
        loop {
            if self.interrupt.is_due() {
                return Err(io::Error::other("interrupted"));
            }
            match poll(&mut [PollFd::new(&self.input, PollFlags::IN)], Some(&WAIT)) {
                Ok(0) | Err(Errno::INTR) => {}
                Ok(_) => return self.input.read(buffer),
                Err(error) => return Err(error.into()),
            }
        }
    }
}
