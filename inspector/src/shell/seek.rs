//! Movement in time: from tick to tick, from stall to stall, and in a replay.

use loop_probes::ids::Timestamp;

use super::app::App;
use crate::app::fold::TickKey;
use crate::app::layout::moved;
use crate::app::message::Effect;
use crate::pages::overview::layout::Pane;
use crate::pages::overview::stalls;
use crate::pages::page::PageName;

impl App {
    /// Moves by this many ticks.
    pub(super) fn step_ticks(&mut self, by: i64) -> Vec<Effect> {
        match self.page {
            PageName::Overview => self.pages.overview.focus = Pane::Ticks,
            // Only stalls have breakdowns, and the neighbours may be none.
            PageName::Breakdown => self.show(PageName::Tick),
            _ => {}
        }
        let state = &self.state;
        if state.is_replay() {
            // Steps count from the tick that was clicked, if any, but the player counts from its position.
            let picture = state.picture();
            let back = state.tick.and_then(|key| picture.place(key)).map_or(0, |place| {
                let last = picture.timeline.ticks.recent.len().saturating_sub(1);
                i64::try_from(last.saturating_sub(place)).unwrap_or(0)
            });
            return vec![Effect::StepTicks(by.saturating_sub(back))];
        }
        let effects = self.freeze();
        self.move_marker(by);
        effects
    }

    /// Moves the marker by this many of the kept ticks; without a marker, to the newest.
    pub(super) fn move_marker(&mut self, by: i64) {
        let state = &mut self.state;
        let recent = &state.picture().timeline.ticks.recent;
        let last = recent.len().saturating_sub(1);
        let place = match state.tick {
            None if by == i64::MIN => 0,
            None => last,
            Some(key) => match state.picture().place(key) {
                Some(place) => moved(place, by, last),
                // The marked tick is a stall before the oldest kept tick.
                None if by > 0 => 0,
                None => return,
            },
        };
        state.tick = recent.at(place).map(TickKey::of);
        self.aim();
    }

    /// Goes to the next or previous stall in time; wraps around at the ends. One that has not ended is selected in the
    /// list, as it has no column in the strip to mark.
    pub(super) fn step_stall(&mut self, forward: bool) -> Vec<Effect> {
        if self.state.is_replay() {
            if self.page == PageName::Overview {
                self.pages.overview.focus = Pane::Ticks;
            }
            return vec![Effect::SeekStall { forward }];
        }
        let selected = self.selected_unfinished();
        let effects = self.freeze();
        let state = &mut self.state;
        let rows = stalls::stalls(state).enumerate();
        let mut oldest_first: Vec<(Timestamp, Option<TickKey>, usize)> =
            rows.map(|(place, row)| (row.start(), row.key(), place)).collect();
        oldest_first.sort_by_key(|(start, ..)| *start);
        let Some(last) = oldest_first.len().checked_sub(1) else {
            state.note(stalls::none(state), false);
            return effects;
        };
        let marked = state.tick.and_then(|key| state.picture().tick(key)).map(|tick| tick.start);
        let here = marked.or(selected);
        let next = match here {
            None => Some(last),
            Some(here) if forward => oldest_first.iter().position(|(start, ..)| *start > here),
            Some(here) => oldest_first.iter().rposition(|(start, ..)| *start < here),
        };
        if next.is_none() {
            let end = if forward { "wrapped to the oldest stall" } else { "wrapped to the newest stall" };
            state.note(end, false);
        }
        let (_, key, row) = oldest_first[next.unwrap_or(if forward { 0 } else { last })];
        (state.tick, self.pages.overview.stall_row) = (key, row);
        self.aim();
        match self.page {
            PageName::Overview => {
                self.pages.overview.focus = if key.is_some() { Pane::Ticks } else { Pane::Stalls };
            }
            _ => self.open_stall(key),
        }
        effects
    }

    /// The start of the stall that has not ended and is selected in the frozen list.
    fn selected_unfinished(&self) -> Option<Timestamp> {
        self.state.frozen.as_ref().filter(|_| self.state.tick.is_none())?;
        let row = stalls::stalls(&self.state).nth(self.pages.overview.stall_row)?;
        row.key().is_none().then(|| row.start())
    }

    /// Selects the tick that a replay sought, and its stall.
    pub(super) fn mark(&mut self, tick: Option<TickKey>) {
        self.state.tick = tick;
        self.aim();
        if let Some(row) = tick.and_then(|key| stalls::row_of(&self.state, key)) {
            self.pages.overview.stall_row = row;
        }
        if let Some(key) = self.state.marked_tick().map(TickKey::of) {
            self.open_stall(Some(key));
        }
    }

    /// Selects the first stall that has not ended, which a replay sought.
    pub(super) fn select_unfinished(&mut self) {
        (self.state.tick, self.pages.overview.stall_row) = (None, 0);
        match self.page {
            PageName::Overview => self.pages.overview.focus = Pane::Stalls,
            _ => self.open_stall(None),
        }
    }

    /// On the breakdown page, opens the breakdown of the stall in this tick, or of the selected one that has not ended.
    fn open_stall(&mut self, tick: Option<TickKey>) {
        if self.page != PageName::Breakdown {
            return;
        }
        let picture = self.state.picture();
        let row = tick.map_or(Some(self.pages.overview.stall_row), |key| stalls::row_of(&self.state, key));
        let stall = row.and_then(|row| stalls::stalls(&self.state).nth(row)).filter(|row| row.key() == tick);
        if let Some(attribution) = stall.map(|stall| stall.attribution(picture)) {
            (self.pages.breakdown.attribution, self.state.row) = (Some(attribution), 0);
        }
    }
}
