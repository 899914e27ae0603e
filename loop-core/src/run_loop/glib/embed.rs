//! Runs our loop as a source in GLib's main context.
//!
//! The source watches our poller's descriptor, and its ready time is our next deadline. Dispatching the source runs one
//! turn that does not wait. So a program whose main loop is GTK's can run ours alongside.

use std::cell::{OnceCell, RefCell};
use std::fmt;
use std::os::fd::AsRawFd;
use std::rc::Rc;
use std::time::Duration;

use loop_probes::clock::{Clock, SystemClock, monotonic_now};

use super::sys::{GlibSourceKind, RawSource};
use super::{GlibLoop, NAME};
use crate::error::RunError;
use crate::event_loop::EventLoop;
use crate::poller::os::OsPoller;
use crate::poller::{Poller, Source};
use crate::run_loop::PumpError;
use crate::task::Task;

/// A loop of ours, run by GLib's main context until this value is dropped.
pub struct Embedded<T: Task, C: Clock = SystemClock, P: Poller = OsPoller> {
    inner: Rc<EmbeddedLoop<T, C, P>>,
}

struct EmbeddedLoop<T: Task, C: Clock, P: Poller> {
    event_loop: RefCell<EventLoop<T, C, P>>,
    /// The watched descriptor, kept open while GLib watches it.
    _readiness: Source,
    source: OnceCell<RawSource>,
    failed: RefCell<Option<RunError>>,
}

impl GlibLoop {
    /// Lets GLib's main context run `event_loop`: iterating the context gives the loop a turn when it is ready or its next
    /// deadline has passed.
    ///
    /// # Errors
    ///
    /// [`PumpError`] if the context is unavailable, [`PumpError::NoReadiness`] if the loop's poller has no
    /// descriptor.
    pub fn embed<T: Task, C: Clock + 'static, P: Poller + 'static>(
        &self,
        event_loop: EventLoop<T, C, P>,
    ) -> Result<Embedded<T, C, P>, PumpError> {
        let readiness = event_loop.readiness();
        let readiness =
            readiness.ok_or_else(|| PumpError::NoReadiness { name: "the event loop".to_owned() })?;
        let fd = readiness.as_fd().as_raw_fd();
        let inner = Rc::new(EmbeddedLoop {
            event_loop: RefCell::new(event_loop),
            _readiness: readiness,
            source: OnceCell::new(),
            failed: RefCell::new(None),
        });
        let weak = Rc::downgrade(&inner);
        let source = self.started()?.owned.attach(
            GlibSourceKind::Readable(fd),
            Box::new(move || weak.upgrade().is_some_and(|inner| inner.turn())),
        );
        let _ = inner.source.set(source);
        inner.arm();
        self.started()?.owned.context().wake();
        Ok(Embedded { inner })
    }
}

impl<T: Task, C: Clock, P: Poller> EmbeddedLoop<T, C, P> {
    /// Returns false, which removes the source, if the loop failed or was shut down.
    fn turn(&self) -> bool {
        let turned = match self.event_loop.try_borrow_mut() {
            Ok(event_loop) if event_loop.shutdown_report().is_some() => return false,
            Ok(mut event_loop) => event_loop.turn_within(Duration::ZERO),
            // One of our tasks iterates the context: that task's turn continues when it returns.
            Err(_) => return true,
        };
        self.arm();
        turned.map_err(|error| *self.failed.borrow_mut() = Some(error)).is_ok()
    }

    /// Sets our next deadline as the source's ready time.
    fn arm(&self) {
        if let (Some(source), Ok(mut event_loop)) = (self.source.get(), self.event_loop.try_borrow_mut()) {
            let wait = event_loop.next_wait();
            let at = wait.map(|wait| crate::timer::due_after(monotonic_now(), wait).as_ns().div_ceil(1_000));
            source.set_ready_time(at.map_or(-1, |at_us| i64::try_from(at_us).unwrap_or(i64::MAX)));
        }
    }
}

impl<T: Task, C: Clock, P: Poller> Embedded<T, C, P> {
    /// Gives access to the loop between two turns, and then updates the deadline that GLib waits for.
    ///
    /// # Errors
    ///
    /// [`PumpError::Reentered`] if called from one of the loop's own tasks.
    pub fn with<R>(&self, f: impl FnOnce(&mut EventLoop<T, C, P>) -> R) -> Result<R, PumpError> {
        let returned = match self.inner.event_loop.try_borrow_mut() {
            Ok(mut event_loop) => f(&mut event_loop),
            Err(_) => return Err(PumpError::Reentered { name: format!("the loop in {NAME}") }),
        };
        self.inner.arm();
        Ok(returned)
    }

    /// Takes the error that ended the loop. GLib no longer runs the loop after an error.
    #[must_use]
    pub fn take_error(&self) -> Option<RunError> {
        self.inner.failed.borrow_mut().take()
    }
}

impl<T: Task, C: Clock, P: Poller> Drop for Embedded<T, C, P> {
    fn drop(&mut self) {
        if let Some(source) = self.inner.source.get() {
            source.destroy();
        }
    }
}

impl<T: Task, C: Clock, P: Poller> fmt::Debug for Embedded<T, C, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Embedded").field("source", &self.inner.source).finish_non_exhaustive()
    }
}
