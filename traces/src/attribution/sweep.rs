//! The sweep: cuts a stretch of time into pieces and attributes each piece.
//!
//! Each nanosecond belongs to the activity around it that began last; of those that began together, to the one that
//! ended first; of equal extents, to the first in the stream, because a parent is recorded after its children. Polls
//! take precedence over anything that ran (while it polls, a thread runs nothing), unknown time over polls, and a
//! suspension of the process over everything else. A poll within a callback belongs to the callback.
//!
//! A poll is cut in two at its own deadline: before it the loop had asked to sleep, after it the system was late.

use loop_probes::event::PollReason;
use loop_probes::ids::{Tag, TaskId, Timestamp};

use super::what::{Waiter, What};
use crate::nesting::{Nesting, Slice, by_begin};
use crate::span::{SpanKind, TickSpan};

/// Precedence, lowest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Layer {
    Ran,
    Polled,
    Missing,
    Suspended,
}

const LAYERS: usize = 4;

/// One interval to attribute.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Node {
    pub(crate) start: Timestamp,
    pub(crate) end: Timestamp,
    pub(crate) what: What,
    pub(crate) layer: Layer,
    /// For the part of a poll up to its deadline: whether the poll returned before the deadline.
    pub(crate) woken: bool,
    /// For a part of a poll: the extent of the whole poll.
    whole: (Timestamp, Timestamp),
    /// For a timer's task: when the timer fired. Its record may start earlier, because it is of another clock.
    fired: Option<Timestamp>,
}

impl Node {
    pub(crate) const fn new(start: Timestamp, end: Timestamp, what: What, layer: Layer) -> Self {
        Self { start, end, what, layer, woken: false, whole: (start, end), fired: None }
    }

    /// An interval with missing records.
    pub(crate) const fn missing(start: Timestamp, end: Timestamp, what: What) -> Self {
        Self::new(start, end, what, Layer::Missing)
    }
}

impl Slice for Node {
    type Time = Timestamp;

    fn extent(&self) -> (Timestamp, Option<Timestamp>) {
        (self.start, Some(self.end))
    }
}

/// One piece of a stretch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) start: Timestamp,
    pub(crate) end: Timestamp,
    pub(crate) what: What,
    /// Whether the loop's own poll covers it, even if another layer takes precedence: none of it is busy time.
    pub(crate) polled: bool,
    /// For a poll that returned before its deadline: when the poll began, which may be before this piece.
    pub(crate) woken: Option<Timestamp>,
}

impl Piece {
    /// The activity to which a wait of this kind since `from` attributes the piece. `from` is within or before the
    /// piece.
    ///
    /// Other threads wake a poll: a signal or a post that arrived during one that returned before its deadline waited
    /// for the wakeup. A timer, however, is due when the loop said, and anything that waited before the poll began was
    /// visible then: in these cases the loop should not have polled.
    pub(crate) fn of(&self, kind: Waiter, from: Timestamp) -> What {
        let began_within = self.woken.is_some_and(|poll| poll < from);
        if began_within && kind != Waiter::Timer { What::LateWakeup } else { self.what }
    }
}

/// How labelled spans count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SpanRole {
    /// A span within a task counts as the task: the task is what the reader looks for.
    AreTheTasks,
    /// Spans count as parts of their own.
    AreParts,
}

/// Collects nodes from the spans of one emitter, in stream order.
#[derive(Debug, Default)]
pub(crate) struct Nodes {
    pub(crate) list: Vec<Node>,
    last_run: Option<(TaskId, Tag)>,
    last_fired: Option<(TaskId, Timestamp)>,
}

