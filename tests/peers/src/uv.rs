//! The installed libuv, through the dozen calls that are measured.
//!
//! Loaded at run time (Debian: `apt install libuv1`), so that the package builds without its headers and
//! without a C compiler. If it is missing, its rows are missing and the page says so.
#![expect(unsafe_code, reason = "a C library")]

use std::cell::Cell;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::sync::OnceLock;

use libloading::Library;

/// A handle's type, with the values of `uv_handle_type`.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    Async = 1,
    Idle = 6,
    Timer = 13,
}

/// `uv_run_mode`.
const RUN_DEFAULT: c_int = 0;
const RUN_ONCE: c_int = 1;
const RUN_NOWAIT: c_int = 2;

type Raw = *mut c_void;
/// libuv's callbacks: each one used here takes its handle, and nothing else.
pub(crate) type Callback = unsafe extern "C" fn(Raw);

macro_rules! calls {
    ($($name:ident: fn($($argument:ty),*) -> $result:ty;)+) => {
        struct Calls {
            $($name: unsafe extern "C" fn($($argument),*) -> $result,)+
            /// Keeps the library loaded that the function pointers refer to.
            _library: Library,
        }

        impl Calls {
            fn load() -> Option<Self> {
                let mut names = ["libuv.so.1", "libuv.so", "libuv.dylib"].into_iter();
                // SAFETY: libuv has no initialiser with requirements.
                let library = names.find_map(|name| unsafe { Library::new(name) }.ok())?;
                // SAFETY: each type is that of the function in uv.h, which has not changed since 1.0.
                $(let $name = unsafe { *library.get(concat!(stringify!($name), "\0").as_bytes()).ok()? };)+
                Some(Self { $($name,)+ _library: library })
            }
        }
    };
}

calls! {
    uv_version_string: fn() -> *const c_char;
    uv_loop_size: fn() -> usize;
    uv_handle_size: fn(c_int) -> usize;
    uv_loop_init: fn(Raw) -> c_int;
    uv_run: fn(Raw, c_int) -> c_int;
    uv_update_time: fn(Raw) -> ();
    uv_idle_init: fn(Raw, Raw) -> c_int;
    uv_idle_start: fn(Raw, Callback) -> c_int;
    uv_idle_stop: fn(Raw) -> c_int;
    uv_close: fn(Raw, Callback) -> ();
    uv_timer_init: fn(Raw, Raw) -> c_int;
    uv_timer_start: fn(Raw, Callback, u64, u64) -> c_int;
    uv_timer_stop: fn(Raw) -> c_int;
    uv_async_init: fn(Raw, Raw, Callback) -> c_int;
    uv_async_send: fn(Raw) -> c_int;
}

fn calls() -> Option<&'static Calls> {
    static CALLS: OnceLock<Option<Calls>> = OnceLock::new();
    CALLS.get_or_init(Calls::load).as_ref()
}

/// The installed version, if there is one.
pub(crate) fn version() -> Option<String> {
    let calls = calls()?;
    // SAFETY: it returns a string literal of the library.
    let text = unsafe { CStr::from_ptr((calls.uv_version_string)()) };
    Some(text.to_string_lossy().into_owned())
}

/// Zeroed memory for libuv's structs. Never freed: the handles belong to a loop that lives until the process
/// ends.
fn memory(bytes: usize) -> *mut u8 {
    Box::leak(vec![0_u128; bytes.div_ceil(16)].into_boxed_slice()).as_mut_ptr().cast()
}

/// A loop. Neither it nor its handles are ever freed: a bench ends with its process.
pub(crate) struct Loop {
    calls: &'static Calls,
    raw: Raw,
}

impl Loop {
    /// A new loop; `None` if libuv is not installed.
    pub(crate) fn new() -> Option<Self> {
        let calls = calls()?;
        // SAFETY: it takes no arguments.
        let raw: Raw = memory(unsafe { (calls.uv_loop_size)() }).cast();
        // SAFETY: `raw` has the size that the library requires and never moves.
        let failed = unsafe { (calls.uv_loop_init)(raw) };
        (failed == 0).then_some(Self { calls, raw })
    }

