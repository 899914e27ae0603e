//! Finds pages that are twice in the file of a dead process, because the disk wrote one in place of another.
//!
//! No two records of a ring are equal, so the first records of its pages differ. Of two equal pages in one ring, the first
//! is read, since sequence numbers decide where it belongs. Of two in different rings, neither is: a record does not say
//! which ring is its own. Under a virtual clock, two rings may begin with the same record, so whole pages are compared.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher as _, RandomState};

use super::error::ReadError;
use super::image::Image;
use super::slots::Slots;
use crate::record::{RECORD_BYTES, Record, Stamp};
use crate::ring::STAMP_WORD;
use crate::shared::layout::PAGE_BYTES;

/// Records of a page.
const PAGE_RECORDS: u64 = (PAGE_BYTES / RECORD_BYTES) as u64;

/// Finds the copied pages of one ring, event by event.
#[derive(Debug)]
pub(super) struct Copies {
    /// Number of records that the ring holds.
    capacity: u64,
    /// The first events of its pages.
    firsts: HashSet<Record>,
    /// Its pages that are in another ring, too.
    elsewhere: HashSet<u64>,
    /// The page of the last event, counted from sequence number 0, and whether it is a copy.
    page: Option<(u64, bool)>,
}

impl Copies {
    pub(super) fn new(capacity: u64) -> Self {
        Self { capacity, firsts: HashSet::new(), elsewhere: HashSet::new(), page: None }
    }

    /// Sets which pages of the ring are in another ring, too.
    pub(super) fn set_elsewhere(&mut self, pages: HashSet<u64>) {
        self.elsewhere = pages;
    }

    /// Whether the event at `sequence`, which begins with `first`, is on a page that is in another ring, or a copy of an
    /// earlier one.
    pub(super) fn has(&mut self, sequence: u64, first: &Record) -> bool {
        let page = sequence / PAGE_RECORDS;
        match self.page {
            Some((last, is_copy)) if last == page => is_copy,
            _ => {
                let is_new = self.firsts.insert(*first);
                let is_elsewhere = self.elsewhere.contains(&(sequence % self.capacity / PAGE_RECORDS));
                let is_copy = !is_new || is_elsewhere;
                self.page = Some((page, is_copy));
                is_copy
            }
        }
    }
}

/// The pages of each of `rings` that are in another of them, too.
pub(super) fn shared_pages<'a>(
    image: &Image,
    rings: impl ExactSizeIterator<Item = &'a Slots>,
    scratch: &mut Vec<Record>,
) -> Result<Vec<HashSet<u64>>, ReadError> {
    let mut shared = vec![HashSet::new(); rings.len()];
    // Pages are identified by a hash of their contents.
    let hasher = RandomState::new();
    let mut seen: HashMap<u64, (usize, u64)> = HashMap::new();
    for (ring, slots) in rings.enumerate() {
        slots.each_page(image, PAGE_RECORDS, scratch, |page, records| {
            if Stamp(records[0][STAMP_WORD]) == Stamp(0) {
                return;
            }
            match seen.entry(hasher.hash_one(records)) {
                Entry::Vacant(entry) => {
                    entry.insert((ring, page));
                }
                Entry::Occupied(entry) => {
                    let (other, its_page) = *entry.get();
                    if other != ring {
                        shared[other].insert(its_page);
                        shared[ring].insert(page);
                    }
                }
            }
        })?;
    }
    Ok(shared)
}
