//! GLib's main context as a foreign loop: used by GTK, GStreamer and D-Bus libraries.
//!
//! The library is opened on first use. A pump is one iteration in GLib's steps (prepare, query, poll, check,
//! dispatch), but with a timeout in nanoseconds. For readiness, a poller of ours collects the descriptors that GLib
//! would poll, and other loops wait for the poller's descriptor.

mod embed;
mod ready;
mod sys;
#[cfg(test)]
#[cfg(not(loom))]
mod tests;

pub use embed::Embedded;

use std::cell::{Cell, OnceCell, RefCell};
use std::ffi::c_void;
use std::fmt;
use std::io;
use std::panic::resume_unwind;
use std::rc::Rc;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use super::{ForeignLoop, PumpError};
use crate::error::RequestError;
use crate::poller::Source;
use ready::ReadySet;
use sys::{GlibLibrary, GlibSourceKind, MainContext, OwnedContext, RawSource};

/// Name of the loop in errors.
const NAME: &str = "GLib's main context";
/// Names of the library on supported systems.
const LIBRARIES: [&str; 3] = ["libglib-2.0.so.0", "libglib-2.0.0.dylib", "libglib-2.0.so"];

/// GLib's main context. Clones refer to the same context and stay on one thread, which owns the context from the first
/// use until the last clone is dropped.
///
/// Sources attached by other code on the same thread are noticed at the next pump. They are noticed immediately after
/// [`wake`](GlibHandle::wake), and in a context made by [`new`](Self::new) (GLib 2.72 and later).
///
/// # Examples
///
/// ```no_run
/// use std::time::Duration;
/// use loop_core::run_loop::{GlibLoop, RunLoop};
/// use loop_core::{Builtin, EventLoop};
///
/// let glib = GlibLoop::new();
/// glib.timeout(Duration::from_secs(1), || true)?; // GLib's own timer
///
/// let mut event_loop = EventLoop::<Builtin>::new()?;
/// event_loop.with(|cx| RunLoop::new(glib).run_ready(cx))?;
/// event_loop.run()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct GlibLoop {
    inner: Rc<GlibShared>,
}

struct GlibShared {
    find: ContextChoice,
    /// Set on first use.
    started: OnceCell<StartedContext>,
    /// Reused by each pump; taken out while GLib calls back.
    wanted: Cell<Vec<sys::PollFd>>,
}

/// How to find the context.
#[derive(Debug)]
struct ContextChoice {
    names: Vec<String>,
    of_process: bool,
}

#[derive(Debug)]
struct StartedContext {
    owned: OwnedContext,
    ready: RefCell<ReadySet>,
}

impl GlibLoop {
    /// A new main context.
    #[must_use]
    pub fn new() -> Self {
        Self::find(&LIBRARIES, false)
    }

    /// The process's main context, `g_main_context_default`, which libraries use by default.
    #[must_use]
    pub fn of_process() -> Self {
        Self::find(&LIBRARIES, true)
    }

    /// A new main context of the first library found under `names`, for a GLib in an unusual place.
    ///
    /// # Safety
    ///
    /// The library found under these names must be GLib 2.36 or later.
    #[expect(unsafe_code, reason = "opening a library runs its code")]
    #[must_use]
    pub unsafe fn from_library(names: &[&str]) -> Self {
        Self::find(names, false)
    }

    fn find(names: &[&str], of_process: bool) -> Self {
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        let find = ContextChoice { names, of_process };
        Self { inner: Rc::new(GlibShared { find, started: OnceCell::new(), wanted: Cell::default() }) }
    }

    /// Calls `callback` every `interval`, with GLib's resolution of 1 ms, until it returns false.
    ///
    /// # Errors
    ///
    /// [`PumpError`] if the context is unavailable.
    pub fn timeout(
        &self,
        interval: Duration,
        callback: impl FnMut() -> bool + 'static,
    ) -> Result<GlibSource, PumpError> {
        let ms = interval.as_nanos().div_ceil(1_000_000);
        self.attach(GlibSourceKind::Timeout(u32::try_from(ms).unwrap_or(u32::MAX)), callback)
    }

    /// Calls `callback` in each iteration, until it returns false.
    ///
    /// # Errors
    ///
    /// [`PumpError`] if the context is unavailable.
    pub fn idle(&self, callback: impl FnMut() -> bool + 'static) -> Result<GlibSource, PumpError> {
        self.attach(GlibSourceKind::Idle, callback)
    }

    /// A handle for other threads.
    ///
    /// # Errors
    ///
    /// [`PumpError`] if the context is unavailable.
    pub fn handle(&self) -> Result<GlibHandle, PumpError> {
        Ok(GlibHandle { context: self.started()?.owned.context().clone() })
    }

    fn attach(
        &self,
        kind: GlibSourceKind,
        callback: impl FnMut() -> bool + 'static,
    ) -> Result<GlibSource, PumpError> {
        let owned = &self.started()?.owned;
        let source = owned.attach(kind, Box::new(callback));
        // Makes our descriptor readable with every version of GLib.
        owned.context().wake();
        Ok(GlibSource { source })
    }

    fn started(&self) -> Result<&StartedContext, PumpError> {
        if let Some(started) = self.inner.started.get() {
            return Ok(started);
        }
        let started = StartedContext::new(&self.inner.find)?;
        Ok(self.inner.started.get_or_init(|| started))
    }
}

