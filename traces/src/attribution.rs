//! Attribution: breaks down a stretch of the loop's time, to the nanosecond.
//!
//! There are three kinds of stretches. *Busy* time ([`breakdown`]) excludes the loop's polls: it is what a tick's busy
//! time went into. A *wait* ([`waiting`]) is wall-clock time, as seen by the timer, signal or task that waited: polling
//! counts, as [`What::Overslept`] up to the poll's own deadline and as [`What::LateWakeup`] after it. A slow task's
//! *run* is its own time, by its labelled spans.
//!
//! Each nanosecond goes to the innermost activity at that time (`sweep` has the rule); time in a phase and in nothing
//! else is the phase's; time in no phase is `unattributed`. What cannot be known (records lost, spans evicted) has a
//! line of its own.

pub(crate) mod sweep;
mod what;

use loop_probes::event::Phase;
use loop_probes::ids::{Tag, TaskId, Timestamp};

use crate::span::TickSpan;
use sweep::{Nodes, Piece, SpanRole};

pub use what::{Waiter, What};

/// One line of a breakdown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// What the time is attributed to.
    pub what: What,
    /// Its part of the time, in nanoseconds.
    pub ns: u64,
}

/// The breakdown of a stretch: its lines sum exactly to [`total_ns`](Self::total_ns).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Breakdown {
    /// The lines, largest first, followed by those for [unknown time](What::is_ignorance); `unattributed` is always
    /// present and always last.
    pub shares: Vec<Share>,
    /// The sum of all lines.
    pub total_ns: u64,
}

/// The breakdown of the busy time from `start` to `end`, in at most `lines` lines (at least 2) besides those for
/// unknown time. `spans` are those of the emitter that ran then, in the order in which they ended; anything outside of
/// the stretch is cut off.
#[must_use]
pub fn breakdown(start: Timestamp, end: Timestamp, spans: &[TickSpan], lines: usize) -> Breakdown {
    let mut nodes = Nodes::default();
    nodes.add(spans, false);
    busy(start, end, nodes, lines)
}

/// Like [`breakdown`], for a wait from `start` to `end`: polls count.
#[must_use]
pub fn waiting(
    kind: Waiter,
    start: Timestamp,
    end: Timestamp,
    spans: &[TickSpan],
    lines: usize,
) -> Breakdown {
    let mut nodes = Nodes::default();
    nodes.add(spans, false);
    waited(kind, start, end, nodes, lines)
}

pub(crate) fn busy(start: Timestamp, end: Timestamp, nodes: Nodes, lines: usize) -> Breakdown {
    book(start, end, nodes, SpanRole::AreTheTasks, lines, |piece| (!piece.polled).then_some(piece.what))
}

pub(crate) fn waited(
    kind: Waiter,
    start: Timestamp,
    end: Timestamp,
    mut nodes: Nodes,
    lines: usize,
) -> Breakdown {
    nodes.start_when_fired();
    // Only the poll in progress when the wait began can have been woken for it.
    let what = |piece: &Piece| if piece.start == start { piece.of(kind, start) } else { piece.what };
    book(start, end, nodes, SpanRole::AreTheTasks, lines, |piece| Some(what(piece)))
}

/// The breakdown of one run, from `start` to `end`, by the labelled spans, collections and the like within it. The rest
/// of the run is unattributed.
pub(crate) fn ran(
    task: TaskId,
    tag: Tag,
    start: Timestamp,
    end: Timestamp,
    mut nodes: Nodes,
    lines: usize,
) -> Breakdown {
    let itself = What::Task { task, tag };
    let is_part = |what: What| what != itself && !matches!(what, What::Phase(_) | What::ShortRuns(_));
    // A span that only touches the run is not part of it.
    let within = |node: &sweep::Node| node.start >= start && node.end <= end;
    let is_beyond = |node: &sweep::Node| node.layer > sweep::Layer::Polled;
    nodes.list.retain(|node| is_beyond(node) || is_part(node.what) && within(node));
    // The task made these polls itself, and nothing but the task waited for them.
    let own_polls = nodes.list.iter_mut().filter(|node| node.layer == sweep::Layer::Polled);
    own_polls.for_each(|node| node.what = What::Poll);
    book(start, end, nodes, SpanRole::AreParts, lines, |piece| Some(piece.what))
}

fn book(
    start: Timestamp,
    end: Timestamp,
    nodes: Nodes,
    labels: SpanRole,
    lines: usize,
    subject: impl Fn(&Piece) -> Option<What>,
) -> Breakdown {
    let (mut shares, mut total_ns) = (Shares::default(), 0);
    nodes.pieces(start, end, labels, |piece| {
        if let Some(what) = subject(&piece) {
            let ns = piece.end.ns_since(piece.start);
            total_ns += ns;
            shares.add(what, ns);
        }
    });
    Breakdown { shares: merge(shares, lines.max(2)), total_ns }
}

