//! Gaps: periods without records of an emitter, because they were lost or the recording had not begun.

use loop_probes::event::{Event, RunningKind};
use loop_probes::ids::Timestamp;
use loop_probes::stamped::Stamped;

use crate::attribution::What;
use crate::attribution::sweep::Node;
use crate::recent::Recent;
use crate::span::TickSpan;

/// A period from which records were lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Gap {
    from: Timestamp,
    to: Timestamp,
    lost: u64,
}

/// The periods of one emitter without records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Gaps {
    /// Time before which nothing is known.
    known_from: Timestamp,
    any_tick: bool,
    /// When its first tick began, or ended if its beginning is missing.
    ticks_from: Option<Timestamp>,
    /// The number of that tick, if its beginning is not missing.
    first_tick: Option<u64>,
    kept: Recent<Gap>,
    /// Gaps up to here were evicted, so the time before is unknown.
    forgotten_until: Timestamp,
}

impl Gaps {
    pub(crate) fn new(first_at: Timestamp, keep: usize) -> Self {
        let forgotten_until = Timestamp(0);
        let kept = Recent::new(keep.max(1));
        Self {
            known_from: first_at,
            any_tick: false,
            ticks_from: None,
            first_tick: None,
            kept,
            forgotten_until,
        }
    }

    /// `lost` records between `from` and `to` are missing.
    pub(crate) fn lost(&mut self, from: Timestamp, to: Timestamp, lost: u64) {
        if let Some(forgotten) = self.kept.push(Gap { from: from.min(to), to, lost }) {
            self.forgotten_until = self.forgotten_until.max(forgotten.to);
        }
    }

    /// Extends the last gap up to `at`, where the first record after it began.
    pub(crate) fn reaches(&mut self, at: Timestamp) {
        if let Some(gap) = self.kept.newest_mut() {
            gap.to = gap.to.max(at);
        }
    }

    /// Makes the time between `from` and `to`, including its records, part of a gap, because the tick around it is
    /// incomplete.
    fn widen(&mut self, from: Timestamp, to: Timestamp) {
        match self.kept.newest_mut() {
            Some(gap) if gap.to >= from => {
                gap.from = gap.from.min(from);
                gap.to = gap.to.max(to);
            }
            _ => self.lost(from, to, 0),
        }
    }

    pub(crate) fn began(&mut self, tick: u64, start: Timestamp) {
        if self.ticks_from.is_none() {
            (self.ticks_from, self.first_tick) = (Some(start), Some(tick));
        }
    }

    /// Time before which nothing is known.
    pub(crate) const fn known_from(&self) -> Timestamp {
        self.known_from
    }

    /// Whether ticks before the first one seen are missing: ticks count from 1.
    pub(crate) fn begin_midway(&self) -> bool {
        self.first_tick.is_none_or(|tick| tick > 1)
    }

    /// The end of a tick that began at `start` was never seen.
    pub(crate) fn without_end(&mut self, start: Timestamp, now: Timestamp) {
        self.widen(start, now);
    }

    /// A tick ended; `seen` tells whether its beginning was seen.
    pub(crate) fn ended(&mut self, start: Timestamp, end: Timestamp, seen: bool) {
        if !seen && !self.any_tick && self.kept.is_empty() {
            self.known_from = self.known_from.max(end);
        } else if !seen {
            self.widen(start, end);
        }
        self.any_tick = true;
        self.ticks_from.get_or_insert(if seen { start } else { end });
    }

    /// Whether `at` is no later than the start of the first tick that the recording shows whole, or the end of one
    /// whose beginning is missing.
    pub(crate) fn is_before_ticks(&self, at: Timestamp) -> bool {
        self.ticks_from.is_none_or(|from| at <= from)
    }

    /// The gaps between `from` and `to`, as nodes of missing time.
    pub(crate) fn missing(&self, from: Timestamp, to: Timestamp) -> impl Iterator<Item = Node> + '_ {
        let touches = move |gap: &&Gap| gap.from < to && gap.to > from;
        let lost = self.kept.iter().filter(touches).fold(0u64, |sum, gap| sum.saturating_add(gap.lost));
        let gaps = self.kept.iter().filter(touches);
        let gaps = gaps.map(move |gap| Node::missing(gap.from, gap.to, What::Unknown { lost }));
        let before = [(self.known_from, What::BeforeRecording), (self.forgotten_until, What::Evicted)];
        let before = before.into_iter().filter(move |(until, _)| from < *until);
        gaps.chain(before.map(move |(until, what)| Node::missing(from, until, what)))
    }
}

/// When the event began. Not inlined into the fold, which is fast because it makes each event's span in place.
#[cold]
#[inline(never)]
pub(super) fn start_of(stamped: &Stamped) -> Timestamp {
    match stamped.event {
        Event::Running { what: RunningKind::Outside, .. } => stamped.at,
        Event::Running { since, .. } => since.min(stamped.at),
        _ => TickSpan::of(stamped).map_or(stamped.at, |span| span.start),
    }
}
