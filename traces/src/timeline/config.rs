//! How much a timeline keeps: every limit of its memory in one place.

use loop_probes::metadata::{Metadata, STALL_LIMIT_NS_DEFAULT};

/// The setting that says that queue waits are known only of some tasks.
pub(crate) const QUEUE_WAITS: &str = "queue_waits";

/// The limits of a [`Timeline`](super::Timeline). Totals and histograms cover everything, whatever is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimelineConfig {
    /// A tick that is busy for longer is a stall, in nanoseconds.
    pub stall_limit_ns: u64,
    /// A timer that fires later than this counts as late, in nanoseconds.
    pub late_timer_ns: u64,
    /// A signal that is delivered later than this counts as late, in nanoseconds.
    pub late_signal_ns: u64,
    /// A task that was queued for longer counts as one that others made wait, in nanoseconds.
    pub late_task_ns: u64,
    /// A task that runs for longer is slow, in nanoseconds.
    pub slow_task_ns: u64,
    /// Worst late timers, late signals and slow tasks kept with their ledgers, of each.
    pub late_kept: usize,
    /// Stretches of the last ticks, per loop, of which is kept who waits for them; of a wait that began before,
    /// the rest is nobody's. 0: who delayed others is not asked for.
    pub stretches_kept: usize,
    /// Causes of lateness that are told apart; further ones are counted together.
    pub causes_max: usize,
    /// Last ticks kept as [`TickSummary`](super::TickSummary).
    pub ticks_kept: usize,
    /// Spans kept of the last ticks, all together: so many can be opened in full.
    pub spans_kept: usize,
    /// Spans kept of one tick; above, its shortest are left out.
    pub spans_per_tick: usize,
    /// Stalls kept; the worst of all is always among them.
    pub stalls_kept: usize,
    /// Lines of a stall's ledger; what is smaller becomes one line.
    pub ledger_lines: usize,
    /// Samples kept of each series (queue depths, microtasks, heap).
    pub samples_kept: usize,
    /// GC decisions, exceptions, violations, slow tasks, late timers kept, of each.
    pub entries_kept: usize,
    /// Tags with figures of their own; further ones are counted together.
    pub tags_max: usize,
    /// Span and mark labels with figures of their own; further ones are counted together.
    pub labels_max: usize,
    /// Emitters whose ticks are followed; those of further ones are not.
    pub sources_max: usize,
    /// Tasklets followed per priority while they wait for a worker of the agenda; further ones are only counted.
    pub tasklets_followed: usize,
    /// Immediates followed until they run; further ones are told from tasks by the next sample only.
    pub queued_followed: usize,
    /// Names of what keeps a loop alive, its armed timers and its sources, of each and per loop.
    pub names_kept: usize,
    /// Worst runs kept per tag.
    pub worst_runs_kept: usize,
    /// The sliding window of the rates, in tenths of a second.
    pub rate_window: usize,
    /// Where a task was queued at its very start, nobody knows when it was queued: an imported trace tells it
    /// of some tasks only. Its polls are the gaps between tasks, and nobody's who waits then.
    pub queue_waits_in_part: bool,
}

impl Default for TimelineConfig {
    fn default() -> Self {
        Self {
            stall_limit_ns: STALL_LIMIT_NS_DEFAULT,
            late_timer_ns: 1_000_000,
            late_signal_ns: 1_000_000,
            late_task_ns: 1_000_000,
            slow_task_ns: 10_000_000,
            late_kept: 100,
            stretches_kept: 1 << 14,
            causes_max: 1024,
            ticks_kept: 4096,
            spans_kept: 1 << 16,
            spans_per_tick: 4096,
            stalls_kept: 64,
            ledger_lines: 32,
            samples_kept: 512,
            entries_kept: 64,
            tags_max: 1024,
            labels_max: 1024,
            sources_max: 256,
            tasklets_followed: 1024,
            queued_followed: 1 << 16,
            names_kept: 1 << 14,
            worst_runs_kept: 5,
            rate_window: 100,
            queue_waits_in_part: false,
        }
    }
}

impl TimelineConfig {
    /// The default limits, with the stall limit that the recording was made with, and what its source can know.
    #[must_use]
    pub fn of(metadata: &Metadata) -> Self {
        Self {
            stall_limit_ns: metadata.stall_limit_ns,
            queue_waits_in_part: metadata.settings.contains_key(QUEUE_WAITS),
            ..Self::default()
        }
    }
}