/// Lines under construction, kept in groups that follow the order of [`What`], so that sorting has little to do.
#[derive(Default)]
struct Shares {
    tasks: Vec<Share>,
    microtasks: Vec<Share>,
    rest: Vec<Share>,
}

impl Shares {
    fn add(&mut self, what: What, ns: u64) {
        let list = match what {
            What::Task { .. } => &mut self.tasks,
            What::Microtasks { .. } => &mut self.microtasks,
            _ => &mut self.rest,
        };
        match list.last_mut() {
            Some(last) if last.what == what => last.ns += ns,
            _ => list.push(Share { what, ns }),
        }
    }
}

/// Builds the lines: one per cause, largest first, the smallest merged if there are more than `lines`; unknown time
/// last.
fn merge(shares: Shares, lines: usize) -> Vec<Share> {
    let Shares { tasks: mut known, mut microtasks, mut rest } = shares;
    join(&mut known);
    join(&mut microtasks);
    name_microtasks(&mut microtasks);
    known.append(&mut microtasks);
    join(&mut rest);
    let (mut rest, mut unknown): (Vec<Share>, Vec<Share>) =
        rest.into_iter().partition(|share| !share.what.is_ignorance());
    known.append(&mut rest);
    let order = |a: &Share, b: &Share| b.ns.cmp(&a.ns).then(a.what.cmp(&b.what));
    if known.len() > lines {
        known.select_nth_unstable_by(lines - 1, order);
        let small = known.split_off(lines - 1);
        known.sort_unstable_by(order);
        let ns = small.iter().map(|share| share.ns).sum();
        known.push(Share { what: What::Others { parts: small.len() as u32 }, ns });
    } else {
        known.sort_unstable_by(order);
    }
    if unknown.last().is_none_or(|share| share.what != What::Unattributed) {
        unknown.push(Share { what: What::Unattributed, ns: 0 });
    }
    known.append(&mut unknown);
    known
}

/// Sorts by [`What`] and merges equal lines.
fn join(shares: &mut Vec<Share>) {
    shares.sort_unstable_by_key(|share| share.what);
    shares.dedup_by(|next, kept| {
        let same = next.what == kept.what;
        if same {
            kept.ns += next.ns;
        }
        same
    });
}

/// Joins microtasks into one line: that of the task they mostly followed, if it accounts for at least half of their
/// time; the rest, or all of them, are attributed to no particular task.
fn name_microtasks(shares: &mut Vec<Share>) {
    let of = |share: &Share| matches!(share.what, What::Microtasks { .. });
    let total: u64 = shares.iter().filter(|share| of(share)).map(|share| share.ns).sum();
    let culprit = shares.iter().filter(|share| of(share)).max_by_key(|share| share.ns);
    let culprit = culprit.filter(|share| share.ns >= total - share.ns).map(|share| share.what);
    for share in shares.iter_mut().filter(|share| of(share)) {
        if Some(share.what) != culprit {
            share.what = What::Microtasks { after: None };
        }
    }
    join(shares);
}

impl Breakdown {
    /// Adjusts the breakdown to sum to `total_ns`. The time of polls that were not kept is no busy time, but the
    /// lines still include it: the excess is taken from the poll phase first, then from unattributed time, then from
    /// other phases.
    pub(crate) fn settled(mut self, total_ns: u64) -> Self {
        let rank = |what: &What| match what {
            What::Phase(Phase::Poll) | What::ShortRuns(Phase::Poll) => 0,
            What::Unattributed | What::Evicted => 1,
            What::Phase(_) | What::ShortRuns(_) => 2,
            _ => 3,
        };
        let mut excess_ns = self.total_ns.saturating_sub(total_ns);
        let missing_ns = total_ns.saturating_sub(self.total_ns);
        if excess_ns == 0 && missing_ns == 0 {
            return self;
        }
        let mut order: Vec<usize> = (0..self.shares.len()).collect();
        order.sort_by_key(|place| rank(&self.shares[*place].what));
        for place in order {
            let taken_ns = excess_ns.min(self.shares[place].ns);
            self.shares[place].ns -= taken_ns;
            excess_ns -= taken_ns;
        }
        for share in self.shares.iter_mut().filter(|share| share.what == What::Unattributed) {
            share.ns += missing_ns;
        }
        self.shares.retain(|share| share.ns > 0 || share.what == What::Unattributed);
        // Shares that shrank may be out of order.
        let known = self.shares.iter().take_while(|share| !share.what.is_ignorance()).count();
        let ranked = |share: &Share| (matches!(share.what, What::Others { .. }), std::cmp::Reverse(share.ns));
        self.shares[..known].sort_by_key(ranked);
        Self { total_ns, ..self }
    }

    /// The share of `what`.
    #[must_use]
    pub fn of(&self, what: &What) -> u64 {
        self.shares.iter().find(|share| share.what == *what).map_or(0, |share| share.ns)
    }
}

#[cfg(test)]
mod tests;
