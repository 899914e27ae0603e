//! `Timeline`: folds a stream of events into everything that is shown of it.
//!
//! The dashboard, the report and comparisons read only this, so they cannot disagree. Its memory is bounded for runs of
//! any length ([`TimelineConfig`] has every limit). It is a pure function of the events: batches, and whether events
//! come live or from a file, make no difference.
//!
//! ```text
//! Stamped ──> fold ──┬─> open tick of its emitter ──(TickEnd)──> ticks ──> stalls
//!                    ├─> tags · timers · queues · microtasks · gc · signals · pool · agenda · keep-alive · …
//!                    └─> labels
//! ```
//!
//! [`Timeline::baseline`] marks a moment, and [`Timeline::since`] gives the figures of the time since then.

mod agenda;
mod baseline;
mod blame;
mod commands;
pub(crate) mod config;
mod delay_caused;
mod depth_slots;
mod depths;
mod families;
mod fold;
mod futures;
mod gaps;
mod gc;
mod history;
mod impacts;
mod in_progress;
mod keep_alive;
mod last_activity;
mod loops;
mod loss_bounds;
mod microtasks;
mod missing;
mod open_tick;
mod opened;
mod poll_wait;
mod pool;
mod pressure;
mod program;
mod queues;
mod rates;
mod shutdown;
mod signals;
mod slots;
mod stalls;
mod state;
mod suspensions;
mod tags;
mod tick_numbers;
mod ticks;
mod timers;
mod unfinished;
mod window;
mod worst;
mod worst_runs;

pub use crate::attribution::Waiter;
pub use crate::span::{SpanKind, TickSpan};
pub use agenda::{Agenda, AgendaWorker, OldestWaiting, PriorityStats, Rendezvous, RendezvousStats};
pub use commands::{CommandStats, Commands, Pumps, Wakes, command_name};
pub use config::TimelineConfig;
pub use depth_slots::DepthSlots;
pub use families::Families;
pub use futures::Futures;
pub use gc::{Gc, GcCheck, GcRun};
pub use history::{History, HistorySlot, LAG_EDGES_NS};
pub use impacts::{Cause, Impact, WorstImpact};
pub use in_progress::{OverdueTimer, RunningTask, Unfinished, UnfinishedTick};
pub use keep_alive::{Held, KeepAlive, RefName};
pub use last_activity::StreamEnd;
#[cfg(test)]
pub(crate) use loops::tests::two as two_loops;
pub use loops::{LOOPS_MAX, is_of_a_loop};
pub use loss_bounds::MissingSamples;
pub use microtasks::{Batches, Microtasks};
pub use opened::{OpenedSpan, OpenedTick};
pub use pool::{WorkerStats, Workers};
pub use pressure::Pressure;
pub use program::{LabelStats, Spans, Trouble, TroubleKind, Troubles};
pub use queues::{QueueStats, Queues};
pub use rates::{PerSecond, Rates, SLOT_NS, Slot};
pub use shutdown::{Shutdown, ShutdownEnd, Stopped};
pub use signals::{LateSignal, SignalStats, Signals, signal_name};
pub use stalls::{Stall, StallFigures, Stalls};
pub use state::Timeline;
pub use suspensions::{Suspension, Suspensions};
pub use tags::{BeyondLimit, RunStats, SlowTask, TagStats, Tags};
pub use tick_numbers::TickNumbers;
pub use ticks::{LongestRun, PhaseTimes, TickSummary, Ticks, utilization};
pub use timers::{LateTimer, Timers};
pub use window::Baseline;
pub(crate) use worst::Allowance;
pub use worst::Blamed;
pub use worst_runs::WorstRun;

#[cfg(test)]
mod tests;
