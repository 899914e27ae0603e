//! Performs the action of each key, and of the mouse.

use loop_probes::ids::Timestamp;
use ratatui::layout::{Position, Rect};

use super::app::{App, Palette};
use crate::app::layout::{fits, moved, screen, track};
use crate::app::message::{Effect, Mouse, MouseKind};
use crate::app::playback_info::{PlaybackInfo, next_speed};
use crate::app::window::Window;
use crate::keymap::{self, Action, Key, commands};
use crate::pages::page::{PageName, Request};
use crate::pages::{overview, tag_table};

/// The step of `<` and `>` in a replay, in nanoseconds.
const SEEK_NS: u64 = 1_000_000_000;
/// Maximum length of the words that look for a command, in characters.
const WORDS_MAX: usize = 40;
/// The step of page up and page down, in columns of the strip.
const PAGE_COLUMNS: i64 = 10;

impl App {
    /// Reacts to a key.
    pub(super) fn pressed(&mut self, key: Key) -> Vec<Effect> {
        if self.typing.is_some() && key != Key::Ctrl('c') {
            self.typed(key);
            return Vec::new();
        }
        if let Some(palette) = self.palette.take() {
            return self.in_palette(palette, key);
        }
        match keymap::action(key, self.state.is_replay()) {
            None => Vec::new(),
            Some(action) if self.help => self.act_in_help(action),
            Some(action) => self.act(action),
        }
    }

    fn typed(&mut self, key: Key) {
        let filter = &mut self.state.filter;
        match key {
            Key::Enter => self.typing = None,
            Key::Esc => *filter = self.typing.take().unwrap_or_default(),
            Key::Backspace if filter.is_empty() => self.typing = None,
            Key::Backspace => filter.pop(),
            Key::Ctrl('u') => filter.clear(),
            Key::Char(character) => filter.push(character),
            _ => return,
        }
        self.state.row = 0;
        self.refresh();
    }

    /// Reacts to a key while the commands are shown.
    fn in_palette(&mut self, mut palette: Palette, key: Key) -> Vec<Effect> {
        let replay = self.state.is_replay();
        match key {
            Key::Esc | Key::Ctrl('c') => return Vec::new(),
            Key::Backspace if palette.text.is_empty() => return Vec::new(),
            Key::Enter => {
                let chosen = commands(&palette.text, replay).nth(palette.row);
                return chosen.map(|binding| self.act(binding.action)).unwrap_or_default();
            }
            Key::Up | Key::BackTab | Key::Ctrl('p') => step(&mut palette, -1, replay),
            Key::Down | Key::Tab | Key::Ctrl('n') => step(&mut palette, 1, replay),
            Key::PageUp | Key::Home => step(&mut palette, i64::MIN, replay),
            Key::PageDown | Key::End => step(&mut palette, i64::MAX, replay),
            Key::Ctrl('u') => palette = Palette::default(),
            Key::Backspace => {
                palette.text.pop();
                palette.row = 0;
            }
            Key::Char(character) if palette.text.chars().count() < WORDS_MAX => {
                palette.text.push(character);
                palette.row = 0;
            }
            _ => {}
        }
        self.palette = Some(palette);
        Vec::new()
    }

    /// Reacts to the mouse while the commands are shown: a click performs the one under the pointer, or closes them.
    fn on_palette(&mut self, mut palette: Palette, mouse: Mouse) -> Vec<Effect> {
        let replay = self.state.is_replay();
        match mouse.kind {
            MouseKind::Click => return self.click_target(mouse.at).unwrap_or_default(),
            MouseKind::WheelUp => step(&mut palette, -1, replay),
            MouseKind::WheelDown => step(&mut palette, 1, replay),
            MouseKind::Drag => {}
        }
        self.palette = Some(palette);
        Vec::new()
    }

    fn act_in_help(&mut self, action: Action) -> Vec<Effect> {
        match action {
            Action::Quit | Action::Suspend | Action::Redraw => return self.act(action),
            Action::Help | Action::Back | Action::Open | Action::Hold => self.help = false,
            _ => {}
        }
        Vec::new()
    }

