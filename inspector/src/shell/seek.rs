//! Movement in time: from tick to tick, from stall to stall, and in a replay.

use loop_probes::ids::Timestamp;

use super::app::App;
use crate::app::attribution::Attribution;
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

    /// Goes to the next or previous stall in time; wraps around at the ends.
    pub(super) fn step_stall(&mut self, forward: bool) -> Vec<Effect> {
        if self.state.is_replay() {
            if self.page == PageName::Overview {
                self.pages.overview.focus = Pane::Ticks;
            }
            return vec![Effect::SeekStall { forward }];
        }
        let effects = self.freeze();
        let state = &mut self.state;
        let stalls = &state.picture().timeline.stalls;
        let mut oldest_first: Vec<(Timestamp, TickKey)> =
            stalls.newest_first().map(|stall| (stall.tick.start, TickKey::of(&stall.tick))).collect();
        oldest_first.reverse();
        let Some(last) = oldest_first.len().checked_sub(1) else {
            state.note("no stalls so far", false);
            return effects;
        };
        let here = state.tick.and_then(|key| state.picture().tick(key)).map(|tick| tick.start);
        let next = match here {
            None => Some(last),
            Some(here) if forward => oldest_first.iter().position(|(start, _)| *start > here),
            Some(here) => oldest_first.iter().rposition(|(start, _)| *start < here),
        };
        if next.is_none() {
            let end = if forward { "wrapped to the oldest stall" } else { "wrapped to the newest stall" };
            state.note(end, false);
        }
        let key = oldest_first[next.unwrap_or(if forward { 0 } else { last })].1;
        state.tick = Some(key);
        self.pages.overview.stall_row = stalls::row_of(self.state.picture(), key).unwrap_or(0);
        self.aim();
        match self.page {
            PageName::Overview => self.pages.overview.focus = Pane::Ticks,
            PageName::Breakdown => self.open_marked_stall(),
            _ => {}
        }
        effects
    }

    /// Selects the tick that a replay sought, and its stall.
    pub(super) fn mark(&mut self, tick: Option<TickKey>) {
        self.state.tick = tick;
        self.aim();
        if let Some(row) = tick.and_then(|key| stalls::row_of(self.state.picture(), key)) {
            self.pages.overview.stall_row = row;
        }
        if self.page == PageName::Breakdown {
            self.open_marked_stall();
        }
    }

    /// On the breakdown page, opens the breakdown of the stall that was sought.
    fn open_marked_stall(&mut self) {
        let picture = self.state.picture();
        let marked = self.state.marked_tick().map(TickKey::of);
        let mut stalls = picture.timeline.stalls.newest_first();
        let stall = stalls.find(|stall| Some(TickKey::of(&stall.tick)) == marked);
        let attribution = stall.map(|stall| Attribution::of_stall(stall, picture));
        drop(stalls);
        if attribution.is_some() {
            (self.pages.breakdown.attribution, self.state.row) = (attribution, 0);
        }
    }
}
