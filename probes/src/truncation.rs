//! Survives the truncation of a mapped ring file: a chained handler of `SIGBUS`.
//!
//! A store into a mapped page beyond the end of its file raises `SIGBUS`, and anyone who may write the ring file may
//! truncate it. The handler maps memory over the region that faulted, so that the retried store succeeds, and marks
//! the region as lost; the session then switches off ([`Region::is_lost`]). Every other `SIGBUS` goes to the previous
//! handler, or has its default effect.
//!
//! The handler reads a list of mappings that only grows: the node of a dropped region is reused, never freed. It
//! takes no lock and calls nothing but `mmap`, `sigaction` and `raise`.
//!
//! [`Region::is_lost`]: crate::memory::Region::is_lost

#![expect(unsafe_code, reason = "a signal handler, and the mapping that it makes")]

use std::io;
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering, fence};
use std::sync::{Mutex, MutexGuard, PoisonError};

use libc::{c_int, c_void, sigaction, siginfo_t};

/// The newest node of the list of mappings.
static MAPPINGS: AtomicPtr<Mapping> = AtomicPtr::new(ptr::null_mut());

/// The previous disposition of the signal.
static BEFORE: AtomicPtr<sigaction> = AtomicPtr::new(ptr::null_mut());

/// Serialises installations and changes of the list.
static CHANGES: Mutex<()> = Mutex::new(());

/// A node of the list: the address of a mapping, and whether its file was truncated.
#[derive(Debug)]
struct Mapping {
    /// Odd while the node changes, so that the handler never combines the base of one mapping with the length of
    /// another.
    version: AtomicUsize,
    base: AtomicUsize,
    /// 0 while the node is free.
    bytes: AtomicUsize,
    lost: AtomicBool,
    next: *const Self,
}

// SAFETY: `next` is written before the node is published and never again; all else is atomic.
unsafe impl Send for Mapping {}
// SAFETY: as above.
unsafe impl Sync for Mapping {}

impl Mapping {
    fn set(&self, base: usize, bytes: usize) {
        self.version.fetch_add(1, Ordering::Relaxed);
        fence(Ordering::Release);
        self.base.store(base, Ordering::Relaxed);
        self.bytes.store(bytes, Ordering::Relaxed);
        self.lost.store(false, Ordering::Relaxed);
        self.version.fetch_add(1, Ordering::Release);
    }

    /// Base and length of the mapping, if `address` lies in it.
    fn find_containing(&self, address: usize) -> Option<(usize, usize)> {
        let version = self.version.load(Ordering::Acquire);
        let (base, bytes) = (self.base.load(Ordering::Relaxed), self.bytes.load(Ordering::Relaxed));
        fence(Ordering::Acquire);
        let is_one = version.is_multiple_of(2) && version == self.version.load(Ordering::Relaxed);
        (is_one && address.wrapping_sub(base) < bytes).then_some((base, bytes))
    }

    fn list() -> impl Iterator<Item = &'static Self> {
        let mut at = MAPPINGS.load(Ordering::Acquire).cast_const();
        std::iter::from_fn(move || {
            // SAFETY: a node in the list was leaked, so it lives forever, and is only shared.
            let node: &'static Self = unsafe { at.as_ref()? };
            at = node.next;
            Some(node)
        })
    }
}

