//! The counters of one emitter's queue depths.
//!
//! A loop samples its queues at the start of a tick. Other events show greater depths between two samples: the counter
//! gets a value for each new maximum, so that its maximum is the report's, and returns at the start of the next tick.

use loop_probes::event::{Event, Queue};
use loop_probes::stamped::Stamped;

use crate::timeline::{Queues, TimelineConfig};

const QUEUES: usize = Queue::ALL.len();

#[derive(Debug)]
pub(super) struct DepthCounters {
    queues: Queues,
    /// The last value of each counter, in the order of `Queue::ALL`.
    drawn: [Option<u32>; QUEUES],
    /// The greatest value of each counter.
    max: [u32; QUEUES],
    /// Whether the last value is a maximum between two samples.
    is_peak: [bool; QUEUES],
}

impl Default for DepthCounters {
    fn default() -> Self {
        // Only depths are read, so the series through time needs no room.
        let config = TimelineConfig { rate_window: 1, ..TimelineConfig::default() };
        Self {
            queues: Queues::new(&config),
            drawn: [None; QUEUES],
            max: [0; QUEUES],
            is_peak: [false; QUEUES],
        }
    }
}

impl DepthCounters {
    /// The counters that change with `stamped`, and their values.
    pub(super) fn changes(&mut self, stamped: &Stamped) -> Vec<(Queue, u32)> {
        self.queues.see(stamped.at, Some(0), &stamped.event);
        let sampled = match stamped.event {
            Event::QueueDepth { queue, depth } => Some((queue, depth)),
            _ => None,
        };
        let is_tick_start = matches!(stamped.event, Event::TickStart { .. });
        let mut changes = Vec::new();
        for (place, stats) in self.queues.iter().enumerate() {
            let sample = sampled.filter(|(queue, _)| *queue == stats.queue).map(|(_, depth)| depth);
            let value = match sample {
                Some(depth) => depth,
                None if stats.depth_max > self.max[place] => stats.depth_max,
                // Queues whose depth is unknown between samples were emptied by the events that showed the maximum.
                None if is_tick_start && self.is_peak[place] => stats.depth_now().unwrap_or(0),
                None => continue,
            };
            self.is_peak[place] = sample.is_none() && !is_tick_start;
            self.max[place] = self.max[place].max(value);
            // A counter keeps its value until the next sample.
            if self.drawn[place].replace(value) != Some(value) {
                changes.push((stats.queue, value));
            }
        }
        changes
    }
}
