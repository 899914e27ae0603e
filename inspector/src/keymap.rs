//! The key bindings: one table, used for both the input and the help screen, so that they always agree.

/// A key, independent of the input library.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Key {
    /// A character without Ctrl or Alt.
    Char(char),
    /// A character with Ctrl.
    Ctrl(char),
    /// Enter.
    Enter,
    /// Esc.
    Esc,
    /// Tab.
    Tab,
    /// Shift-Tab.
    BackTab,
    /// Backspace.
    Backspace,
    /// An arrow.
    Up,
    /// An arrow.
    Down,
    /// An arrow.
    Left,
    /// An arrow.
    Right,
    /// Page up.
    PageUp,
    /// Page down.
    PageDown,
    /// Home.
    Home,
    /// The End key.
    End,
}

/// What a key asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Freeze or catch up; in replay, play or pause.
    Hold,
    /// Select the previous tick.
    TickBack,
    /// Select the next tick.
    TickForward,
    /// Select the row above.
    Up,
    /// Select the row below.
    Down,
    /// A page up.
    PageUp,
    /// A page down.
    PageDown,
    /// The first row, the oldest tick, the start of the trace.
    First,
    /// The last row, the newest tick, the end of the trace.
    Last,
    /// Select the next stall or, with a filter, the next match.
    NextStall,
    /// Select the previous stall or, with a filter, the previous match.
    PreviousStall,
    /// Open the selected item.
    Open,
    /// Close what is open.
    Back,
    /// Move the focus to the next pane.
    NextPane,
    /// Move the focus to the previous pane.
    PreviousPane,
    /// Show the overview.
    ViewOverview,
    /// Show one tick.
    ViewTick,
    /// Show one tag.
    ViewTasks,
    /// Show the timers.
    ViewTimers,
    /// Show the events.
    ViewLog,
    /// Show the active handles.
    ViewLoop,
    /// Show the agenda.
    ViewAgenda,
    /// Type a filter.
    Filter,
    /// Sort by the next column.
    Sort,
    /// Reverse the order.
    Invert,
    /// Play faster.
    Faster,
    /// Play slower.
    Slower,
    /// Back by a second.
    SeekBack,
    /// Forward by a second.
    SeekForward,
    /// Start or stop saving to a file.
    Record,
    /// Save the last seconds.
    Save,
    /// Export for other viewers.
    Export,
    /// More ticks in a column of the strip.
    ZoomOut,
    /// Fewer ticks in a column of the strip.
    ZoomIn,
    /// Figures of a longer window.
    LongerWindow,
    /// Figures of a shorter window.
    ShorterWindow,
    /// Redraw the whole screen.
    Redraw,
    /// Stop this program, as a shell's Ctrl-Z does.
    Suspend,
    /// Copy the selected row or breakdown.
    Copy,
    /// Copy the shell command that shows what is watched.
    CopyCommand,
    /// Show the commands, to find one by its name.
    Commands,
    /// Show the keys.
    Help,
    /// Quit.
    Quit,
}

/// When a binding applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Always.
    Always,
    /// For a live loop.
    Live,
    /// For a saved trace.
    Replay,
}

/// The section of the help screen that lists a binding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// Movement in time.
    Time,
    /// Movement on the screen.
    Move,
    /// What is shown.
    Show,
    /// Saving and exporting.
    Keep,
    /// Leaving the program, help and redrawing.
    Leave,
}

impl Group {
    /// Every group, in the order of the help screen.
    pub const ALL: [Self; 5] = [Self::Time, Self::Move, Self::Show, Self::Keep, Self::Leave];

    /// The group's heading.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Time => "time",
            Self::Move => "navigation",
            Self::Show => "view",
            Self::Keep => "save and export",
            Self::Leave => "program",
        }
    }
}

/// One line of the table.
#[derive(Clone, Copy, Debug)]
pub struct Binding {
    /// The keys, any of which triggers the action.
    pub keys: &'static [Key],
    /// The keys as the help screen prints them.
    pub shown: &'static str,
    /// What the keys do.
    pub action: Action,
    /// What the action does, in a few words.
    pub help: &'static str,
    /// What the first key does, if `help` tells of two bindings.
    pub alone: Option<&'static str>,
    /// The action's word in the bottom row, for the few listed there.
    pub hint: Option<&'static str>,
    /// Whether the help screen lists it; if not, the binding before it names both.
    pub is_listed: bool,
    /// The section of the help screen that lists the binding.
    pub group: Group,
    /// When the binding applies.
    pub scope: Scope,
}

