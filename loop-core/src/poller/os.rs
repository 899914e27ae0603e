//! The operating system's poller, over the `polling` crate.
//!
//! What that crate leaves to its user is settled here: level-triggered where the system can, and armed again
//! after each report where it cannot; the list cleared before each wait; sources owned until deleted. Its
//! waits are already what a timer needs: on Linux they end by a timerfd with ns resolution that is armed after
//! the caller's reading of the same clock, so that they are never early, and nothing below a millisecond is
//! left to spin on.
//!
//! Around each wait that crate makes four more system calls, which are work and no waiting. So a wait whose length
//! is recorded blocks here, on the crate's own descriptor beside a timerfd like the crate's, and the crate is asked
//! only for what is ready: not at all where it was the timer.
//!
//! Signal handlers wake it through a pipe of its own: the crate's `notify` traces, and so locks and allocates, where
//! any crate of the program switched that feature on.
#![expect(unsafe_code, reason = "polling takes descriptors on trust; here is where they are kept alive")]

#[cfg(test)]
#[cfg(not(loom))]
mod tests;

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use polling::{Event, Events, PollMode};
use rustix::event::{PollFd, PollFlags};
use rustix::pipe::{PipeFlags, pipe_with};
#[cfg(any(target_os = "linux", target_os = "android"))]
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};

use super::{Edge, Interest, Poller, PollerError, Readiness, Ready, SignalWaker, Source, Wake, Waker};

/// The key of the pipe that signal handlers write to. The one above it `polling` keeps for itself.
const SIGNAL_KEY: usize = usize::MAX - 1;

/// Waits with the system's own call (epoll, kqueue, …).
#[derive(Debug)]
pub struct OsPoller {
    system: Arc<polling::Poller>,
    mode: PollMode,
    registered: HashMap<usize, Registration>,
    events: Events,
    /// Ends a wait at its time; `None` where the system has no timerfd.
    timer: Option<Timer>,
    /// What signal handlers write to, and what is read then.
    signal: Option<(SignalWaker, OwnedFd)>,
}

struct Registration {
    source: Source,
    interest: Interest,
}

impl std::fmt::Debug for Registration {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Registration")
            .field("fd", &self.source.as_fd())
            .field("interest", &self.interest)
            .finish()
    }
}

impl OsPoller {
    /// A poller that watches nothing yet.
    ///
    /// # Errors
    ///
    /// The system's, where it is out of descriptors or memory.
    pub fn new() -> io::Result<Self> {
        let system = polling::Poller::new()?;
        let mode = if system.supports_level() { PollMode::Level } else { PollMode::Oneshot };
        Ok(Self {
            system: Arc::new(system),
            mode,
            registered: HashMap::new(),
            events: Events::new(),
            timer: Timer::new(),
            signal: None,
        })
    }

    /// Sources that are registered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.registered.len()
    }

    /// No source is registered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.registered.is_empty()
    }

    /// Takes what signal handlers wrote: that ended the wait, and is all that it was to do.
    fn signals_came(&self) -> io::Result<()> {
        let Some((_, pipe)) = &self.signal else { return Ok(()) };
        let mut bytes = [0; 256];
        while matches!(rustix::io::read(pipe, &mut bytes), Ok(256)) {}
        if self.mode == PollMode::Oneshot {
            self.system.modify_with_mode(pipe, Event::readable(SIGNAL_KEY), self.mode)?;
        }
        Ok(())
    }

    fn watch(&self, source: &Source, interest: Interest, key: usize) -> io::Result<()> {
        let fd = source.as_fd();
        // SAFETY: the descriptor is open, it is borrowed from `source`. It stays so while it is watched: the
        // caller keeps `source` until `delete` (or drop) took it out of the system's poller.
        unsafe { self.system.add_with_mode(fd.as_raw_fd(), event(key, interest), self.mode) }
    }
}

/// What `polling` calls an interest.
fn event(key: usize, interest: Interest) -> Event {
    let readable = interest.contains(Interest::READABLE);
    let event = Event::new(key, readable, interest.contains(Interest::WRITABLE));
    if interest.contains(Interest::PRIORITY) { event.with_priority() } else { event }
}

/// What was asked for and is so, and the conditions that come unasked.
fn readiness(event: &Event, interest: Interest) -> Readiness {
    let wants_reading = interest.contains(Interest::READABLE) || interest.contains(Interest::PRIORITY);
    let mut readiness = Readiness::NONE;
    for (is_so, bit) in [
        (event.readable && wants_reading, Readiness::READABLE),
        (event.writable && interest.contains(Interest::WRITABLE), Readiness::WRITABLE),
        (event.is_err() == Some(true), Readiness::ERROR),
        (event.is_interrupt(), Readiness::HANG_UP),
    ] {
        if is_so {
            readiness |= bit;
        }
    }
    readiness
}

fn refused(action: &'static str, key: usize) -> impl FnOnce(io::Error) -> PollerError {
    move |source| PollerError::System { action, key, source }
}

impl Poller for OsPoller {
    fn add(&mut self, source: Source, interest: Interest, key: usize) -> Result<(), PollerError> {
        if key >= SIGNAL_KEY {
            return Err(PollerError::ReservedKey { key });
        }
        if self.registered.contains_key(&key) {
            return Err(PollerError::KeyInUse { key });
        }
        if !interest.is_empty() {
            self.watch(&source, interest, key).map_err(refused("add", key))?;
        }
        self.registered.insert(key, Registration { source, interest });
        Ok(())
    }

