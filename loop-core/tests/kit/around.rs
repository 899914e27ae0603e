//! A poller around another: it counts wakeups, and calls a hook before and after each wait.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use loop_core::poller::{Edge, Interest, Poller, PollerError, Ready, SignalWaker, Source, Wake, Waker};

/// Where in a wait the hook is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    Before,
    After,
}

/// A poller that wraps another.
pub(crate) struct HookedPoller<P, H> {
    inner: P,
    /// Called with the timeout of the wait.
    hook: H,
    /// Number of wakeups, except those by signal handlers.
    pub(crate) wakes: Arc<AtomicU32>,
    pub(crate) wakes_for_signals: bool,
}

impl<P: Poller, H: FnMut(Moment, Option<Duration>)> HookedPoller<P, H> {
    pub(crate) fn new(inner: P, hook: H) -> Self {
        Self { inner, hook, wakes: Arc::default(), wakes_for_signals: false }
    }
}

struct Counted(Waker, Arc<AtomicU32>);

impl Wake for Counted {
    fn wake(&self) {
        self.1.fetch_add(1, Ordering::SeqCst);
        self.0.wake();
    }
}

impl<P: Poller, H: FnMut(Moment, Option<Duration>)> Poller for HookedPoller<P, H> {
    fn add(&mut self, source: Source, interest: Interest, key: usize) -> Result<(), PollerError> {
        self.inner.add(source, interest, key)
    }

    fn modify(&mut self, key: usize, interest: Interest) -> Result<(), PollerError> {
        self.inner.modify(key, interest)
    }

    fn delete(&mut self, key: usize) -> Result<Source, PollerError> {
        self.inner.delete(key)
    }

    fn wait(&mut self, timeout: Option<Duration>, out: &mut Vec<Ready>) -> io::Result<()> {
        (self.hook)(Moment::Before, timeout);
        let waited = self.inner.wait(timeout, out);
        (self.hook)(Moment::After, timeout);
        waited
    }

    fn wait_between(
        &mut self,
        timeout: Option<Duration>,
        out: &mut Vec<Ready>,
        edge: &mut dyn FnMut(Edge),
    ) -> io::Result<()> {
        (self.hook)(Moment::Before, timeout);
        let waited = self.inner.wait_between(timeout, out, edge);
        (self.hook)(Moment::After, timeout);
        waited
    }

    fn waker(&self) -> Waker {
        Waker::new(Arc::new(Counted(self.inner.waker(), Arc::clone(&self.wakes))))
    }

    fn signal_waker(&mut self) -> io::Result<SignalWaker> {
        if self.wakes_for_signals {
            self.inner.signal_waker()
        } else {
            Err(io::ErrorKind::Unsupported.into())
        }
    }
}
