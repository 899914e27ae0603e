//! Several loops in one stream, apart: each is a timeline of its own, with figures and without anything to open.
//!
//! As long as there is one loop, its figures are those of the whole, and nothing is folded twice. When the events of
//! another one come, what was folded so far becomes the first one's.

use loop_probes::event::Event;
use loop_probes::ids::SourceId;
use loop_probes::stamped::Stamped;

use super::blame::Blame;
use super::harm::Harms;
use super::{Timeline, TimelineConfig};

/// Loops with figures of their own; those of further ones are only in the whole.
pub const LOOPS_MAX: usize = 64;

/// See the [module](self).
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Loops {
    /// The first loop that was seen.
    first: Option<SourceId>,
    /// Empty while there is one.
    apart: Vec<(SourceId, Timeline)>,
    /// There are more than are kept apart.
    more: bool,
    /// Records that the last gap with a number had lost.
    lost: u64,
}

impl Loops {
    /// Whether an event has to be folded apart, or makes a second loop.
    #[inline]
    pub(super) fn concerns(&self, stamped: &Stamped) -> bool {
        Some(stamped.source) != self.first && is_of_a_loop(&stamped.event) || !self.apart.is_empty()
    }
}

/// It says that its emitter is a loop: workers, and threads with spans, tell nothing of the kind.
const fn is_of_a_loop(event: &Event) -> bool {
    matches!(
        event,
        Event::TickStart { .. }
            | Event::TickEnd { .. }
            | Event::Phase { .. }
            | Event::Poll { .. }
            | Event::TaskQueued { .. }
            | Event::TaskRan { .. }
            | Event::Microtasks { .. }
            | Event::DeferredRan { .. }
            | Event::Immediates { .. }
            | Event::TimerArmed { .. }
            | Event::TimerFired { .. }
            | Event::QueueDepth { .. }
            | Event::IoReady { .. }
            | Event::SnapshotBegin { .. }
            | Event::InputRun { .. }
    )
}

/// Figures only: ticks cannot be opened and there is no blame.
fn figures_of(config: &TimelineConfig) -> TimelineConfig {
    TimelineConfig {
        late_kept: 0,
        stretches_kept: 0,
        causes_max: 0,
        ticks_kept: 1,
        spans_kept: 1,
        spans_per_tick: 1,
        stalls_kept: 1,
        ledger_lines: 2,
        samples_kept: 1,
        labels_max: 0,
        names_kept: 0,
        worst_runs_kept: 1,
        ..config.clone()
    }
}

impl Timeline {
    /// The loops that are kept apart, in the order in which they were first seen: none where there is one alone, or
    /// none at all.
    pub fn loops_apart(&self) -> impl ExactSizeIterator<Item = (SourceId, &Self)> + '_ {
        self.loops.apart.iter().map(|(source, timeline)| (*source, timeline))
    }

    /// The first loop that was seen, where any was.
    #[must_use]
    pub const fn first_loop(&self) -> Option<SourceId> {
        self.loops.first
    }

    /// There are more loops than are kept apart.
    #[must_use]
    pub const fn has_more_loops(&self) -> bool {
        self.loops.more
    }

    /// The loops that are kept apart, with the names that all know, and by the times of all.
    #[must_use]
    pub(crate) fn loops_by_now(&self) -> Vec<(SourceId, Self)> {
        let by_now = |own: &Self| {
            let (labels, counts) = (self.labels.clone(), self.counts);
            Self { first: self.first, last: self.last, labels, counts, ..own.clone() }
        };
        self.loops.apart.iter().map(|(source, own)| (*source, by_now(own))).collect()
    }

    /// Folds an event of one of several loops apart from the others, before it is folded into the whole.
    #[cold]
    #[inline(never)]
    pub(super) fn fold_apart(&mut self, stamped: &Stamped) {
        let source = stamped.source;
        match self.loops.first {
            None => {
                self.loops.first = Some(source);
                return;
            }
            Some(first) if first != source && self.loops.apart.is_empty() => {
                let config = figures_of(&self.config);
                let mut own = self.clone();
                (own.blame, own.harms) = (Blame::new(&config), Harms::new(&config));
                own.config = config;
                self.loops.apart.push((first, own));
            }
            _ => {}
        }
        let found = self.loops.apart.iter().position(|(its, _)| *its == source);
        let place = match found {
            Some(place) => place,
            None if !is_of_a_loop(&stamped.event) => return,
            None if self.loops.apart.len() >= LOOPS_MAX => {
                self.loops.more = true;
                return;
            }
            None => {
                self.loops.apart.push((source, Self::new(figures_of(&self.config))));
                self.loops.apart.len() - 1
            }
        };
        let lost = self.loops.lost;
        let own = &mut self.loops.apart[place].1;
        own.fold_alone(stamped);
        // A damaged block's records are counted once, with its first emitter: any of them can have been this one's.
        if let Event::Lost { count: 0, .. } = stamped.event {
            own.lost_records = own.lost_records.saturating_add(lost.max(1));
        }
    }

    /// Records were lost, of whatever emitter.
    pub(super) fn note_lost(&mut self, count: u64) {
        if count > 0 {
            self.loops.lost = count;
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
