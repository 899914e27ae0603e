//! The state that all pages share: what is watched, the time shown, the selection. Each page adds its own.

use loop_probes::ids::{Tag, Timestamp};
use loop_traces::source::{NowRunning, SourceCounts, SourceKind};
use loop_traces::timeline::{TickSummary, Timeline};
use ratatui::layout::Rect;

use super::attribution::Attribution;
use super::figures::{Figures, Order};
use super::filter::Filter;
use super::fold::{Fold, TickKey};
use super::layout;
use super::message::Process;
use super::playback_info::PlaybackInfo;
use super::window::Window;

/// What is watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceInfo {
    /// The name of the program or the file.
    pub name: String,
    /// Process id; 0 if there is none.
    pub pid: u32,
    /// The loop's policy.
    pub policy: String,
    /// The kind of the source.
    pub kind: SourceKind,
    /// Origin of events that no loop recorded, such as `imported from chrome`.
    pub made: Option<String>,
    /// The shell command that shows it; `None` if none can.
    pub command: Option<String>,
    /// Whether totals count from when this dashboard attached, not from the start of the loop.
    pub since_attach: bool,
    /// A tick busier than this is a stall, in nanoseconds.
    pub stall_limit_ns: u64,
}

/// The focused list of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Part {
    /// The first or only list.
    #[default]
    First,
    /// The second list.
    Second,
}

/// Everything known at one time: now, or when the view was frozen.
#[derive(Clone, Debug)]
pub struct Moment {
    /// The events so far.
    pub fold: Fold,
    /// The time, by the watched loop's clock.
    pub at: Timestamp,
    /// What each emitter is doing.
    pub running: Vec<NowRunning>,
    /// When `running` was read.
    pub running_at: Timestamp,
    /// The condition of the watched process.
    pub process: Process,
}

/// A temporary message in the bottom row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// The text of the message.
    pub text: String,
    /// Whether it reports a failure.
    pub failed: bool,
    /// The frame time at which it disappears, in nanoseconds; `None` until the next frame sets it.
    pub until_ns: Option<u64>,
}

/// The state that all pages share.
#[derive(Clone, Debug)]
pub struct AppState {
    /// What is watched.
    pub about: SourceInfo,
    /// Columns of the screen.
    pub width: u16,
    /// Rows of the screen.
    pub height: u16,
    /// The newest state; in a replay, the state at the replay's position.
    pub live: Moment,
    /// The state shown instead, if the view is frozen.
    pub frozen: Option<Box<Moment>>,
    /// The replay's position; `None` for a live loop.
    pub playback: Option<PlaybackInfo>,
    /// Losses of the source.
    pub counts: SourceCounts,
    /// Lost records without an event in the stream.
    pub lost_elsewhere: u64,
    /// The window that all figures are of.
    pub window: Window,
    /// The timeline of that window at the last refresh; `None` if that is everything.
    pub windowed: Option<Box<Timeline>>,
    /// The figures of the last refresh.
    pub figures: Figures,
    /// The focused list of the page.
    pub part: Part,
    /// The selected tick; only in a frozen view or a replay.
    pub tick: Option<TickKey>,
    /// The tag selected in the task table; `None` if no row is selected.
    pub tag: Option<Tag>,
    /// The selected row of the page's list: from its top; in the log, from its newest.
    pub row: usize,
    /// The filter; empty lets everything through.
    pub filter: Filter,
    /// The order of the task table.
    pub order: Order,
    /// The message in the bottom row.
    pub note: Option<Note>,
    /// Whether everything is being saved to a file.
    pub recording: bool,
}

impl AppState {
    /// A dashboard that has received no events.
    #[must_use]
    pub fn new(about: SourceInfo, fold: Fold) -> Self {
        let (at, running_at) = (Timestamp::default(), Timestamp::default());
        let (running, process) = (Vec::new(), Process::Running);
        Self {
            about,
            width: 0,
            height: 0,
            live: Moment { fold, at, running, running_at, process },
            frozen: None,
            playback: None,
            counts: SourceCounts::default(),
            lost_elsewhere: 0,
            window: Window::default(),
            windowed: None,
            figures: Figures::default(),
            part: Part::First,
            tick: None,
            tag: None,
            row: 0,
            filter: Filter::default(),
            order: Order::default(),
            note: None,
            recording: false,
        }
    }

    /// Shows a message in the bottom row.
    pub fn note(&mut self, text: impl Into<String>, failed: bool) {
        self.note = Some(Note { text: text.into(), failed, until_ns: None });
    }

