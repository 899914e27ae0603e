//! The answer of a what-if: before, after, the largest changes, and the assumptions made.

use std::sync::Arc;

use loop_traces::summary::OpenTickSummary;
use loop_traces::units::{count, duration};

use super::compare::{self, Changed, Comparison, Headline, Row, Verdict};
use super::side::Side;

/// The answer of a re-execution.
#[derive(Debug)]
#[non_exhaustive]
pub struct Answer {
    /// The stretch as it was recorded.
    pub before: Arc<Side>,
    /// The same stretch, re-executed with the changes.
    pub after: Side,
    /// The same stretch, re-executed without changes, if requested: its difference from `before` is the error of the
    /// model.
    pub model: Option<Side>,
    /// The figures of the loop, on all sides. Without a model, no verdict says better or worse.
    pub rows: Vec<Row>,
    /// The timers and tags that changed most, the largest change first.
    pub changed: Vec<Changed>,
    /// Dropped tags, and tags that vanish with them: the waits of the others are compared without these, also in
    /// `before`.
    pub left_out: Vec<String>,
    /// The unfinished tick at the end of the recording, if there is one: it is on no side. Its times count from the
    /// beginning of the stretch.
    pub open_tick: Option<OpenTickSummary>,
    /// Why the re-execution ended early, if it did. The answer then covers only part of the stretch.
    pub cut_short: Option<&'static str>,
    /// Assumptions and invented events, in words.
    pub assumptions: Vec<String>,
    /// The median of the recorded late wakeups, in nanoseconds: a changed loop sleeps at other times, so each of its
    /// waits is uncertain by this much.
    pub wake_ns: u64,
}

impl Answer {
    pub(super) fn new(
        before: Arc<Side>,
        after: Side,
        left_out: Vec<String>,
        cut_short: Option<&'static str>,
        wake_ns: u64,
    ) -> Self {
        let (model, judges) = (None, false);
        let comparison =
            Comparison { before: &before, model, after: &after, left_out: &left_out, judges, wake_ns };
        let (rows, changed) = (comparison.rows(), comparison.changed());
        Self {
            before,
            after,
            model: None,
            rows,
            changed,
            left_out,
            open_tick: None,
            cut_short,
            assumptions: Vec::new(),
            wake_ns,
        }
    }

    /// Compares this answer with `own`, the one without changes: this is what makes verdicts of better or worse
    /// possible.
    #[must_use]
    pub fn against(mut self, own: Self) -> Self {
        let comparison = Comparison {
            before: &self.before,
            model: Some(&own.after),
            after: &self.after,
            left_out: &self.left_out,
            judges: self.cut_short.is_none() && own.cut_short.is_none(),
            wake_ns: self.wake_ns,
        };
        (self.rows, self.changed) = (comparison.rows(), comparison.changed());
        self.model = Some(own.after);
        self
    }

    /// One line that names the tick in which the recording ends, which is left out on all sides.
    #[must_use]
    pub fn open_tick_line(&self) -> Option<String> {
        self.open_tick.as_ref().map(|open| format!("not included: {}", open_tick(open)))
    }

    /// What got better, or worse, of all figures and tags, largest change first.
    #[must_use]
    pub fn news(&self, verdict: Verdict) -> Vec<Headline> {
        compare::news(&self.rows, &self.changed, verdict)
    }
}

/// Describes the tick in which a recording ends: `tick 1,240, in which the recording ends after at least 2.9s of it, in
/// task Report #12`.
pub(crate) fn open_tick(open: &OpenTickSummary) -> String {
    let name = open.tick.map_or_else(|| "the tick".to_owned(), |tick| format!("tick {}", count(tick)));
    let lasted_ns = u64::try_from(open.as_of_ns.saturating_sub(open.at_ns)).unwrap_or(0);
    // Of a tick that had just begun, nothing is known.
    let lasted = match lasted_ns {
        0 => String::new(),
        lasted_ns => format!(" after at least {} of it", duration(lasted_ns)),
    };
    let within = open.running.as_ref().map_or_else(String::new, |running| format!(", in {running}"));
    format!("{name}, in which the recording ends{lasted}{within}")
}
