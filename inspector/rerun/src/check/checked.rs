//! What a check found: how much it compared, and where the loop diverged.

use loop_probes::event::Event;
use loop_probes::stamped::Stamped;
use loop_traces::labels::Labels;

use crate::ChosenLoop;

/// How much was compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Coverage {
    /// Number of the first tick compared; `None` if no tick was.
    pub first_tick: Option<u64>,
    /// The last whole tick.
    pub last_tick: u64,
    /// Number of whole ticks compared.
    pub ticks: u64,
    /// Tasks that ran.
    pub tasks: u64,
    /// Callbacks of sources that ran.
    pub ready: u64,
    /// Timers that fired.
    pub timers: u64,
    /// Number of polls.
    pub polls: u64,
    /// Decisions of the GC controller.
    pub gc: u64,
    /// Snapshots that were compared part by part.
    pub snapshots: u64,
    /// Events that were compared.
    pub decisions: u64,
    /// Recorded time from the first to the last tick, in nanoseconds.
    pub span_ns: u64,
}

/// Where the loop decided differently than recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Divergence {
    /// Number of the tick in which the loop decided differently.
    pub tick: u64,
    /// The number of the loop among those that used the ring in sequence, from 1.
    pub loop_number: u64,
    /// Recorded time since the start of that loop's check, in nanoseconds.
    pub at_ns: u64,
    /// What was recorded.
    pub recorded: Stamped,
    /// What happened instead.
    pub happened: Happened,
    /// The events before the divergence, common to both, oldest first.
    pub before: Vec<Stamped>,
    /// The recorded events after the divergence.
    pub after: Vec<Stamped>,
    /// The names of tags and sources in these events.
    pub labels: Labels,
}

/// What a loop did that its recording does not have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Happened {
    /// The loop reported another event.
    Event {
        /// The event, at the time of the recorded one.
        event: Event,
        /// The fields in which the two differ, with exact numbers, if they are of one kind.
        differences: Option<String>,
    },
    /// The loop did something else, or nothing more.
    Other(String),
}

/// What a check found.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Checked {
    /// The name of the trace.
    pub name: String,
    /// The name of the policy that was executed.
    pub policy: String,
    /// How much was compared.
    pub seen: Coverage,
    /// Which loop of the trace was checked.
    pub chosen: ChosenLoop,
    /// How many loops of that name were checked: those that a program builds and closes one after the other share a ring.
    pub in_sequence: u64,
    /// Further loops of that name: without a complete snapshot, without a whole tick after it, or beyond the limit.
    pub unchecked: u64,
    /// Lost records: the check began after the last loss.
    pub lost_records: u64,
    /// The tick in which the recording is cut off, if it is: the check ends with the tick before.
    pub cut_in: Option<u64>,
    /// Whether a loop went on after the end of its shutdown, where its check ends.
    pub goes_on: bool,
    /// Where the loop diverged from the recording; `None` if it did not.
    pub divergence: Option<Divergence>,
    /// How long the check took, in nanoseconds.
    pub elapsed_ns: u64,
}

impl Checked {
    /// Whether every decision was made again.
    #[must_use]
    pub const fn agrees(&self) -> bool {
        self.divergence.is_none()
    }

    /// Recorded time divided by the time that the check took.
    #[must_use]
    pub fn speed(&self) -> f64 {
        self.seen.span_ns as f64 / self.elapsed_ns.max(1) as f64
    }
}

impl Coverage {
    /// Adds the coverage of the next loop in sequence.
    pub(super) fn add(&mut self, next: Self) {
        self.first_tick = self.first_tick.or(next.first_tick);
        self.last_tick = next.last_tick;
        for (sum, count) in [
            (&mut self.ticks, next.ticks),
            (&mut self.tasks, next.tasks),
            (&mut self.ready, next.ready),
            (&mut self.timers, next.timers),
            (&mut self.polls, next.polls),
            (&mut self.gc, next.gc),
            (&mut self.snapshots, next.snapshots),
            (&mut self.decisions, next.decisions),
            (&mut self.span_ns, next.span_ns),
        ] {
            *sum = sum.saturating_add(count);
        }
    }
}
