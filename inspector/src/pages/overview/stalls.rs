//! The list of stalls: those that have not ended first, then the newest.

use loop_probes::ids::Timestamp;
use loop_traces::timeline::{Stall, UnfinishedTick};

use crate::app::attribution::{Attribution, Subject};
use crate::app::fold::{Fold, TickKey};
use crate::app::state::AppState;

/// A row of the list.
#[derive(Clone, Copy, Debug)]
pub enum StallRow<'a> {
    /// A stall that has not ended.
    Unfinished(UnfinishedTick),
    /// A stall that has ended.
    Ended(&'a Stall),
}

impl StallRow<'_> {
    /// When its tick began.
    #[must_use]
    pub const fn start(&self) -> Timestamp {
        match self {
            Self::Unfinished(tick) => tick.start,
            Self::Ended(stall) => stall.tick.start,
        }
    }

    /// Its tick, if that has ended.
    #[must_use]
    pub fn key(&self) -> Option<TickKey> {
        match self {
            Self::Unfinished(_) => None,
            Self::Ended(stall) => Some(TickKey::of(&stall.tick)),
        }
    }

    /// Opens the stall's breakdown in `picture`.
    #[must_use]
    pub fn attribution(&self, picture: &Fold) -> Attribution {
        match self {
            Self::Ended(stall) => Attribution::of_stall(stall, picture),
            Self::Unfinished(tick) => {
                let breakdown = picture.timeline.blame_unfinished(tick);
                Attribution::new(Subject::Unfinished(*tick), breakdown, picture)
            }
        }
    }
}

/// The stalls of the window: unfinished ones, then ended ones, newest first.
pub fn stalls(state: &AppState) -> impl Iterator<Item = StallRow<'_>> {
    let (fold, from) = (state.picture(), state.window_from());
    let ended = fold.timeline.stalls.newest_first().filter(move |stall| stall.tick.end > from);
    unfinished(fold).map(StallRow::Unfinished).chain(ended.map(StallRow::Ended))
}

fn unfinished(fold: &Fold) -> impl Iterator<Item = UnfinishedTick> + use<> {
    let limit_ns = fold.timeline.config().stall_limit_ns;
    fold.timeline.unfinished_ticks().into_iter().filter(move |tick| tick.is_stall(limit_ns))
}

/// Says that there is no stall.
#[must_use]
pub const fn none(state: &AppState) -> &'static str {
    if state.windowed.is_some() {
        "no stalls in this window, ] takes a longer one"
    } else {
        "no stalls so far"
    }
}

/// Number of rows in the list.
#[must_use]
pub fn rows(state: &AppState) -> usize {
    stalls(state).count()
}

/// Number of stalls seen, including evicted ones.
#[must_use]
pub fn seen(fold: &Fold) -> u64 {
    fold.timeline.stalls.count.saturating_add(unfinished(fold).count() as u64)
}

/// The row of the stall in this tick.
#[must_use]
pub fn row_of(state: &AppState, key: TickKey) -> Option<usize> {
    stalls(state).position(|row| row.key() == Some(key))
}
