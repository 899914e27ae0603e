//! Missing records as events: a gap is announced to every known emitter. A gap at the beginning waits for the first
//! block that names emitters; a gap between blocks is announced with the block after it; a gap at the end comes after
//! all other events, so that what was read before it stays complete.

use std::collections::BTreeMap;

use indexmap::IndexSet;
use loop_probes::event::Event;
use loop_probes::ids::{SourceId, Timestamp};
use loop_probes::stamped::Stamped;

use super::block::BlockPlace;
use crate::format::error::{Damage, DamageKind};

/// Maximum number of emitters to which a gap is announced.
const SOURCES_MAX: usize = 1024;

/// A gap of missing records.
#[derive(Clone, Copy, Debug)]
pub(super) struct Gap {
    pub(super) from: Timestamp,
    pub(super) to: Timestamp,
    pub(super) count: u64,
}

/// The gaps of a trace, and the state needed to announce them.
#[derive(Debug, Default)]
pub(super) struct Gaps {
    sources: IndexSet<SourceId>,
    /// The emitter of the last event, a shortcut: events come in runs of one emitter.
    last_source: Option<SourceId>,
    last_at: Option<Timestamp>,
    /// The gap before the first known emitter.
    ahead: Option<Gap>,
    /// Gaps found by the scan, each by the number of the block after it.
    between: BTreeMap<usize, Gap>,
    /// The gap after the last intact block.
    behind: Option<Gap>,
    rest_announced: bool,
}

impl Gaps {
    /// Notes a gap found without reading payloads, to announce it before the right one of `blocks`.
    pub(super) fn place(&mut self, damage: &Damage, blocks: &[BlockPlace]) {
        let count = damage.lost();
        if count == 0 {
            return;
        }
        let next = match damage.times {
            // The missing block's offset means nothing, because the blocks after it have moved up.
            Some((_, last)) if damage.kind == DamageKind::NotThere => {
                blocks.partition_point(|block| block.header.last < last)
            }
            _ => blocks.partition_point(|block| block.offset < damage.offset),
        };
        let last = next.checked_sub(1).map(|place| blocks[place].header.last);
        let follows = blocks.get(next).map(|block| block.header.first);
        let to = follows.or(last).unwrap_or_default();
        let (from, to) = damage.times.unwrap_or((last.unwrap_or(to), to));
        let gap = match follows {
            Some(_) => self.between.entry(next).or_insert(Gap { from, to, count: 0 }),
            None => self.behind.get_or_insert(Gap { from, to, count: 0 }),
        };
        *gap = Gap { from: gap.from.min(from), to: gap.to.max(to), count: gap.count.saturating_add(count) };
    }

    /// Resets the position after a seek.
    pub(super) fn sought(&mut self) {
        (self.last_at, self.ahead, self.rest_announced) = (None, None, false);
    }

    /// Notes that a record of `source` was read.
    pub(super) fn read_from(&mut self, source: SourceId) {
        if self.last_source.replace(source) != Some(source) && self.sources.len() < SOURCES_MAX {
            self.sources.insert(source);
        }
    }

    /// Notes that an event recorded `at` was returned.
    pub(super) const fn returned(&mut self, at: Timestamp) {
        self.last_at = Some(at);
    }

    /// Announces the gap directly before the block of this number, if any.
    pub(super) fn announce_between(&mut self, place: usize, out: &mut Vec<Stamped>) {
        if let Some(gap) = self.between.get(&place).copied() {
            self.lost(gap, out);
        }
    }

    /// Announces a gap after what was read so far, or later if no emitter is known yet; returns its end.
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

    /// Announces the gap after the last block, and any gap not followed by an intact block. Called when all blocks were
    /// read.
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
fn announced<'a>(gap: Gap, sources: impl IntoIterator<Item = &'a SourceId>) -> impl Iterator<Item = Stamped> {
    let Gap { from, to: at, count } = gap;
    sources.into_iter().enumerate().map(move |(place, source)| {
        let count = if place == 0 { count } else { 0 };
        Stamped { at, source: *source, event: Event::Lost { count, from } }
    })
}
