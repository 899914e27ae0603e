//! What a loop waits on: readiness of sources, a timeout, a wake-up from another thread.
#![expect(missing_docs, reason = "signatures first")]

pub mod os;

use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;

/// What readiness is asked of; kept alive by the poller from `add` to `delete`.
pub type Source = Arc<dyn AsFd + Send + Sync>;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Interest(u8);
impl Interest {
    pub const NONE: Self = Self(0);
    pub const READABLE: Self = Self(1);
    pub const WRITABLE: Self = Self(2);
    pub const BOTH: Self = Self(3);
    /// Exceptional conditions (`POLLPRI`), reported as readable.
    pub const PRIORITY: Self = Self(4);
    pub const fn is_readable(self) -> bool {
        self.0 & 1 != 0
    }
    pub const fn is_writable(self) -> bool {
        self.0 & 2 != 0
    }
}
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Readiness(u8);
impl Readiness {
    pub const READABLE: Self = Self(1);
    pub const WRITABLE: Self = Self(2);
    pub const ERROR: Self = Self(4);
    pub const HANG_UP: Self = Self(8);
    pub const fn bits(self) -> u8 {
        self.0
    }
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}
impl std::ops::BitOr for Readiness {
    type Output = Self;
    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ready {
    pub key: usize,
    pub readiness: Readiness,
}
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PollerError {
    #[error("poll key {key} is reserved")]
    ReservedKey { key: usize },
    #[error("poll key {key} is in use: delete its source first")]
    KeyInUse { key: usize },
    #[error("no source is registered under poll key {key}")]
    UnknownKey { key: usize },
    #[error("cannot {action} the source under poll key {key}")]
    System { action: &'static str, key: usize, source: io::Error },
}
pub trait Poller {
    fn add(&mut self, source: Source, interest: Interest, key: usize) -> Result<(), PollerError>;
    fn modify(&mut self, key: usize, interest: Interest) -> Result<(), PollerError>;
    fn delete(&mut self, key: usize) -> Result<Source, PollerError>;
    /// Clears `out`, then fills it.
    fn wait(&mut self, timeout: Option<Duration>, out: &mut Vec<Ready>) -> io::Result<()>;
    fn waker(&self) -> Waker;
}
pub trait Wake: Send + Sync {
    fn wake(&self);
}
#[derive(Clone)]
pub struct Waker(Arc<dyn Wake>);
impl Waker {
    pub fn new(target: Arc<dyn Wake>) -> Self {
        Self(target)
    }
    pub fn wake(&self) {
        self.0.wake();
    }
}
