//! Finds pages that occur twice in the ring of a dead process because the disk wrote one page in place of another. No
//! two records of a ring are equal, so the first records of any two pages differ unless one is a copy. Of two equal
//! pages the first is read, because sequence numbers decide where it belongs. A page of another ring needs no search:
//! its [mark](crate::ring::mark_of) differs.

use std::collections::HashSet;

use crate::record::{RECORD_BYTES, Record};
use crate::shared::layout::PAGE_BYTES;

/// Records of a page.
const PAGE_RECORDS: u64 = (PAGE_BYTES / RECORD_BYTES) as u64;

/// Finds the copied pages of one ring, event by event.
#[derive(Debug, Default)]
pub(super) struct Copies {
    /// The first record of each page seen so far.
    firsts: HashSet<Record>,
    /// The page of the last event, counted from sequence number 0, and whether it is a copy.
    page: Option<(u64, bool)>,
}

impl Copies {
    /// Whether the event at `sequence`, which begins with `first`, is on a copy of an earlier page.
    pub(super) fn has(&mut self, sequence: u64, first: &Record) -> bool {
        let page = sequence / PAGE_RECORDS;
        match self.page {
            Some((last, is_copy)) if last == page => is_copy,
            _ => {
                let is_copy = !self.firsts.insert(*first);
                self.page = Some((page, is_copy));
                is_copy
            }
        }
    }
}
