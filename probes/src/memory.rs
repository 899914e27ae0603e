//! Atomic words and their storage: on the heap, or in a mapped file.
//!
//! Writers and readers share only 64-bit atomics, reached through a raw pointer. No reference to plain data points
//! into a region, so another process that scribbles over the mapping can corrupt the words and nothing else.

#![expect(unsafe_code, reason = "the words of a mapping are reached through raw pointers")]

use std::fs::File;
use std::io;
use std::ptr::NonNull;
use std::sync::atomic::AtomicU64;

use memmap2::{MmapOptions, MmapRaw};

use crate::truncation::Guarded;

/// Bytes of a word.
pub(crate) const WORD_BYTES: usize = 8;

/// A stretch of atomic words, zero at first, that lives as long as this value.
#[derive(Debug)]
pub(crate) struct Region {
    base: NonNull<AtomicU64>,
    len: usize,
    /// Declared before the mapping because it must be dropped first.
    guarded: Option<Guarded>,
    mapped: Option<MmapRaw>,
}

// SAFETY: a region is atomics only; the pointer is owned (heap) or kept alive by `mapped`.
unsafe impl Send for Region {}
// SAFETY: as above, shared access is atomic access.
unsafe impl Sync for Region {}

impl Region {
    /// `len` words on the heap, touched once so that later writes cause no page fault.
    pub(crate) fn heap(len: usize) -> Self {
        let words: Box<[AtomicU64]> = std::iter::repeat_with(|| AtomicU64::new(0)).take(len).collect();
        let base = NonNull::from(Box::leak(words)).cast();
        Self { base, len, guarded: None, mapped: None }
    }

    /// `len` words of `file` from byte `offset` on, which must be allocated already. If `guarded`, truncating the file
    /// later makes the region [lost](Self::is_lost); otherwise it kills the process.
    pub(crate) fn mapped(file: &File, offset: u64, len: usize, guarded: bool) -> io::Result<Self> {
        let map = MmapOptions::new().offset(offset).len(len * WORD_BYTES).populate().map_raw(file)?;
        let base = NonNull::new(map.as_mut_ptr().cast::<AtomicU64>())
            .filter(|base| base.is_aligned())
            .ok_or_else(|| io::Error::other("the mapping is not aligned to 8 bytes"))?;
        let guarded = guarded.then(|| Guarded::new(base.addr().get(), len * WORD_BYTES));
        Ok(Self { base, len, guarded, mapped: Some(map) })
    }

    /// Address of the first word. Valid for `len` words as long as the region lives.
    pub(crate) const fn base(&self) -> NonNull<AtomicU64> {
        self.base
    }

    /// Whether the file behind it was truncated: other processes do not see anything written since then.
    pub(crate) fn is_lost(&self) -> bool {
        self.guarded.as_ref().is_some_and(Guarded::is_lost)
    }

    /// Number of words.
    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    /// Word `index`.
    ///
    /// # Panics
    ///
    /// If there is no such word: layouts are ours, never read from a file.
    pub(crate) fn word(&self, index: usize) -> &AtomicU64 {
        assert!(index < self.len, "word {index} of a region of {}", self.len);
        // SAFETY: in bounds by the assertion, aligned by construction, alive as long as `self`.
        unsafe { self.base.add(index).as_ref() }
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        if self.mapped.is_none() {
            let words = std::ptr::slice_from_raw_parts_mut(self.base.as_ptr(), self.len);
            // SAFETY: leaked by `heap` with this length, and given back only here.
            drop(unsafe { Box::from_raw(words) });
        }
    }
}
