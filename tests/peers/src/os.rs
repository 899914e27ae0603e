//! The bare system calls under every loop here: the floors.
#![expect(unsafe_code, reason = "bare system calls")]

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::time::Duration;

use crate::traced::MARK;

/// Turns a call's −1 into an error.
fn checked(returned: libc::c_int) -> io::Result<libc::c_int> {
    if returned < 0 { Err(io::Error::last_os_error()) } else { Ok(returned) }
}

/// Owns the descriptor that a call returned.
fn owned(returned: libc::c_int) -> io::Result<OwnedFd> {
    let fd = checked(returned)?;
    // SAFETY: the call has just opened the descriptor, and nothing else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// An epoll set.
#[derive(Debug)]
pub(crate) struct Epoll(OwnedFd);

impl Epoll {
    pub(crate) fn new() -> io::Result<Self> {
        // SAFETY: it takes only flags.
        owned(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) }).map(Self)
    }

    /// Watches `fd` for reading, level-triggered.
    pub(crate) fn add(&self, fd: &impl AsRawFd) -> io::Result<()> {
        let mut event = libc::epoll_event { events: libc::EPOLLIN as u32, u64: 0 };
        // SAFETY: both descriptors are open, and the event outlives the call.
        checked(unsafe {
            libc::epoll_ctl(self.0.as_raw_fd(), libc::EPOLL_CTL_ADD, fd.as_raw_fd(), &raw mut event)
        })
        .map(drop)
    }

    /// The number of ready descriptors, after at most `timeout_ms`; −1 waits without limit.
    pub(crate) fn wait(&self, timeout_ms: libc::c_int) -> io::Result<usize> {
        let mut events = [libc::epoll_event { events: 0, u64: 0 }; 8];
        // SAFETY: the array has the given length.
        let ready = unsafe { libc::epoll_wait(self.0.as_raw_fd(), events.as_mut_ptr(), 8, timeout_ms) };
        checked(ready).map(|ready| ready as usize)
    }
}

/// A counter that can be waited for.
#[derive(Debug)]
pub(crate) struct EventFd(OwnedFd);

impl EventFd {
    pub(crate) fn new() -> io::Result<Self> {
        // SAFETY: it takes only numbers.
        owned(unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) }).map(Self)
    }

    pub(crate) fn signal(&self) {
        let one = 1_u64.to_ne_bytes();
        // SAFETY: eight bytes that live as long as the call. It fails only if the counter is full.
        unsafe { libc::write(self.0.as_raw_fd(), one.as_ptr().cast(), one.len()) };
    }

    pub(crate) fn take(&self) {
        let mut count = [0_u8; 8];
        // SAFETY: as above. It fails only if there is nothing to take.
        unsafe { libc::read(self.0.as_raw_fd(), count.as_mut_ptr().cast(), count.len()) };
    }
}

impl AsRawFd for EventFd {
    fn as_raw_fd(&self) -> libc::c_int {
        self.0.as_raw_fd()
    }
}

/// A timer that can be waited for.
#[derive(Debug)]
pub(crate) struct TimerFd(OwnedFd);

impl TimerFd {
    pub(crate) fn new() -> io::Result<Self> {
        // SAFETY: it takes only numbers.
        owned(unsafe { libc::timerfd_create(libc::CLOCK_MONOTONIC, libc::TFD_CLOEXEC) }).map(Self)
    }

    /// Arms it, and waits until it expires.
    pub(crate) fn wait(&self, delay: Duration) -> io::Result<()> {
        let value = libc::timespec {
            tv_sec: delay.as_secs() as libc::time_t,
            tv_nsec: libc::c_long::from(delay.subsec_nanos()),
        };
        let once =
            libc::itimerspec { it_interval: libc::timespec { tv_sec: 0, tv_nsec: 0 }, it_value: value };
        // SAFETY: the times live as long as the call, which accepts null for the previous setting.
        checked(unsafe {
            libc::timerfd_settime(self.0.as_raw_fd(), 0, &raw const once, std::ptr::null_mut())
        })?;
        let mut expired = [0_u8; 8];
        // SAFETY: eight bytes that live as long as the call.
        let read = unsafe { libc::read(self.0.as_raw_fd(), expired.as_mut_ptr().cast(), expired.len()) };
        if read == 8 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }
}

/// Keeps the calling thread on one core. False if it cannot, because there are fewer.
pub(crate) fn pin(core: usize) -> bool {
    // SAFETY: an empty set is all zeros; the macros write into it.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    // SAFETY: as above; a core beyond the set's size is ignored.
    unsafe { libc::CPU_SET(core, &mut set) };
    // SAFETY: 0 is the calling thread, and the set has the given size.
    unsafe { libc::sched_setaffinity(0, size_of_val(&set), &raw const set) == 0 }
}

/// Lets the calling thread run only when the core is otherwise idle.
pub(crate) fn yield_to_all() -> bool {
    let priority = libc::sched_param { sched_priority: 0 };
    // SAFETY: 0 is the calling thread.
    unsafe { libc::sched_setscheduler(0, libc::SCHED_IDLE, &raw const priority) == 0 }
}

/// Processor time of the whole process, in nanoseconds.
pub(crate) fn cpu_time_ns() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the clock exists on every Linux, and the time lives as long as the call.
    unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &raw mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// Marks a point in time for the tracing process ([`crate::traced`]).
pub(crate) fn marker() {
    // SAFETY: it asks for the process group of an impossible process id, so it only fails.
    unsafe { libc::syscall(MARK.0, MARK.1) };
}
