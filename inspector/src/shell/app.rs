//! The whole dashboard: the shared state, the pages, which of them is shown, and the way back.

use loop_probes::ids::{Tag, Timestamp};

use crate::app::attribution::Attribution;
use crate::app::figures::{Column, Figures};
use crate::app::filter::Filter;
use crate::app::fold::TickKey;
use crate::app::hang::hang;
use crate::app::layout::Target;
use crate::app::message::Effect;
use crate::app::state::{AppState, Part};
use crate::app::window::Window;
use crate::pages::Pages;
use crate::pages::page::{Page, PageName};

/// Maximum number of pages remembered for Esc; beyond that the oldest are dropped.
const VISITED_MAX: usize = 32;

/// A page that was left, with its selection.
#[derive(Clone, Debug)]
struct Visited {
    page: PageName,
    part: Part,
    row: usize,
    tag: Option<Tag>,
    tick: Option<TickKey>,
    attribution: Option<Attribution>,
    /// The time that the page showed: at other times its rows differ.
    at: Timestamp,
}

/// What the dashboard shows at first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct FirstView {
    /// The page.
    pub page: PageName,
    /// The window of time that all figures are of.
    pub window: Window,
    /// The column that the tags are sorted by.
    pub sort: Column,
}

/// The open list of commands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Palette {
    /// The words typed so far.
    pub text: String,
    /// The selected row.
    pub row: usize,
}

/// State of the dashboard: shared figures, pages, and which page is shown.
#[derive(Clone, Debug)]
pub struct App {
    /// What all pages share.
    pub state: AppState,
    /// The pages and their state.
    pub pages: Pages,
    /// The page that is shown.
    pub page: PageName,
    /// Whether the key bindings are shown.
    pub help: bool,
    /// The previous filter, while a new one is being typed.
    pub typing: Option<Filter>,
    /// The commands, if they are shown.
    pub palette: Option<Palette>,
    /// What the mouse finds on the screen, as drawn last, the uppermost last.
    pub targets: Vec<Target>,
    /// The frame time at which the figures expire, in nanoseconds; 0 to refresh them at once.
    pub figures_until_ns: u64,
    /// The pages that Esc goes back through, one by one.
    visited: Vec<Visited>,
}

impl App {
    /// A dashboard that shows the overview of `state`.
    #[must_use]
    pub fn new(state: AppState) -> Self {
        Self {
            state,
            pages: Pages::default(),
            page: PageName::default(),
            help: false,
            typing: None,
            palette: None,
            targets: Vec::new(),
            figures_until_ns: 0,
            visited: Vec::new(),
        }
    }

    /// The same dashboard, before it receives anything, with another view. Esc leads from its page to the overview.
    #[must_use]
    pub fn beginning_with(mut self, first: FirstView) -> Self {
        self.state.window = first.window;
        self.state.order.column = first.sort;
        self.show(first.page);
        self
    }

    /// The page shown, and the shared state.
    pub(super) fn parts(&mut self) -> (&mut dyn Page, &mut AppState) {
        (self.pages.get_mut(self.page), &mut self.state)
    }

    /// Selects the first row of interest, after the page, its list or the tick changed.
    pub(super) fn aim(&mut self) {
        let (page, state) = self.parts();
        state.row = page.first_selected(state);
    }

    /// Refreshes the figures.
    pub(super) fn refresh(&mut self) {
        let state = &mut self.state;
        let hangs = hang(state).is_some();
        let now = state.picture_at();
        state.frozen.as_deref_mut().unwrap_or(&mut state.live).fold.pass(now);
        state.windowed = state.picture().of_window(state.window, now).map(Box::new);
        let whole = &state.picture().timeline;
        state.figures = Figures::read(whole, state.of_window(), now, hangs, state.order, &state.filter);
        self.refresh_page();
        let state = &mut self.state;
        let known = |tag| state.figures.tags.iter().any(|row| row.tag == tag);
        if state.tag.is_some_and(|tag| !known(tag)) {
            state.tag = None;
        }
    }

    /// Refreshes what only the page shown needs.
    fn refresh_page(&mut self) {
        let (page, state) = self.parts();
        page.refresh(state);
    }

    /// Freezes the view; pauses a replay.
    pub(super) fn freeze(&mut self) -> Vec<Effect> {
        let state = &mut self.state;
        if state.is_replay() {
            return vec![Effect::Pause];
        }
        if state.frozen.is_none() {
            state.frozen = Some(Box::new(state.live.clone()));
            self.refresh();
        }
        Vec::new()
    }

    /// Catches up with the loop.
    pub(super) fn catch_up(&mut self) {
        let state = &mut self.state;
        (state.frozen, state.tick, state.row) = (None, None, 0);
        (self.pages.overview.stall_row, self.pages.overview.late_row) = (0, 0);
        self.refresh();
    }

    /// Shows a page, from its top.
    pub(super) fn show(&mut self, page: PageName) {
        if self.page == page {
            return;
        }
        match page {
            PageName::Overview => self.visited.clear(),
            _ => self.remember(),
        }
        self.page = page;
        (self.state.part, self.state.row) = (Part::First, 0);
        self.refresh_page();
    }

    fn remember(&mut self) {
        let AppState { part, row, tag, tick, .. } = self.state;
        let (at, attribution) = (self.state.picture_at(), self.pages.breakdown.attribution.clone());
        if self.visited.len() == VISITED_MAX {
            self.visited.remove(0);
        }
        self.visited.push(Visited { page: self.page, part, row, tag, tick, attribution, at });
    }

    /// Shows the page that was left last, with its selection; without one, the overview.
    pub(super) fn go_back(&mut self) {
        let Some(visited) = self.visited.pop() else {
            (self.page, self.state.row) = (PageName::Overview, 0);
            return self.refresh_page();
        };
        let same_picture = visited.at == self.state.picture_at();
        // A breakdown is a copy: its lines do not change.
        let same_rows = same_picture || visited.page == PageName::Breakdown;
        self.page = visited.page;
        self.pages.breakdown.attribution = visited.attribution;
        let state = &mut self.state;
        state.part = visited.part;
        state.tag = visited.tag.or(state.tag);
        state.row = if same_rows { visited.row } else { 0 };
        if same_picture && visited.tick.is_some() {
            state.tick = visited.tick;
        }
        self.refresh_page();
    }
}