    fn modify(&mut self, key: usize, interest: Interest) -> Result<(), PollerError> {
        let Some(registration) = self.registered.get(&key) else {
            return Err(PollerError::UnknownKey { key });
        };
        let source = &registration.source;
        // Level-triggered, a hang-up that nobody asked for would end every wait: no interest is no watching.
        match (registration.interest.is_empty(), interest.is_empty()) {
            (true, true) => Ok(()),
            (true, false) => self.watch(source, interest, key),
            (false, true) => self.system.delete(source),
            (false, false) => self.system.modify_with_mode(source, event(key, interest), self.mode),
        }
        .map_err(refused("modify", key))?;
        if let Some(registration) = self.registered.get_mut(&key) {
            registration.interest = interest;
        }
        Ok(())
    }

    fn delete(&mut self, key: usize) -> Result<Source, PollerError> {
        let Some(registration) = self.registered.remove(&key) else {
            return Err(PollerError::UnknownKey { key });
        };
        if !registration.interest.is_empty() {
            // Refused only where the system has let go of the descriptor already.
            let _ = self.system.delete(&registration.source);
        }
        Ok(registration.source)
    }

    fn wait(&mut self, timeout: Option<Duration>, out: &mut Vec<Ready>) -> io::Result<()> {
        out.clear();
        self.events.clear();
        self.system.wait(&mut self.events, timeout)?;
        for event in self.events.iter() {
            if event.key == SIGNAL_KEY {
                self.signals_came()?;
                continue;
            }
            let Some(registration) = self.registered.get(&event.key) else { continue };
            let readiness = readiness(&event, registration.interest);
            if !readiness.is_empty() {
                out.push(Ready { key: event.key, readiness });
            }
            if self.mode == PollMode::Oneshot {
                let again = self::event(event.key, registration.interest);
                self.system.modify_with_mode(&registration.source, again, self.mode)?;
            }
        }
        Ok(())
    }

    fn wait_between(
        &mut self,
        timeout: Option<Duration>,
        out: &mut Vec<Ready>,
        edge: &mut dyn FnMut(Edge),
    ) -> io::Result<()> {
        let Some(timer) = &self.timer else {
            edge(Edge::Asleep);
            let waited = self.wait(timeout, out);
            edge(Edge::Awake);
            return waited;
        };
        out.clear();
        let armed = timeout.map(|timeout| timer.arm(timeout)).transpose();
        let mut fds = [PollFd::new(&*self.system, PollFlags::IN), PollFd::new(&timer.0, PollFlags::IN)];
        let awaited = if timeout.is_some() { &mut fds[..] } else { &mut fds[..1] };
        edge(Edge::Asleep);
        let waited = armed.and_then(|_| {
            // A signal ends the call, but not the wait.
            rustix::io::retry_on_intr(|| rustix::event::poll(awaited, None)).map_err(io::Error::from)
        });
        edge(Edge::Awake);
        waited?;
        if fds[0].revents().is_empty() { Ok(()) } else { self.wait(Some(Duration::ZERO), out) }
    }

    fn signal_waker(&mut self) -> io::Result<SignalWaker> {
        if let Some((waker, _)) = &self.signal {
            return Ok(waker.clone());
        }
        let (read, write) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        // SAFETY: the descriptor is open, and stays so until `drop` took it out of the system's poller.
        unsafe {
            self.system.add_with_mode(read.as_raw_fd(), Event::readable(SIGNAL_KEY), self.mode)?;
        }
        let waker = SignalWaker::new(write);
        self.signal = Some((waker.clone(), read));
        Ok(waker)
    }

    fn readiness(&self) -> Option<Source> {
        Some(Arc::<polling::Poller>::clone(&self.system))
    }

    fn waker(&self) -> Waker {
        Waker::new(Arc::new(Notify(Arc::clone(&self.system))))
    }
}

impl Drop for OsPoller {
    /// Wakers may keep the system's poller for longer than this one, and with it what it watches.
    fn drop(&mut self) {
        for (_, registration) in self.registered.drain() {
            if !registration.interest.is_empty() {
                let _ = self.system.delete(&registration.source);
            }
        }
        if let Some((_, pipe)) = &self.signal {
            let _ = self.system.delete(pipe);
        }
    }
}

/// The timer that ends waits. Unlike the timeout of a call it is exact: the system rounds those up by the thread's
/// timer slack, 50 us as a rule.
#[derive(Debug)]
struct Timer(OwnedFd);

#[cfg(any(target_os = "linux", target_os = "android"))]
impl Timer {
    fn new() -> Option<Self> {
        let flags = TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK;
        timerfd_create(TimerfdClockId::Monotonic, flags).ok().map(Self)
    }

    /// Makes it readable once, `after` from now.
    fn arm(&self, after: Duration) -> io::Result<()> {
        let zero = Timespec { tv_sec: 0, tv_nsec: 0 };
        // Too long to be said is for ever; no time at all would disarm it.
        let value = Timespec::try_from(after.max(Duration::from_nanos(1))).unwrap_or(zero);
        let value = Itimerspec { it_interval: zero, it_value: value };
        timerfd_settime(&self.0, TimerfdTimerFlags::empty(), &value)?;
        Ok(())
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
impl Timer {
    const fn new() -> Option<Self> {
        None
    }

    fn arm(&self, _after: Duration) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

struct Notify(Arc<polling::Poller>);

impl Wake for Notify {
    fn wake(&self) {
        // It fails only when the wake-up's counter is full: then it is awake.
        let _ = self.0.notify();
    }
}
