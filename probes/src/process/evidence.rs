//! What the file of a dead process says of its rings besides their records. A machine that lost power may not have written
//! the newest pages to the disk, and a copy may have ended early: those records look as if they had never been written.

use super::image::{Image, Words};
use super::rings::SlotsAt;
use super::{ProcessReader, ReadError};
use crate::ring::Known;
use crate::shared::layout::{PLACE_CLOSED, head, place};

/// What the place at word `at` of the table of rings says of its ring.
pub(super) fn known(image: &Image, at: usize, slots: &SlotsAt) -> Result<Known, ReadError> {
    let Words([state]) = image.words(at)?;
    let Words([closed_at]) = image.words(at + place::WRITTEN)?;
    let Words([began]) = image.words(at + place::BEGAN)?;
    let cell = image.cell::<3>(at + place::RUNNING)?.map_or(0, |(_, [.., written])| written);
    let closed_at = if state & 0xffff_ffff == PLACE_CLOSED { closed_at } else { 0 };
    Ok(Known { written: began.max(cell).max(closed_at), is_cut: slots.is_cut() })
}

/// The number of times that a ring was opened and its place in the table does not show it. Each place counts how often it
/// was opened.
pub(super) fn missing_openings(image: &Image) -> Result<u64, ReadError> {
    let Words([mut missing]) = image.words(head::TABLE_CHANGES)?;
    for index in 0..image.plan().places {
        let Words([state]) = image.words(image.plan().place_word(index))?;
        missing = missing.saturating_sub(state >> 32);
    }
    Ok(missing)
}

impl ProcessReader {
    /// Rings of a dead process whose newest records are missing, an unknown number of them: the file was cut, or not all of
    /// it was written to the disk.
    #[must_use]
    pub fn rings_without_end(&self) -> u64 {
        self.rings.without_end()
    }
}
