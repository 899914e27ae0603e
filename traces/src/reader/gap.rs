//! What is missing, as events: a gap is announced to the emitters that are known. One at the beginning waits for the
//! first block that names some; one at the end is told behind all else, so that what was read before stays whole.

use loop_probes::event::Event;
use loop_probes::ids::{SourceId, Timestamp};
use loop_probes::stamped::Stamped;

use super::TraceReader;

/// Records that are missing.
#[derive(Clone, Copy, Debug)]
pub(super) struct Gap {
    pub(super) from: Timestamp,
    pub(super) to: Timestamp,
    pub(super) count: u64,
}

impl<R> TraceReader<R> {
    /// Announces a gap that follows what was read until now, as soon as an emitter is known; gives its end.
    pub(super) fn lost(&mut self, gap: Gap, out: &mut Vec<Stamped>) -> Timestamp {
        let from = self.last_at.unwrap_or(gap.from);
        let gap = Gap { from, to: gap.to.max(from), ..gap };
        if self.sources.is_empty() {
            let earlier = self.ahead.unwrap_or(Gap { count: 0, ..gap });
            let count = earlier.count.saturating_add(gap.count);
            self.ahead = Some(Gap { from: earlier.from, to: gap.to, count });
        } else {
            out.extend(announced(gap, &self.sources));
        }
        self.last_at = Some(gap.to);
        gap.to
    }

    /// The events from `begin` on are the first ones behind what was missing at the beginning.
    pub(super) fn tell_ahead(&mut self, begin: usize, out: &mut Vec<Stamped>) {
        if let Some(gap) = self.ahead.take_if(|_| !self.sources.is_empty()) {
            out.splice(begin..begin, announced(gap, &self.sources));
        }
    }

    /// All blocks were read: what is missing behind them, and what nothing whole came after.
    pub(super) fn tell_behind(&mut self, out: &mut Vec<Stamped>) {
        if std::mem::replace(&mut self.behind_told, true) {
            return;
        }
        if let Some(gap) = self.behind {
            self.lost(gap, out);
        }
        if let Some(gap) = self.ahead.take() {
            out.extend(announced(gap, &[SourceId(0)]));
        }
    }
}

/// A gap as every emitter's own: its ticks are torn. The records are counted once.
fn announced(gap: Gap, sources: &[SourceId]) -> impl Iterator<Item = Stamped> + '_ {
    let Gap { from, to: at, count } = gap;
    sources.iter().enumerate().map(move |(place, source)| {
        let count = if place == 0 { count } else { 0 };
        Stamped { at, source: *source, event: Event::Lost { count, from } }
    })
}
