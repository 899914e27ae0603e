//! The minimum of a crowded slot whose known minimum was cleared.
//!
//! Looking through the slot again each time would let a program that clears the first of many timers, again and
//! again, pay for all of them each time. So such a slot gets a heap, once; timers that come join it, timers that
//! go leave their entry behind, which is recognised when it comes up, or when there are too many of them. Building
//! it costs no more than the timers cost to get there, everything after that is logarithmic.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::nodes::{Arming, Nodes};
use super::wheel::SLOTS;

/// Timers that are looked through rather than put in a heap.
const CROWD: usize = 16;

#[derive(Debug)]
struct Crowd {
    heap: BinaryHeap<Reverse<Arming>>,
    /// Entries at which those that no longer stand are thrown out.
    full: usize,
}

/// The crowded slots, by list.
#[derive(Debug, Default)]
pub(super) struct Crowds {
    /// Empty until the first crowd.
    by_list: Vec<Option<Box<Crowd>>>,
    count: usize,
}

impl Crowds {
    #[cfg(test)]
    #[cfg(not(loom))]
    pub(super) fn entries(&self) -> usize {
        self.by_list.iter().flatten().map(|crowd| crowd.heap.len()).sum()
    }

    /// A timer came to a list.
    #[inline]
    pub(super) fn push(&mut self, list: u32, nodes: &Nodes, arming: Arming) {
        if self.count > 0 {
            self.join(list, nodes, arming);
        }
    }

    fn join(&mut self, list: u32, nodes: &Nodes, arming: Arming) {
        let Some(crowd) = self.by_list[list as usize].as_mut() else { return };
        if crowd.heap.len() >= crowd.full {
            crowd.heap.retain(|Reverse(entry)| nodes.stands(*entry));
            crowd.full = crowd.heap.len() * 2 + CROWD;
        }
        crowd.heap.push(Reverse(arming));
    }

    /// A list has no timers any more.
    #[inline]
    pub(super) fn end(&mut self, list: u32) {
        if self.count > 0 {
            self.count -= usize::from(self.by_list[list as usize].take().is_some());
        }
    }

    /// The minimum of a list that is not empty and whose head does not know it.
    #[cold]
    pub(super) fn find_min(&mut self, list: u32, nodes: &mut Nodes) -> Option<Arming> {
        let has_crowd = self.count > 0 && self.by_list[list as usize].is_some();
        if !has_crowd && !nodes.is_longer(list, CROWD) {
            return nodes.min(list);
        }
        if !has_crowd {
            self.begin(list, nodes);
        }
        let crowd = self.by_list[list as usize].as_mut()?;
        while let Some(Reverse(arming)) = crowd.heap.peek() {
            if nodes.stands(*arming) {
                nodes.note_min(list, *arming);
                return Some(*arming);
            }
            crowd.heap.pop();
        }
        None
    }

    fn begin(&mut self, list: u32, nodes: &Nodes) {
        if self.by_list.is_empty() {
            self.by_list.resize_with(SLOTS as usize, || None);
        }
        let heap: BinaryHeap<_> = nodes.iter(list).map(Reverse).collect();
        let full = heap.len() * 2 + CROWD;
        self.by_list[list as usize] = Some(Box::new(Crowd { heap, full }));
        self.count += 1;
    }
}
