//! A bag of armings: what a slot of the wheel holds, in no order, with its minimum.
//!
//! Armings lie side by side, so that moving a whole bag reads memory from front to back; a linked list would wait
//! for each timer in turn. One that no longer stands stays until the bag is moved, is full, or is looked through:
//! clearing a timer touches the timer, not its neighbours. The bag counts those (rather too many than too few), so
//! that it does not look for what is not there.
//!
//! The minimum is known as long as it stands. When it was cleared, few are looked through; a crowd becomes a heap,
//! once, so that a program that clears the first of many timers again and again does not pay for all of them each
//! time. What that costs was paid by those who came.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::nodes::{Arming, Nodes};

/// Armings that are looked through rather than made a heap.
const CROWD: usize = 16;
/// Room that an empty bag keeps.
const KEPT: usize = 256;

#[derive(Debug)]
pub(super) struct Bag {
    armings: Armings,
    /// The least of them, as far as it stands.
    min: Arming,
    /// How many do not stand any more, at most.
    gone: usize,
}

#[derive(Debug)]
enum Armings {
    Loose(Vec<Arming>),
    Heap(BinaryHeap<Reverse<Arming>>),
}

impl Default for Bag {
    fn default() -> Self {
        Self { armings: Armings::Loose(Vec::new()), min: NOTHING, gone: 0 }
    }
}

/// An arming that never stands.
const NOTHING: Arming = Arming { due: u64::MAX, sequence: u64::MAX, node: u32::MAX };

impl Bag {
    #[inline]
    pub(super) fn push(&mut self, nodes: &Nodes, arming: Arming) {
        if self.len() == 0 || arming.due < self.min.due {
            self.min = arming;
        }
        match &mut self.armings {
            Armings::Loose(armings) if armings.len() < armings.capacity() => armings.push(arming),
            _ => self.push_when_full(nodes, arming),
        }
    }

    /// Makes room by throwing out what does not stand, where that is much.
    fn push_when_full(&mut self, nodes: &Nodes, arming: Arming) {
        if self.gone * 2 > self.len() {
            self.tidy(nodes);
        }
        match &mut self.armings {
            Armings::Loose(armings) => armings.push(arming),
            Armings::Heap(heap) => heap.push(Reverse(arming)),
        }
    }

    /// Throws out what does not stand.
    fn tidy(&mut self, nodes: &Nodes) {
        self.gone = 0;
        match &mut self.armings {
            Armings::Loose(armings) => armings.retain(|arming| nodes.stands(*arming)),
            Armings::Heap(heap) => heap.retain(|Reverse(arming)| nodes.stands(*arming)),
        }
    }

    /// One of its armings does not stand any more.
    #[inline]
    pub(super) fn lose(&mut self) {
        self.gone += 1;
    }

    /// Armings, those included that do not stand.
    #[inline]
    pub(super) fn len(&self) -> usize {
        match &self.armings {
            Armings::Loose(armings) => armings.len(),
            Armings::Heap(heap) => heap.len(),
        }
    }

    /// Whether more than `few` stand.
    #[inline]
    pub(super) fn is_more_than(&mut self, few: usize, nodes: &Nodes) -> bool {
        if self.len() > few && self.gone > 0 {
            self.tidy(nodes);
        }
        self.len() > few
    }

    /// The least arming that stands.
    #[inline]
    pub(super) fn min(&mut self, nodes: &Nodes) -> Option<Arming> {
        if self.len() > 0 && nodes.stands(self.min) { Some(self.min) } else { self.find_min(nodes) }
    }

    #[cold]
    fn find_min(&mut self, nodes: &Nodes) -> Option<Arming> {
        if let Armings::Loose(armings) = &mut self.armings
            && armings.len() > CROWD
        {
            let crowd = std::mem::take(armings).into_iter().map(Reverse);
            self.armings = Armings::Heap(crowd.collect());
        }
        let min = match &mut self.armings {
            Armings::Loose(armings) => {
                self.gone = 0;
                armings.retain(|arming| nodes.stands(*arming));
                armings.iter().min().copied()
            }
            Armings::Heap(heap) => loop {
                match heap.peek() {
                    Some(Reverse(arming)) if !nodes.stands(*arming) => {
                        heap.pop();
                        self.gone = self.gone.saturating_sub(1);
                    }
                    first => break first.map(|first| first.0),
                }
            },
        };
        match min {
            Some(min) => self.min = min,
            None => *self = Self::default(),
        }
        min
    }

    /// Everything in it; the room comes back by [`empty`](Self::empty).
    #[inline]
    pub(super) fn take(&mut self) -> Vec<Arming> {
        self.gone = 0;
        match std::mem::replace(&mut self.armings, Armings::Loose(Vec::new())) {
            Armings::Loose(armings) => armings,
            Armings::Heap(heap) => heap.into_iter().map(|Reverse(arming)| arming).collect(),
        }
    }

    /// Gives an empty bag the room of what was taken out of it, where that is little.
    #[inline]
    pub(super) fn empty(&mut self, mut taken: Vec<Arming>) {
        if self.len() == 0 && taken.capacity() <= KEPT {
            taken.clear();
            self.armings = Armings::Loose(taken);
        }
    }
}
