//! A writer's position in memory that the kernel wipes in a forked child (`MADV_WIPEONFORK`).
//!
//! A child must not write into its parent's ring, and checking the process id on each record would cost more than the
//! record. This check is free: in the child the position reads as zeros, and a limit of 0 sends the first record to
//! the slow path, where 0 means "not ours" ([`Position`]).

#![expect(unsafe_code, reason = "the position lives in a page of its own")]

use std::ffi::c_void;
use std::io;
use std::ops::Deref;
use std::ptr::NonNull;

use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap_anonymous, munmap};

use crate::ring::Position;

/// The kernel wipes whole pages; one page is enough on every architecture, as the length is rounded up.
const PAGE_BYTES: usize = 4096;

/// A [`Position`] that is all zeros in a forked child.
#[derive(Debug)]
pub(crate) struct ForkSafePosition(NonNull<Position>);

// SAFETY: the page is owned, and a position is atomics only.
unsafe impl Send for ForkSafePosition {}
// SAFETY: as above.
unsafe impl Sync for ForkSafePosition {}

impl ForkSafePosition {
    /// A fresh position, all zeros.
    pub(crate) fn new() -> io::Result<Self> {
        let protection = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: a new anonymous mapping at an address of the kernel's choice overlaps nothing.
        let page =
            unsafe { mmap_anonymous(std::ptr::null_mut(), PAGE_BYTES, protection, MapFlags::PRIVATE)? };
        let owned = Self(NonNull::new(page.cast()).ok_or_else(|| io::Error::other("a mapping at null"))?);
        // SAFETY: the page was mapped above and holds no value yet.
        unsafe { madvise(page, PAGE_BYTES, Advice::LinuxWipeOnFork)? };
        Ok(owned)
    }
}

impl Deref for ForkSafePosition {
    type Target = Position;

    #[inline(always)]
    fn deref(&self) -> &Position {
        // SAFETY: the page is mapped until `drop`, aligned to a page, and zeros are a valid `Position`.
        unsafe { self.0.as_ref() }
    }
}

impl Drop for ForkSafePosition {
    fn drop(&mut self) {
        // SAFETY: mapped by `new` with this length; no reference to it remains.
        if let Err(error) = unsafe { munmap(self.0.as_ptr().cast::<c_void>(), PAGE_BYTES) } {
            debug_assert!(false, "the position's page cannot be unmapped: {error}");
        }
    }
}
