//! GLib's main context, called through its C interface. The library is opened at run time, so programs that do not use
//! it do not need it installed.
//!
//! The types encode GLib's rules for callers. The steps of an iteration are methods of [`OwnedContext`], which only the
//! owning thread has. Closures that must stay on that thread are attached through it and dropped before it releases the
//! context.
#![expect(unsafe_code, reason = "GLib is a C library, and opened at run time")]

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::ffi::{c_int, c_uint, c_void};
use std::fmt;
use std::marker::PhantomData;
use std::os::fd::{AsFd, BorrowedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::NonNull;
use std::sync::Arc;

use libloading::Library;

/// A descriptor that GLib wants polled: its `GPollFD`, which is the system's `pollfd`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(super) struct PollFd {
    pub(super) fd: c_int,
    /// Bits with the values of `poll` and `epoll`.
    pub(super) events: u16,
    pub(super) revents: u16,
}

impl PollFd {
    /// The descriptor, if it is valid.
    pub(super) fn descriptor(&self) -> Option<Descriptor> {
        (self.fd >= 0).then_some(Descriptor(self.fd))
    }
}

/// A descriptor belonging to one of GLib's sources.
#[derive(Clone, Copy, Debug)]
pub(super) struct Descriptor(c_int);

impl AsFd for Descriptor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        // SAFETY: the number is not negative, and belongs to a source of GLib. If the source has closed it, the system
        // call that uses it fails, and nothing else is done with it.
        unsafe { BorrowedFd::borrow_raw(self.0) }
    }
}

type Callback = unsafe extern "C" fn(*mut c_void) -> c_int;
type FdCallback = unsafe extern "C" fn(c_int, c_uint, *mut c_void) -> c_int;

macro_rules! functions {
    ($($name:ident: fn($($arg:ty),*) $(-> $ret:ty)?;)+) => {
        /// The library functions used here.
        pub(super) struct GlibLibrary {
            $($name: unsafe extern "C" fn($($arg),*) $(-> $ret)?,)+
            /// Since 2.72.
            g_main_context_new_with_flags: Option<unsafe extern "C" fn(c_uint) -> *mut c_void>,
        }

        impl GlibLibrary {
            fn find(library: &Library) -> Result<Self, libloading::Error> {
                // SAFETY: each symbol is a function of GLib's stable interface (2.36 and later), declared with the
                // types of its header: `gint` and `gboolean` are `c_int`, `guint` is `c_uint`, `gint64` is `i64`.
                unsafe {
                    Ok(Self {
                        $($name: *library.get(concat!(stringify!($name), "\0").as_bytes())?,)+
                        g_main_context_new_with_flags:
                            library.get(b"g_main_context_new_with_flags\0").ok().map(|found| *found),
                    })
                }
            }
        }
    };
}

functions! {
    g_main_context_new: fn() -> *mut c_void;
    g_main_context_default: fn() -> *mut c_void;
    g_main_context_ref: fn(*mut c_void) -> *mut c_void;
    g_main_context_unref: fn(*mut c_void);
    g_main_context_acquire: fn(*mut c_void) -> c_int;
    g_main_context_release: fn(*mut c_void);
    g_main_context_prepare: fn(*mut c_void, *mut c_int) -> c_int;
    g_main_context_query: fn(*mut c_void, c_int, *mut c_int, *mut PollFd, c_int) -> c_int;
    g_main_context_check: fn(*mut c_void, c_int, *mut PollFd, c_int) -> c_int;
    g_main_context_dispatch: fn(*mut c_void);
    g_main_context_wakeup: fn(*mut c_void);
    g_idle_source_new: fn() -> *mut c_void;
    g_timeout_source_new: fn(c_uint) -> *mut c_void;
    g_unix_fd_source_new: fn(c_int, c_uint) -> *mut c_void;
    g_source_set_callback: fn(*mut c_void, Callback, *mut c_void, Option<unsafe extern "C" fn(*mut c_void)>);
    g_source_set_priority: fn(*mut c_void, c_int);
    g_source_set_ready_time: fn(*mut c_void, i64);
    g_source_attach: fn(*mut c_void, *mut c_void) -> c_uint;
    g_source_destroy: fn(*mut c_void);
    g_source_is_destroyed: fn(*mut c_void) -> c_int;
    g_source_ref: fn(*mut c_void) -> *mut c_void;
    g_source_unref: fn(*mut c_void);
}

