//! What a loop waits on: readiness of sources, a timeout, a wake-up from another thread.
//!
//! The trait is the seam between the loop and the system: the real poller is [`os::OsPoller`], a virtual one
//! is scripted. A poller keeps what is registered alive until it is deleted, so no key ever stands for a
//! closed descriptor.

pub mod os;

use std::fmt;
use std::io;
use std::ops::{BitOr, BitOrAssign};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

/// What readiness is asked of: anything with a descriptor, shared between the poller and its user. It has to
/// give the same descriptor each time.
pub type Source = Arc<dyn AsFd + Send + Sync>;

/// Bit sets with names.
macro_rules! bits {
    ($(#[$doc:meta])* $set:ident { $($(#[$bit_doc:meta])* $bit:ident = $value:literal, $word:literal;)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
        pub struct $set(u8);

        impl $set {
            /// Nothing.
            pub const NONE: Self = Self(0);
            $($(#[$bit_doc])* pub const $bit: Self = Self($value);)+

            /// The bits.
            #[must_use]
            pub const fn bits(self) -> u8 {
                self.0
            }

            /// The set with these bits; unknown ones are left out.
            #[must_use]
            pub const fn from_bits_truncate(bits: u8) -> Self {
                Self(bits & (0 $(| $value)+))
            }

            /// Whether all of `other` is in it.
            #[must_use]
            pub const fn contains(self, other: Self) -> bool {
                self.0 & other.0 == other.0
            }

            /// Whether nothing is in it.
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
    /// What to wait for. Errors and hang-ups come unasked; with [`NONE`](Self::NONE) not even those: the source
    /// is kept and not watched.
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
    /// What a source is ready for, by the bits that an `IoReady` event has.
    Readiness {
        /// There is something to read, or to accept.
        READABLE = 1, "readable";
        /// There is room to write.
        WRITABLE = 2, "writable";
        /// It failed.
        ERROR = 4, "error";
        /// The other side is gone.
        HANG_UP = 8, "hang-up";
    }
}

/// A source is ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ready {
    /// The key that it was added under.
    pub key: usize,
    /// For what.
    pub readiness: Readiness,
}

/// Why a poller refuses. Nothing changed then.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PollerError {
    /// The key is the poller's own.
    #[error("poll key {key} is reserved: take a smaller one")]
    ReservedKey {
        /// The key.
        key: usize,
    },
    /// The key stands for a source already.
    #[error("poll key {key} is in use: delete its source first")]
    KeyInUse {
        /// The key.
        key: usize,
    },
    /// The key stands for nothing.
    #[error("no source is registered under poll key {key}")]
    UnknownKey {
        /// The key.
        key: usize,
    },
    /// The system refused.
    #[error("cannot {action} the source under poll key {key}")]
    System {
        /// What was tried: add, modify or delete.
        action: &'static str,
        /// The key.
        key: usize,
        /// What the system said.
        source: io::Error,
    },
}

/// Waits for readiness. Level-triggered: what is ready is reported by every wait until it is not.
pub trait Poller {
    /// Watches `source` for `interest`, to be reported as `key`, and keeps it alive until it is deleted.
    ///
    /// # Errors
    ///
    /// [`PollerError`] where the key is reserved or in use, or the system refuses (an ordinary file cannot be
    /// polled, a descriptor is watched once only).
    fn add(&mut self, source: Source, interest: Interest, key: usize) -> Result<(), PollerError>;

    /// Changes what the source under `key` is watched for.
    ///
    /// # Errors
    ///
    /// [`PollerError`] where the key stands for nothing, or the system refuses.
    fn modify(&mut self, key: usize, interest: Interest) -> Result<(), PollerError>;

    /// Stops watching, and gives the source back.
    ///
    /// # Errors
    ///
    /// [`PollerError::UnknownKey`] where the key stands for nothing. A system that refuses to let go of a
    /// descriptor never knew it any more: that is no error.
    fn delete(&mut self, key: usize) -> Result<Source, PollerError>;

    /// Waits until a source is ready, a [`Waker`] was used, or `timeout` is over (`None`: never), and puts what
    /// is ready in place of what was in `out`. A timeout does not end early, signals do not end the wait, and a
    /// wake-up that came before the wait ends it at once. Wake-ups coalesce and leave nothing in `out`; one that
    /// races with the end of a wait may end the next one too, so an empty `out` does not say that time is up.
    ///
    /// # Errors
    ///
    /// The system's, when it can no longer wait at all.
    fn wait(&mut self, timeout: Option<Duration>, out: &mut Vec<Ready>) -> io::Result<()>;

    /// As [`wait`](Self::wait), and calls `edge` twice: right before it blocks, and as soon as it is awake. What a poller
    /// has to prepare and to collect lies outside of the two, so that it is not taken for waiting. The default knows no
    /// better than its caller.
    ///
    /// # Errors
    ///
    /// As [`wait`](Self::wait).
    fn wait_between(
        &mut self,
        timeout: Option<Duration>,
        out: &mut Vec<Ready>,
        edge: &mut dyn FnMut(Edge),
    ) -> io::Result<()> {
        edge(Edge::Asleep);
        let waited = self.wait(timeout, out);
        edge(Edge::Awake);
        waited
    }

    /// The caller did not get round to what the last wait reported here, and wants to hear of it again. A
    /// level-triggered poller says so anyway and does nothing, the default.
    fn hand_back(&mut self, ready: &[Ready]) {
        let _ = ready;
    }

    /// A descriptor that is readable while a source is ready or a [`Waker`] was used, where there is one: another
    /// poller can wait for this one by it.
    fn readiness(&self) -> Option<Source> {
        None
    }

    /// A handle that ends a wait, now or the next one.
    fn waker(&self) -> Waker;

    /// A handle that ends a wait from a signal handler, now or the next one.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::Unsupported`] where the poller has none, the default; the system's where it is out of
    /// descriptors.
    fn signal_waker(&mut self) -> io::Result<SignalWaker> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// The two ends of a wait. See [`Poller::wait_between`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edge {
    /// It is about to block.
    Asleep,
    /// It is over.
    Awake,
}

/// Ends a poller's wait from a signal handler. It is one `write` to a descriptor and nothing else, and so
/// async-signal-safe whatever the descriptor is; it may change `errno`, which `signal-hook` keeps. Nothing that a
/// program implements runs in a handler: a [`Wake`] may lock and allocate.
#[derive(Clone, Debug)]
pub struct SignalWaker(Arc<OwnedFd>);

impl SignalWaker {
    /// Writes to `end`, the end of a pipe whose other one its poller watches. Where a write could block, the handler
    /// would.
    #[must_use]
    pub fn new(end: OwnedFd) -> Self {
        Self(Arc::new(end))
    }

    /// Ends the poller's wait, now or the next one.
    pub fn wake(&self) {
        // It fails only when the pipe is full: then it is awake.
        let _ = rustix::io::write(&self.0, &[1]);
    }
}

/// What a [`Waker`] calls, from any thread. Never in a signal handler: that is a [`SignalWaker`]'s.
pub trait Wake: Send + Sync {
    /// Ends the poller's wait, now or the next one.
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

    /// Ends the poller's wait, now or the next one.
    pub fn wake(&self) {
        self.0.wake();
    }
}

impl fmt::Debug for Waker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Waker")
    }
}