    fn act(&mut self, action: Action) -> Vec<Effect> {
        match action {
            Action::Quit => return vec![Effect::Quit],
            Action::Suspend => return vec![Effect::Suspend],
            Action::Redraw => return vec![Effect::Redraw],
            Action::Copy => return self.copy(),
            Action::CopyCommand => return self.copy_command(),
            Action::Help => self.help = true,
            Action::Commands => self.palette = Some(Palette::default()),
            Action::Hold => return self.hold(),
            Action::TickBack => return self.step_ticks(-1),
            Action::TickForward => return self.step_ticks(1),
            Action::Up => return self.step_rows(-1),
            Action::Down => return self.step_rows(1),
            Action::PageUp => return self.step_page(-1),
            Action::PageDown => return self.step_page(1),
            Action::First => return self.go_to_end(false),
            Action::Last => return self.go_to_end(true),
            Action::NextStall => return self.step_match(true).unwrap_or_else(|| self.step_stall(true)),
            Action::PreviousStall => {
                return self.step_match(false).unwrap_or_else(|| self.step_stall(false));
            }
            Action::Open => return self.open(),
            Action::Back => self.back(),
            Action::NextPane => self.next_pane(true),
            Action::PreviousPane => self.next_pane(false),
            Action::ViewOverview => self.show(PageName::Overview),
            Action::ViewTick => return self.show_tick(),
            Action::ViewTasks => {
                let (page, state) = self.parts();
                state.tag = page.tag(state).or(state.tag);
                self.show_tag(PageName::Tags);
            }
            Action::ViewTimers => self.show(PageName::Timers),
            Action::ViewLog => self.show_log(None),
            Action::ViewLoop => self.show(PageName::Handles),
            Action::ViewAgenda => self.show(PageName::Agenda),
            Action::Filter => self.typing = Some(self.state.filter.clone()),
            Action::Sort => {
                self.state.order.column = self.state.order.column.next();
                self.sort();
            }
            Action::Invert => {
                self.state.order.inverted = !self.state.order.inverted;
                self.sort();
            }
            Action::Faster => return self.speed(true),
            Action::Slower => return self.speed(false),
            Action::SeekBack => return self.seek(false),
            Action::SeekForward => return self.seek(true),
            Action::LongerWindow => self.set_window(self.state.window.longer()),
            Action::ShorterWindow => self.set_window(self.state.window.shorter()),
            Action::ZoomOut => self.zoom(true),
            Action::ZoomIn => self.zoom(false),
            Action::Record => return vec![Effect::ToggleRecording],
            Action::Save => return vec![Effect::SaveLast],
            Action::Export => return self.export(),
        }
        Vec::new()
    }

    fn zoom(&mut self, out: bool) {
        let (page, state) = self.parts();
        if let Err(why) = page.zoom(state, out) {
            state.note(why, false);
        }
    }

    fn set_window(&mut self, window: Window) {
        if window == self.state.window {
            let end = if window == Window::All { "longest" } else { "shortest" };
            return self.state.note(format!("{} is the {end} window", window.name()), false);
        }
        self.state.window = window;
        self.refresh();
    }

    fn hold(&mut self) -> Vec<Effect> {
        if self.state.is_replay() {
            return vec![Effect::TogglePlay];
        }
        if self.state.frozen.is_some() {
            self.catch_up();
            return Vec::new();
        }
        self.freeze()
    }

    /// While a filter is set, goes to the next or previous of what it lets through; `None` on a page without a filter.
    fn step_match(&mut self, forward: bool) -> Option<Vec<Effect>> {
        if self.state.filter.is_empty() {
            return None;
        }
        let (page, state) = self.parts();
        let request = page.next_match(state, forward)?;
        Some(self.perform(request))
    }

    fn step_page(&mut self, direction: i64) -> Vec<Effect> {
        let (page, state) = self.parts();
        if page.pages_ticks() {
            let column_ticks = self.pages.overview.column_ticks(&self.state, &overview::panes(&self.state));
            return self.step_ticks(direction * PAGE_COLUMNS * i64::try_from(column_ticks).unwrap_or(1));
        }
        let rows = i64::from(page.page_rows(state).max(1));
        self.step_rows(direction * rows)
    }