/// `G_MAIN_CONTEXT_FLAGS_OWNERLESS_POLLING`: sources attached by the owning thread wake the context too, as needed when
/// another loop waits for it.
const OWNERLESS_POLLING: c_uint = 1;
/// `G_PRIORITY_DEFAULT`.
const PRIORITY_DEFAULT: c_int = 0;
/// `G_IO_IN`.
const READABLE: c_uint = 1;

impl GlibLibrary {
    /// Opens the first of `names` that is found; otherwise returns the system's error for each.
    ///
    /// # Safety
    ///
    /// The library found under these names must be GLib: opening a library runs its code.
    pub(super) unsafe fn open(names: &[&str]) -> Result<Arc<Self>, Vec<String>> {
        let mut said = Vec::new();
        for name in names {
            // SAFETY: promised by the caller.
            let found = unsafe { Library::new(*name) }.and_then(|library| {
                let functions = Self::find(&library)?;
                // GLib has thread-local state and cannot be unloaded.
                std::mem::forget(library);
                Ok(functions)
            });
            match found {
                Ok(functions) => return Ok(Arc::new(functions)),
                Err(error) => said.push(error.to_string()),
            }
        }
        Err(said)
    }
}

/// A `GMainContext`, by reference count.
pub(super) struct MainContext {
    lib: Arc<GlibLibrary>,
    raw: NonNull<c_void>,
}

// SAFETY: a `GMainContext` has a lock; calls restricted to the owning thread are methods of `OwnedContext`.
unsafe impl Send for MainContext {}
// SAFETY: as above.
unsafe impl Sync for MainContext {}

impl MainContext {
    /// A new context.
    pub(super) fn new(lib: Arc<GlibLibrary>) -> Option<Self> {
        // SAFETY: these constructors have no preconditions and return a reference that we own.
        let raw = unsafe {
            match lib.g_main_context_new_with_flags {
                Some(new) => new(OWNERLESS_POLLING),
                None => (lib.g_main_context_new)(),
            }
        };
        Some(Self { raw: NonNull::new(raw)?, lib })
    }

    /// The process's own context, which libraries use by default.
    pub(super) fn of_process(lib: Arc<GlibLibrary>) -> Option<Self> {
        // SAFETY: the default context lives as long as the process; the reference taken here is released in `drop`.
        let raw = unsafe { (lib.g_main_context_ref)((lib.g_main_context_default)()) };
        Some(Self { raw: NonNull::new(raw)?, lib })
    }

    /// The `GMainContext` as a raw pointer.
    pub(super) fn as_ptr(&self) -> *mut c_void {
        self.raw.as_ptr()
    }

    /// Ends the context's wait, from any thread.
    pub(super) fn wake(&self) {
        // SAFETY: may be called from any thread.
        unsafe { (self.lib.g_main_context_wakeup)(self.as_ptr()) }
    }

    /// Runs `callback` once, on the thread that iterates the context.
    pub(super) fn invoke(&self, callback: impl FnOnce() + Send + 'static) {
        let mut callback = Some(callback);
        let call: BoxedCallback = Box::new(move || {
            if let Some(callback) = callback.take() {
                callback();
            }
            false
        });
        // SAFETY: the closure is `Send`, so any thread may run and drop it.
        drop(unsafe { self.attach(GlibSourceKind::Idle, call) });
    }

    /// Attaches a source.
    ///
    /// # Safety
    ///
    /// The thread that iterates the context, or that drops its last reference, calls and drops `callback`: both must be
    /// safe there.
    unsafe fn attach(&self, kind: GlibSourceKind, callback: BoxedCallback) -> RawSource {
        let data = Box::into_raw(Box::new(callback)).cast::<c_void>();
        let lib = &self.lib;
        // SAFETY: the source is new and ours. `data` has the type that `call` and `free` expect, and GLib calls
        // `free` once, after the last `call`. GLib calls a descriptor source as `FdCallback`; its own code casts
        // callbacks in the same way.
        unsafe {
            let (raw, callback) = match kind {
                GlibSourceKind::Idle => ((lib.g_idle_source_new)(), call as Callback),
                GlibSourceKind::Timeout(ms) => ((lib.g_timeout_source_new)(ms), call as Callback),
                GlibSourceKind::Readable(fd) => {
                    let raw = (lib.g_unix_fd_source_new)(fd, READABLE);
                    (raw, std::mem::transmute::<FdCallback, Callback>(call_fd))
                }
            };
            (lib.g_source_set_priority)(raw, PRIORITY_DEFAULT);
            (lib.g_source_set_callback)(raw, callback, data, Some(free));
            (lib.g_source_attach)(raw, self.as_ptr());
            RawSource { lib: Arc::clone(lib), raw }
        }
    }
}