impl Nodes {
    /// Adds the spans of a tick. `thinned`: the shortest ones were left out.
    pub(crate) fn add<'a>(&mut self, spans: impl IntoIterator<Item = &'a TickSpan>, thinned: bool) {
        for span in spans {
            match span.what {
                SpanKind::Poll { reason, timeout_ns, .. } => self.add_poll(span, reason, timeout_ns),
                SpanKind::Timer { task, fired, .. } => self.last_fired = Some((task, fired)),
                _ => {
                    if let Some(what) = self.what(&span.what, thinned) {
                        let fired = self.last_fired.filter(|(task, _)| what.is_task(*task));
                        let fired = fired.map(|(_, fired)| fired);
                        let node = Node::new(span.start, span.end, what, Layer::Ran);
                        self.push(Node { fired, ..node });
                    }
                }
            }
        }
    }

    /// Moves the start of each timer's task to the firing, so that no task is part of its own timer's wait.
    pub(crate) fn start_when_fired(&mut self) {
        for node in &mut self.list {
            node.start = node.fired.map_or(node.start, |fired| node.start.max(fired));
        }
        self.list.retain(|node| node.start < node.end);
    }

    /// Adds the spans of a tick, or the part of one, from `start` to `end`. `thinned`: the shortest ones were left out,
    /// so time that the others do not cover is evicted.
    pub(crate) fn add_tick<'a>(
        &mut self,
        (start, end): (Timestamp, Timestamp),
        spans: impl IntoIterator<Item = &'a TickSpan>,
        thinned: bool,
    ) {
        if thinned {
            self.push(Node::new(start, end, What::Evicted, Layer::Ran));
        }
        self.add(spans, thinned);
    }

    fn push(&mut self, node: Node) {
        if node.start < node.end {
            self.list.push(node);
        }
    }

    fn add_poll(&mut self, span: &TickSpan, reason: PollReason, timeout_ns: Option<u64>) {
        if reason == PollReason::NonBlock || timeout_ns == Some(0) {
            // A poll with a zero timeout cannot be late.
            self.push(Node::new(span.start, span.end, What::Poll, Layer::Polled));
            return;
        }
        let deadline = timeout_ns.map_or(span.end, |ns| span.start.plus_ns(ns).min(span.end));
        let woken = timeout_ns.is_none_or(|ns| span.end < span.start.plus_ns(ns));
        let asked = Node::new(span.start, deadline, What::Overslept, Layer::Polled);
        let whole = (span.start, span.end);
        self.push(Node { woken, whole, ..asked });
        self.push(Node { whole, ..Node::new(deadline, span.end, What::LateWakeup, Layer::Polled) });
    }

    fn what(&mut self, kind: &SpanKind, thinned: bool) -> Option<What> {
        Some(match *kind {
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
            SpanKind::Poll { .. }
            | SpanKind::Pump { .. }
            | SpanKind::Timer { .. }
            | SpanKind::Signal { .. }
            | SpanKind::GcDecision { .. }
            | SpanKind::Mark { .. } => return None,
        })
    }

    /// Adds a suspension from `start` to `end` of a process known to have run at `alive`.
    ///
    /// If a poll was due to return before the suspension and did not, the time since it was due is part of the
    /// suspension: there was no process to return to.
    pub(crate) fn suspend(&mut self, alive: Timestamp, start: Timestamp, end: Timestamp) {
        let polls = self.list.iter().filter(|node| node.what == What::LateWakeup && node.end > start);
        let due = polls.filter(|node| node.start < start).map(|node| node.start.max(alive)).min();
        let (start, what) = (due.unwrap_or(start), What::Suspended);
        self.push(Node::new(start, end, what, Layer::Suspended));
    }

    /// Calls `give` with the pieces from `start` to `end`, in order and without holes. Adjacent pieces of one run are
    /// joined; time that nothing covers is [`What::Unattributed`].
    pub(crate) fn pieces(
        mut self,
        start: Timestamp,
        end: Timestamp,
        labels: SpanRole,
        mut give: impl FnMut(Piece),
    ) {
        // Nodes that ended before `start` may still contain a labelled span.
        self.list.retain(|node| node.start < end);
        let order = by_begin(&self.list);
        let mut open: [Nesting<OpenNode>; LAYERS] = Default::default();
        // A callback of the same extent as a poll may come after it in the order.
        let mut equals = (0, None);
        let mut now = start;
        let mut last: Option<Piece> = None;
        let mut join = |piece: Piece| match &mut last {
            Some(last) if piece.continues(last) => last.end = piece.end,
            last => {
                if let Some(piece) = last.replace(piece) {
                    give(piece);
                }
            }
        };
        for (place, node) in order.iter().map(|place| &self.list[*place]).enumerate() {
            now = advance(&mut open, now, node.start, &mut join);
            for layer in &mut open {
                layer.close_all(node.start);
            }
            let ran = open[Layer::Ran as usize].open();
            let (mut layer, mut what) = (node.layer, node.what);
            match (node.what, ran.last()) {
                (What::Span { .. }, Some(outer))
                    if labels == SpanRole::AreTheTasks && !is_frame(&outer.what) =>
                {
                    what = outer.what;
                }
                _ => {}
            }
            if node.layer == Layer::Polled {
                if place >= equals.0 {
                    equals = self.equals(&order, place);
                }
                let equal = equals.1.filter(|run| *run > place && node.whole == (node.start, node.end));
                let around = ran.iter().rev().find(|outer| outer.is_run && outer.contains(node.whole));
                let outer = equal.map(|run| self.list[order[run]].what).or(around.map(|outer| outer.what));
                if let Some(outer) = outer {
                    (layer, what) = (Layer::Ran, outer);
                }
            }
            let woken = (node.woken && layer == Layer::Polled).then_some(node.start);
            let is_run = is_run(&node.what);
            open[layer as usize].begin(OpenNode { start: node.start, end: node.end, what, is_run, woken });
        }
        advance(&mut open, now, end, &mut join);
        if let Some(piece) = last {
            give(piece);
        }
    }

    /// Returns the place after the last node in `order` with the same extent as the one at `place`, and the place of
    /// the last callback among those nodes.
    fn equals(&self, order: &[usize], place: usize) -> (usize, Option<usize>) {
        let mut rest = order[place..].iter().map(|place| &self.list[*place]).peekable();
        let extent = rest.peek().map(|node| (node.start, node.end));
        let same = rest.take_while(|node| extent == Some((node.start, node.end)));
        let same = same.map(|next| is_run(&next.what));
        same.enumerate().fold((place, None), |(_, run), (after, is_run)| {
            (place + after + 1, if is_run { Some(place + after) } else { run })
        })
    }
}