/// A mapping known to the handler until this is dropped.
#[derive(Debug)]
pub(crate) struct Guarded(&'static Mapping);

impl Guarded {
    /// Registers the mapping of `bytes` from `base` on with the handler. Both are whole pages.
    pub(crate) fn new(base: usize, bytes: usize) -> Self {
        let _one_at_a_time = changes();
        let free = Mapping::list().find(|node| node.bytes.load(Ordering::Relaxed) == 0);
        let node = free.unwrap_or_else(|| {
            let node = Box::leak(Box::new(Mapping {
                version: AtomicUsize::new(0),
                base: AtomicUsize::new(0),
                bytes: AtomicUsize::new(0),
                lost: AtomicBool::new(false),
                next: MAPPINGS.load(Ordering::Relaxed),
            }));
            MAPPINGS.store(node, Ordering::Release);
            node
        });
        node.set(base, bytes);
        Self(node)
    }

    /// Whether the file was truncated, and memory is mapped over it.
    pub(crate) fn is_lost(&self) -> bool {
        self.0.lost.load(Ordering::Acquire)
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        let _one_at_a_time = changes();
        self.0.set(0, 0);
    }
}

fn changes() -> MutexGuard<'static, ()> {
    CHANGES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Installs the handler, once; the previous handler is called for faults that are not ours.
pub(crate) fn install() -> io::Result<()> {
    let _one_at_a_time = changes();
    if !BEFORE.load(Ordering::Acquire).is_null() {
        return Ok(());
    }
    // The handler must find the previous one from its first call on.
    let before = Box::into_raw(Box::new(replace(None)?));
    BEFORE.store(before, Ordering::Release);
    // SAFETY: all zeros is a valid `sigaction`: no flags, an empty mask, the default action.
    let mut ours: sigaction = unsafe { MaybeUninit::zeroed().assume_init() };
    ours.sa_sigaction = on_fault as *const () as usize;
    ours.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_RESTART;
    replace(Some(&ours)).map(drop).inspect_err(|_| {
        BEFORE.store(ptr::null_mut(), Ordering::Release);
        // SAFETY: made above; no handler that could read it was installed.
        drop(unsafe { Box::from_raw(before) });
    })
}

/// Sets the disposition of the signal, if `new` is given, and returns the previous one.
fn replace(new: Option<&sigaction>) -> io::Result<sigaction> {
    let mut old = MaybeUninit::uninit();
    // SAFETY: both pointers are null or to a `sigaction`; the handler in `new` has the signature that its flags say.
    let result = unsafe { sigaction(libc::SIGBUS, new.map_or(ptr::null(), ptr::from_ref), old.as_mut_ptr()) };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call succeeded, so it filled `old`.
    Ok(unsafe { old.assume_init() })
}

extern "C" fn on_fault(signal: c_int, info: *mut siginfo_t, context: *mut c_void) {
    // SAFETY: the kernel passes a valid `siginfo_t`.
    let code = unsafe { (*info).si_code };
    // SAFETY: `si_addr` is the faulting address if a fault raised the signal; `recover` is called only in that case.
    if code == libc::BUS_ADRERR && recover(unsafe { (*info).si_addr() } as usize) {
        return;
    }
    chain(signal, code, info, context);
}

/// Maps memory over the region around `address`. False if no region contains it, or memory is short.
fn recover(address: usize) -> bool {
    let Some((node, (base, bytes))) =
        Mapping::list().find_map(|node| Some((node, node.find_containing(address)?)))
    else {
        return false;
    };
    // Another thread is handling it: the access is retried until that is done.
    if node.lost.swap(true, Ordering::AcqRel) {
        return true;
    }
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED;
    // SAFETY: `__errno_location` is this thread's; what the signal interrupted must find it unchanged.
    let errno = unsafe { *libc::__errno_location() };
    // SAFETY: the range is a mapping of ours, whose region lives: this thread is in an access to it. Its words are
    // atomics, reached by address, and zeros are valid ones.
    let mapped = unsafe { libc::mmap(base as *mut c_void, bytes, protection, flags, -1, 0) };
    // SAFETY: as above.
    unsafe { *libc::__errno_location() = errno };
    mapped != libc::MAP_FAILED
}

/// Does what would have happened without our handler.
fn chain(signal: c_int, code: c_int, info: *mut siginfo_t, context: *mut c_void) {
    // SAFETY: set before the handler was installed, and never freed after.
    let Some(before) = (unsafe { BEFORE.load(Ordering::Acquire).as_ref() }) else { return };
    let sent = code <= 0;
    match before.sa_sigaction {
        // A fault kills even if the signal is ignored; a signal that was sent does not.
        libc::SIG_IGN if sent => {}
        libc::SIG_DFL | libc::SIG_IGN => {
            // SAFETY: all zeros is a valid `sigaction`, the default action; `raise` may be called in a handler.
            unsafe {
                let default: sigaction = MaybeUninit::zeroed().assume_init();
                sigaction(signal, &raw const default, ptr::null_mut());
                // A fault recurs on return; a signal that was sent does not.
                if sent {
                    libc::raise(signal);
                }
            }
        }
        handler if before.sa_flags & libc::SA_SIGINFO != 0 => {
            // SAFETY: the flag, set when the handler was installed, says that it has this signature.
            let handler: extern "C" fn(c_int, *mut siginfo_t, *mut c_void) =
                unsafe { std::mem::transmute(handler) };
            handler(signal, info, context);
        }
        handler => {
            // SAFETY: without the flag a handler has this signature.
            let handler: extern "C" fn(c_int) = unsafe { std::mem::transmute(handler) };
            handler(signal);
        }
    }
}
