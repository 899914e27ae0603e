//! What-if: re-executes the same arrivals and the same work under another rule.
//!
//! ```text
//!  recording ──read──▶ Script: what arrived when, what each callback did and cost
//!                         │  changes: policy, scale, drop, budget, gc, workers, filter
//!                         ▼
//!  World: clock, poller, signals, pool, heap ◀──▶ the real loop-core ──▶ its own recording ──▶ after
//! ```
//!
//! The loop makes every decision: what runs when, how long each poll waits, which timer fires, when to collect. The
//! world only supplies the arrival times and the durations of callbacks, both from the recording.

mod answer;
mod changes;
mod compare;
mod cost;
mod explain;
mod measure;
mod plan;
mod play;
mod run;
mod script;
mod side;
mod sink;
mod tags;
#[cfg(test)]
pub(super) mod tests;
mod world;

use std::path::Path;
use std::sync::Arc;

use loop_probes::ids::Timestamp;
use loop_traces::source::EventSource;
use loop_traces::summary::OpenTickSummary;

pub use answer::Answer;
pub(super) use answer::open_tick;
pub use changes::{Changes, Filter};
pub use compare::{Changed, Figure, Headline, Row, Unit, Verdict, is_change};

pub use plan::Stop;
pub use side::{Kind, Side};

use super::loops::Wanted;
use super::{ChosenLoop, RerunError, Scratch};
use measure::Detail;
use script::{ArrivalKind, Script};
use sink::Output;

/// A recording, read once, that can be re-executed any number of times.
#[derive(Clone, Debug)]
pub struct Recorded {
    script: Arc<Script>,
    /// The recorded side, folded once for all re-executions.
    before: Arc<Side>,
}

impl Recorded {
    /// Reads `source` to its end, and keeps the loop with the most ticks.
    ///
    /// # Errors
    ///
    /// [`RerunError`] if it cannot be read, or has no snapshot to start from.
    pub fn read(source: &mut (dyn EventSource + Send)) -> Result<Self, RerunError> {
        Self::read_loop(source, None)
    }

    /// Like [`read`](Self::read), but keeps the loop named `wanted` if that is given.
    ///
    /// # Errors
    ///
    /// Same as for [`read`](Self::read), or `UnknownLoop` if there is no such loop.
    pub fn read_loop(
        source: &mut (dyn EventSource + Send),
        wanted: Option<&str>,
    ) -> Result<Self, RerunError> {
        Self::read_wanted(source, wanted.into(), Detail::Report)
    }

    /// Like [`read_loop`](Self::read_loop), but leaves out what no comparison shows: the [sides](Side) of its answers
    /// have neither breakdowns of the worst waits nor the delay caused. Reading and re-executing take three quarters of
    /// the time.
    ///
    /// # Errors
    ///
    /// Same as for [`read_loop`](Self::read_loop).
    pub fn read_figures(
        source: &mut (dyn EventSource + Send),
        wanted: Option<&str>,
    ) -> Result<Self, RerunError> {
        Self::read_wanted(source, wanted.into(), Detail::Figures)
    }

    /// Like [`read`](Self::read), for another part of a recording: keeps the loop that was chosen before.
    pub(super) fn read_same(
        source: &mut (dyn EventSource + Send),
        chosen: Option<&ChosenLoop>,
    ) -> Result<Self, RerunError> {
        Self::read_wanted(source, chosen.map_or(Wanted::Longest, Wanted::Same), Detail::Report)
    }

    fn read_wanted(
        source: &mut (dyn EventSource + Send),
        wanted: Wanted<'_>,
        detail: Detail,
    ) -> Result<Self, RerunError> {
        let (script, before) = script::read(source, wanted, detail)?;
        let before = Side::of(&script.name, script.kind, &script.metadata, before);
        Ok(Self { script: Arc::new(script), before: Arc::new(before) })
    }

    /// The loop that is re-executed.
    #[must_use]
    pub fn chosen(&self) -> Option<&ChosenLoop> {
        self.script.chosen.as_ref()
    }

    /// The unfinished tick at the end of the recording, if there is one: it is not re-executed. Its times count from the
    /// beginning.
    #[must_use]
    pub fn open_tick(&self) -> Option<&OpenTickSummary> {
        self.script.open_tick.as_ref()
    }

    /// The end of the recorded stretch.
    pub(super) fn end(&self) -> Timestamp {
        Timestamp(self.script.end_ns)
    }

    /// The number of arrivals from outside: posts of other threads, signals, readiness, tasklets not added by a
    /// callback. [`Filter::arrivals`] counts them from 0.
    #[must_use]
    pub fn arrivals(&self) -> usize {
        self.script.arrivals.len()
    }

    /// The times of the arrivals, in order, in nanoseconds after the beginning.
    pub fn arrival_times_ns(&self) -> impl Iterator<Item = u64> + '_ {
        self.script.arrivals.iter().map(|arrival| arrival.at_ns.saturating_sub(self.script.begin_ns))
    }

    /// Describes an arrival, given its number: `post Metric`, `signal 10 Signal`, `ready Echo`, `wake`.
    #[must_use]
    pub fn arrival(&self, number: usize) -> Option<String> {
        let arrival = self.script.arrivals.get(number)?;
        let tag = self.script.labels.tag(self.script.tag_of(arrival));
        Some(match arrival.what {
            ArrivalKind::Post(_) => format!("post {tag}"),
            ArrivalKind::Signal { signo, .. } => format!("signal {signo} {tag}"),
            ArrivalKind::Ready { .. } => format!("ready {tag}"),
            ArrivalKind::Tasklet(_) => format!("tasklet {tag}"),
            ArrivalKind::Wake => "wake".to_owned(),
        })
    }

    /// The names of all tags that ran.
    #[must_use]
    pub fn tags(&self) -> Vec<String> {
        self.script.tag_names()
    }

    /// Length of the recorded stretch, in nanoseconds.
    #[must_use]
    pub fn span_ns(&self) -> u64 {
        self.script.end_ns.saturating_sub(self.script.begin_ns)
    }

    /// Re-executes the recording with `changes`, and saves what the loop recorded in `output`, if given.
    ///
    /// # Errors
    ///
    /// [`RerunError`] if `changes` name something that the recording does not have, or `output` cannot be written.
    pub fn what_if(&self, changes: &Changes, output: Option<&Path>) -> Result<Answer, RerunError> {
        run::run(&self.script, &self.before, changes, output.map(Output::Path), None)
    }

    /// Like [`what_if`](Self::what_if), but returns `None` if `stop` ended it; `output` is then incomplete.
    ///
    /// # Errors
    ///
    /// Same as for [`what_if`](Self::what_if).
    pub fn what_if_until(
        &self,
        changes: &Changes,
        output: Option<&Scratch>,
        stop: &Stop,
    ) -> Result<Option<Answer>, RerunError> {
        let answer = run::run(&self.script, &self.before, changes, output.map(Output::Scratch), Some(stop))?;
        Ok((answer.cut_short != Some(world::STOPPED)).then_some(answer))
    }
}
