//! The scenarios: each reproduces one regression that an event loop can have.

mod ends;
mod heap;
mod outside;
mod queues;
mod stage;
mod timers;

pub(crate) use stage::Recording;
use stage::Stage;

/// A program to record.
pub(crate) struct Scenario {
    /// The name of its trace.
    pub(crate) name: &'static str,
    act: fn() -> Stage,
}

impl Scenario {
    /// Runs it.
    pub(crate) fn record(&self) -> Recording {
        (self.act)().into_recording(self.name)
    }
}

/// All scenarios.
pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario { name: "zero-delay-chain", act: timers::zero_delay_chain },
    Scenario { name: "interval-drift", act: timers::interval_drift },
    Scenario { name: "periodic-blocker", act: timers::periodic_blocker },
    Scenario { name: "unreferenced-timers", act: timers::unreferenced_timers },
    Scenario { name: "timers-of-one-pass", act: timers::timers_of_one_pass },
    Scenario { name: "quickjs-one-timer-a-turn", act: timers::quickjs_one_timer_a_turn },
    Scenario { name: "microtask-flood", act: queues::microtask_flood },
    Scenario { name: "slow-behind-fast", act: queues::slow_behind_fast },
    Scenario { name: "self-posting", act: queues::self_posting },
    Scenario { name: "growing-queue", act: queues::growing_queue },
    Scenario { name: "immediates-in-immediates", act: queues::immediates_in_immediates },
    Scenario { name: "deferred-flush", act: queues::deferred_flush },
    Scenario { name: "concurrent-burst", act: outside::concurrent_burst },
    Scenario { name: "signal-storm", act: outside::signal_storm },
    Scenario { name: "source-removes-itself", act: outside::source_removes_itself },
    Scenario { name: "busy-pool", act: outside::busy_pool },
    Scenario { name: "gc-thrash", act: heap::gc_thrash },
    Scenario { name: "shutdown-pending", act: ends::shutdown_pending },
    Scenario { name: "futures", act: ends::futures },
];
