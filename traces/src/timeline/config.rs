//! The limits of a timeline, which bound its memory.

use loop_probes::metadata::{Metadata, STALL_LIMIT_NS_DEFAULT};

use crate::import_summary::ImportSummary;

/// The setting that marks a recording in which queue waits are known for some tasks only.
pub(crate) const QUEUE_WAITS: &str = "queue_waits";

/// The limits of a [`Timeline`](super::Timeline). Totals and histograms cover everything, including what is evicted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimelineConfig {
    /// A tick that is busy for longer is a stall, in nanoseconds.
    pub stall_limit_ns: u64,
    /// A timer that fires later than this counts as late, in nanoseconds.
    pub late_timer_ns: u64,
    /// A signal that is delivered later than this counts as late, in nanoseconds.
    pub late_signal_ns: u64,
    /// A task that was queued for longer counts as delayed, in nanoseconds.
    pub late_task_ns: u64,
    /// A task that runs for longer is slow, in nanoseconds.
    pub slow_task_ns: u64,
    /// Worst late timers, late signals and slow tasks kept with their breakdowns, of each.
    pub late_kept: usize,
    /// Stretches of the last ticks kept per loop to attribute waits to; a wait that began earlier is attributed only in
    /// part. 0 turns attribution off.
    pub stretches_kept: usize,
    /// Distinct causes of delay; further ones are counted together.
    pub causes_max: usize,
    /// Last ticks kept as [`TickSummary`](super::TickSummary).
    pub ticks_kept: usize,
    /// Spans kept of the last ticks, all together: the ticks they cover can be opened in full.
    pub spans_kept: usize,
    /// Spans kept of one tick; beyond that its shortest are left out.
    pub spans_per_tick: usize,
    /// Stalls kept; the worst of all is always among them.
    pub stalls_kept: usize,
    /// Lines of a stall's breakdown; smaller parts are merged into one line.
    pub breakdown_lines: usize,
    /// Samples kept of each series (queue depths, microtasks, heap).
    pub samples_kept: usize,
    /// GC decisions, exceptions, violations, slow tasks, late timers kept, of each.
    pub entries_kept: usize,
    /// Tags with figures of their own; further ones are counted together.
    pub tags_max: usize,
    /// Span and mark labels with figures of their own; further ones are counted together.
    pub labels_max: usize,
    /// Emitters whose ticks are tracked.
    pub sources_max: usize,
    /// Tasklets tracked per priority while they wait for a worker of the agenda; further ones are only counted.
    pub tasklets_followed: usize,
    /// Queued tasks tracked for each loop, and immediates and after-loop callbacks of all loops together. Beyond that, only
    /// the next sample tells these from tasks.
    pub queued_followed: usize,
    /// Maximum number, per loop, of names of active handles, and the same of armed timers and of sources tracked.
    pub names_kept: usize,
    /// Worst runs kept per tag.
    pub worst_runs_kept: usize,
    /// The sliding window of the rates, in tenths of a second.
    pub rate_window: usize,
    /// Whether the [history](super::History) is kept.
    pub history: bool,
    /// Whether a task with equal queued and start times has an unknown queue wait: an imported trace gives it for some
    /// tasks only. The polls of such a trace are merely the gaps between tasks, and waits are not attributed to them.
    /// The greatest depth of a queue is a lower bound.
    pub queue_waits_in_part: bool,
    /// Whether the source left out loops: their ticks are not counted.
    pub loops_left_out: bool,
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
            breakdown_lines: 32,
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
            history: false,
            queue_waits_in_part: false,
            loops_left_out: false,
        }
    }
}

impl TimelineConfig {
    /// The default limits, with the recording's own stall limit, and adapted to what its source can know.
    #[must_use]
    pub fn of(metadata: &Metadata) -> Self {
        Self {
            stall_limit_ns: metadata.stall_limit_ns,
            queue_waits_in_part: metadata.settings.contains_key(QUEUE_WAITS),
            loops_left_out: ImportSummary::of(metadata).is_some_and(|import| import.left_out_loops()),
            ..Self::default()
        }
    }

    /// Like [`of`](Self::of), for a stream that is only [followed](super::Timeline::follow): without lists of the worst
    /// cases and without the delay caused.
    pub(crate) fn followed(metadata: &Metadata) -> Self {
        let never = u64::MAX;
        let (late_timer_ns, late_signal_ns, late_task_ns) = (never, never, never);
        Self { late_timer_ns, late_signal_ns, late_task_ns, late_kept: 0, ..Self::of(metadata) }
    }
}
