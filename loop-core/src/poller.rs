//! The poller: waits for readiness of sources, a timeout, or a wake-up from another thread.
//!
//! The trait separates the loop from the system: the real poller is [`os::OsPoller`], a virtual one is scripted. A
//! poller keeps a registered source alive until it is deleted, so no key ever refers to a closed descriptor.

pub mod os;

use std::fmt;
use std::io;
use std::ops::{BitOr, BitOrAssign};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

/// A source of readiness: anything with a descriptor, shared between the poller and its user. It has to return the same
/// descriptor each time.
pub type Source = Arc<dyn AsFd + Send + Sync>;

/// Defines a set of named bits.
macro_rules! bits {
    ($(#[$doc:meta])* $set:ident { $($(#[$bit_doc:meta])* $bit:ident = $value:literal, $word:literal;)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
        pub struct $set(u8);

        impl $set {
            /// The empty set.
            pub const NONE: Self = Self(0);
            $($(#[$bit_doc])* pub const $bit: Self = Self($value);)+

            /// The bits.
            #[must_use]
            pub const fn bits(self) -> u8 {
                self.0
            }

            /// The set with these bits; unknown ones are dropped.
            #[must_use]
            pub const fn from_bits_truncate(bits: u8) -> Self {
                Self(bits & (0 $(| $value)+))
            }

            /// Whether all of `other` is in it.
            #[must_use]
            pub const fn contains(self, other: Self) -> bool {
                self.0 & other.0 == other.0
            }

            /// Whether it is empty.
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
    /// Conditions to wait for. Errors and hang-ups are always reported; with [`NONE`](Self::NONE) not even those: the
    /// source is kept but not watched.
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
        /// It failed.
        ERROR = 4, "error";
        /// The peer is gone.
        HANG_UP = 8, "hang-up";
    }
}

/// A ready source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ready {
    /// The key that it was added under.
    pub key: usize,
    /// The conditions it is ready for.
    pub readiness: Readiness,
}

/// Why a poller refused a request. Nothing was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PollerError {
    /// The key is reserved by the poller.
    #[error("poll key {key} is reserved: take a smaller one")]
    ReservedKey {
        /// The key.
        key: usize,
    },
    /// The key already refers to a source.
    #[error("poll key {key} is in use: delete its source first")]
    KeyInUse {
        /// The key.
        key: usize,
    },
    /// The key refers to no source.
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

/// Waits for readiness. Level-triggered: every wait reports what is ready until it no longer is.
pub trait Poller {
    /// Watches `source` for `interest`, reported as `key`, and keeps the source alive until it is deleted.
    ///
    /// # Errors
    ///
    /// [`PollerError`] if the key is reserved or in use, or the system refuses (an ordinary file cannot be polled, and
    /// a descriptor can be watched only once).
    fn add(&mut self, source: Source, interest: Interest, key: usize) -> Result<(), PollerError>;

    /// Changes the interest of the source under `key`.
    ///
    /// # Errors
    ///
    /// [`PollerError`] if the key refers to no source, or the system refuses.
    fn modify(&mut self, key: usize, interest: Interest) -> Result<(), PollerError>;

    /// Stops watching the source, and gives it back.
    ///
    /// # Errors
    ///
    /// [`PollerError::UnknownKey`] if the key refers to no source. A system that refuses to remove a descriptor had
    /// already dropped it, which is not an error.
    fn delete(&mut self, key: usize) -> Result<Source, PollerError>;

    /// Waits until a source is ready, a [`Waker`] was used, or `timeout` has passed (`None`: never), and replaces the
    /// contents of `out` with what is ready. A timeout does not end early, signals do not end the wait, and a wake-up
    /// before the wait ends it at once. Wake-ups coalesce and leave nothing in `out`; one that races with the end of a
    /// wait may end the next one too, so an empty `out` does not mean that the time is up.
    ///
    /// # Errors
    ///
    /// The system's error, if it can no longer wait at all.
    fn wait(&mut self, timeout: Option<Duration>, out: &mut Vec<Ready>) -> io::Result<()>;

    /// Like [`wait`](Self::wait), and calls `edge` twice: just before it blocks, and as soon as it is awake. A poller's
    /// preparation and collection lie outside the two, so that they do not count as waiting. By default the whole
    /// call counts as waiting.
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

    /// Hands back readiness from the last wait that the caller has not handled, so that it is reported again. A
    /// level-triggered poller reports it anyway, so the default does nothing.
    fn hand_back(&mut self, ready: &[Ready]) {
        let _ = ready;
    }

    /// A descriptor that is readable while a source is ready or after a [`Waker`] was used, if there is one: it lets
    /// another poller wait for this one.
    fn readiness(&self) -> Option<Source> {
        None
    }

    /// A handle that ends the current or the next wait.
    fn waker(&self) -> Waker;

    /// A handle that ends the current or the next wait from a signal handler.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::Unsupported`] if the poller has none, which is the default; the system's error if it is out of
    /// descriptors.
    fn signal_waker(&mut self) -> io::Result<SignalWaker> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// A wait of which the whole call counts as waiting.
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

/// The two ends of a wait. See [`Poller::wait_between`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Edge {
    /// About to block.
    Asleep,
    /// The wait is over.
    Awake,
}

/// Ends a poller's wait from a signal handler. It is a single `write` to a descriptor, and so async-signal-safe
/// whatever the descriptor is; it may change `errno`, which `signal-hook` preserves. No code of the program runs in a
/// handler: a [`Wake`] may lock and allocate.
#[derive(Clone, Debug)]
pub struct SignalWaker(Arc<OwnedFd>);

impl SignalWaker {
    /// Writes to `end`, one end of a pipe whose other end its poller watches. It must be non-blocking, or the handler
    /// could block.
    #[must_use]
    pub fn new(end: OwnedFd) -> Self {
        Self(Arc::new(end))
    }

    /// Ends the poller's current or next wait.
    pub fn wake(&self) {
        // It fails only when the pipe is full: then the poller is already awake.
        let _ = rustix::io::write(&self.0, &[1]);
    }
}

/// Target of a [`Waker`], called from any thread. Never called in a signal handler: a [`SignalWaker`] is for that.
pub trait Wake: Send + Sync {
    /// Ends the poller's current or next wait.
    fn wake(&self);
}

/// Ends a poller's wait from any thread. Clones wake the same poller.
#[derive(Clone)]
pub struct Waker(Arc<dyn Wake>);

impl Waker {
    /// A waker of `target`.
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
