//! The poller: waits for readiness of sources, a timeout, or a wake-up from another thread.
//!
//! [`os::OsPoller`] asks the operating system; a virtual loop has a scripted poller instead. A poller keeps a registered
//! source alive until it is deleted, so no key ever refers to a closed descriptor.

pub mod os;

use std::fmt;
use std::io;
use std::ops::{BitOr, BitOrAssign};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

/// A source of readiness: anything with a descriptor, shared between the poller and its user. `as_fd` must return the
/// same descriptor each time.
pub type Source = Arc<dyn AsFd + Send + Sync>;

/// Defines a set of named bits.
macro_rules! bits {
    ($(#[$doc:meta])* $set:ident { $($(#[$bit_doc:meta])* $bit:ident = $value:literal, $word:literal;)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
        pub struct $set(u8);

        impl $set {
            /// The set without any condition.
            pub const NONE: Self = Self(0);
            $($(#[$bit_doc])* pub const $bit: Self = Self($value);)+

            /// The set as a bit mask.
            #[must_use]
            pub const fn bits(self) -> u8 {
                self.0
            }

            /// The set with these bits; unknown bits are dropped.
            #[must_use]
            pub const fn from_bits_truncate(bits: u8) -> Self {
                Self(bits & (0 $(| $value)+))
            }

            /// Whether the set contains all of `other`.
            #[must_use]
            pub const fn contains(self, other: Self) -> bool {
                self.0 & other.0 == other.0
            }

            /// Whether the set is empty.
            #[must_use]
            pub const fn is_empty(self) -> bool {
                self.0 == 0
            }
        }

        impl BitOr for $set {
            type Output = Self;
            fn bitor(self, other: Self) -> Self {
                Self(self.0 | other.0)
            }
        }

        impl BitOrAssign for $set {
            fn bitor_assign(&mut self, other: Self) {
                self.0 |= other.0;
            }
        }

        impl fmt::Debug for $set {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let words = [$(($value, $word)),+].into_iter().filter(|(bit, _)| self.0 & bit != 0);
                f.debug_set().entries(words.map(|(_, word)| word)).finish()
            }
        }
    };
}

bits! {
    /// Conditions to wait for. Errors and hang-ups are reported with any interest except [`NONE`](Self::NONE), which
    /// keeps the source registered without watching it.
    Interest {
        /// There is something to read, or to accept.
        READABLE = 1, "readable";
        /// There is room to write.
        WRITABLE = 2, "writable";
        /// Exceptional conditions (`POLLPRI`), and nothing else; reported as readable.
        PRIORITY = 4, "priority";
    }
}

bits! {
    /// Conditions that a source is ready for, with the bits of an `IoReady` event.
    Readiness {
        /// There is something to read, or to accept.
        READABLE = 1, "readable";
        /// There is room to write.
        WRITABLE = 2, "writable";
        /// The source reports an error.
        ERROR = 4, "error";
        /// The peer hung up.
        HANG_UP = 8, "hang-up";
    }
}

/// A ready source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ready {
    /// The source's key.
    pub key: usize,
    /// The conditions that the source is ready for.
    pub readiness: Readiness,
}

/// Why a poller refused a request. The request had no effect.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PollerError {
    /// The key is reserved by the poller.
    #[error("poll key {key} is reserved: use a smaller one")]
    ReservedKey {
        /// The key.
        key: usize,
    },
    /// The key belongs to another source.
    #[error("poll key {key} is in use: delete its source first")]
    KeyInUse {
        /// The key.
        key: usize,
    },
    /// The key belongs to no source.
    #[error("no source is registered under poll key {key}")]
    UnknownKey {
        /// The key.
        key: usize,
    },
    /// The system returned an error.
    #[error("cannot {action} the source under poll key {key}")]
    System {
        /// The attempted operation: add, modify or delete.
        action: &'static str,
        /// The key.
        key: usize,
        /// The system's error.
        source: io::Error,
    },
}

/// Waits for readiness. Level-triggered: every wait reports each source that is ready, until it no longer is.
pub trait Poller {
    /// Watches `source` for `interest`, reports it as `key`, and keeps it alive until it is deleted.
    ///
    /// # Errors
    ///
    /// [`PollerError`] if the key is reserved or in use, or the system refuses: an ordinary file cannot be polled, and
    /// a descriptor can be watched only once.
    fn add(&mut self, source: Source, interest: Interest, key: usize) -> Result<(), PollerError>;

    /// Changes the interest of the source under `key`.
    ///
    /// # Errors
    ///
    /// [`PollerError`] if the key refers to no source, or the system refuses.
    fn modify(&mut self, key: usize, interest: Interest) -> Result<(), PollerError>;

