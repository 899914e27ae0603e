//! A reader's view of a ring in another process's file. Uses `pread`, because a file that shrinks is then an error;
//! with a mapping it would be a SIGBUS.
//!
//! A single `pread` guarantees no order between the words it copies, so each stamp is read by its own call: a stamp,
//! a fence, the copy, a fence, the stamps again. This is the protocol of [`ring`](super), with a system call in place
//! of a load.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{Ordering, fence};

use super::{BLANK, RECORD_WORDS, STAMP_WORD, View};
use crate::memory::WORD_BYTES;
use crate::record::{RECORD_BYTES, Record, Stamp};

/// The slots of one ring of a file.
#[derive(Debug)]
pub(crate) struct FileView<'a> {
    /// The ring file.
    pub(crate) file: &'a File,
    /// Offset of its slots, in bytes.
    pub(crate) offset: u64,
    /// Number of slots, as a power of two.
    pub(crate) shift: u32,
    /// Number of slots that the file holds. Slots beyond read as never written; slots that are claimed and missing
    /// are an error.
    pub(crate) there: u64,
    /// The ring's [mark](super::mark_of).
    pub(crate) mark: u64,
}

impl FileView<'_> {
    const fn index(&self, slot: u64) -> u64 {
        slot & ((1 << self.shift) - 1)
    }

    fn position(&self, slot: u64) -> u64 {
        self.offset + self.index(slot) * RECORD_BYTES as u64
    }
}

impl View for FileView<'_> {
    type Error = io::Error;

    fn shift(&self) -> u32 {
        self.shift
    }

    fn stamp(&self, slot: u64) -> io::Result<Stamp> {
        if self.index(slot) >= self.there {
            return Ok(Stamp(0));
        }
        let mut word = [0_u8; WORD_BYTES];
        let read = self.file.read_exact_at(&mut word, self.position(slot) + (STAMP_WORD * WORD_BYTES) as u64);
        fence(Ordering::Acquire);
        read.map(|()| Stamp(u64::from_ne_bytes(word)))
    }

    fn copy(&self, slot: u64, out: &mut [Record]) -> io::Result<()> {
        let there = self.there.saturating_sub(self.index(slot)).min(out.len() as u64) as usize;
        let (out, beyond) = out.split_at_mut(there);
        beyond.fill(BLANK);
        let bytes: &mut [u8] = bytemuck::cast_slice_mut::<[u64; RECORD_WORDS], u8>(out);
        let read =
            if bytes.is_empty() { Ok(()) } else { self.file.read_exact_at(bytes, self.position(slot)) };
        fence(Ordering::Acquire);
        out.iter_mut().for_each(|record| record[0] ^= self.mark);
        read
    }
}
