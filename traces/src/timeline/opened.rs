//! One opened tick: its spans in the order in which they began, each with its depth.

use super::Timeline;
use super::ticks::TickSummary;
use crate::attribution::{Breakdown, breakdown};
use crate::span::TickSpan;

/// One line of an opened tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenedSpan {
    /// What happened.
    pub span: TickSpan,
    /// How many other spans it lies in: 0 for phases.
    pub depth: usize,
}

/// A tick with everything that happened in it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OpenedTick {
    /// The tick.
    pub tick: TickSummary,
    /// Its spans in the order in which they began, outer ones before those within them.
    pub spans: Vec<OpenedSpan>,
}

impl OpenedTick {
    fn new(tick: TickSummary, mut spans: Vec<TickSpan>) -> Self {
        // Of two equal extents, the one recorded later is the outer one.
        spans.reverse();
        spans.sort_by(|a, b| a.start.cmp(&b.start).then(b.end.cmp(&a.end)));
        let mut within: Vec<TickSpan> = Vec::new();
        let spans = spans
            .into_iter()
            .map(|span| {
                while within.last().is_some_and(|outer| outer.end <= span.start) {
                    within.pop();
                }
                let depth = within.len();
                if span.start < span.end {
                    within.push(span);
                }
                OpenedSpan { span, depth }
            })
            .collect();
        Self { tick, spans }
    }

    /// The breakdown of the tick's busy time, in at most `lines` lines besides `unattributed`.
    #[must_use]
    pub fn blame(&self, lines: usize) -> Breakdown {
        let spans: Vec<TickSpan> = self.spans.iter().rev().map(|opened| opened.span).collect();
        breakdown(self.tick.start, self.tick.end, &spans, lines)
    }
}

impl Timeline {
    /// A kept tick in full: a recent one or a stall. `None` if its spans were evicted.
    #[must_use]
    pub fn opened(&self, tick: &TickSummary) -> Option<OpenedTick> {
        let stall = self.stalls.newest_first().find(|stall| {
            (stall.tick.source, stall.tick.tick, stall.tick.start) == (tick.source, tick.tick, tick.start)
        });
        let spans = match stall {
            Some(stall) => stall.spans.to_vec(),
            None => self.ticks.spans_of(tick)?,
        };
        Some(OpenedTick::new(*tick, spans))
    }
}
