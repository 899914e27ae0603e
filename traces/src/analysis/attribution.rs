//! Attribution: who used up a stretch of the loop's time, to the nanosecond.
//!
//! The stretch is measured on the *busy clock*, which stands still while the loop polls: on it a poll has no
//! length, so the parts sum to the busy time by construction. Each nanosecond goes to the innermost thing
//! that ran then; what lies in a phase but in nothing else is the phase's, what lies in no phase is
//! `unattributed`. A labelled span within a task is the task's: the task is what the reader looks for.
//!
//! A ledger is about *a stretch*, not about a tick: the time between a timer's due and its firing is another.

use loop_probes::event::Phase;
use loop_probes::ids::{IoSource, LabelId, Tag, TaskId, Timestamp};

use crate::labels::Labels;
use crate::timeline::{SpanKind, TickSpan};

/// Who used time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum What {
    /// One task.
    Task {
        /// The task.
        task: TaskId,
        /// Its tag.
        tag: Tag,
    },
    /// One readiness callback.
    Io {
        /// Its source.
        source: IoSource,
        /// Its tag.
        tag: Tag,
        /// Its own id.
        task: TaskId,
    },
    /// Microtask checkpoints.
    Microtasks,
    /// The deferred queue.
    Deferred,
    /// Batches of immediates, less the tasks in them.
    Immediates,
    /// Collections.
    Gc,
    /// A labelled span outside of any task.
    Span {
        /// Its name.
        label: LabelId,
    },
    /// A phase, less what ran in it.
    Phase(Phase),
    /// Several small parts.
    Others {
        /// How many.
        parts: u32,
    },
    /// Time of which nothing is known.
    Unattributed,
}

impl What {
    /// What it is called: `task ReadFile #12`, `phase timers`, `unattributed`.
    #[must_use]
    pub fn describe(&self, labels: &Labels) -> String {
        match self {
            Self::Task { task, tag } => format!("task {} #{task}", labels.tag(*tag)),
            Self::Io { source, tag, task } => {
                format!("io {} #{task} on {}", labels.tag(*tag), labels.io(*source))
            }
            Self::Microtasks => "microtasks".to_owned(),
            Self::Deferred => "deferred".to_owned(),
            Self::Immediates => "immediates".to_owned(),
            Self::Gc => "gc".to_owned(),
            Self::Span { label } => format!("span {}", labels.span(*label)),
            Self::Phase(phase) => format!("phase {phase}"),
            Self::Others { parts } => format!("{parts} smaller"),
            Self::Unattributed => "unattributed".to_owned(),
        }
    }

    const fn of(kind: &SpanKind) -> Option<Self> {
        Some(match kind {
            SpanKind::Task { task, tag, .. } => Self::Task { task: *task, tag: *tag },
            SpanKind::Io { source, tag, task, .. } => Self::Io { source: *source, tag: *tag, task: *task },
            SpanKind::Microtasks { .. } => Self::Microtasks,
            SpanKind::Deferred { .. } => Self::Deferred,
            SpanKind::Immediates { .. } => Self::Immediates,
            SpanKind::Gc { .. } => Self::Gc,
            SpanKind::Span { label } => Self::Span { label: *label },
            SpanKind::Phase(phase) => Self::Phase(*phase),
            _ => return None,
        })
    }
}

/// One line of a ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// Who.
    pub what: What,
    /// How much, in nanoseconds.
    pub ns: u64,
}

/// Who used up a stretch: the lines sum exactly to [`total_ns`](Self::total_ns).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ledger {
    /// The lines, largest first; `unattributed` is always there, and always last.
    pub shares: Vec<Share>,
    /// Their sum: the busy time of the stretch.
    pub total_ns: u64,
}

/// The ledger of the stretch from `start` to `end`, in at most `lines` lines (at least 2) besides
/// [`What::Unattributed`]. `spans` are those of the emitter that ran then, in any order; what lies outside
/// of the stretch is cut off.
#[must_use]
pub fn ledger(start: Timestamp, end: Timestamp, spans: &[TickSpan], lines: usize) -> Ledger {
    let clock = BusyClock::new(start, end, spans);
    let mut nodes: Vec<Node> = spans
        .iter()
        .filter_map(|span| {
            let what = What::of(&span.what)?;
            let (start, end) = (clock.at(span.start), clock.at(span.end));
            (start < end).then_some(Node { start, end, what })
        })
        .collect();
    // A parent before its children; the sort is stable, and of equal extents the one that ended later in
    // the stream is the outer one.
    nodes.reverse();
    nodes.sort_by(|a, b| a.start.cmp(&b.start).then(b.end.cmp(&a.end)));
    let mut shares = self_times(&nodes, clock.total());
    let unattributed = shares.pop().map_or(0, |share| share.ns);
    let mut shares = merge(shares, lines.max(2));
    shares.push(Share { what: What::Unattributed, ns: unattributed });
    Ledger { shares, total_ns: clock.total() }
}

