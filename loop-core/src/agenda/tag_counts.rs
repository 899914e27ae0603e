//! Counts an agenda's tasklets by tag, for the loop that they keep alive.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock, Weak};

use loop_probes::ids::Tag;

use crate::keep_alive::tasklets::{AgendaKeepAlive, PendingByTag};

/// Number of counts per allocation.
const CHUNK: usize = 256;

type TagChunk = Box<[AtomicU32; CHUNK]>;

/// Number of waiting and running tasklets of one agenda, by tag. Chunks of counts are allocated on first use and never
/// move, so that counting is one atomic addition.
pub(super) struct TagCounts {
    chunks: [OnceLock<TagChunk>; CHUNK],
    /// The loop that the tasklets keep alive.
    keep: Option<Arc<AgendaKeepAlive>>,
}

impl TagCounts {
    pub(super) fn new(keep: Option<Arc<AgendaKeepAlive>>) -> Arc<Self> {
        let tag_counts = Arc::new(Self { chunks: std::array::from_fn(|_| OnceLock::new()), keep });
        if let Some(keep) = &tag_counts.keep {
            let counts: Weak<Self> = Arc::downgrade(&tag_counts);
            keep.register(counts);
        }
        tag_counts
    }

    fn count(&self, tag: Tag) -> &AtomicU32 {
        let (chunk, place) = (usize::from(tag.0) / CHUNK, usize::from(tag.0) % CHUNK);
        &self.chunks[chunk].get_or_init(|| Box::new(std::array::from_fn(|_| AtomicU32::new(0))))[place]
    }

    /// Counts an added tasklet.
    pub(super) fn begin(&self, tag: Tag) {
        self.count(tag).fetch_add(1, Ordering::Relaxed);
        if let Some(keep) = &self.keep {
            keep.begin();
        }
    }

    /// Counts the end of a tasklet, with any outcome.
    pub(super) fn end(&self, tag: Tag) {
        self.count(tag).fetch_sub(1, Ordering::Relaxed);
        if let Some(keep) = &self.keep {
            keep.end();
        }
    }

    /// Number of waiting and running tasklets, by tag.
    pub(super) fn counts(&self) -> impl Iterator<Item = (Tag, u32)> {
        let chunks = self.chunks.iter().enumerate();
        let counts =
            chunks.filter_map(|(index, chunk)| Some((index, chunk.get()?))).flat_map(|(index, chunk)| {
                let tag = move |place| Tag((index * CHUNK + place) as u16);
                chunk
                    .iter()
                    .enumerate()
                    .map(move |(place, count)| (tag(place), count.load(Ordering::Relaxed)))
            });
        counts.filter(|(_, count)| *count > 0)
    }
}

impl PendingByTag for TagCounts {
    fn add_to(&self, counts: &mut BTreeMap<Tag, u32>) {
        self.counts().for_each(|(tag, count)| *counts.entry(tag).or_default() += count);
    }
}
