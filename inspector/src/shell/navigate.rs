//! Carries out what a page asks for: shows another page, freezes the view, seeks.

use loop_probes::ids::{Tag, Timestamp};

use super::app::App;
use crate::app::attribution::Attribution;
use crate::app::fold::TickKey;
use crate::app::message::Effect;
use crate::pages::page::{LogOf, PageName, Request};
use crate::pages::tag_table;

/// Messages for when there is nothing to open.
const EVICTED: &str = "tick evicted from history";
const STILL_RUNNING: &str = "tick still running";
const NEVER_ENDED: &str = "tick did not end: the process is gone";

impl App {
    /// Carries out a request; returns the effects to perform, in order.
    pub(super) fn perform(&mut self, request: Request) -> Vec<Effect> {
        match request {
            Request::Nothing => {}
            Request::Open => return self.open(),
            Request::Freeze => return self.freeze(),
            Request::Mark(tick) => {
                let effects = self.freeze();
                (self.state.tick, self.state.row) = (Some(tick), 0);
                return effects;
            }
            Request::StepRows(by) => return self.step_rows(by),
            Request::StepTicks(by) => return self.step_ticks(by),
            Request::Show(page) => self.show(page),
            Request::Log(of) => self.show_log(of),
            Request::ShownTick => return self.show_tick(),
            Request::Tick(key, end) => return self.open_tick(key, end),
            Request::TickAt(at) => return self.open_tick_at(at),
            Request::Tag(tag) => self.open_tag(tag),
            Request::SelectedTag => self.show_tag(PageName::Tag),
            Request::Breakdown(attribution) => return self.open_breakdown(*attribution),
            Request::Evicted => self.state.note(EVICTED, false),
            Request::NotEnded => self.not_ended(),
            Request::Note(text) => self.state.note(text, false),
        }
        Vec::new()
    }

    /// Opens the selected item, which is looked up before the view freezes: that is the one the user saw.
    pub(super) fn open(&mut self) -> Vec<Effect> {
        let (page, state) = self.parts();
        let request = page.open(state);
        self.perform(request)
    }

    /// Moves the selection of the page.
    pub(super) fn step_rows(&mut self, by: i64) -> Vec<Effect> {
        let (page, state) = self.parts();
        let effects = if page.rows_move(state) { self.freeze() } else { Vec::new() };
        let (page, state) = self.parts();
        page.step(state, by);
        effects
    }

    /// Shows the log, all of it or one kind of events.
    pub(super) fn show_log(&mut self, of: Option<LogOf>) {
        if self.pages.log.of != of {
            (self.pages.log.of, self.state.row) = (of, 0);
        }
        self.show(PageName::Log);
    }

    /// Shows the marked tick, else the newest.
    pub(super) fn show_tick(&mut self) -> Vec<Effect> {
        let effects = self.freeze();
        if !self.state.is_replay() && self.state.tick.is_none() {
            self.move_marker(0);
        }
        if self.state.shown_tick().is_none() {
            self.state.note("no tick has ended yet", false);
        }
        self.show(PageName::Tick);
        self.aim();
        effects
    }

    /// Shows the selected tag, else the first, on `page`.
    pub(super) fn show_tag(&mut self, page: PageName) {
        self.state.tag = self.state.tag.or_else(|| tag_table::first(&self.state));
        self.show(page);
    }

    fn open_tag(&mut self, tag: Tag) {
        if self.state.picture().timeline.tags.is_beyond_limit(tag) {
            return self.state.note("tag limit reached: this tag has no figures of its own", false);
        }
        self.state.tag = Some(tag);
        self.show(PageName::Tag);
    }

    /// Opens a breakdown, and freezes the view on the tick in which the subject ended.
    fn open_breakdown(&mut self, attribution: Attribution) -> Vec<Effect> {
        let effects = self.freeze();
        self.show(PageName::Breakdown);
        if let Some((key, _)) = attribution.tick {
            self.state.tick = Some(key);
        }
        self.pages.breakdown.attribution = Some(attribution);
        effects
    }

    /// Says why a tick that has not ended has no page.
    fn not_ended(&mut self) {
        let is_gone = self.state.shown().process.is_gone();
        self.state.note(if is_gone { NEVER_ENDED } else { STILL_RUNNING }, false);
    }

    fn open_tick_at(&mut self, at: Timestamp) -> Vec<Effect> {
        let picture = self.state.picture();
        match picture.tick_at(at).copied() {
            Some(found) => self.open_tick(TickKey::of(&found), found.end),
            None if self.state.is_replay() => self.seek_tick(at),
            None if picture.timeline.unfinished_ticks().iter().any(|tick| tick.start <= at) => {
                self.perform(Request::NotEnded)
            }
            None => self.perform(Request::Evicted),
        }
    }

    fn open_tick(&mut self, key: TickKey, end: Timestamp) -> Vec<Effect> {
        let picture = self.state.picture();
        let kept = picture.tick(key);
        // Without a seek if the tick is still kept completely: at the tick's end, less would be known than at the
        // current position.
        let whole = kept.is_some_and(|tick| {
            picture.timeline.opened(tick).is_some()
                && picture.log().front().is_some_and(|oldest| oldest.at <= tick.start)
        });
        if self.state.is_replay() && !whole {
            return self.seek_tick(end);
        }
        if kept.is_none() {
            return self.perform(Request::Evicted);
        }
        let effects = self.freeze();
        self.state.tick = Some(key);
        self.show(PageName::Tick);
        self.aim();
        effects
    }

    /// Seeks to the tick at `at`: a replay has all ticks, even those evicted from the history.
    fn seek_tick(&mut self, at: Timestamp) -> Vec<Effect> {
        let mut effects = self.freeze();
        effects.push(Effect::SeekTick(at));
        self.show(PageName::Tick);
        self.aim();
        effects
    }
}