/// Time since the start of a stretch, standing still during polls.
struct BusyClock {
    start: Timestamp,
    end: Timestamp,
    /// Disjoint polls in order: where each begins and ends, and how much was polled before it.
    polls: Vec<(Timestamp, Timestamp, u64)>,
}

impl BusyClock {
    fn new(start: Timestamp, end: Timestamp, spans: &[TickSpan]) -> Self {
        let end = end.max(start);
        let clip = |at: Timestamp| at.clamp(start, end);
        let is_poll = |span: &&TickSpan| matches!(span.what, SpanKind::Poll { .. });
        let mut extents: Vec<_> =
            spans.iter().filter(is_poll).map(|span| (clip(span.start), clip(span.end))).collect();
        extents.sort_unstable();
        let mut polls = Vec::with_capacity(extents.len());
        let (mut until, mut polled) = (start, 0);
        for (from, to) in extents {
            let from = from.max(until);
            if from < to {
                polls.push((from, to, polled));
                polled += to.ns_since(from);
                until = to;
            }
        }
        Self { start, end, polls }
    }

    fn at(&self, at: Timestamp) -> u64 {
        let at = at.clamp(self.start, self.end);
        let before = self.polls.partition_point(|(from, ..)| *from <= at);
        let polled = match before.checked_sub(1).and_then(|last| self.polls.get(last)) {
            Some((from, to, polled)) => polled + at.min(*to).ns_since(*from),
            None => 0,
        };
        at.ns_since(self.start) - polled
    }

    fn total(&self) -> u64 {
        self.at(self.end)
    }
}

struct Node {
    start: u64,
    end: u64,
    what: What,
}

/// The time of each node less that of its children, then that of no node at all (last). What overlaps
/// without nesting is cut at its parent's end, so that no nanosecond is counted twice.
fn self_times(nodes: &[Node], total: u64) -> Vec<Share> {
    struct Open {
        end: u64,
        what: What,
    }
    let mut shares: Vec<Share> = Vec::with_capacity(nodes.len() + 1);
    let mut open = vec![Open { end: total, what: What::Unattributed }];
    let mut now = 0;
    let mut unattributed = 0;
    let mut spend = |what: What, ns: u64| {
        if what == What::Unattributed {
            unattributed += ns;
        } else if ns > 0 {
            shares.push(Share { what, ns });
        }
    };
    let mut close_until = |open: &mut Vec<Open>, now: &mut u64, until: u64| {
        while open.len() > 1 && open.last().is_some_and(|top| top.end <= until) {
            if let Some(top) = open.pop() {
                spend(top.what, top.end.saturating_sub(*now));
                *now = top.end.max(*now);
            }
        }
        if let Some(top) = open.last() {
            spend(top.what, until.saturating_sub(*now));
            *now = until.max(*now);
        }
    };
    for node in nodes {
        close_until(&mut open, &mut now, node.start);
        let outer = open.last();
        let end = node.end.min(outer.map_or(total, |outer| outer.end));
        // A label within a callback names a part of it, and the whole is what the reader looks for.
        let what = match (node.what, outer.map(|outer| outer.what)) {
            (What::Span { .. }, Some(outer)) if !matches!(outer, What::Phase(_) | What::Unattributed) => {
                outer
            }
            (what, _) => what,
        };
        open.push(Open { end, what });
    }
    close_until(&mut open, &mut now, total);
    shares.push(Share { what: What::Unattributed, ns: unattributed });
    shares
}

/// One line each, largest first, the smallest together where there are more than `lines`.
fn merge(mut shares: Vec<Share>, lines: usize) -> Vec<Share> {
    shares.sort_unstable_by_key(|share| share.what);
    shares.dedup_by(|next, kept| {
        let same = next.what == kept.what;
        if same {
            kept.ns += next.ns;
        }
        same
    });
    shares.sort_by(|a, b| b.ns.cmp(&a.ns).then(a.what.cmp(&b.what)));
    if shares.len() > lines {
        let small = shares.split_off(lines - 1);
        let ns = small.iter().map(|share| share.ns).sum();
        shares.push(Share { what: What::Others { parts: small.len() as u32 }, ns });
    }
    shares
}

#[cfg(test)]
mod tests;
