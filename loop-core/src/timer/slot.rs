//! A bag of armings: the contents of a wheel's slot, unordered, with the minimum.
//!
//! Armings are stored side by side in chunks, so that moving a whole bag reads memory sequentially; a linked list
//! would wait for each timer in turn. A stale arming stays until the bag is moved, scanned, or has doubled since it
//! last was: clearing a timer touches the timer and nothing else, not even a count. With a million timers, that would
//! be a third of the cost of clearing one.
//!
//! The minimum is known while it stands. When it has been cleared, a few armings are scanned; a crowd is turned into
//! a heap, once, so that a program that repeatedly clears the first of many timers does not pay for all of them each
//! time. That cost is amortised over the insertions.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::slab::{Arming, Slab, Waiting};

/// Armings per chunk, and the most that are scanned rather than turned into a heap.
const CHUNK: usize = 32;
/// No chunk.
const NONE: u32 = u32::MAX;

/// The chunks of all bags: as many as were ever in use at one time.
#[derive(Debug)]
pub(super) struct Chunks {
    chunks: Vec<Chunk>,
    /// The first free chunk; the others follow by `below`.
    free: u32,
    /// Chunks from here on are unused since all were last given back: they are then handed out in order again.
    fresh: usize,
    /// Number of chunks in use by bags.
    taken: usize,
    /// Number of armings in all bags, including stale ones.
    len: usize,
}

#[derive(Debug)]
struct Chunk {
    armings: [Waiting; CHUNK],
    /// The chunk that was filled before this one.
    below: u32,
}

#[derive(Debug)]
pub(super) struct Slot {
    /// The chunk being filled, and its fill level; those below are full.
    top: u32,
    used: u32,
    /// Number of armings, including stale ones.
    len: usize,
    /// Number of armings after the last scan.
    tidied: usize,
    /// The least of them, as long as it stands.
    min: Waiting,
    /// The armings, once they are a crowd.
    heap: Option<BinaryHeap<Reverse<Waiting>>>,
}

impl Default for Chunks {
    fn default() -> Self {
        Self { chunks: Vec::new(), free: NONE, fresh: 0, taken: 0, len: 0 }
    }
}

impl Chunks {
    fn take(&mut self, below: u32) -> u32 {
        self.taken += 1;
        if let Some(place) = self.chunks.get_mut(self.free as usize) {
            return std::mem::replace(&mut self.free, std::mem::replace(&mut place.below, below));
        }
        let chunk = self.fresh;
        self.fresh += 1;
        match self.chunks.get_mut(chunk) {
            Some(place) => place.below = below,
            None => self.chunks.push(Chunk { armings: [Waiting::NOTHING; CHUNK], below }),
        }
        chunk as u32
    }

    /// Frees a chunk; returns the one below it.
    fn give_back(&mut self, chunk: u32) -> u32 {
        self.taken -= 1;
        let free = std::mem::replace(&mut self.free, chunk);
        let below = std::mem::replace(&mut self.chunks[chunk as usize].below, free);
        if self.taken == 0 {
            (self.free, self.fresh) = (NONE, 0);
        }
        below
    }
}

impl Default for Slot {
    fn default() -> Self {
        Self { top: NONE, used: CHUNK as u32, len: 0, tidied: 0, min: Waiting::NOTHING, heap: None }
    }
}

impl Slot {
    #[inline]
    pub(super) fn push<E>(&mut self, chunks: &mut Chunks, slab: &Slab<E>, arming: Waiting) {
        if self.used as usize >= CHUNK {
            self.make_room(chunks, slab);
        }
        if let Some(heap) = &mut self.heap {
            heap.push(Reverse(arming));
        } else {
            chunks.chunks[self.top as usize].armings[self.used as usize % CHUNK] = arming;
            self.used += 1;
        }
        self.len += 1;
        chunks.len += 1;
        if self.len == 1 || arming.due < self.min.due {
            self.min = arming;
        }
    }

    /// Makes room in the top chunk; a crowd needs none.
    fn make_room<E>(&mut self, chunks: &mut Chunks, slab: &Slab<E>) {
        if self.len >= CHUNK.max(self.tidied * 2) && chunks.len > slab.armed() * 2 {
            self.tidy(chunks, slab);
        }
        if self.heap.is_none() && self.used as usize >= CHUNK {
            (self.top, self.used) = (chunks.take(self.top), 0);
        }
    }

