//! Missing records as events: a gap is announced to every known emitter. One at the beginning waits for the first block
//! that names emitters; one between blocks comes with the block after it; one at the end comes after everything else, so
//! that what was read before stays complete.

use loop_probes::event::Event;
use loop_probes::ids::{SourceId, Timestamp};
use loop_probes::stamped::Stamped;

use super::TraceReader;
use crate::format::error::{Damage, DamageKind};

/// A gap of missing records.
#[derive(Clone, Copy, Debug)]
pub(super) struct Gap {
    pub(super) from: Timestamp,
    pub(super) to: Timestamp,
    pub(super) count: u64,
}

impl<R> TraceReader<R> {
    /// Takes note of a gap found without reading blocks, to be announced where it is.
    pub(super) fn place_gap(&mut self, damage: &Damage) {
        let count = damage.lost();
        if count == 0 {
            return;
        }
        let next = match damage.times {
            // The blocks after it have moved.
            Some((_, last)) if damage.kind == DamageKind::NotThere => {
                self.blocks.partition_point(|block| block.header.last < last)
            }
            _ => self.blocks.partition_point(|block| block.offset < damage.offset),
        };
        let last = next.checked_sub(1).map(|place| self.blocks[place].header.last);
        let follows = self.blocks.get(next).map(|block| block.header.first);
        let to = follows.or(last).unwrap_or_default();
        let (from, to) = damage.times.unwrap_or((last.unwrap_or(to), to));
        let gap = match follows {
            Some(_) => self.between.entry(next).or_insert(Gap { from, to, count: 0 }),
            None => self.behind.get_or_insert(Gap { from, to, count: 0 }),
        };
        *gap = Gap { from: gap.from.min(from), to: gap.to.max(to), count: gap.count.saturating_add(count) };
    }

    /// Announces what is missing directly before the block of this number.
    pub(super) fn announce_between(&mut self, place: usize, out: &mut Vec<Stamped>) {
        if let Some(gap) = self.between.get(&place).copied() {
            self.lost(gap, out);
        }
    }

    /// Announces a gap after what has been read so far, as soon as an emitter is known; returns its end.
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

    /// Announces the gap at the beginning, before the events from `begin` on, which are the first after it.
    pub(super) fn announce_ahead(&mut self, begin: usize, out: &mut Vec<Stamped>) {
        if let Some(gap) = self.ahead.take_if(|_| !self.sources.is_empty()) {
            out.splice(begin..begin, announced(gap, &self.sources));
        }
    }

    /// All blocks were read: announces what is missing after them, and any gap that no intact block followed.
    pub(super) fn announce_behind(&mut self, out: &mut Vec<Stamped>) {
        if std::mem::replace(&mut self.rest_announced, true) {
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

/// Announces a gap to every emitter, because each may have a torn tick. The records are counted once.
fn announced(gap: Gap, sources: &[SourceId]) -> impl Iterator<Item = Stamped> + '_ {
    let Gap { from, to: at, count } = gap;
    sources.iter().enumerate().map(move |(place, source)| {
        let count = if place == 0 { count } else { 0 };
        Stamped { at, source: *source, event: Event::Lost { count, from } }
    })
}