impl Clone for MainContext {
    fn clone(&self) -> Self {
        // SAFETY: `raw` is alive by our own reference.
        unsafe { (self.lib.g_main_context_ref)(self.as_ptr()) };
        Self { lib: Arc::clone(&self.lib), raw: self.raw }
    }
}

impl Drop for MainContext {
    fn drop(&mut self) {
        // SAFETY: the reference is ours. Remaining sources hold closures that any thread may drop: those of the
        // owning thread were dropped with `OwnedContext`.
        unsafe { (self.lib.g_main_context_unref)(self.as_ptr()) }
    }
}

impl fmt::Debug for MainContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("MainContext").field(&self.raw).finish()
    }
}

/// A context owned by this thread until it is dropped.
#[derive(Debug)]
pub(super) struct OwnedContext {
    context: MainContext,
    /// Sources whose closures belong to this thread.
    local: RefCell<Vec<RawSource>>,
    here: PhantomData<*const ()>,
}

impl OwnedContext {
    /// Acquires the context for this thread; `None` if another thread owns it.
    pub(super) fn acquire(context: MainContext) -> Option<Self> {
        // SAFETY: released in `drop`, on the same thread.
        let acquired = unsafe { (context.lib.g_main_context_acquire)(context.as_ptr()) } != 0;
        acquired.then(|| Self { context, local: RefCell::default(), here: PhantomData })
    }

    pub(super) const fn context(&self) -> &MainContext {
        &self.context
    }

    /// Prepares all sources. Returns whether one is already ready, and the priority to pass to the next calls.
    pub(super) fn prepare(&self) -> (bool, c_int) {
        let mut priority = 0;
        // SAFETY: this thread owns the context; `priority` is written during the call only.
        let ready =
            unsafe { (self.context.lib.g_main_context_prepare)(self.context.as_ptr(), &raw mut priority) };
        (ready != 0, priority)
    }

    /// Fills `fds` with the descriptors to poll; returns the timeout in milliseconds, −1 meaning forever.
    pub(super) fn query(&self, priority: c_int, fds: &mut Vec<PollFd>) -> c_int {
        const NONE: PollFd = PollFd { fd: -1, events: 0, revents: 0 };
        let mut timeout_ms = -1;
        fds.resize(fds.capacity().max(8), NONE);
        loop {
            let room = c_int::try_from(fds.len()).unwrap_or(c_int::MAX);
            // SAFETY: this thread owns the context, and `fds` has room for the number of entries that is passed.
            let needed = unsafe {
                (self.context.lib.g_main_context_query)(
                    self.context.as_ptr(),
                    priority,
                    &raw mut timeout_ms,
                    fds.as_mut_ptr(),
                    room,
                )
            };
            fds.resize(usize::try_from(needed).unwrap_or(0), NONE);
            if needed <= room {
                return timeout_ms;
            }
        }
    }

    /// Passes the results of the poll to GLib. True if a source is ready.
    pub(super) fn check(&self, priority: c_int, fds: &mut [PollFd]) -> bool {
        let count = c_int::try_from(fds.len()).unwrap_or(c_int::MAX);
        let lib = &self.context.lib;
        // SAFETY: this thread owns the context; `fds` are those of `query`.
        unsafe { (lib.g_main_context_check)(self.context.as_ptr(), priority, fds.as_mut_ptr(), count) != 0 }
    }

    /// Calls the ready sources. Returns the panic if one of them panicked.
    pub(super) fn dispatch(&self) -> Result<(), Box<dyn Any + Send>> {
        // SAFETY: this thread owns the context.
        unsafe { (self.context.lib.g_main_context_dispatch)(self.context.as_ptr()) }
        PANIC.take().map_or(Ok(()), Err)
    }