    /// Removes stale armings.
    fn tidy<E>(&mut self, chunks: &mut Chunks, slab: &Slab<E>) {
        if let Some(heap) = &mut self.heap {
            heap.retain(|Reverse(arming)| slab.standing(*arming).is_some());
            chunks.len -= self.len - heap.len();
            (self.len, self.tidied) = (heap.len(), heap.len());
            return;
        }
        let mut all = std::mem::take(self);
        let mut some = Vec::with_capacity(CHUNK);
        // Prevents tidying again during the pushes.
        self.tidied = usize::MAX / 2;
        while all.pop_chunk(chunks, &mut some) {
            let standing = some.iter().filter(|arming| slab.standing(**arming).is_some());
            standing.for_each(|arming| self.push(chunks, slab, *arming));
        }
        self.tidied = self.len;
    }

    /// Number of armings, including stale ones.
    #[cfg(test)]
    #[cfg(not(loom))]
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Whether it has more than `few` armings that stand.
    #[inline]
    pub(super) fn is_more_than<E>(&mut self, few: usize, chunks: &mut Chunks, slab: &Slab<E>) -> bool {
        if self.len > few && chunks.len > slab.armed() {
            self.tidy(chunks, slab);
        }
        self.len > few
    }

    /// The earliest due time of those that stand.
    #[inline]
    pub(super) fn min<E>(&mut self, chunks: &mut Chunks, slab: &Slab<E>) -> Option<u64> {
        if self.len > 0 && slab.standing(self.min).is_some() {
            return Some(self.min.due);
        }
        self.find_min(chunks, slab)
    }

    #[cold]
    fn find_min<E>(&mut self, chunks: &mut Chunks, slab: &Slab<E>) -> Option<u64> {
        if self.heap.is_none() && self.len > CHUNK {
            let mut all = Vec::with_capacity(self.len);
            let mut some = Vec::with_capacity(CHUNK);
            while self.pop_chunk(chunks, &mut some) {
                all.extend(
                    some.iter().copied().filter(|arming| slab.standing(*arming).is_some()).map(Reverse),
                );
            }
            (self.len, self.tidied) = (all.len(), all.len());
            chunks.len += all.len();
            self.heap = Some(BinaryHeap::from(all));
        }
        let Some(heap) = &mut self.heap else {
            // Few, in one chunk: without a time nothing is due, so only stale armings are removed.
            self.pick(chunks, slab, None, &mut Vec::new());
            return (self.len > 0).then_some(self.min.due);
        };
        while heap.peek().is_some_and(|Reverse(arming)| slab.standing(*arming).is_none()) {
            heap.pop();
            chunks.len -= 1;
        }
        self.len = heap.len();
        match heap.peek() {
            Some(Reverse(min)) => self.min = *min,
            None => *self = Self::default(),
        }
        (self.len > 0).then_some(self.min.due)
    }

    /// Moves armings that stand and are due at `now` to `due`.
    pub(super) fn pick<E>(
        &mut self,
        chunks: &mut Chunks,
        slab: &Slab<E>,
        now: Option<u64>,
        due: &mut Vec<Arming>,
    ) {
        let is_due = |arming: Arming| now.is_some_and(|now| arming.due <= now);
        if self.len > CHUNK || self.heap.is_some() {
            let mut all = std::mem::take(self);
            let mut some = Vec::with_capacity(CHUNK);
            while all.pop_chunk(chunks, &mut some) {
                for arming in some.iter().filter_map(|waiting| slab.standing(*waiting)) {
                    if is_due(arming) {
                        due.push(arming);
                    } else {
                        self.push(chunks, slab, arming.waiting());
                    }
                }
            }
            return;
        }
        // One chunk: compact the remaining armings to its front.
        if self.len == 0 {
            return;
        }
        let armings = &mut chunks.chunks[self.top as usize].armings;
        let (mut kept, mut min) = (0, Waiting::NOTHING);
        for from in 0..self.len {
            let waiting = armings[from];
            let Some(arming) = slab.standing(waiting) else { continue };
            if is_due(arming) {
                due.push(arming);
            } else {
                min = min.min(waiting);
                armings[kept] = waiting;
                kept += 1;
            }
        }
        chunks.len -= self.len - kept;
        if kept == 0 {
            chunks.give_back(self.top);
            *self = Self::default();
        } else {
            (self.used, self.len, self.tidied, self.min) = (kept as u32, kept, kept, min);
        }
    }

    /// Takes out a chunk of armings, which replaces the contents of `into`. False if the bag is empty.
    pub(super) fn pop_chunk(&mut self, chunks: &mut Chunks, into: &mut Vec<Waiting>) -> bool {
        into.clear();
        if let Some(heap) = self.heap.take() {
            into.extend(heap.into_iter().map(|Reverse(arming)| arming));
        } else if self.top != NONE {
            into.extend_from_slice(&chunks.chunks[self.top as usize].armings[..self.used as usize]);
            (self.top, self.used) = (chunks.give_back(self.top), CHUNK as u32);
        } else {
            *self = Self::default();
            return false;
        }
        chunks.len -= into.len();
        true
    }
}
