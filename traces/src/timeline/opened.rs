//! One opened tick: its spans in the order of their beginnings, each with its depth.

use loop_probes::ids::Timestamp;

use super::Timeline;
use super::ticks::TickSummary;
use crate::nesting::{Nesting, Slice, by_begin};
use crate::span::TickSpan;

/// One line of an opened tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenedSpan {
    /// What happened.
    pub span: TickSpan,
    /// The number of spans around it: 0 for phases.
    pub depth: usize,
}

/// A tick with everything that happened in it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OpenedTick {
    /// The figures of the tick.
    pub tick: TickSummary,
    /// The spans of the tick in order of start, outer before inner.
    pub spans: Vec<OpenedSpan>,
}

impl Slice for TickSpan {
    type Time = Timestamp;

    fn extent(&self) -> (Timestamp, Option<Timestamp>) {
        (self.start, Some(self.end))
    }
}

impl Timeline {
    /// A kept tick in full: a recent one or a stall. `None` if its spans were evicted.
    #[must_use]
    pub fn opened(&self, tick: &TickSummary) -> Option<OpenedTick> {
        let recorded = self.spans_of(tick)?;
        let mut nesting = Nesting::default();
        let spans = by_begin(&recorded).into_iter().map(|place| {
            let span = recorded[place];
            nesting.close_all(span.start);
            let depth = nesting.open().len();
            if span.start < span.end {
                nesting.begin(span);
            }
            OpenedSpan { span, depth }
        });
        Some(OpenedTick { tick: *tick, spans: spans.collect() })
    }

    /// The spans of a kept tick in the order of their ends; `None` if they were evicted.
    pub(super) fn spans_of(&self, tick: &TickSummary) -> Option<Vec<TickSpan>> {
        let stall = self.stalls.newest_first().find(|stall| {
            (stall.tick.source, stall.tick.tick, stall.tick.start) == (tick.source, tick.tick, tick.start)
        });
        match stall.filter(|stall| !stall.spans.is_empty()) {
            Some(stall) => Some(stall.spans.to_vec()),
            None => self.ticks.spans_of(tick),
        }
    }
}
