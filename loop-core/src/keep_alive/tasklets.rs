//! Lets pending tasklets keep a loop alive, and lists them by name.
//!
//! The loop reads a count, so it needs no message per tasklet. Only the last tasklet has to wake it, because only
//! that one can end its run. A tasklet added to an idle agenda need not wake it, since a loop reads the count
//! before it ends.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

use loop_probes::event::RefKind;
use loop_probes::ids::Tag;

use super::Named;
use crate::wake_up::WakeUp;

/// State shared by a loop and its agendas.
pub(crate) struct AgendaKeepAlive {
    /// Tasklets that wait or run, in all agendas.
    pending: AtomicU64,
    wake_up: Arc<WakeUp>,
    all_counts: Mutex<Vec<Weak<TagCounts>>>,
}

impl AgendaKeepAlive {
    pub(crate) fn new(wake_up: Arc<WakeUp>) -> Self {
        Self { pending: AtomicU64::new(0), wake_up, all_counts: Mutex::default() }
    }

    /// Number of tasklets that keep the loop alive.
    #[inline]
    pub(crate) fn pending(&self) -> u32 {
        u32::try_from(self.pending.load(Ordering::SeqCst)).unwrap_or(u32::MAX)
    }

    /// For re-executing a loop: sets the count from a record. The last tasklet wakes the loop, as in the recording.
    pub(crate) fn replay(&self, pending: u32) {
        if self.pending.swap(pending.into(), Ordering::SeqCst) > 0 && pending == 0 {
            self.wake_up.wake();
        }
    }

    pub(crate) fn register(&self, tag_counts: &Arc<TagCounts>) {
        let mut all_counts = self.all_counts.lock().unwrap_or_else(PoisonError::into_inner);
        all_counts.retain(|known| known.strong_count() > 0);
        all_counts.push(Arc::downgrade(tag_counts));
    }

    /// Appends what keeps the loop alive, by label.
    pub(crate) fn list(&self, named: &mut Vec<Named>) {
        if self.pending() == 0 {
            return;
        }
        let mut counts = BTreeMap::<Tag, u32>::new();
        let all_counts = self.all_counts.lock().unwrap_or_else(PoisonError::into_inner);
        for tag_counts in all_counts.iter().filter_map(Weak::upgrade) {
            tag_counts.counts().for_each(|(tag, count)| *counts.entry(tag).or_default() += count);
        }
        let by_tag = |(tag, count)| Named { what: RefKind::Agenda, tag, label: None, count };
        named.extend(counts.into_iter().map(by_tag));
    }
}

impl fmt::Debug for AgendaKeepAlive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keep").field("pending", &self.pending()).finish_non_exhaustive()
    }
}

/// Counts in one allocation.
const CHUNK: usize = 256;

type Chunk = Box<[AtomicU32; CHUNK]>;

/// Waiting and running tasklets of one agenda, by tag. A chunk is allocated with its first tag, so that counting is
/// one atomic addition.
pub(crate) struct TagCounts {
    chunks: [OnceLock<Chunk>; CHUNK],
    /// The loop that they keep alive.
    keep: Option<Arc<AgendaKeepAlive>>,
}

impl TagCounts {
    pub(crate) fn new(keep: Option<Arc<AgendaKeepAlive>>) -> Arc<Self> {
        let tag_counts = Arc::new(Self { chunks: std::array::from_fn(|_| OnceLock::new()), keep });
        if let Some(keep) = &tag_counts.keep {
            keep.register(&tag_counts);
        }
        tag_counts
    }

    fn count(&self, tag: Tag) -> &AtomicU32 {
        let (chunk, place) = (usize::from(tag.0) / CHUNK, usize::from(tag.0) % CHUNK);
        &self.chunks[chunk].get_or_init(|| Box::new(std::array::from_fn(|_| AtomicU32::new(0))))[place]
    }

    /// Counts an added tasklet.
    pub(crate) fn begin(&self, tag: Tag) {
        self.count(tag).fetch_add(1, Ordering::Relaxed);
        if let Some(keep) = &self.keep {
            keep.pending.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Counts the end of a tasklet, however it ended.
    pub(crate) fn end(&self, tag: Tag) {
        self.count(tag).fetch_sub(1, Ordering::Relaxed);
        if let Some(keep) = &self.keep
            && keep.pending.fetch_sub(1, Ordering::SeqCst) == 1
        {
            keep.wake_up.wake();
        }
    }

    /// Number of waiting and running tasklets, by tag.
    pub(crate) fn counts(&self) -> impl Iterator<Item = (Tag, u32)> {
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
