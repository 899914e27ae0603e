//! Queues: how deep each is, was, and grew at worst.

use loop_probes::event::Queue;

use super::config::TimelineConfig;
use crate::histogram::Histogram;
use crate::recent::Recent;

/// One queue.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct QueueStats {
    /// The queue.
    pub queue: Queue,
    /// The last samples, one a tick.
    pub samples: Recent<u32>,
    /// All samples.
    pub depth: Histogram,
    /// The deepest seen, between samples too (a post says how deep the queue is with it).
    pub depth_max: u32,
    /// The deepest seen since the last sample.
    peak: u32,
}

impl QueueStats {
    /// The last sample; 0 before the first.
    #[must_use]
    pub fn depth_now(&self) -> u32 {
        self.samples.newest().copied().unwrap_or(0)
    }

    /// The deepest seen since the last sample: what a queue that fills and empties within a tick reached.
    #[must_use]
    pub fn peak_since_sample(&self) -> u32 {
        self.peak
    }

    pub(crate) fn sampled(&mut self, depth: u32) {
        self.samples.push(depth);
        self.depth.record(u64::from(depth));
        self.depth_max = self.depth_max.max(depth);
        self.peak = 0;
    }

    pub(crate) fn reached(&mut self, depth: u32) {
        self.depth_max = self.depth_max.max(depth);
        self.peak = self.peak.max(depth);
    }
}

/// All queues.
#[derive(Clone, Debug, PartialEq)]
pub struct Queues {
    queues: Vec<QueueStats>,
}

impl Queues {
    pub(crate) fn new(config: &TimelineConfig) -> Self {
        let queue = |queue: &Queue| QueueStats {
            queue: *queue,
            samples: Recent::new(config.samples_kept),
            depth: Histogram::new(),
            depth_max: 0,
            peak: 0,
        };
        Self { queues: Queue::ALL.iter().map(queue).collect() }
    }

    /// Every queue, in the order of its code, also those that were never seen.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &QueueStats> + '_ {
        self.queues.iter()
    }

    /// Queues of which anything was seen.
    pub fn seen(&self) -> impl Iterator<Item = &QueueStats> + '_ {
        self.queues.iter().filter(|queue| !queue.depth.is_empty() || queue.depth_max > 0)
    }

    /// One queue.
    #[must_use]
    pub fn queue(&self, queue: Queue) -> &QueueStats {
        &self.queues[place(queue)]
    }

    pub(crate) fn queue_mut(&mut self, queue: Queue) -> &mut QueueStats {
        &mut self.queues[place(queue)]
    }
}

/// Wire codes count from 1 without gaps, in the order of `ALL`.
fn place(queue: Queue) -> usize {
    usize::from(queue.code()) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_queue_has_its_own_place() {
        for queue in Queue::ALL {
            assert_eq!(Queue::ALL[place(*queue)], *queue);
        }
    }

    #[test]
    fn a_peak_between_samples_is_not_missed() {
        let mut queues = Queues::new(&TimelineConfig::default());
        let tasks = queues.queue_mut(Queue::Tasks);
        tasks.sampled(2);
        tasks.reached(9);
        tasks.reached(4);
        assert_eq!((tasks.depth_now(), tasks.peak_since_sample(), tasks.depth_max), (2, 9, 9));
        tasks.sampled(0);
        assert_eq!((tasks.depth_now(), tasks.peak_since_sample(), tasks.depth_max), (0, 0, 9));
        assert_eq!(queues.seen().count(), 1);
    }
}
