//! The counters of one emitter's queue depths.
//!
//! A loop samples its queues at the start of a tick. Tasks that are queued later in the tick carry greater depths: the
//! counter gets a value for each new maximum, and returns to its sample at the start of the next tick, whose own samples
//! are only those that differ. Queues without samples have no counter: nothing records when they empty.

use loop_probes::event::{Event, Queue};

const QUEUES: usize = Queue::ALL.len();

#[derive(Debug, Default)]
pub(super) struct DepthCounters {
    /// In the order of the queues' codes.
    counters: [Counter; QUEUES],
}

#[derive(Clone, Copy, Debug, Default)]
struct Counter {
    /// Depth at the last sample; `None` before the first.
    sampled: Option<u32>,
    /// The last depth written to the export.
    drawn: Option<u32>,
    /// The greatest depth seen.
    max: u32,
}

impl Counter {
    /// Returns whether the value changes: a counter keeps it until the next one.
    fn draws(&mut self, depth: u32) -> bool {
        self.max = self.max.max(depth);
        self.drawn.replace(depth) != Some(depth)
    }
}

impl DepthCounters {
    /// The counters that change with `event`, and their values.
    pub(super) fn changes(&mut self, event: &Event) -> Vec<(Queue, u32)> {
        let of = |queue: Queue| usize::from(queue.code()) - 1;
        let changed = |(queue, depth), changes| if changes { vec![(queue, depth)] } else { Vec::new() };
        match *event {
            Event::QueueDepth { queue, depth } => {
                let counter = &mut self.counters[of(queue)];
                counter.sampled = Some(depth);
                changed((queue, depth), counter.draws(depth))
            }
            Event::TaskQueued { place, .. } => {
                let counter = &mut self.counters[of(place.queue)];
                let is_peak = counter.sampled.is_some() && place.depth > counter.max;
                changed((place.queue, place.depth), is_peak && counter.draws(place.depth))
            }
            Event::TickStart { .. } => {
                let back = |(queue, counter): (&Queue, &mut Counter)| {
                    let sampled = counter.sampled?;
                    counter.draws(sampled).then_some((*queue, sampled))
                };
                Queue::ALL.iter().zip(&mut self.counters).filter_map(back).collect()
            }
            _ => Vec::new(),
        }
    }
}