const fn bind(
    keys: &'static [Key],
    shown: &'static str,
    action: Action,
    help: &'static str,
    group: Group,
    scope: Scope,
) -> Binding {
    Binding { keys, shown, action, help, alone: None, hint: None, is_listed: true, group, scope }
}

impl Binding {
    const fn hint(mut self, hint: &'static str) -> Self {
        self.hint = Some(hint);
        self
    }

    const fn alone(mut self, name: &'static str) -> Self {
        self.alone = Some(name);
        self
    }

    const fn named_before(mut self) -> Self {
        self.is_listed = false;
        self
    }

    /// The binding as a command, apart from others: its keys, and what they do.
    #[must_use]
    pub fn command(&self) -> (&'static str, &'static str) {
        match self.alone {
            Some(name) => (self.shown.split(' ').next().unwrap_or(self.shown), name),
            None => (self.shown, self.help),
        }
    }

    /// Whether the binding applies in replay, or in a live dashboard.
    #[must_use]
    pub const fn holds(&self, replay: bool) -> bool {
        match self.scope {
            Always => true,
            Live => !replay,
            Replay => replay,
        }
    }
}

use Group::{Keep, Leave, Move, Show, Time};
use Key::{BackTab, Char, Ctrl, Down, End, Enter, Esc, Home, Left, PageDown, PageUp, Right, Tab, Up};
use Scope::{Always, Live, Replay};

/// All key bindings. The bottom row shows those with a hint, in this order.
pub const BINDINGS: &[Binding] = &[
    bind(&[Char(' '), Char('f')], "Space f", Action::Hold, "freeze, or resume live", Time, Live)
        .hint("freeze"),
    bind(&[Char(' '), Char('f')], "Space f", Action::Hold, "play or pause", Time, Replay).hint("play"),
    bind(&[Left, Char('h')], "← h", Action::TickBack, "previous tick", Time, Always).hint("tick"),
    bind(&[Right, Char('l')], "→ l", Action::TickForward, "next tick", Time, Always),
    bind(&[Char('z')], "z Z", Action::ZoomOut, "zoom out or in", Show, Always)
        .alone("zoom out: more time")
        .hint("zoom"),
    bind(&[Char('Z')], "Z", Action::ZoomIn, "zoom in: less time", Show, Always).named_before(),
    bind(&[Char('+'), Char('=')], "+", Action::Faster, "play faster", Time, Replay).hint("speed"),
    bind(&[Char('-'), Char('_')], "-", Action::Slower, "play slower", Time, Replay),
    bind(&[Char('<'), Char(',')], "<", Action::SeekBack, "back 1 s", Time, Replay).hint("seek"),
    bind(&[Char('>'), Char('.')], ">", Action::SeekForward, "forward 1 s", Time, Replay),
    bind(&[Enter], "Enter", Action::Open, "open tick, tag or breakdown", Move, Always).hint("open"),
    bind(&[Esc], "Esc", Action::Back, "back, or clear filter", Move, Always),
    bind(&[Up, Char('k')], "↑ k", Action::Up, "up", Move, Always),
    bind(&[Down, Char('j')], "↓ j", Action::Down, "down", Move, Always),
    bind(
        &[PageUp, Ctrl('u'), Ctrl('b')],
        "PgUp ^U",
        Action::PageUp,
        "page up, 10 columns back",
        Move,
        Always,
    ),
    bind(&[PageDown, Ctrl('d')], "PgDn ^D", Action::PageDown, "page down, 10 columns ahead", Move, Always),
    bind(&[Char('g'), Home], "g Home", Action::First, "first row or tick, start", Move, Always),
    bind(&[Char('G'), End], "G End", Action::Last, "last row or tick, end", Move, Always),
    bind(&[Char('n')], "n N", Action::NextStall, "next or previous stall", Show, Always)
        .alone("next stall or match")
        .hint("stall"),
    bind(&[Char('N')], "N", Action::PreviousStall, "previous stall or match", Show, Always).named_before(),
    bind(&[Char('/')], "/", Action::Filter, "filter names by regex", Show, Always).hint("filter"),
    bind(&[Char(':')], ":", Action::Commands, "find a command", Leave, Always).hint("commands"),
    bind(&[Char('s')], "s", Action::Sort, "sort by next column", Show, Always).hint("sort"),
    bind(&[Char('i')], "i", Action::Invert, "reverse sort", Show, Always),
    bind(&[Char('[')], "[ ]", Action::ShorterWindow, "shorter or longer window", Show, Always)
        .alone("shorter window")
        .hint("window"),
    bind(&[Char(']')], "]", Action::LongerWindow, "longer window", Show, Always).named_before(),
    bind(&[Tab], "Tab", Action::NextPane, "next pane or list", Move, Always).hint("pane"),
    bind(&[BackTab], "S-Tab", Action::PreviousPane, "previous pane or list", Move, Always),
    bind(&[Char('1')], "1", Action::ViewOverview, "overview", Show, Always),
    bind(&[Char('2')], "2", Action::ViewTick, "tick", Show, Always),
    bind(&[Char('3')], "3", Action::ViewTasks, "tags + details", Show, Always),
    bind(&[Char('4')], "4", Action::ViewTimers, "late timers and causes", Show, Always),
    bind(&[Char('5')], "5", Action::ViewLog, "event log", Show, Always),
    bind(&[Char('6')], "6", Action::ViewLoop, "active handles", Show, Always),
    bind(&[Char('7')], "7", Action::ViewAgenda, "agenda and workers", Show, Always),
    bind(&[Char('r')], "r", Action::Record, "start or stop recording", Keep, Live).hint("record"),
    bind(&[Char('w')], "w", Action::Save, "save the ring's history", Keep, Live),
    bind(&[Char('e')], "e", Action::Export, "export as a Chrome trace", Keep, Always).hint("export"),
    bind(&[Char('y')], "y Y", Action::Copy, "copy row, or a command", Keep, Always)
        .alone("copy the row or breakdown")
        .hint("copy"),
    bind(&[Char('Y')], "Y", Action::CopyCommand, "copy the shell command", Keep, Always).named_before(),
    bind(&[Char('?')], "?", Action::Help, "help", Leave, Always).hint("help"),
    bind(&[Ctrl('l')], "^L", Action::Redraw, "redraw", Leave, Always),
    bind(&[Ctrl('z')], "^Z", Action::Suspend, "suspend (fg resumes)", Leave, Always),
    bind(&[Char('q'), Ctrl('c')], "q ^C", Action::Quit, "quit", Leave, Always).hint("quit"),
];

