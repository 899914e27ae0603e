//! The action of each key.

use super::{catch_up, freeze, note, read_overview, read_page};
use super::{open, pick};
use crate::app::columns::{column_ticks, column_ticks_max, next_column_ticks};
use crate::app::effect::Effect;
use crate::app::history;
use crate::app::layout::{self, Pane};
use crate::app::lists::LogOf;
use crate::app::playback_info::next_speed;
use crate::app::state::{AppState, Part, View};
use crate::keymap::{self, Action, Key};

/// The step of `<` and `>` in a replay, in nanoseconds.
const SEEK_NS: u64 = 1_000_000_000;
/// Maximum length of a filter, in characters.
const FILTER_MAX: usize = 40;
/// The step of page up and page down, in columns of the strip.
const PAGE_COLUMNS: i64 = 10;

pub(super) fn pressed(state: &mut AppState, key: Key) -> Vec<Effect> {
    if state.typing.is_some() && key != Key::Ctrl('c') {
        typed(state, key);
        return Vec::new();
    }
    let Some(action) = keymap::action(key, state.is_replay()) else { return Vec::new() };
    if state.help {
        return in_help(state, action);
    }
    act(state, action)
}

fn typed(state: &mut AppState, key: Key) {
    match key {
        Key::Enter => state.typing = None,
        Key::Esc => state.filter = state.typing.take().unwrap_or_default(),
        Key::Backspace if state.filter.is_empty() => state.typing = None,
        Key::Backspace => drop(state.filter.pop()),
        Key::Ctrl('u') => state.filter.clear(),
        Key::Char(character) if state.filter.chars().count() < FILTER_MAX => state.filter.push(character),
        _ => return,
    }
    state.row = 0;
    read_overview(state);
}

fn in_help(state: &mut AppState, action: Action) -> Vec<Effect> {
    match action {
        Action::Quit => vec![Effect::Quit],
        Action::Suspend => vec![Effect::Suspend],
        Action::Redraw => vec![Effect::Redraw],
        Action::Help | Action::Back | Action::Open | Action::Hold => {
            state.help = false;
            Vec::new()
        }
        _ => Vec::new(),
    }
}

/// Performs the action of a key, or of a click that stands for one.
pub(super) fn act(state: &mut AppState, action: Action) -> Vec<Effect> {
    match action {
        Action::Quit => return vec![Effect::Quit],
        Action::Suspend => return vec![Effect::Suspend],
        Action::Redraw => return vec![Effect::Redraw],
        Action::Help => state.help = true,
        Action::Hold => return hold(state),
        Action::TickBack => return step_ticks(state, -1),
        Action::TickForward => return step_ticks(state, 1),
        Action::Up => return pick::step(state, -1),
        Action::Down => return pick::step(state, 1),
        Action::PageUp => return page(state, -1),
        Action::PageDown => return page(state, 1),
        Action::First => return end(state, false),
        Action::Last => return end(state, true),
        Action::NextStall => return pick::stall(state, true),
        Action::PreviousStall => return pick::stall(state, false),
        Action::Open => return open(state),
        Action::Back => back(state),
        Action::NextPane => focus(state, true),
        Action::PreviousPane => focus(state, false),
        Action::ViewOverview => show(state, View::Overview),
        Action::ViewTick => return open_tick(state),
        Action::ViewTasks => {
            state.tag = pick::tag_in_sight(state).or(state.tag);
            open_tag(state, View::Tasks);
        }
        Action::ViewTimers => show(state, View::Timers),
        Action::ViewLog => show_log(state, None),
        Action::ViewLoop => show(state, View::Loop),
        Action::ViewAgenda => show(state, View::Agenda),
        Action::Filter => state.typing = Some(state.filter.clone()),
        Action::Sort => {
            state.order.column = state.order.column.next();
            sort(state);
        }
        Action::Invert => {
            state.order.inverted = !state.order.inverted;
            sort(state);
        }
        Action::Faster => return speed(state, true),
        Action::Slower => return speed(state, false),
        Action::SeekBack => return seek(state, false),
        Action::SeekForward => return seek(state, true),
        Action::ZoomOut => zoom(state, true),
        Action::ZoomIn => zoom(state, false),
        Action::Record => return vec![Effect::ToggleRecording],
        Action::Save => return vec![Effect::SaveLast],
        Action::Export => return export(state),
    }
    Vec::new()
}

fn zoom(state: &mut AppState, out: bool) {
    let (shown, most) = (column_ticks(state), column_ticks_max(state));
    if out && shown == most {
        note(state, "all ticks in history are shown".to_owned(), false);
    }
    state.column_ticks = next_column_ticks(shown, out, most);
}

fn hold(state: &mut AppState) -> Vec<Effect> {
    if state.is_replay() {
        return vec![Effect::TogglePlay];
    }
    if state.frozen.is_some() {
        catch_up(state);
        return Vec::new();
    }
    freeze(state)
}

pub(super) fn step_ticks(state: &mut AppState, by: i64) -> Vec<Effect> {
    if state.view == View::Overview {
        state.focus = Pane::Ticks;
    }
    // The previous and next ticks have no breakdown yet.
    if state.view == View::Breakdown {
        show(state, View::Tick);
    }
    if state.is_replay() {
        // Counted from the tick that was clicked on, if any: the player counts from its own position.
        let picture = state.picture();
        let back = state.tick.and_then(|key| picture.place(key)).map_or(0, |place| {
            let last = picture.timeline.ticks.recent.len().saturating_sub(1);
            i64::try_from(last.saturating_sub(place)).unwrap_or(0)
        });
        return vec![Effect::StepTicks(by.saturating_sub(back))];
    }
    let effects = freeze(state);
    pick::tick(state, by);
    effects
}

