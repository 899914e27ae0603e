//! The GC controller: its decisions and their reasons, the cost of collections, the size of the heap.

use loop_probes::event::{GcAction, GcMode, GcReason};
use loop_probes::ids::Timestamp;

use super::baseline::Figures;
use super::config::TimelineConfig;
use crate::histogram::Histogram;
use crate::recent::Recent;

/// One inspection of the heap by the controller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GcCheck {
    /// The time of the decision.
    pub at: Timestamp,
    /// What the controller decided.
    pub action: GcAction,
    /// The reason for the decision.
    pub reason: GcReason,
    /// Heap size at the check, in bytes.
    pub heap_bytes: u64,
    /// The threshold above which it collects at once, in bytes.
    pub threshold_bytes: u64,
}

/// One collection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GcRun {
    /// When it ended.
    pub at: Timestamp,
    /// How long it took.
    pub run_ns: u64,
    /// Heap size before the collection, in bytes.
    pub heap_bytes_before: u64,
    /// Heap size after the collection, in bytes.
    pub heap_bytes_after: u64,
}

/// The controller and the heap.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Gc {
    /// Decisions to collect.
    pub collect: u64,
    /// Decisions to wait for the one-shot timer.
    pub defer: u64,
    /// Decisions to do nothing.
    pub skip: u64,
    /// The last decisions, excluding repeats of "nothing to do".
    pub decisions: Recent<GcCheck>,
    /// The last decision of any kind.
    pub last: Option<GcCheck>,
    /// Durations of collections.
    pub run_ns: Histogram,
    /// The most recent collections.
    pub runs: Recent<GcRun>,
    /// Bytes that collections freed.
    pub freed_bytes: u64,
    /// The heap size last seen, in bytes.
    pub heap_bytes: Option<u64>,
    /// The largest heap seen, in bytes.
    pub heap_bytes_max: u64,
    /// The last heap sizes, one per change.
    pub heap_samples: Recent<u64>,
    /// The controller's pace, where recorded.
    pub mode: Option<GcMode>,
    /// Consecutive firings that found the heap unchanged, as of the last change of pace.
    pub unchanged_ticks: u32,
}

impl Gc {
    pub(crate) fn new(config: &TimelineConfig) -> Self {
        Self {
            collect: 0,
            defer: 0,
            skip: 0,
            decisions: Recent::new(config.entries_kept),
            last: None,
            run_ns: Histogram::new(),
            runs: Recent::new(config.entries_kept),
            freed_bytes: 0,
            heap_bytes: None,
            heap_bytes_max: 0,
            heap_samples: Recent::new(config.samples_kept),
            mode: None,
            unchanged_ticks: 0,
        }
    }

    /// Its figures, for [`baseline`](super::baseline).
    pub(super) fn figures(&mut self, by: &mut impl Figures) {
        let Self { collect, defer, skip, run_ns, freed_bytes, .. } = self;
        by.counts([collect, defer, skip, freed_bytes]);
        by.histogram(run_ns);
    }

    /// Forgets what was before `from`.
    pub(super) fn forget_before(&mut self, from: Timestamp) {
        self.decisions.retain(|check| check.at > from);
        self.runs.retain(|run| run.at > from);
    }

    pub(crate) fn looked(&mut self, look: GcCheck) {
        match look.action {
            GcAction::Collect => self.collect += 1,
            GcAction::Defer => self.defer += 1,
            GcAction::Skip => self.skip += 1,
        }
        // A controller that inspects the heap twice a tick with nothing to do would evict the decisions worth reading.
        let same = |last: GcCheck| last.action == look.action && last.reason == look.reason;
        if look.action != GcAction::Skip || !self.last.is_some_and(same) {
            self.decisions.push(look);
        }
        self.last = Some(look);
        self.saw_heap(look.heap_bytes);
    }

    pub(crate) fn ran(&mut self, run: GcRun) {
        self.run_ns.record(run.run_ns);
        self.freed_bytes =
            self.freed_bytes.saturating_add(run.heap_bytes_before.saturating_sub(run.heap_bytes_after));
        self.runs.push(run);
        self.heap_bytes_max = self.heap_bytes_max.max(run.heap_bytes_before);
        self.saw_heap(run.heap_bytes_after);
    }

    fn saw_heap(&mut self, bytes: u64) {
        if self.heap_bytes != Some(bytes) {
            self.heap_samples.push(bytes);
        }
        self.heap_bytes = Some(bytes);
        self.heap_bytes_max = self.heap_bytes_max.max(bytes);
    }
}
