//! The operating system's poller, over the `polling` crate.
//!
//! Adds what that crate leaves to its user: level triggering where the system supports it, and otherwise re-arming after
//! each report; clearing the list of events before each wait; ownership of sources until they are deleted. The crate's
//! waits are precise enough for timers: on Linux a timerfd with ns resolution ends them. It is armed after the caller
//! read the same clock, so a wait neither ends early nor leaves a fraction of a millisecond to spin.
//!
//! Around each wait the crate makes four more system calls, which are work, not waiting. So a wait whose length is
//! recorded blocks in this module, on the crate's descriptor and a separate timerfd, and calls the crate only
//! afterwards to collect ready sources, or not at all if the timer ended the wait.
//!
//! Signal handlers wake the poller through a separate pipe. They cannot use the crate's `notify`, which logs, and so
//! locks and allocates, if any crate of the program enabled its `tracing` feature.
#![expect(unsafe_code, reason = "`polling` requires its user to keep descriptors open")]

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

use super::{
    Edge, Interest, Poller, PollerError, Readiness, Ready, SignalWaker, Source, Wake, Waker, wait_as_a_whole,
};

/// Key of the pipe that signal handlers write to. `polling` reserves the one above it for itself.
const SIGNAL_KEY: usize = usize::MAX - 1;

/// Waits with the system's native call (epoll, kqueue, …).
#[derive(Debug)]
pub struct OsPoller {
    system: Arc<polling::Poller>,
    mode: PollMode,
    registered: HashMap<usize, WatchedSource>,
    events: Events,
    /// Ends a wait on time; `None` if the system has no timerfd.
    timer: Option<WaitTimer>,
    /// The end that signal handlers write to, and the end that is read.
    signal: Option<(SignalWaker, OwnedFd)>,
}

struct WatchedSource {
    source: Source,
    interest: Interest,
}

impl std::fmt::Debug for WatchedSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WatchedSource")
            .field("fd", &self.source.as_fd())
            .field("interest", &self.interest)
            .finish()
    }
}

impl OsPoller {
    /// A poller without sources.
    ///
    /// # Errors
    ///
    /// The system's error, if it is out of descriptors or memory.
    pub fn new() -> io::Result<Self> {
        let system = polling::Poller::new()?;
        let mode = if system.supports_level() { PollMode::Level } else { PollMode::Oneshot };
        Ok(Self {
            system: Arc::new(system),
            mode,
            registered: HashMap::new(),
            events: Events::new(),
            timer: WaitTimer::new(),
            signal: None,
        })
    }

    /// Number of registered sources.
    #[must_use]
    pub fn len(&self) -> usize {
        self.registered.len()
    }

    /// Whether no source is registered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.registered.is_empty()
    }

    /// Empties the pipe that signal handlers write to. The bytes carry no information beyond ending the wait.
    fn take_notice(&self) -> io::Result<()> {
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
        // SAFETY: the descriptor is open, since it is borrowed from `source`. It stays open while it is watched: the
        // caller keeps `source` until `delete` or `drop` has removed it from the system's poller.
        unsafe { self.system.add_with_mode(fd.as_raw_fd(), event(key, interest), self.mode) }
    }
}

/// Converts an interest to an event of `polling`.
fn event(key: usize, interest: Interest) -> Event {
    let readable = interest.contains(Interest::READABLE);
    let event = Event::new(key, readable, interest.contains(Interest::WRITABLE));
    if interest.contains(Interest::PRIORITY) { event.with_priority() } else { event }
}

/// The requested conditions that hold, and errors and hang-ups, which are always reported.
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
        self.registered.insert(key, WatchedSource { source, interest });
        Ok(())
    }

    fn modify(&mut self, key: usize, interest: Interest) -> Result<(), PollerError> {
        let Some(registration) = self.registered.get(&key) else {
            return Err(PollerError::UnknownKey { key });
        };
        let source = &registration.source;
        // A source without interest is removed from the system's poller: with level triggering, its hang-up would end
        // every wait.
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
            // Fails only if the system has already dropped the descriptor.
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
                self.take_notice()?;
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
            return wait_as_a_whole(self, timeout, out, edge);
        };
        out.clear();
        let armed = timeout.map(|timeout| timer.arm(timeout)).transpose();
        let mut fds = [PollFd::new(&*self.system, PollFlags::IN), PollFd::new(&timer.0, PollFlags::IN)];
        let awaited = if timeout.is_some() { &mut fds[..] } else { &mut fds[..1] };
        edge(Edge::Asleep);
        let waited = armed.and_then(|_| {
            // A signal that interrupts the call must not end the wait.
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
        // SAFETY: the descriptor is open, and stays open until `drop` has removed it from the system's poller.
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
    /// Deletes all sources, because wakers may outlive this poller and keep the system's poller with its registrations.
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

/// The timer that ends waits. It is more exact than the timeout of a system call, which the kernel extends by the
/// thread's timer slack, usually 50 us.
#[derive(Debug)]
struct WaitTimer(OwnedFd);

#[cfg(any(target_os = "linux", target_os = "android"))]
impl WaitTimer {
    fn new() -> Option<Self> {
        let flags = TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK;
        timerfd_create(TimerfdClockId::Monotonic, flags).ok().map(Self)
    }

    /// Makes the timer's descriptor readable once, `after` from now.
    fn arm(&self, after: Duration) -> io::Result<()> {
        let zero = Timespec { tv_sec: 0, tv_nsec: 0 };
        // Zero would disarm the timer, so 1 ns is the minimum. A duration too long to express means forever.
        let value = Timespec::try_from(after.max(Duration::from_nanos(1))).unwrap_or(zero);
        let value = Itimerspec { it_interval: zero, it_value: value };
        timerfd_settime(&self.0, TimerfdTimerFlags::empty(), &value)?;
        Ok(())
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
impl WaitTimer {
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
        // Fails only if the notification counter is full: then the poller wakes up anyway.
        let _ = self.0.notify();
    }
}