impl StartedContext {
    fn new(find: &ContextChoice) -> Result<Self, PumpError> {
        let names: Vec<&str> = find.names.iter().map(String::as_str).collect();
        let missing = |looked_for| PumpError::Missing {
            what: "GLib",
            looked_for,
            hint: "install it (Debian: libglib2.0-0, Fedora: glib2, Homebrew: glib)",
        };
        #[expect(unsafe_code, reason = "opening a library runs its code")]
        // SAFETY: the names are GLib's, or the caller of `from_library` promises that they name GLib.
        let lib = unsafe { GlibLibrary::open(&names) }.map_err(missing)?;
        let context = if find.of_process { MainContext::of_process(lib) } else { MainContext::new(lib) };
        let context = context.ok_or_else(|| refused("make a context")(io::ErrorKind::OutOfMemory.into()))?;
        let owned =
            OwnedContext::acquire(context).ok_or_else(|| PumpError::WrongThread { name: NAME.to_owned() })?;
        let ready = ReadySet::new().map_err(refused("open a poller"))?;
        Ok(Self { owned, ready: RefCell::new(ready) })
    }
}

fn refused(action: &'static str) -> impl FnOnce(io::Error) -> PumpError {
    move |source| PumpError::System { name: NAME.to_owned(), action, source }
}

/// Converts GLib's timeout; a negative one means no timeout.
fn at_most(timeout_ms: i32) -> Option<Duration> {
    u64::try_from(timeout_ms).ok().map(Duration::from_millis)
}

impl ForeignLoop for GlibLoop {
    fn name(&self) -> &str {
        NAME
    }

    fn start(&mut self) -> Result<(), PumpError> {
        self.started().map(drop)
    }

    fn iterate(&mut self, timeout: Duration) -> Result<bool, PumpError> {
        let owned = &self.started()?.owned;
        let mut wanted = self.inner.wanted.take();
        let (ready, priority) = owned.prepare();
        let limit = at_most(owned.query(priority, &mut wanted));
        let limit = if ready { Duration::ZERO } else { limit.map_or(timeout, |limit| limit.min(timeout)) };
        let waited = wait(&mut wanted, limit);
        let ready = owned.check(priority, &mut wanted);
        self.inner.wanted.set(wanted);
        waited.map_err(refused("wait"))?;
        if ready {
            owned.dispatch().unwrap_or_else(|panic| resume_unwind(panic));
        }
        Ok(ready)
    }

    fn next_wait(&mut self) -> Result<Option<Duration>, PumpError> {
        let started = self.started()?;
        let mut wanted = self.inner.wanted.take();
        let (ready, priority) = started.owned.prepare();
        let wait = at_most(started.owned.query(priority, &mut wanted));
        // Ready sources are dispatched before anything waits, and then `next_wait` is called again.
        let watched = if ready { Ok(true) } else { started.ready.borrow_mut().watch(&wanted) };
        self.inner.wanted.set(wanted);
        let all_watched = watched.map_err(RequestError::from)?;
        Ok(if ready || !all_watched { Some(Duration::ZERO) } else { wait })
    }

    fn wake(&mut self) {
        if let Some(started) = self.inner.started.get() {
            started.owned.context().wake();
        }
    }

    fn readiness(&self) -> Option<Source> {
        self.started().ok().and_then(|started| started.ready.borrow().source())
    }
}

/// Polls `wanted` for at most `limit`. A signal ends the wait early.
fn wait(wanted: &mut [sys::PollFd], limit: Duration) -> io::Result<()> {
    let limit = Timespec::try_from(limit).ok();
    let descriptors: Vec<_> = wanted.iter().filter_map(sys::PollFd::descriptor).collect();
    let polled = wanted.iter_mut().filter(|fd| fd.fd >= 0);
    let events = polled.map(|fd| PollFlags::from_bits_retain(fd.events.cast_signed()));
    let mut fds: Vec<_> =
        descriptors.iter().zip(events).map(|(fd, events)| PollFd::new(fd, events)).collect();
    match poll(&mut fds, limit.as_ref()) {
        Ok(_) | Err(Errno::INTR) => {}
        Err(error) => return Err(error.into()),
    }
    let polled = wanted.iter_mut().filter(|fd| fd.fd >= 0);
    polled.zip(&fds).for_each(|(fd, found)| fd.revents = found.revents().bits().cast_unsigned());
    Ok(())
}

impl Default for GlibLoop {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for GlibShared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GlibLoop")
            .field("find", &self.find)
            .field("started", &self.started)
            .finish_non_exhaustive()
    }
}

/// A source in GLib's main context. Dropping it leaves the source there.
#[derive(Debug)]
pub struct GlibSource {
    source: RawSource,
}

impl GlibSource {
    /// Removes the source from the context, so that it is not called again.
    pub fn remove(self) {
        self.source.destroy();
    }

    /// Whether the source was removed, or ended by its callback.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.source.is_destroyed()
    }
}

/// Access to GLib's main context from any thread.
#[derive(Clone, Debug)]
pub struct GlibHandle {
    context: MainContext,
}

impl GlibHandle {
    /// Runs `callback` once on the thread that pumps the context, as `g_main_context_invoke` does when called on another
    /// thread.
    pub fn invoke(&self, callback: impl FnOnce() + Send + 'static) {
        self.context.invoke(callback);
        // GLib does not wake the process's context if the calling thread owns it.
        self.context.wake();
    }

    /// Ends the context's wait, and makes a loop that waits for the context's readiness check it again.
    pub fn wake(&self) {
        self.context.wake();
    }

    /// Pointer to the `GMainContext`, for other bindings to GLib. Valid as long as this handle lives.
    #[must_use]
    pub fn as_ptr(&self) -> *mut c_void {
        self.context.as_ptr()
    }
}