fn page(state: &mut AppState, direction: i64) -> Vec<Effect> {
    let listed = state.view != View::Overview || matches!(state.focus, Pane::Tasks | Pane::Stalls);
    if listed {
        return pick::step(state, direction * pick::page_rows(state));
    }
    let column_ticks = i64::try_from(column_ticks(state)).unwrap_or(1);
    step_ticks(state, direction * PAGE_COLUMNS * column_ticks)
}

fn end(state: &mut AppState, last: bool) -> Vec<Effect> {
    let over_ticks = match state.view {
        View::Overview => !matches!(state.focus, Pane::Tasks | Pane::Stalls),
        View::Tick => state.is_replay(),
        _ => false,
    };
    match &state.playback {
        Some(playback) if over_ticks => {
            vec![Effect::Seek(if last { playback.end } else { playback.start })]
        }
        None if over_ticks => step_ticks(state, if last { i64::MAX } else { i64::MIN }),
        _ => pick::step(state, if last { i64::MAX } else { i64::MIN }),
    }
}

fn focus(state: &mut AppState, forward: bool) {
    if state.view == View::Overview {
        let page = layout::page(state.width, state.height, state.is_replay());
        state.focus = layout::overview(page.body, state.extras()).step(state.focus, forward);
    } else {
        match (layout::has_two_lists(state.view), state.part) {
            (true, Part::First) => state.part = Part::Second,
            (true, Part::Second) => state.part = Part::First,
            (false, _) => return show(state, View::Overview),
        }
        pick::aim(state);
    }
}

pub(super) fn show(state: &mut AppState, view: View) {
    if state.view == view {
        return;
    }
    match view {
        View::Overview => state.history.clear(),
        _ => history::leave(state),
    }
    (state.view, state.part, state.row) = (view, Part::First, 0);
    read_page(state);
}

/// Shows the log, all of it or one kind of events.
fn show_log(state: &mut AppState, of: Option<LogOf>) {
    if state.log_of != of {
        (state.log_of, state.row) = (of, 0);
    }
    show(state, View::Log);
}

fn back(state: &mut AppState) {
    if state.view != View::Overview {
        history::go_back(state);
        read_page(state);
    } else if !state.filter.is_empty() {
        state.filter.clear();
        read_overview(state);
    } else {
        state.note = None;
    }
}

/// Opens the focused item.
pub(super) fn open(state: &mut AppState) -> Vec<Effect> {
    match (state.view, state.focus) {
        (View::Overview, Pane::Ticks) => return open_tick(state),
        (View::Overview, Pane::Tasks) | (View::Tasks, _) => open_tag(state, View::Tag),
        (View::Overview, Pane::Lag | Pane::Signals) => show(state, View::Timers),
        (View::Overview, Pane::Stalls) => return open::stall(state),
        (View::Overview, Pane::Queues) => show_log(state, Some(LogOf::Queues)),
        (View::Overview, Pane::Microtasks) => show_log(state, Some(LogOf::Microtasks)),
        (View::Overview, Pane::Gc) => show_log(state, Some(LogOf::Gc)),
        (View::Overview, Pane::Agenda) => show(state, View::Agenda),
        (View::Overview, Pane::KeepAlive) => show(state, View::Loop),
        (View::Loop | View::Agenda, _) => {}
        (View::Tick | View::Tag | View::Timers | View::Breakdown | View::Log, _) => {
            return open::row(state);
        }
    }
    Vec::new()
}

pub(super) fn open_tick(state: &mut AppState) -> Vec<Effect> {
    let effects = freeze(state);
    if !state.is_replay() && state.tick.is_none() {
        pick::tick(state, 0);
    }
    if state.shown_tick().is_none() {
        note(state, "no tick is over yet".to_owned(), false);
    }
    show(state, View::Tick);
    pick::aim(state);
    effects
}

pub(super) fn open_tag(state: &mut AppState, view: View) {
    if state.tag.is_none() {
        state.tag = state.overview.tags.first().map(|row| row.tag);
    }
    show(state, view);
}

fn speed(state: &AppState, faster: bool) -> Vec<Effect> {
    let playback = state.playback.as_ref();
    playback.map(|playback| Effect::SetSpeed(next_speed(playback.speed, faster))).into_iter().collect()
}

fn seek(state: &AppState, forward: bool) -> Vec<Effect> {
    let to = |playback: &crate::app::playback_info::PlaybackInfo| {
        let position = playback.position;
        if forward {
            position.plus_ns(SEEK_NS)
        } else {
            loop_probes::ids::Timestamp(position.as_ns().saturating_sub(SEEK_NS))
        }
    };
    state.playback.as_ref().map(|playback| Effect::Seek(to(playback))).into_iter().collect()
}

fn export(state: &mut AppState) -> Vec<Effect> {
    let timeline = &state.picture().timeline;
    match (timeline.first_at(), timeline.last_at()) {
        (Some(from), Some(to)) => vec![Effect::Export { from, to }],
        _ => {
            note(state, "nothing to export yet".to_owned(), false);
            Vec::new()
        }
    }
}

/// Sorts the tags by their new order and selects the first, so that the list shows its top.
fn sort(state: &mut AppState) {
    state.overview.sort(state.order);
    if state.tag.is_some() {
        state.tag = state.overview.tags.first().map(|row| row.tag);
    }
}