    /// Attaches a source whose closure stays on this thread; the closure returns true to keep it.
    pub(super) fn attach(&self, kind: GlibSourceKind, callback: BoxedCallback) -> RawSource {
        // SAFETY: only this thread iterates the context while it owns it, and it destroys the source with its closure
        // before it releases the context.
        let source = unsafe { self.context.attach(kind, callback) };
        let mut local = self.local.borrow_mut();
        local.push(source.clone());
        if local.len().is_power_of_two() {
            let (over, on): (Vec<_>, _) = local.drain(..).partition(RawSource::is_destroyed);
            *local = on;
            drop(local);
            // After the borrow, because dropping a closure's captures may attach sources.
            drop(over);
        }
        source
    }
}

impl Drop for OwnedContext {
    fn drop(&mut self) {
        for source in self.local.take() {
            source.destroy();
        }
        // SAFETY: this thread acquired the context, and the type is not `Send`.
        unsafe { (self.context.lib.g_main_context_release)(self.context.as_ptr()) }
    }
}

/// The callback of a source. Returning false ends the source.
pub(super) type BoxedCallback = Box<dyn FnMut() -> bool>;

/// The condition a source waits for.
#[derive(Clone, Copy, Debug)]
pub(super) enum GlibSourceKind {
    /// Nothing: the source is always ready.
    Idle,
    /// An interval in milliseconds, repeated.
    Timeout(u32),
    /// A readable descriptor, which the callback keeps open.
    Readable(c_int),
}

/// A `GSource`, by reference count.
pub(super) struct RawSource {
    lib: Arc<GlibLibrary>,
    raw: *mut c_void,
}

impl RawSource {
    /// Removes the source from its context, and drops its closure unless the closure is running.
    pub(super) fn destroy(&self) {
        // SAFETY: `raw` is alive by our own reference; destroying it twice is harmless.
        unsafe { (self.lib.g_source_destroy)(self.raw) }
    }

    pub(super) fn is_destroyed(&self) -> bool {
        // SAFETY: `raw` is alive by our own reference.
        unsafe { (self.lib.g_source_is_destroyed)(self.raw) != 0 }
    }

    /// Makes the source also ready at a monotonic time in microseconds; −1 means never.
    pub(super) fn set_ready_time(&self, at_us: i64) {
        // SAFETY: `raw` is alive by our own reference.
        unsafe { (self.lib.g_source_set_ready_time)(self.raw, at_us) }
    }
}

impl Clone for RawSource {
    fn clone(&self) -> Self {
        // SAFETY: `raw` is alive by our own reference.
        unsafe { (self.lib.g_source_ref)(self.raw) };
        Self { lib: Arc::clone(&self.lib), raw: self.raw }
    }
}

impl Drop for RawSource {
    fn drop(&mut self) {
        // SAFETY: the reference is ours.
        unsafe { (self.lib.g_source_unref)(self.raw) }
    }
}

impl fmt::Debug for RawSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RawSource").field(&self.raw).finish()
    }
}

thread_local! {
    /// The panic of a callback, caught because it cannot unwind through GLib.
    static PANIC: Cell<Option<Box<dyn Any + Send>>> = const { Cell::new(None) };
}

fn guarded(callback: &mut BoxedCallback) -> c_int {
    match catch_unwind(AssertUnwindSafe(callback)) {
        Ok(goes_on) => c_int::from(goes_on),
        Err(panic) => {
            PANIC.set(Some(panic));
            0
        }
    }
}

unsafe extern "C" fn call(data: *mut c_void) -> c_int {
    // SAFETY: `data` is the box made by `attach`, and GLib does not call a source recursively.
    guarded(unsafe { &mut *data.cast::<BoxedCallback>() })
}

unsafe extern "C" fn call_fd(_fd: c_int, _condition: c_uint, data: *mut c_void) -> c_int {
    // SAFETY: as above.
    guarded(unsafe { &mut *data.cast::<BoxedCallback>() })
}

unsafe extern "C" fn free(data: *mut c_void) {
    // SAFETY: `data` is the box made by `attach`, and GLib frees it once.
    let callback = unsafe { Box::from_raw(data.cast::<BoxedCallback>()) };
    // A closure that panics when dropped cannot unwind through GLib either.
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| drop(callback))) {
        PANIC.set(Some(panic));
    }
}
