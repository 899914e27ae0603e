//! The word numbers of the [layout](super), and the sizes that a reader accepts.

use crate::text::TEXT_WORDS;

pub(crate) const MAGIC: u64 = u64::from_ne_bytes(*b"LOOPRING");
pub(crate) const STATE_RECORDING: u64 = 1;
pub(crate) const STATE_ENDED: u64 = 2;

/// Word numbers of the header.
pub(crate) mod head {
    pub(crate) const MAGIC: usize = 0;
    pub(crate) const VERSION: usize = 1;
    pub(crate) const STATE: usize = 2;
    pub(crate) const FIXED_BYTES: usize = 3;
    pub(crate) const PID: usize = 4;
    pub(crate) const PID_NAMESPACE: usize = 5;
    pub(crate) const START_TIME: usize = 6;
    pub(crate) const BOOT_ID: usize = 7;
    pub(crate) const TICK_UNIT: usize = 9;
    pub(crate) const PLACES: usize = 10;
    pub(crate) const TABLE_AT: usize = 11;
    pub(crate) const META_AT: usize = 12;
    pub(crate) const META_BYTES: usize = 13;
    pub(crate) const LABELS_AT: usize = 14;
    pub(crate) const LABELS_MAX: usize = 15;
    pub(crate) const ANCHOR_FIRST: usize = 16;
    pub(crate) const ANCHOR_SECOND: usize = 19;
    /// Stamp, then three words.
    pub(crate) const ANCHOR_LATEST: usize = 24;
    pub(crate) const LABELS_USED: usize = 32;
    pub(crate) const LABELS_DROPPED: usize = 33;
    pub(crate) const SOURCES_DROPPED: usize = 34;
    pub(crate) const TABLE_CHANGES: usize = 35;
    pub(crate) const TIME_NAMESPACE: usize = 36;
    /// Zero if the process takes no such notes.
    pub(crate) const ALIVE_AT: usize = 37;
    pub(crate) const KIND_MAX: usize = 38;
    /// Three words.
    pub(crate) const FILE: usize = 39;
    /// Zero before the session's end.
    pub(crate) const ENDED_AT: usize = 42;
    /// The words that identify the process and the file.
    pub(crate) const IDENTITY: [usize; 9] =
        [PID, PID_NAMESPACE, START_TIME, BOOT_ID, BOOT_ID + 1, TIME_NAMESPACE, FILE, FILE + 1, FILE + 2];
    /// Second copy of the `IDENTITY` words.
    pub(crate) const IDENTITY_AGAIN: usize = 43;
    /// Words of the header.
    pub(crate) const WORDS: usize = 64;
}

/// Word numbers within a place of the table of rings.
pub(crate) mod place {
    pub(crate) const STATE: usize = 0;
    pub(crate) const SLOTS_AT: usize = 1;
    pub(crate) const CAPACITY: usize = 2;
    pub(crate) const THREAD: usize = 3;
    pub(crate) const OVERRUN: usize = 4;
    pub(crate) const WRITTEN: usize = 5;
    pub(crate) const SOURCE: usize = 6;
    pub(crate) const BEGAN: usize = 7;
    /// Stamp, then three words. On a cache line of its own: it changes with every task.
    pub(crate) const RUNNING: usize = 8;
    pub(crate) const NAME: usize = 16;
    /// Words of a place.
    pub(crate) const WORDS: usize = 32;
}

/// Words of a label: its head, its text, one unused.
pub(crate) const LABEL_WORDS: usize = TEXT_WORDS + 2;

/// A place that is open.
pub(crate) const PLACE_OPEN: u64 = 1;
/// A place whose recorder is gone; its records can still be read.
pub(crate) const PLACE_CLOSED: u64 = 2;

/// Offset given for a ring that is not in the file: readers of the file skip it.
pub(crate) const UNSHARED_AT: usize = 0;

/// Default number of places in the table of rings.
pub(crate) const PLACES_DEFAULT: usize = 64;
/// Maximum number of places in the table of rings that a reader accepts.
pub(crate) const PLACES_MAX: usize = 4096;
/// Default number of places for labels.
pub(crate) const LABELS_DEFAULT: usize = 4096;
/// Maximum number of places for labels that a reader accepts.
pub(crate) const LABELS_MAX: usize = 1 << 17;
/// Maximum number of bytes of metadata that a reader accepts.
pub(crate) const META_BYTES_MAX: usize = 1 << 20;
/// Parts begin on multiples of this.
pub(crate) const PAGE_BYTES: usize = 4096;

/// Offsets and sizes of the fixed parts, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) places: usize,
    pub(crate) table_at: usize,
    pub(crate) meta_at: usize,
    pub(crate) meta_bytes: usize,
    pub(crate) labels_at: usize,
    pub(crate) labels_max: usize,
    pub(crate) fixed_bytes: usize,
}

impl Plan {
    /// The layout of a file with the given numbers of places and the given size of metadata.
    pub(crate) const fn new(places: usize, labels_max: usize, meta_bytes: usize) -> Self {
        let table_at = PAGE_BYTES;
        let meta_at = table_at + pages(places * place::WORDS * 8);
        let labels_at = meta_at + pages(meta_bytes);
        let fixed_bytes = labels_at + pages(labels_max * LABEL_WORDS * 8);
        Self { places, table_at, meta_at, meta_bytes, labels_at, labels_max, fixed_bytes }
    }

    /// Index of a place's first word.
    pub(crate) const fn place_word(&self, place: usize) -> usize {
        self.table_at / 8 + place * place::WORDS
    }

    /// Index of a label's first word.
    pub(crate) const fn label_word(&self, label: usize) -> usize {
        self.labels_at / 8 + label * LABEL_WORDS
    }
}

/// `bytes` rounded up to whole pages.
pub(crate) const fn pages(bytes: usize) -> usize {
    bytes.next_multiple_of(PAGE_BYTES)
}
