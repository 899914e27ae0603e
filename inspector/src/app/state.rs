//! What the dashboard knows: everything that the view draws from, and nothing that draws.

use loop_probes::ids::{SourceId, Tag, Timestamp};
use loop_traces::source::{NowRunning, SourceCounts, SourceKind};
use loop_traces::timeline::TickSummary;

use super::account::Account;
use super::fold::Fold;
use super::glance::{Glance, Order};
use super::layout::{Extras, Pane};
use super::lists::{LateRow, Victim};
use super::message::Process;
use super::playback_info::PlaybackInfo;
use super::trail::Trail;

/// Who is watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct About {
    /// The program's name, or the file's.
    pub name: String,
    /// Its process id, 0 where there is none.
    pub pid: u32,
    /// The loop's policy.
    pub policy: String,
    /// Where the events come from.
    pub kind: SourceKind,
    /// What was done to make them, where they are not as a loop recorded them: `imported from chrome`.
    pub made: Option<String>,
    /// Totals count since this dashboard attached, not since the loop began.
    pub since_attach: bool,
    /// A tick busier than this is a stall, in nanoseconds.
    pub stall_limit_ns: u64,
}

/// One tick of one loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TickKey {
    /// The loop's emitter.
    pub source: SourceId,
    /// The tick's number.
    pub tick: u64,
}

impl TickKey {
    /// The key of a tick.
    #[must_use]
    pub const fn of(tick: &TickSummary) -> Self {
        Self { source: tick.source, tick: tick.tick }
    }
}

/// A page of the dashboard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum View {
    /// Everything at a glance.
    #[default]
    Overview,
    /// One tick in full.
    Tick,
    /// The tags, the selected one beside them.
    Tasks,
    /// One tag in full.
    Tag,
    /// Timers and who made them late.
    Timers,
    /// Who used a stretch of time.
    Ledger,
    /// The events themselves.
    Log,
    /// What keeps the loop alive, and what comes to it from outside.
    Loop,
    /// The agenda.
    Agenda,
}

impl View {
    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Overview => "overview",
            Self::Tick => "tick",
            Self::Tasks => "tasks",
            Self::Tag => "tag",
            Self::Ledger => "ledger",
            Self::Timers => "timers",
            Self::Log => "log",
            Self::Loop => "loop",
            Self::Agenda => "agenda",
        }
    }
}

/// Which of a page's lists has the focus.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Part {
    /// The only one, or the first.
    #[default]
    First,
    /// The second.
    Second,
}

/// A picture that stands still while recording goes on.
#[derive(Clone, Debug)]
pub struct Frozen {
    /// What was known then.
    pub fold: Fold,
    /// When, by the loop's clock.
    pub at: Timestamp,
    /// What each emitter did then.
    pub running: Vec<NowRunning>,
    /// When that was read.
    pub running_at: Timestamp,
    /// How the watched process was.
    pub process: Process,
}

/// A sentence in the bottom row, for a while.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// The sentence.
    pub text: String,
    /// It tells of a failure.
    pub failed: bool,
    /// Frames' time at which it goes, in nanoseconds; `None` until the next frame sets it.
    pub until_ns: Option<u64>,
}

/// The state of the dashboard.
#[derive(Clone, Debug)]
pub struct State {
    /// Who is watched.
    pub about: About,
    /// Columns of the screen.
    pub width: u16,
    /// Rows of the screen.
    pub height: u16,
    /// The events so far.
    pub fold: Fold,
    /// The picture, where it stands still.
    pub frozen: Option<Box<Frozen>>,
    /// The replay's position; `None` for a loop that runs.
    pub playback: Option<PlaybackInfo>,
    /// What each emitter does now.
    pub running: Vec<NowRunning>,
    /// When that was read.
    pub running_at: Timestamp,
    /// What the source could not give.
    pub counts: SourceCounts,
    /// How the watched process is.
    pub process: Process,
    /// The time of the watched loop's clock.
    pub now: Timestamp,
    /// The figures as they were last read off.
    pub glance: Glance,
    /// The late timers and signals, read with the figures while their page is shown.
    pub late: Vec<LateRow>,
    /// Who queued the selected tag's tasks, read with the figures while its page is shown.
    pub queued_by: Vec<(String, u64)>,
    /// Whom the selected tag made late, read with the figures while its page is shown.
    pub victims: Vec<Victim>,
    /// Frames' time at which the figures are old, in nanoseconds; 0 when they are void.
    pub glance_until_ns: u64,
    /// The page that is shown.
    pub view: View,
    /// The pages that Esc goes back through.
    pub trail: Trail,
    /// The list of the page that has the focus.
    pub part: Part,
    /// The ledger that is open, where one is.
    pub account: Option<Account>,
    /// The pane of the overview that has the focus.
    pub focus: Pane,
    /// The selected tick; always one of the frozen picture or of the replay.
    pub tick: Option<TickKey>,
    /// The selected tag.
    pub tag: Option<Tag>,
    /// The selected stall: 0 is the newest.
    pub stall_row: usize,
    /// The selected row of the page's list: from its top; in the log, from its newest.
    pub row: usize,
    /// Ticks that a column of the strip stands for.
    pub column_ticks: usize,
    /// The filter; empty lets everything through.
    pub filter: String,
    /// The filter is being typed; what it was before.
    pub typing: Option<String>,
    /// The order of the tasks.
    pub order: Order,
    /// The keys are shown.
    pub help: bool,
    /// A sentence in the bottom row.
    pub note: Option<Note>,
    /// Everything is being saved to a file.
    pub recording: bool,
}