    /// `count` adjacent handles. `sent` is the callback of async handles.
    pub(crate) fn handles(&self, kind: Kind, count: usize, sent: Callback) -> Vec<Handle> {
        // SAFETY: it takes a number.
        let bytes = unsafe { (self.calls.uv_handle_size)(kind as c_int) }.next_multiple_of(16);
        let start = memory(bytes * count);
        let handles = (0..count).map(|index| {
            // SAFETY: within the `count * bytes` that were allocated.
            let raw: Raw = unsafe { start.add(index * bytes) }.cast();
            // SAFETY: loop and handle have the sizes that the library requires and never move.
            let failed = unsafe {
                match kind {
                    Kind::Async => (self.calls.uv_async_init)(self.raw, raw, sent),
                    Kind::Idle => (self.calls.uv_idle_init)(self.raw, raw),
                    Kind::Timer => (self.calls.uv_timer_init)(self.raw, raw),
                }
            };
            assert_eq!(failed, 0, "libuv refuses a handle");
            Handle { calls: self.calls, raw }
        });
        handles.collect()
    }

    /// Runs one turn without waiting.
    pub(crate) fn turn(&self) {
        self.run_mode(RUN_NOWAIT);
    }

    /// Runs one turn, waiting for an event.
    pub(crate) fn turn_waiting(&self) {
        self.run_mode(RUN_ONCE);
    }

    /// Runs until nothing is active.
    pub(crate) fn run(&self) {
        self.run_mode(RUN_DEFAULT);
    }

    fn run_mode(&self, mode: c_int) {
        // SAFETY: the loop is initialised, and only used by its own thread: it is neither `Send` nor `Sync`.
        unsafe { (self.calls.uv_run)(self.raw, mode) };
    }

    /// Updates the clock from which timers start.
    pub(crate) fn update_time(&self) {
        // SAFETY: as above.
        unsafe { (self.calls.uv_update_time)(self.raw) };
    }
}

/// A handle of a [`Loop`].
#[derive(Clone, Copy)]
pub(crate) struct Handle {
    calls: &'static Calls,
    raw: Raw,
}

impl Handle {
    pub(crate) fn start_idle(self, callback: Callback) {
        // SAFETY: an initialised idle handle that is never freed.
        unsafe { (self.calls.uv_idle_start)(self.raw, callback) };
    }

    /// Initialises the handle again, once its close callback has run: for a handle that is used once.
    pub(crate) fn start_idle_once(self, of: &Loop) {
        // SAFETY: the handle was closed before, or never used; the loop has the library's size and never moves.
        let failed = unsafe { (self.calls.uv_idle_init)(of.raw, self.raw) };
        assert_eq!(failed, 0, "libuv refuses a handle");
        self.start_idle(close);
    }

    pub(crate) fn start_timer(self, callback: Callback, delay_ms: u64) {
        // SAFETY: an initialised timer that is never freed.
        unsafe { (self.calls.uv_timer_start)(self.raw, callback, delay_ms, 0) };
    }

    pub(crate) fn stop_timer(self) {
        // SAFETY: as above.
        unsafe { (self.calls.uv_timer_stop)(self.raw) };
    }

    pub(crate) fn sender(self) -> Sender {
        Sender(self)
    }
}

/// The only part of libuv that other threads may use.
#[derive(Clone, Copy)]
pub(crate) struct Sender(Handle);

// SAFETY: `uv_async_send` may be called from any thread, and is all that a sender does.
unsafe impl Send for Sender {}

impl Sender {
    pub(crate) fn send(self) {
        // SAFETY: an initialised async handle that is never freed.
        unsafe { (self.0.calls.uv_async_send)(self.0.raw) };
    }
}

thread_local! {
    static CALLED: Cell<u64> = const { Cell::new(0) };
}

/// The number of calls of [`count`] and [`count_and_stop`] on this thread.
pub(crate) fn called() -> u64 {
    CALLED.get()
}

/// A callback that does next to nothing.
pub(crate) unsafe extern "C" fn count(_handle: Raw) {
    CALLED.set(CALLED.get().wrapping_add(1));
}

/// The same for an idle handle that runs once.
pub(crate) unsafe extern "C" fn count_and_stop(handle: Raw) {
    CALLED.set(CALLED.get().wrapping_add(1));
    if let Some(calls) = calls() {
        // SAFETY: libuv passes the callback its handle, here an idle one.
        unsafe { (calls.uv_idle_stop)(handle) };
    }
}

/// A callback that closes its handle; [`count`] runs once it is closed.
pub(crate) unsafe extern "C" fn close(handle: Raw) {
    if let Some(calls) = calls() {
        // SAFETY: libuv passes the callback its handle, which is open.
        unsafe { (calls.uv_close)(handle, count) };
    }
}
