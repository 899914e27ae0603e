//! The sweep: cuts a stretch of time into pieces and says of each who had it.
//!
//! Of all that covers a nanosecond, what began last has it; of those that began together the one that ended
//! first; of equal extents the one that came first in the stream, because a parent is told after its children.
//! Polls stand above all that ran (while it polls, a thread runs nothing), what is not known above everything.

use loop_probes::event::PollReason;
use loop_probes::ids::{Tag, TaskId, Timestamp};

use super::{What, order};
use crate::timeline::{SpanKind, TickSpan};

/// What stands above what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layer {
    Ran,
    Polled,
    Missing,
}

const LAYERS: usize = 3;

/// One extent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Node {
    pub(crate) start: Timestamp,
    pub(crate) end: Timestamp,
    pub(crate) what: What,
    pub(crate) layer: Layer,
}

impl Node {
    /// A stretch of which something is missing.
    pub(crate) const fn missing(start: Timestamp, end: Timestamp, what: What) -> Self {
        Self { start, end, what, layer: Layer::Missing }
    }
}

/// One piece of a stretch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) start: Timestamp,
    pub(crate) end: Timestamp,
    pub(crate) what: What,
}

/// How labelled spans count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spans {
    /// A span within a task is the task's: the task is what the reader looks for.
    AreTheTasks,
    /// They are what is asked for.
    AreParts,
}

/// Makes nodes of the spans of one emitter, in the order of the stream.
#[derive(Debug, Default)]
pub(crate) struct Nodes {
    pub(crate) list: Vec<Node>,
    last_run: Option<(TaskId, Tag)>,
}

impl Nodes {
    /// Adds the spans of a tick. `thinned`: its shortest ones are not among them.
    pub(crate) fn add<'a>(&mut self, spans: impl IntoIterator<Item = &'a TickSpan>, thinned: bool) {
        for span in spans {
            if let Some((what, layer)) = self.what(&span.what, thinned)
                && span.start < span.end
            {
                self.list.push(Node { start: span.start, end: span.end, what, layer });
            }
        }
    }

    fn what(&mut self, kind: &SpanKind, thinned: bool) -> Option<(What, Layer)> {
        let what = match *kind {
            SpanKind::Task { task, tag, .. } => {
                self.last_run = Some((task, tag));
                What::Task { task, tag }
            }
            SpanKind::Io { source, tag, task, .. } => {
                self.last_run = Some((task, tag));
                What::Io { source, tag, task }
            }
            SpanKind::Microtasks { trigger, .. } => {
                What::Microtasks { after: self.last_run.filter(|(task, _)| trigger == Some(*task)) }
            }
            SpanKind::Deferred { .. } => What::Deferred,
            SpanKind::Immediates { .. } => What::Immediates,
            SpanKind::Gc { .. } => What::Gc,
            SpanKind::Span { label } => What::Span { label },
            SpanKind::Phase(phase) if thinned => What::ShortRuns(phase),
            SpanKind::Phase(phase) => What::Phase(phase),
            // A look that was not to wait cannot be late.
            SpanKind::Poll { reason: PollReason::NonBlock, .. }
            | SpanKind::Poll { timeout_ns: Some(0), .. } => {
                return Some((What::Poll, Layer::Polled));
            }
            SpanKind::Poll { .. } => return Some((What::PollLate, Layer::Polled)),
            SpanKind::Pump { .. }
            | SpanKind::Timer { .. }
            | SpanKind::Signal { .. }
            | SpanKind::GcDecision { .. }
            | SpanKind::Mark { .. } => return None,
        };
        Some((what, Layer::Ran))
    }

    /// Gives the pieces from `start` to `end`, in order and without holes; time that nothing covers is
    /// [`What::Unattributed`].
    pub(crate) fn pieces(
        mut self,
        start: Timestamp,
        end: Timestamp,
        labels: Spans,
        mut give: impl FnMut(Piece),
    ) {
        // What ended before `start` may still be what a labelled span is part of.
        self.list.retain(|node| node.start < end);
        order::sort(&mut self.list);
        let mut open: [Vec<(Timestamp, What)>; LAYERS] = Default::default();
        let mut now = start;
        for node in &self.list {
            now = advance(&mut open, now, node.start, &mut give);
            let layer = &mut open[node.layer as usize];
            pop_ended(layer, node.start);
            let what = match (node.what, layer.last()) {
                (What::Span { .. }, Some((_, outer))) if labels == Spans::AreTheTasks && !is_frame(outer) => {
                    *outer
                }
                (what, _) => what,
            };
            layer.push((node.end, what));
        }
        advance(&mut open, now, end, &mut give);
    }
}

const fn is_frame(what: &What) -> bool {
    matches!(what, What::Phase(_) | What::ShortRuns(_))
}

fn pop_ended(layer: &mut Vec<(Timestamp, What)>, now: Timestamp) {
    while layer.last().is_some_and(|(end, _)| *end <= now) {
        layer.pop();
    }
}

/// Gives what lies between `now` and `until`; returns how far it came.
fn advance(
    open: &mut [Vec<(Timestamp, What)>; LAYERS],
    mut now: Timestamp,
    until: Timestamp,
    give: &mut impl FnMut(Piece),
) -> Timestamp {
    while now < until {
        let (mut end, mut what) = (until, What::Unattributed);
        for layer in open.iter_mut().filter(|layer| !layer.is_empty()) {
            pop_ended(layer, now);
            if let Some((its_end, its)) = layer.last() {
                (end, what) = (end.min(*its_end), *its);
            }
        }
        give(Piece { start: now, end, what });
        now = end;
    }
    now
}
