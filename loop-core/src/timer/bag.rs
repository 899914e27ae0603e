//! A bag of armings: what a slot of the wheel holds, in no order, with its minimum.
//!
//! Armings lie side by side in chunks, so that moving a whole bag reads memory from front to back; a linked list
//! would wait for each timer in turn. One that no longer stands stays until the bag is moved, looked through, or has
//! doubled since it was: clearing a timer touches the timer and nothing else, no count either. Among a million timers
//! that is a third of what clearing one costs.
//!
//! The minimum is known as long as it stands. When it was cleared, few are looked through; a crowd becomes a heap,
//! once, so that a program that clears the first of many timers again and again does not pay for all of them each
//! time. What that costs was paid by those who came.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::slab::{Arming, Slab, Waiting};

/// Armings of a chunk, and at most as many are looked through rather than made a heap.
const CHUNK: usize = 32;
/// No chunk.
const NONE: u32 = u32::MAX;

/// The chunks of all bags: as many as were needed at one time.
#[derive(Debug)]
pub(super) struct Chunks {
    chunks: Vec<Chunk>,
    /// The first that a bag gave back; the others follow by `below`.
    free: u32,
    /// From here on no bag has had one since all were given back: then they are handed out in order again.
    fresh: usize,
    /// How many bags have.
    taken: usize,
    /// Armings of all bags, those included that do not stand.
    len: usize,
}

#[derive(Debug)]
struct Chunk {
    armings: [Waiting; CHUNK],
    /// The chunk that was filled before.
    below: u32,
}

#[derive(Debug)]
pub(super) struct Bag {
    /// The chunk that is being filled, and how far; those below are full.
    top: u32,
    used: u32,
    /// Armings, those included that do not stand.
    len: usize,
    /// How many there were after they had been looked through.
    tidied: usize,
    /// The least of them, as far as it stands.
    min: Waiting,
    /// Where they are when they are a crowd.
    crowd: Option<BinaryHeap<Reverse<Waiting>>>,
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

    /// Gives a chunk back; returns the one below it.
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

impl Default for Bag {
    fn default() -> Self {
        Self { top: NONE, used: CHUNK as u32, len: 0, tidied: 0, min: Waiting::NOTHING, crowd: None }
    }
}

impl Bag {
    #[inline]
    pub(super) fn push<E>(&mut self, chunks: &mut Chunks, slab: &Slab<E>, arming: Waiting) {
        if self.used as usize >= CHUNK {
            self.make_room(chunks, slab);
        }
        if let Some(crowd) = &mut self.crowd {
            crowd.push(Reverse(arming));
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

    /// Makes room in the top chunk; a crowd has its own.
    fn make_room<E>(&mut self, chunks: &mut Chunks, slab: &Slab<E>) {
        if self.len >= CHUNK.max(self.tidied * 2) && chunks.len > slab.armed() * 2 {
            self.tidy(chunks, slab);
        }
        if self.crowd.is_none() && self.used as usize >= CHUNK {
            (self.top, self.used) = (chunks.take(self.top), 0);
        }
    }

    /// Throws out what does not stand.
    fn tidy<E>(&mut self, chunks: &mut Chunks, slab: &Slab<E>) {
        if let Some(crowd) = &mut self.crowd {
            crowd.retain(|Reverse(arming)| slab.standing(*arming).is_some());
            chunks.len -= self.len - crowd.len();
            (self.len, self.tidied) = (crowd.len(), crowd.len());
            return;
        }
        let mut all = std::mem::take(self);
        let mut some = Vec::with_capacity(CHUNK);
        // Nothing is looked through twice on the way.
        self.tidied = usize::MAX / 2;
        while all.pop_chunk(chunks, &mut some) {
            let standing = some.iter().filter(|arming| slab.standing(**arming).is_some());
            standing.for_each(|arming| self.push(chunks, slab, *arming));
        }
        self.tidied = self.len;
    }

    /// Armings, those included that do not stand.
    #[cfg(test)]
    #[cfg(not(loom))]
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Whether more than `few` stand.
    #[inline]
    pub(super) fn is_more_than<E>(&mut self, few: usize, chunks: &mut Chunks, slab: &Slab<E>) -> bool {
        if self.len > few && chunks.len > slab.armed() {
            self.tidy(chunks, slab);
        }
        self.len > few
    }

    /// When the least that stands is due.
    #[inline]
    pub(super) fn min<E>(&mut self, chunks: &mut Chunks, slab: &Slab<E>) -> Option<u64> {
        if self.len > 0 && slab.standing(self.min).is_some() {
            return Some(self.min.due);
        }
        self.find_min(chunks, slab)
    }

    #[cold]
    fn find_min<E>(&mut self, chunks: &mut Chunks, slab: &Slab<E>) -> Option<u64> {
        if self.crowd.is_none() && self.len > CHUNK {
            let mut all = Vec::with_capacity(self.len);
            let mut some = Vec::with_capacity(CHUNK);
            while self.pop_chunk(chunks, &mut some) {
                all.extend(
                    some.iter().copied().filter(|arming| slab.standing(*arming).is_some()).map(Reverse),
                );
            }
            (self.len, self.tidied) = (all.len(), all.len());
            chunks.len += all.len();
            self.crowd = Some(BinaryHeap::from(all));
        }
        let Some(crowd) = &mut self.crowd else {
            // Few, in one chunk: nothing is due at the beginning of time, so nothing leaves but what is gone.
            self.pick(chunks, slab, None, &mut Vec::new());
            return (self.len > 0).then_some(self.min.due);
        };
        while crowd.peek().is_some_and(|Reverse(arming)| slab.standing(*arming).is_none()) {
            crowd.pop();
            chunks.len -= 1;
        }
        self.len = crowd.len();
        match crowd.peek() {
            Some(Reverse(min)) => self.min = *min,
            None => *self = Self::default(),
        }
        (self.len > 0).then_some(self.min.due)
    }

    /// Moves what stands and is due at `now` to `due`.
    pub(super) fn pick<E>(
        &mut self,
        chunks: &mut Chunks,
        slab: &Slab<E>,
        now: Option<u64>,
        due: &mut Vec<Arming>,
    ) {
        let is_due = |arming: Arming| now.is_some_and(|now| arming.due <= now);
        if self.len > CHUNK || self.crowd.is_some() {
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
        // One chunk: what stays moves to its front.
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

    /// Takes a chunk of armings out, in place of what `into` holds. False: the bag is empty.
    pub(super) fn pop_chunk(&mut self, chunks: &mut Chunks, into: &mut Vec<Waiting>) -> bool {
        into.clear();
        if let Some(crowd) = self.crowd.take() {
            into.extend(crowd.into_iter().map(|Reverse(arming)| arming));
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