impl Piece {
    /// Whether it continues `before`. Polls stay separate, because each has its own `woken`.
    fn continues(&self, before: &Self) -> bool {
        before.end == self.start
            && before.what == self.what
            && before.polled == self.polled
            && before.woken == self.woken
    }
}

/// An interval that has begun and not ended.
#[derive(Clone, Copy, Debug)]
struct OpenNode {
    start: Timestamp,
    end: Timestamp,
    what: What,
    /// Whether it is a callback itself, rather than a span with its name.
    is_run: bool,
    woken: Option<Timestamp>,
}

impl Slice for OpenNode {
    type Time = Timestamp;

    fn extent(&self) -> (Timestamp, Option<Timestamp>) {
        (self.start, Some(self.end))
    }
}

impl OpenNode {
    fn contains(&self, (start, end): (Timestamp, Timestamp)) -> bool {
        self.start <= start && end <= self.end
    }
}

const fn is_frame(what: &What) -> bool {
    matches!(what, What::Phase(_) | What::ShortRuns(_) | What::Evicted)
}

/// Whether it is a callback or a batch of callbacks: labelled spans and polls within it belong to it.
pub(crate) const fn is_run(what: &What) -> bool {
    matches!(
        what,
        What::Task { .. } | What::Io { .. } | What::Microtasks { .. } | What::Deferred | What::Immediates
    )
}

/// Calls `give` with the pieces between `now` and `until`; returns the time that it reached.
fn advance(
    open: &mut [Nesting<OpenNode>; LAYERS],
    mut now: Timestamp,
    until: Timestamp,
    give: &mut impl FnMut(Piece),
) -> Timestamp {
    while now < until {
        let (mut end, mut what, mut woken) = (until, What::Unattributed, None);
        for layer in &mut *open {
            layer.close_all(now);
            if let Some(top) = layer.innermost() {
                (end, what, woken) = (end.min(top.end), top.what, top.woken);
            }
        }
        let polled = open[Layer::Polled as usize].innermost().is_some();
        give(Piece { start: now, end, what, polled, woken });
        now = end;
    }
    now
}
