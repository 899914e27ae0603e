//! Evidence of lost records in the file of a dead process. If the machine lost power before it wrote the newest pages
//! to the disk, or a copy ended early, those records look as if they had never been written.

use super::error::ReadError;
use super::image::{Image, Words};
use crate::event::Event;
use crate::ids::Ticks;
use crate::ring::Known;
use crate::shared::layout::{head, place};

/// How many records the place at word `at` of the table of rings had at least, and the age of its *now running* cell.
pub(super) fn known(image: &Image, at: usize, is_cut: bool) -> Result<(Known, Option<CellAge>), ReadError> {
    let Words([noted]) = image.words(at + place::WRITTEN)?;
    let Words([began]) = image.words(at + place::BEGAN)?;
    let cell = image.cell::<3>(at + place::RUNNING)?;
    let cell = cell.map(|(_, [since, _, written])| CellAge { written, since: Ticks(since) });
    let written = cell.map_or(0, |cell| cell.written).max(began).max(noted);
    // Without the number of records, it is unknown which of them are newer than the cell.
    Ok((Known { written, is_cut }, cell.filter(|cell| cell.written > 0)))
}

/// When a *now running* cell was set.
#[derive(Clone, Copy, Debug)]
pub(super) struct CellAge {
    /// Number of records written before the cell was set.
    written: u64,
    since: Ticks,
}

impl CellAge {
    /// Whether the activity in the cell was over when the record `sequence`, an `event` at `at`, was written, because
    /// a newer cell did not reach the disk. Activities nest, so one that began no later and has ended includes it.
    pub(super) fn is_over_by(self, sequence: u64, at: Ticks, event: &Event<Ticks>) -> bool {
        let start = match *event {
            Event::TickStart { .. } => at,
            Event::TickEnd { start, .. }
            | Event::Phase { start, .. }
            | Event::Poll { start, .. }
            | Event::TaskRan { start, .. }
            | Event::IoReady { start, .. }
            | Event::Pumped { start, .. }
            | Event::WorkRan { start, .. }
            | Event::AgendaRan { start, .. } => start,
            _ => return false,
        };
        let includes_it = start <= self.since || matches!(event, Event::TickStart { .. });
        sequence >= self.written && at > self.since && includes_it
    }
}

/// How many openings of rings the places of the table do not show. Each place counts its own.
pub(super) fn missing_openings(image: &Image) -> Result<u64, ReadError> {
    let Words([mut missing]) = image.words(head::TABLE_CHANGES)?;
    for index in 0..image.plan().places {
        let Words([state]) = image.words(image.plan().place_word(index))?;
        missing = missing.saturating_sub(state >> 32);
    }
    Ok(missing)
}