    /// Stops watching the source under `key`, and returns it.
    ///
    /// # Errors
    ///
    /// [`PollerError::UnknownKey`] if the key refers to no source. It is not an error if the system refuses to remove the
    /// descriptor, because then the system had already dropped it.
    fn delete(&mut self, key: usize) -> Result<Source, PollerError>;

    /// Waits until a source is ready, a [`Waker`] was used, or `timeout` has passed (`None` means no timeout), and
    /// replaces the contents of `out` with the ready sources. A timeout never ends early, and signals do not end the
    /// wait. A wake-up before the wait ends it at once. Wake-ups coalesce and add nothing to `out`. A wake-up that races
    /// with the end of a wait may end the next wait too, so an empty `out` does not mean that the timeout has passed.
    ///
    /// # Errors
    ///
    /// The system's error, if it cannot wait.
    fn wait(&mut self, timeout: Option<Duration>, out: &mut Vec<Ready>) -> io::Result<()>;

    /// Like [`wait`](Self::wait), and calls `edge` twice: just before blocking, and right after. A poller's preparation
    /// and collection of results lie outside the two, so that they do not count as waiting. By default the whole call
    /// counts as waiting.
    ///
    /// # Errors
    ///
    /// The errors of [`wait`](Self::wait).
    fn wait_between(
        &mut self,
        timeout: Option<Duration>,
        out: &mut Vec<Ready>,
        edge: &mut dyn FnMut(Edge),
    ) -> io::Result<()> {
        wait_as_a_whole(self, timeout, out, edge)
    }

    /// Hands back readiness from the last wait that the caller has not handled, so that it is reported again. The default
    /// does nothing, since a level-triggered poller reports it anyway.
    fn hand_back(&mut self, ready: &[Ready]) {
        let _ = ready;
    }

    /// A descriptor that is readable while a source is ready or after a [`Waker`] was used, so that another poller can
    /// wait for this one. `None` if the poller has no such descriptor.
    fn readiness(&self) -> Option<Source> {
        None
    }

    /// Returns a handle that ends the current or the next wait.
    fn waker(&self) -> Waker;

    /// Returns a handle that ends the current or the next wait from a signal handler.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::Unsupported`] if the poller does not support it, which is the default; the system's error if it
    /// is out of descriptors.
    fn signal_waker(&mut self) -> io::Result<SignalWaker> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// Waits between two calls of `edge`: the whole call counts as waiting.
fn wait_as_a_whole<P: Poller + ?Sized>(
    poller: &mut P,
    timeout: Option<Duration>,
    out: &mut Vec<Ready>,
    edge: &mut dyn FnMut(Edge),
) -> io::Result<()> {
    edge(Edge::Asleep);
    let waited = poller.wait(timeout, out);
    edge(Edge::Awake);
    waited
}

/// Start and end of a wait. See [`Poller::wait_between`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Edge {
    /// The poller is about to block.
    Asleep,
    /// The poller no longer blocks.
    Awake,
}

/// Ends a poller's wait from a signal handler, with a single `write` to a descriptor, which is async-signal-safe. The
/// write may change `errno`, which `signal-hook` preserves. A [`Waker`] cannot be used in a handler, because its target
/// may lock and allocate.
#[derive(Clone, Debug)]
pub struct SignalWaker(Arc<OwnedFd>);

impl SignalWaker {
    /// A waker that writes to `end` of a pipe whose other end the poller watches. `end` must be non-blocking, or the
    /// handler could block.
    #[must_use]
    pub fn new(end: OwnedFd) -> Self {
        Self(Arc::new(end))
    }

    /// Ends the poller's current or next wait.
    pub fn wake(&self) {
        // The write fails only if the pipe is full: then the poller wakes up anyway.
        let _ = rustix::io::write(&self.0, &[1]);
    }
}

/// Target of a [`Waker`], called from any thread, but never in a signal handler, where a [`SignalWaker`] is used.
pub trait Wake: Send + Sync {
    /// Ends the poller's current or next wait.
    fn wake(&self);
}

/// Ends a poller's wait from any thread. Clones wake the same poller.
#[derive(Clone)]
pub struct Waker(Arc<dyn Wake>);

impl Waker {
    /// A waker that calls `target`.
    #[must_use]
    pub fn new(target: Arc<dyn Wake>) -> Self {
        Self(target)
    }

    /// Ends the poller's current or next wait.
    pub fn wake(&self) {
        self.0.wake();
    }
}

impl fmt::Debug for Waker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Waker")
    }
}