    /// The part of the screen that the page fills.
    #[must_use]
    pub fn body(&self) -> Rect {
        layout::screen(self.width, self.height, self.is_replay()).body
    }

    /// Whether the dashboard shows a saved trace.
    #[must_use]
    pub const fn is_replay(&self) -> bool {
        self.playback.is_some()
    }

    /// The state to draw: the frozen one, else the current one.
    #[must_use]
    pub fn shown(&self) -> &Moment {
        self.frozen.as_deref().unwrap_or(&self.live)
    }

    /// The fold to draw.
    #[must_use]
    pub fn picture(&self) -> &Fold {
        &self.shown().fold
    }

    /// The figures of the window; those of everything until the first refresh.
    #[must_use]
    pub fn of_window(&self) -> &Timeline {
        self.windowed.as_deref().unwrap_or(&self.picture().timeline)
    }

    /// The window that the figures are of: everything, if there are no others.
    #[must_use]
    pub fn shown_window(&self) -> Window {
        let covers_all = self.window.ns() >= Some(self.elapsed_ns());
        if covers_all || self.windowed.is_some() { self.window } else { Window::All }
    }

    /// The part of the window since the first event, in nanoseconds.
    #[must_use]
    pub fn window_ns(&self) -> u64 {
        self.elapsed_ns().min(self.shown_window().ns().unwrap_or(u64::MAX))
    }

    /// When the window begins.
    #[must_use]
    pub fn window_from(&self) -> Timestamp {
        let from = self.shown_window().ns().and_then(|ns| self.picture_at().as_ns().checked_sub(ns));
        Timestamp(from.unwrap_or(0))
    }

    /// The time to draw.
    #[must_use]
    pub fn picture_at(&self) -> Timestamp {
        self.shown().at
    }

    /// The time from the first event to the time shown, in nanoseconds.
    #[must_use]
    pub fn elapsed_ns(&self) -> u64 {
        self.picture().timeline.first_at().map_or(0, |first| self.picture_at().ns_since(first))
    }

    /// The time shown, in nanoseconds from the start, if more is known than is shown: in a replay that is not at its
    /// end, or a frozen view.
    #[must_use]
    pub fn up_to_ns(&self) -> Option<u64> {
        let more = match &self.playback {
            Some(playback) => !playback.at_end(),
            None => self.behind_ns().is_some_and(|behind| behind > 0),
        };
        more.then(|| self.since_start_ns(self.picture_at()))
    }

    /// How far the frozen view is behind, in nanoseconds.
    #[must_use]
    pub fn behind_ns(&self) -> Option<u64> {
        self.frozen.as_deref().map(|frozen| self.live.at.ns_since(frozen.at))
    }

    /// The time from the start of the replay, or from the first event, to `at`, in nanoseconds.
    #[must_use]
    pub fn since_start_ns(&self, at: Timestamp) -> u64 {
        let start = self.playback.as_ref().map(|playback| playback.start);
        start.or_else(|| self.picture().timeline.first_at()).map_or(0, |start| at.ns_since(start))
    }

    /// The tick with the marker: the selected one or, in a paused replay, the last.
    #[must_use]
    pub fn marked_tick(&self) -> Option<&TickSummary> {
        match (self.tick, &self.playback) {
            (Some(key), _) => self.picture().tick(key),
            (None, Some(playback)) if !playback.playing => self.picture().timeline.ticks.recent.newest(),
            (None, _) => None,
        }
    }

    /// The tick that the tick page shows: the marked one, else the newest.
    #[must_use]
    pub fn shown_tick(&self) -> Option<&TickSummary> {
        self.marked_tick().or_else(|| self.picture().timeline.ticks.recent.newest())
    }

    /// A breakdown as lines of text.
    #[must_use]
    pub fn text_of(&self, attribution: &Attribution) -> String {
        let at_ns = self.since_start_ns(attribution.subject.extent().0);
        attribution.text(at_ns, &self.picture().timeline.labels)
    }

    /// Whether a tag passes the filter.
    #[must_use]
    pub fn lets_through(&self, tag: Tag) -> bool {
        self.filter.is_empty() || self.lets_through_name(&self.picture().timeline.labels.tag(tag))
    }

    /// Whether a name passes the filter.
    #[must_use]
    pub fn lets_through_name(&self, name: &str) -> bool {
        self.filter.lets_through(name)
    }
}