impl State {
    /// A dashboard that has seen nothing yet.
    #[must_use]
    pub fn new(about: About, fold: Fold) -> Self {
        Self {
            about,
            width: 0,
            height: 0,
            fold,
            frozen: None,
            playback: None,
            running: Vec::new(),
            running_at: Timestamp::default(),
            counts: SourceCounts::default(),
            process: Process::Running,
            now: Timestamp::default(),
            glance: Glance::default(),
            late: Vec::new(),
            queued_by: Vec::new(),
            victims: Vec::new(),
            glance_until_ns: 0,
            view: View::Overview,
            trail: Trail::default(),
            part: Part::First,
            account: None,
            focus: Pane::Ticks,
            tick: None,
            tag: None,
            stall_row: 0,
            row: 0,
            column_ticks: 1,
            filter: String::new(),
            typing: None,
            order: Order::default(),
            help: false,
            note: None,
            recording: false,
        }
    }

    /// The dashboard shows a saved trace.
    #[must_use]
    pub const fn is_replay(&self) -> bool {
        self.playback.is_some()
    }

    /// What is drawn: the frozen picture, else what is known now.
    #[must_use]
    pub fn picture(&self) -> &Fold {
        self.frozen.as_deref().map_or(&self.fold, |frozen| &frozen.fold)
    }

    /// The panes of the overview beyond those of every loop.
    #[must_use]
    pub const fn extras(&self) -> Extras {
        Extras { agenda: self.glance.agenda.is_some(), alive: !self.glance.alive.held.is_empty() }
    }

    /// The moment that is drawn.
    #[must_use]
    pub fn picture_at(&self) -> Timestamp {
        self.frozen.as_deref().map_or(self.now, |frozen| frozen.at)
    }

    /// What each emitter does in the picture, when that was read, and how the process is in it.
    #[must_use]
    pub fn picture_running(&self) -> (&[NowRunning], Timestamp, Process) {
        match self.frozen.as_deref() {
            Some(frozen) => (&frozen.running, frozen.running_at, frozen.process),
            None => (&self.running, self.running_at, self.process),
        }
    }

    /// The end of the trace's or the recording's time that elapsed in the picture, in nanoseconds.
    #[must_use]
    pub fn elapsed_ns(&self) -> u64 {
        self.picture().timeline.first_at().map_or(0, |first| self.picture_at().ns_since(first))
    }

    /// Where the picture ends, in nanoseconds from its start, where more is known than it shows: a replay that is not
    /// at its end, a frozen picture.
    #[must_use]
    pub fn up_to_ns(&self) -> Option<u64> {
        let more = match &self.playback {
            Some(playback) => !playback.at_end(),
            None => self.behind_ns().is_some_and(|behind| behind > 0),
        };
        more.then(|| self.since_start_ns(self.picture_at()))
    }

    /// How far the frozen picture is behind, in nanoseconds.
    #[must_use]
    pub fn behind_ns(&self) -> Option<u64> {
        self.frozen.as_deref().map(|frozen| self.now.ns_since(frozen.at))
    }

    /// A time as a distance from the picture's first event, in nanoseconds.
    #[must_use]
    pub fn since_start_ns(&self, at: Timestamp) -> u64 {
        let start = self.playback.as_ref().map(|playback| playback.start);
        start.or_else(|| self.picture().timeline.first_at()).map_or(0, |start| at.ns_since(start))
    }

    /// The tick that the marker stands on: the selected one; in a replay that pauses, the last.
    #[must_use]
    pub fn marked_tick(&self) -> Option<&TickSummary> {
        match (self.tick, &self.playback) {
            (Some(key), _) => self.picture().tick(key),
            (None, Some(playback)) if !playback.playing => self.picture().timeline.ticks.recent.newest(),
            (None, _) => None,
        }
    }

    /// The tick that the tick's page shows: the marked one, else the newest.
    #[must_use]
    pub fn shown_tick(&self) -> Option<&TickSummary> {
        self.marked_tick().or_else(|| self.picture().timeline.ticks.recent.newest())
    }

    /// Whether the filter lets a tag through.
    #[must_use]
    pub fn lets_through(&self, tag: Tag) -> bool {
        self.filter.is_empty() || self.lets_through_name(&self.picture().timeline.labels.tag(tag))
    }

    /// Whether the filter lets a name through.
    #[must_use]
    pub fn lets_through_name(&self, name: &str) -> bool {
        self.filter.is_empty() || contains(name, &self.filter)
    }
}

/// Whether `text` contains `part`, whatever their case.
#[must_use]
pub fn contains(text: &str, part: &str) -> bool {
    text.to_lowercase().contains(&part.to_lowercase())
}
