//! Merges rings in order of (time, ring, sequence) behind a watermark.
//!
//! A record is written slightly after the time it carries, so an ordered merge has to wait: events younger than the
//! watermark stay. Within a ring, the order is the order of writing, even if times go backwards. An event that
//! arrives after a later one was released is released at once, and counted as late.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use crate::ids::Ticks;
use crate::stamped::Stamped;

/// Maximum number of events held back, whatever their times.
const HELD_MAX: usize = 1 << 17;

#[derive(Debug, Default)]
struct Lane {
    held: VecDeque<(u64, Stamped<Ticks>)>,
    /// The highest time so far: used as the key of events whose own time is lower.
    key: u64,
}

/// Events of several rings, on their way into one stream.
#[derive(Debug, Default)]
pub(crate) struct Merge {
    lanes: Vec<Lane>,
    handed_out: u64,
    late: u64,
}

impl Merge {
    /// Takes the next event of ring `lane`.
    pub(crate) fn push(&mut self, lane: usize, event: Stamped<Ticks>) {
        if self.lanes.len() <= lane {
            self.lanes.resize_with(lane + 1, Lane::default);
        }
        let Some(lane) = self.lanes.get_mut(lane) else { return };
        lane.key = lane.key.max(event.at.0);
        lane.held.push_back((lane.key, event));
    }

    /// Hands out, in order, everything up to `watermark`.
    pub(crate) fn release(&mut self, watermark: Ticks, mut emit: impl FnMut(Stamped<Ticks>)) {
        let mut heap: BinaryHeap<Reverse<(u64, usize)>> = BinaryHeap::with_capacity(self.lanes.len());
        for (index, lane) in self.lanes.iter().enumerate() {
            if let Some((key, _)) = lane.held.front() {
                heap.push(Reverse((*key, index)));
            }
        }
        let mut held = self.held();
        while let Some(Reverse((mut key, index))) = heap.pop() {
            let Some(lane) = self.lanes.get_mut(index) else { continue };
            // One ring usually has many events in a row: they bypass the heap.
            while heap.peek().is_none_or(|Reverse(next)| (key, index) < *next) {
                if key > watermark.0 && held <= HELD_MAX {
                    return;
                }
                let Some((_, event)) = lane.held.pop_front() else { break };
                if key < self.handed_out {
                    self.late += 1;
                }
                self.handed_out = self.handed_out.max(key);
                held -= 1;
                emit(event);
                let Some((next, _)) = lane.held.front() else { break };
                key = *next;
            }
            if !lane.held.is_empty() {
                heap.push(Reverse((key, index)));
            }
        }
    }

    /// Events that came in after a later one of another ring had been handed out.
    pub(crate) const fn late(&self) -> u64 {
        self.late
    }

    /// Events waiting for the watermark.
    pub(crate) fn held(&self) -> usize {
        self.lanes.iter().map(|lane| lane.held.len()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Event;
    use crate::ids::{LabelId, SourceId};

    fn mark(lane: usize, at: u64) -> Stamped<Ticks> {
        let event = Event::Mark { label: LabelId(0) };
        Stamped { source: SourceId(lane as u32), at: Ticks(at), event }
    }

    fn released(merge: &mut Merge, watermark: u64) -> Vec<(usize, u64)> {
        let mut out = Vec::new();
        merge.release(Ticks(watermark), |event| out.push((event.source.0 as usize, event.at.0)));
        out
    }

    #[test]
    fn goes_by_time_then_ring_then_order_of_writing() {
        let mut merge = Merge::default();
        for (lane, at) in [(1, 5), (1, 5), (1, 9), (0, 5), (0, 7), (0, 30)] {
            merge.push(lane, mark(lane, at));
        }
        assert_eq!(released(&mut merge, 10), [(0, 5), (1, 5), (1, 5), (0, 7), (1, 9)]);
        assert_eq!(merge.held(), 1);
        assert_eq!(released(&mut merge, u64::MAX), [(0, 30)]);
        assert_eq!(merge.late(), 0);
    }

    #[test]
    fn a_ring_keeps_its_order_when_its_time_goes_backwards() {
        let mut merge = Merge::default();
        for (lane, at) in [(0, 10), (0, 3), (0, 11), (1, 5)] {
            merge.push(lane, mark(lane, at));
        }
        assert_eq!(released(&mut merge, 50), [(1, 5), (0, 10), (0, 3), (0, 11)]);
    }

    #[test]
    fn a_late_event_is_handed_out_and_counted() {
        let mut merge = Merge::default();
        merge.push(0, mark(0, 10));
        assert_eq!(released(&mut merge, 20), [(0, 10)]);
        merge.push(1, mark(1, 4));
        assert_eq!(released(&mut merge, 20), [(1, 4)]);
        assert_eq!(merge.late(), 1);
    }

    #[test]
    fn a_ring_from_the_future_does_not_fill_memory() {
        let mut merge = Merge::default();
        for _ in 0..HELD_MAX + 10 {
            merge.push(0, mark(0, u64::MAX));
        }
        assert_eq!(released(&mut merge, 0).len(), 10);
    }
}