/// The action of `key` in replay, or in a live dashboard.
#[must_use]
pub fn action(key: Key, replay: bool) -> Option<Action> {
    BINDINGS.iter().find(|binding| binding.holds(replay) && binding.keys.contains(&key)).map(|it| it.action)
}

/// The commands with all of the words in `text`, in replay or in a live dashboard: every binding but the one that lists
/// them.
pub fn commands(text: &str, replay: bool) -> impl Iterator<Item = &'static Binding> {
    let words: Vec<String> = text.split_whitespace().map(str::to_lowercase).collect();
    let has_all = move |binding: &&Binding| {
        let (keys, name) = binding.command();
        let text = format!("{name} {} {keys}", binding.group.title()).to_lowercase();
        words.iter().all(|word| text.contains(word))
    };
    let all = BINDINGS.iter().filter(move |it| it.holds(replay) && it.action != Action::Commands);
    all.filter(has_all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_key_means_two_things() {
        for replay in [false, true] {
            let mut seen = std::collections::HashSet::new();
            for binding in BINDINGS.iter().filter(|binding| binding.holds(replay)) {
                for key in binding.keys {
                    assert!(seen.insert(*key), "{key:?} is bound twice");
                }
            }
        }
    }

    #[test]
    fn every_binding_has_a_key_and_says_what_it_does() {
        for binding in BINDINGS {
            assert!(!binding.keys.is_empty() && !binding.shown.is_empty() && !binding.help.is_empty());
            // The help screen's two columns fit side by side into 80 cells.
            assert!(binding.shown.chars().count() < 8 && binding.help.len() <= 27, "{}", binding.help);
        }
    }

    #[test]
    fn as_a_command_every_binding_stands_for_itself() {
        for pair in BINDINGS.windows(2) {
            assert_eq!(pair[0].alone.is_some(), !pair[1].is_listed, "{}", pair[0].help);
        }
        let names: Vec<_> = commands("", false).map(Binding::command).collect();
        assert!(
            names.contains(&("n", "next stall or match"))
                && names.contains(&("N", "previous stall or match"))
        );
        assert!(names.iter().all(|(_, name)| !name.contains("next or previous")));
    }

    #[test]
    fn a_key_means_what_its_scope_says() {
        assert_eq!(action(Char('r'), false), Some(Action::Record));
        assert_eq!(action(Char('r'), true), None);
        assert_eq!(action(Char('>'), true), Some(Action::SeekForward));
        assert_eq!(action(Char('>'), false), None);
        assert_eq!(action(Ctrl('c'), true), Some(Action::Quit));
    }
}
