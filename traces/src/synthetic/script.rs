//! The behaviour of a synthetic loop, its random numbers, and the figures that a fold of its stream must give.

use loop_probes::ids::SourceId;
use loop_probes::metadata::Metadata;

pub(super) const START_NS: u64 = 86_400_000_000_000;
pub(super) const STALL_LIMIT_NS: u64 = 10_000_000;

/// The emitter of the loop.
pub(super) const LOOP: SourceId = SourceId(1);

/// Names of the tags that a [`Script`] uses, by tag number.
pub const TAGS: [&str; 9] = [
    "untagged",
    "Echo",
    "HttpRequest",
    "ReadFile",
    "SignalTask",
    "Heartbeat",
    "CacheFill",
    "Posted",
    "GcTimer",
];

/// The behaviour of the synthetic loop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    /// The seed for everything random.
    pub seed: u64,
    /// Number of ticks.
    pub ticks: u32,
    /// Maximum number of tasks that a readiness callback queues.
    pub tasks_max: u32,
    /// Worker threads of the pool.
    pub workers: u16,
    /// A task blocks for tens of milliseconds every this many ticks; 0 for never.
    pub stall_every: u32,
    /// Records are lost every this many ticks; 0 for never.
    pub lost_every: u32,
    /// Whether the program has `tracing` spans.
    pub spans: bool,
    /// Worker threads of the agenda; 0 for no agenda.
    pub agenda_workers: u16,
    /// Whether there are snapshots with names, commands, pumps, futures and a shutdown.
    pub loop_kinds: bool,
    /// Whether all durations are zero, as under a virtual clock that does not advance within a tick.
    pub frozen: bool,
}

impl Default for Script {
    fn default() -> Self {
        Self {
            seed: 7,
            ticks: 1_000,
            tasks_max: 6,
            workers: 2,
            stall_every: 300,
            lost_every: 0,
            spans: true,
            agenda_workers: 0,
            loop_kinds: false,
            frozen: false,
        }
    }
}

/// The figures of a stream, counted as it was generated. Each fold of it must give the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Expected {
    /// Whole ticks.
    pub ticks: u64,
    /// Ticks in which records are lost.
    pub incomplete_ticks: u64,
    /// Tasks that ran.
    pub tasks_run: u64,
    /// Busy time of whole ticks, in nanoseconds.
    pub busy_ns: u64,
    /// Poll wait of whole ticks, in nanoseconds.
    pub poll_wait_ns: u64,
    /// Whole ticks busier than the stall limit.
    pub stalls: u64,
    /// Timers fired.
    pub timers_fired: u64,
    /// Microtasks run.
    pub microtasks_run: u64,
    /// Signals delivered.
    pub signals_delivered: u64,
    /// Decisions of the GC controller.
    pub gc_decisions: u64,
    /// Tasklets added to the agenda.
    pub tasklets_added: u64,
    /// Tasklets that ran, including failed ones.
    pub tasklets_run: u64,
    /// Tasklets that failed.
    pub tasklets_failed: u64,
    /// Tasklets waiting after the additions of the last tick.
    pub tasklets_waiting: u64,
    /// Collections for which all workers of the agenda had to stop.
    pub rendezvous: u64,
    /// Command bytes.
    pub commands: u64,
    /// Pumps of a foreign loop.
    pub pumps: u64,
    /// Futures woken.
    pub futures_woken: u64,
    /// Records lost.
    pub lost_records: u64,
}

impl Script {
    /// The recording's metadata.
    #[must_use]
    pub fn metadata(&self) -> Metadata {
        let json = serde_json::json!({
            "program": "synthetic", "pid": 4121, "host": "nowhere", "command": ["synthetic", self.seed.to_string()],
            "build": "0", "policy": if self.agenda_workers > 0 { "agenda" } else { "bun" }, "machine": "imagined", "tick_unit": "monotonic",
            "started": {"ticks": START_NS, "monotonic": START_NS, "wall_ns": 1_700_000_000_000_000_000u64},
            "stall_limit_ns": STALL_LIMIT_NS, "settings": {"seed": self.seed.to_string()},
        });
        serde_json::from_value(json).expect("these are the fields of the metadata")
    }
}

/// SplitMix64: the same seed gives the same script.
#[derive(Clone, Copy, Debug)]
pub(super) struct Random(u64);

impl Random {
    pub(super) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Uniform below `limit`.
    pub(super) fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ mixed >> 31) % limit.max(1)
    }
}
