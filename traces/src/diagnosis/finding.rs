//! What a rule found: the sentence, its parts, and what ranks it among the others.

use loop_probes::ids::{SourceId, Timestamp};
use serde::{Deserialize, Serialize};

use crate::timeline::Cause;

/// The rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Rule {
    /// A tick has not ended and is already a stall.
    Hang,
    /// One cause blocks the loop at regular intervals.
    PeriodicBlocker,
    /// One cause blocks the loop again and again.
    Blocker,
    /// One stall.
    OneOffStall,
    /// The process was suspended.
    Suspended,
    /// The program's threads were runnable and had no processor.
    BusyMachine,
    /// The system returned from polls too late.
    LateWakeups,
    /// The loop asked to sleep although something was due.
    Overslept,
    /// Many short runs kept timers, signals or tasks waiting.
    TimerStarvation,
    /// Collections take much of the time.
    GcThrash,
    /// Microtasks take much of the time.
    MicrotaskFlood,
    /// Signals were dropped, or arrive faster than they are delivered.
    SignalStorm,
    /// Jobs wait for a worker most of the time.
    PoolSaturated,
    /// Tasklets wait for long for a worker of the agenda.
    AgendaSaturated,
    /// A queue keeps growing.
    QueueGrowth,
    /// The loop is busy nearly all of the time.
    LoopSaturated,
    /// Nothing is wrong in what was seen, and what was not seen could have been anything.
    Undecided,
    /// Nothing is wrong, and the loop has next to nothing to do.
    Idle,
    /// Nothing is wrong.
    Healthy,
}

impl Rule {
    /// Whether it says that something is wrong.
    #[must_use]
    pub const fn is_fault(self) -> bool {
        !matches!(self, Self::Undecided | Self::Idle | Self::Healthy)
    }
}

/// Where to look next: the part of the report, and of the dashboard, with the details.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum LookAt {
    /// The tick in progress.
    OpenTick,
    /// The stalls.
    Stalls,
    /// The delay caused, by cause.
    DelayCaused,
    /// The late timers.
    LateTimers,
    /// The collections.
    Gc,
    /// The microtasks.
    Microtasks,
    /// The signals.
    Signals,
    /// The jobs of the pool.
    Jobs,
    /// The agenda.
    Agenda,
    /// The queues.
    Queues,
    /// The contention for processors.
    Pressure,
    /// The figures by tag.
    Tags,
}

impl LookAt {
    /// The name on screen and in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::OpenTick => "open tick",
            Self::Stalls => "stalls",
            Self::DelayCaused => "delay caused",
            Self::LateTimers => "late timers",
            Self::Gc => "gc",
            Self::Microtasks => "microtasks",
            Self::Signals => "signals",
            Self::Jobs => "jobs",
            Self::Agenda => "agenda",
            Self::Queues => "queues",
            Self::Pressure => "pressure",
            Self::Tags => "tags",
        }
    }
}

/// What a rule found.
#[derive(Clone, Debug)]
pub(super) struct Finding {
    pub(super) rule: Rule,
    pub(super) text: String,
    /// The time that it cost others, which ranks it.
    pub(super) cost_ns: u64,
    /// The cause whose delays the sentence ends with.
    pub(super) cause: Option<Cause>,
    pub(super) who: Option<String>,
    pub(super) of_loop: Option<SourceId>,
    pub(super) count: Option<u64>,
    pub(super) run_ns: Option<u64>,
    pub(super) period_ns: Option<u64>,
    pub(super) since: Option<Timestamp>,
    pub(super) delay_caused_ns: Option<u64>,
    pub(super) delayed: Option<u64>,
    pub(super) look_at: Option<LookAt>,
}

impl Finding {
    pub(super) const fn new(rule: Rule, text: String, cost_ns: u64, look_at: Option<LookAt>) -> Self {
        Self {
            rule,
            text,
            cost_ns,
            cause: None,
            who: None,
            of_loop: None,
            count: None,
            run_ns: None,
            period_ns: None,
            since: None,
            delay_caused_ns: None,
            delayed: None,
            look_at,
        }
    }
}