    fn go_to_end(&mut self, last: bool) -> Vec<Effect> {
        let by = if last { i64::MAX } else { i64::MIN };
        let (page, state) = self.parts();
        let over_ticks = page.ends_are_ticks(state);
        match &state.playback {
            Some(playback) if over_ticks => {
                vec![Effect::Seek(if last { playback.end } else { playback.start })]
            }
            None if over_ticks => self.step_ticks(by),
            _ => self.step_rows(by),
        }
    }

    fn next_pane(&mut self, forward: bool) {
        let (page, state) = self.parts();
        if !page.next_pane(state, forward) {
            self.show(PageName::Overview);
        }
    }

    fn back(&mut self) {
        if !self.state.filter.is_empty() {
            self.state.filter.clear();
            self.refresh();
        } else if self.page != PageName::Overview {
            self.go_back();
        } else {
            self.state.note = None;
        }
    }

    fn speed(&self, faster: bool) -> Vec<Effect> {
        let playback = self.state.playback.as_ref();
        playback.map(|playback| Effect::SetSpeed(next_speed(playback.speed, faster))).into_iter().collect()
    }

    fn seek(&self, forward: bool) -> Vec<Effect> {
        let to = |playback: &PlaybackInfo| match forward {
            true => playback.position.plus_ns(SEEK_NS),
            false => Timestamp(playback.position.as_ns().saturating_sub(SEEK_NS)),
        };
        self.state.playback.as_ref().map(|playback| Effect::Seek(to(playback))).into_iter().collect()
    }

    fn export(&mut self) -> Vec<Effect> {
        let timeline = &self.state.picture().timeline;
        if let (Some(from), Some(to)) = (timeline.first_at(), timeline.last_at()) {
            return vec![Effect::Export { from, to }];
        }
        self.state.note("nothing to export yet", false);
        Vec::new()
    }

    /// Sorts the tags by their new order and selects the first, so that the list shows its top.
    fn sort(&mut self) {
        let state = &mut self.state;
        state.figures.sort(state.order);
        if state.tag.is_some() {
            state.tag = tag_table::first(state);
        }
    }

    /// Reacts to the mouse: each click acts like a key, at the position of the pointer.
    pub(super) fn pointed(&mut self, mouse: Mouse) -> Vec<Effect> {
        let (width, height) = (self.state.width, self.state.height);
        if !fits(width, height) {
            return Vec::new();
        }
        if self.help {
            self.help = mouse.kind != MouseKind::Click;
            return Vec::new();
        }
        if let Some(palette) = self.palette.take() {
            return self.on_palette(palette, mouse);
        }
        if mouse.kind == MouseKind::Click
            && let Some(effects) = self.click_target(mouse.at)
        {
            return effects;
        }
        let scrubber = screen(width, height, self.state.is_replay()).scrubber;
        if scrubber.contains(mouse.at) {
            return self.on_scrubber(mouse, track(scrubber));
        }
        let (page, state) = self.parts();
        let request = match mouse.kind {
            MouseKind::Drag => Request::Nothing,
            MouseKind::Click => page.click(state, mouse.at),
            MouseKind::WheelUp => page.wheel(state, mouse.at, -1),
            MouseKind::WheelDown => page.wheel(state, mouse.at, 1),
        };
        self.perform(request)
    }

    /// Performs what was drawn at `at` to be clicked, if anything was.
    fn click_target(&mut self, at: Position) -> Option<Vec<Effect>> {
        let target = self.targets.iter().rev().find(|target| target.area.contains(at))?;
        Some(self.act(target.action))
    }

    fn on_scrubber(&self, mouse: Mouse, track: Rect) -> Vec<Effect> {
        if !matches!(mouse.kind, MouseKind::Click | MouseKind::Drag) {
            return Vec::new();
        }
        let cell = f64::from(mouse.at.x.saturating_sub(track.x));
        let share = cell / f64::from(track.width.saturating_sub(1).max(1));
        self.state.playback.iter().map(|playback| Effect::Seek(playback.at_share(share))).collect()
    }
}

/// Moves the selection in the list of commands.
fn step(palette: &mut Palette, by: i64, replay: bool) {
    let last = commands(&palette.text, replay).count().saturating_sub(1);
    palette.row = moved(palette.row, by, last);
}
