//! The three rows at the top: what is watched, what is wrong with it, its key figures.

use crate::app::hang::{busy_now_ns, hang, loop_running};
use crate::app::layout::{NARROW, Target};
use crate::app::message::Process;
use crate::app::state::AppState;
use crate::app::window::Window;
use crate::describe;
use crate::keymap::{self, Key};
use crate::pages::page::PageName;
use crate::text::cut;
use crate::units;

use super::tabs::{self, Detail, tabs};
use crate::view::bounds;
use crate::view::histogram::none_fired;
use crate::view::paint::Canvas;
use loop_probes::text::printable;
use loop_traces::diagnosis::{LookAt, Rule};
use loop_traces::source::SourceKind;
use ratatui::layout::Rect;
use ratatui::style::Style;
use unicode_width::UnicodeWidthStr as _;

/// Maximum width of the sparkline of the rate: a cell per tenth of a second.
const SPARK_MAX: u16 = 50;
const SPARK_MIN: u16 = 2;

/// Draws the three rows.
pub(crate) fn draw(canvas: &mut Canvas<'_>, state: &AppState, page: PageName, area: Rect) {
    source_line(canvas, state, page, area);
    diagnosis_line(canvas, state, area);
    figures_line(canvas, state, area);
}

/// The row of the diagnosis.
const DIAGNOSIS: u16 = 1;
/// The row of the key figures.
const FIGURES: u16 = 2;

/// What is wrong most. While the loop makes no progress, that is the fault, whatever came before.
fn diagnosis_line(canvas: &mut Canvas<'_>, state: &AppState, area: Rect) {
    let theme = canvas.theme;
    let has_ended = state.live.process == Process::Ended;
    if let Some(hang) = hang(state).filter(|_| !has_ended) {
        let style = if hang.is_fault { theme.over() } else { theme.held() };
        canvas.pen(area, DIAGNOSIS).gap(1).put(&hang.text, style);
        return;
    }
    // A replay shows that of the whole trace from the beginning.
    let whole = state.playback.as_ref().and_then(|playback| playback.diagnosis.as_deref());
    let Some(diagnosis) = whole.or(state.figures.diagnosis.as_ref()) else { return };
    let of_whole = if whole.is_some() && state.up_to_ns().is_some() { "whole trace: " } else { "" };
    let is_over = diagnosis.run_ns > Some(state.about.stall_limit_ns);
    let (mark, style) = match diagnosis.rule {
        rule if rule.is_fault() && is_over => ("▲ ", theme.over()),
        rule if rule.is_fault() => ("▲ ", theme.held()),
        Rule::Undecided => ("", theme.held()),
        _ => ("", theme.text()),
    };
    let text = format!("{mark}{of_whole}{}", diagnosis.text);
    let next = diagnosis.look_at.map_or_else(String::new, |look_at| next(look_at, area.width, text.width()));
    let room = usize::from(area.width).saturating_sub(next.width() + 1);
    canvas.pen(area, DIAGNOSIS).gap(1).put(&cut(&text, room), style);
    canvas.pen(area, DIAGNOSIS).right(&next, theme.dim());
    let key = diagnosis.look_at.and_then(page_of).and_then(tabs::key_of);
    if let Some(action) = key.and_then(|key| keymap::action(Key::Char(key), state.is_replay())) {
        canvas.target(Rect { y: area.y + DIAGNOSIS, height: 1, ..area }, action);
    }
}

/// Where to look next, beside a sentence of `used` cells: ` 4 ▸ delay caused `, or only the key if that is all that fits.
fn next(look_at: LookAt, width: u16, used: usize) -> String {
    let key = page_of(look_at).and_then(tabs::key_of).map_or_else(String::new, |key| format!("{key} "));
    let whole = format!("  {key}▸ {} ", look_at.name());
    let fits = whole.width() + used < usize::from(width);
    if fits { whole } else { format!(" {key}▸ ") }
}

/// The page that shows it; `None` if the overview does.
const fn page_of(look_at: LookAt) -> Option<PageName> {
    match look_at {
        LookAt::OpenTick | LookAt::Stalls => Some(PageName::Tick),
        LookAt::Tags => Some(PageName::Tags),
        LookAt::DelayCaused | LookAt::LateTimers => Some(PageName::Timers),
        LookAt::Agenda => Some(PageName::Agenda),
        _ => None,
    }
}

/// Maximum and minimum width of the note on how a trace was made.
const MADE_MAX: usize = 40;
const MADE_MIN: usize = 12;

fn source_line(canvas: &mut Canvas<'_>, state: &AppState, page: PageName, area: Rect) {
    let theme = canvas.theme;
    let about = &state.about;
    let (status, status_style) = status(canvas, state);
    let clock = clock(state, area.width);
    let (count, is_least) = lost(state);
    let shown = if area.width < NARROW { units::short_count(count) } else { units::count(count) };
    let lost = match (count, is_least) {
        (_, false) => format!("lost {shown}"),
        (0, true) => "lost unknown".to_owned(),
        (_, true) => format!("lost {}{shown}", bounds::AT_LEAST),
    };
    let lost_style = if count > 0 || is_least { theme.held() } else { theme.dim() };
    let recording = if state.recording { "● rec  " } else { "" };
    // An imported or re-executed trace has no process to look for.
    let pid =
        if about.pid > 0 && about.made.is_none() { format!("pid {}", about.pid) } else { String::new() };
    let policy = printable(&about.policy);
    // Loops of other kinds have no policy.
    let policy = match policy.as_str() {
        "" | "unknown" => String::new(),
        policy => format!("policy {policy}"),
    };
    let right = [&status, "  ", &clock, "  ", recording, &lost, " "];
    let right_width: usize = right.iter().map(|part| part.width()).sum();
    let name = printable(&about.name);
    // The end of a path that does not fit is its most informative part.
    let end_of_path = name.rsplit('/').next().unwrap_or(&name);
    let width_of = |parts: &[&String]| -> usize {
        parts.iter().filter(|part| !part.is_empty()).map(|part| part.width() + 3).sum()
    };
    let has_agenda = state.figures.agenda.is_some();
    let tabs_in = |detail| tabs(page, has_agenda, detail);
    // The note on how a trace was made gets the room left by everything else, or none if that is too little.
    let keys = tabs::width(&tabs_in(Detail::Name));
    let least = end_of_path.width() + 1 + width_of(&[&pid, &policy]) + 2 + keys + 2 + right_width;
    let left = usize::from(area.width).saturating_sub(least + 3).min(MADE_MAX);
    let made = about.made.as_deref().filter(|_| left >= MADE_MIN);
    let made = made.map_or_else(String::new, |made| cut(&printable(made), left));
    let parts = [&made, &pid, &policy];
    let first = |count: usize| &parts[..count];
    // Names of pages are worth more than the policy, and their keys more than all that is beside the name.
    let choices = [(3, Detail::Names), (2, Detail::Names), (3, Detail::Name), (2, Detail::Name)];
    let choices = choices.into_iter().chain((0..=3).rev().map(|count| (count, Detail::Keys)));
    let chosen = choices.map(|(count, detail)| (first(count), tabs_in(detail))).find(|(parts, tabs)| {
        let left = end_of_path.width() + 1 + width_of(parts);
        left + 2 + tabs::width(tabs) + 2 + right_width <= usize::from(area.width)
    });
    let (shown, tabs) = chosen.unwrap_or_default();
    let rest = width_of(shown);
    let middle = if tabs.is_empty() { 0 } else { tabs::width(&tabs) + 2 };
    let left_width = area.width.saturating_sub((right_width + middle) as u16 + 2);

    let mut pen = canvas.pen(Rect { width: left_width, ..area }, 0);
    // The name is shortened before the numbers are.
    let room = left_width.saturating_sub(rest as u16 + 1).max(8);
    let name = if name.width() > usize::from(room) { end_of_path } else { &name };
    let name = cut(name, room.into());
    pen.gap(1).put(&name, theme.strong());
    for part in shown {
        if !part.is_empty() {
            pen.whole(&format!(" · {part}"), theme.dim());
        }
    }
    let middle = Rect { x: area.x + left_width + 2, width: middle as u16, ..area };
    let mut pen = canvas.pen(middle, 0);
    let mut targets = Vec::new();
    for tab in &tabs {
        let x = pen.at();
        pen.put(&tab.text, if tab.is_shown { theme.strong() } else { theme.dim() });
        let action = keymap::action(Key::Char(tab.key), state.is_replay());
        targets.extend(action.map(|action| Target { area: pen.since(x), action }));
        pen.gap(1);
    }
    canvas.targets.extend(targets);
    let start = Rect { x: area.x + area.width.saturating_sub(right_width as u16), ..area };
    let mut pen = canvas.pen(Rect { width: right_width.min(usize::from(area.width)) as u16, ..start }, 0);
    pen.put(&status, status_style).gap(2).put(&clock, theme.text()).gap(2);
    pen.put(recording, theme.held()).put(&lost, lost_style);
}

/// The number of lost records, and whether there may be more, as in the report.
fn lost(state: &AppState) -> (u64, bool) {
    let timeline = &state.picture().timeline;
    let (count, gaps) = (state.counts.lost_records.max(timeline.lost_in_all()), timeline.uncounted_gaps());
    let least = timeline.lost_bounds().map_or(0, |bounds| bounds.lo);
    (count.saturating_sub(gaps).max(least), gaps > 0)
}

fn status(canvas: &Canvas<'_>, state: &AppState) -> (String, Style) {
    let theme = canvas.theme;
    // An ended process makes no progress behind a frozen view.
    if let Some(behind) =
        state.behind_ns().filter(|behind| *behind > 0 || state.live.process == Process::Running)
    {
        return (format!("‖ frozen, {:>5} behind", units::duration(behind)), theme.held());
    }
    if let Some(playback) = &state.playback {
        let speed = units::speed(playback.speed);
        return match (playback.playing, playback.at_end()) {
            (true, _) => (format!("▶ replay {speed}"), theme.live()),
            (false, true) => (format!("■ end {speed}"), theme.held()),
            (false, false) => (format!("‖ paused {speed}"), theme.held()),
        };
    }
    match state.live.process {
        Process::Running => ("● live".to_owned(), theme.live()),
        Process::Stopped => ("■ stopped".to_owned(), theme.held()),
        Process::Ended => ("■ ended".to_owned(), theme.held()),
        Process::Crashed => ("■ crashed".to_owned(), theme.over()),
    }
}

fn clock(state: &AppState, width: u16) -> String {
    if let Some(playback) = &state.playback {
        let whole = playback.end.ns_since(playback.start);
        let position = playback.position.ns_since(playback.start);
        // If there is little room, only the scrubber shows the total length.
        let whole = if width < 96 { String::new() } else { format!(" / {}", units::position(whole)) };
        return format!("{}{whole}", units::position(position));
    }
    let since = if state.about.since_attach { "since attach " } else { "" };
    format!("{since}{}", units::position(state.elapsed_ns()))
}

fn figures_line(canvas: &mut Canvas<'_>, state: &AppState, area: Rect) {
    let theme = canvas.theme;
    let (dim, strong) = (theme.dim(), theme.strong());
    let figures = &state.figures;
    let limit = state.about.stall_limit_ns;
    let stalls = figures.stalls;
    let wide = area.width >= 100;
    let lag = figures.lag_ns;
    let late = lag.max > Some(limit);
    let max = format!("{:>6}{}", units::duration(lag.max), if late { "▲" } else { " " });
    let stalled = stalls > 0;
    let share = if wide { 5 } else { 4 };
    let (busy, lag_of) = match (figures.several_loops, wide) {
        (true, true) => ("  busiest loop", "worst lag"),
        (true, false) => (" busiest", "lag"),
        (false, true) => ("  utilization", "lag"),
        (false, false) => (" util", "lag"),
    };
    let (now, all) = windows(state, area.width);
    // Figures have fixed widths: numbers that move cannot be read.
    let mut parts: Vec<(String, Style)> = vec![
        (busy.to_owned(), dim),
        (if figures.rate.has_lost { bounds::MARK } else { " " }.to_owned(), theme.held()),
        (format!("{:>share$}", units::percent(figures.rate.utilization)), strong),
        (all, theme.title(false)),
        (format!("{lag_of} p50 "), dim),
        (format!("{:>5}", units::short_duration(lag.p50)), strong),
        (if wide { "  p99" } else { " p99" }.to_owned(), dim),
        (if bounds::is_open(&lag) { bounds::MARK } else { " " }.to_owned(), theme.held()),
        (format!("{:>6}", units::duration(lag.p99)), strong),
        (format!("{:<1}", lag.p99_mark()), dim),
        (if wide { " max " } else { "max " }.to_owned(), dim),
        (max, if late { theme.over() } else { strong }),
        (if wide { "  stalls " } else { " stalls " }.to_owned(), dim),
        (at_least(state, stalls, wide), if stalled { theme.over() } else { strong }),
    ];
    if area.width < NARROW {
        // The median is on the timers page.
        parts.drain(4..6);
        parts[4].0 = "lag p99".to_owned();
    }
    if lag.count == 0 {
        let max_style = parts.len() - 2;
        parts.splice(4..max_style, [(format!("{}  ", none_fired(state)), dim)]);
    }
    let rate = format!("{:>5}", units::rate(figures.rate.ticks));
    let width: usize = parts.iter().map(|(text, _)| text.width()).sum();
    let left = now.width() + 8 + rate.width() + 1;
    let room = usize::from(area.width).saturating_sub(width + left + 1) as u16;
    let mut pen = canvas.pen(area, FIGURES);
    pen.put(&now, theme.title(false));
    if area.width >= NARROW {
        let mark = if figures.rate.has_lost { bounds::AT_LEAST } else { " " };
        pen.put("ticks/s", dim).put(mark, theme.held()).put(&rate, strong);
    }
    if room >= SPARK_MIN {
        // The running tenth of a second would always look like a dip.
        let over = figures.ticks.len().saturating_sub(1);
        pen.gap(1).sparkline(&figures.ticks[..over], room.min(SPARK_MAX), theme.bar());
    }
    for (text, style) in &parts {
        pen.put(text, *style);
    }
    if wide && matches!(state.about.kind, SourceKind::Ring) && !state.is_replay() {
        let doing = doing(state);
        pen.right(&format!(" {doing} "), theme.over());
    }
}

/// The narrowest screen that spells out the windows of the figures.
const WORDS_FROM: u16 = 130;

/// The windows of the figures in words: that of the rates, and that of all figures after them.
fn windows(state: &AppState, width: u16) -> (String, String) {
    let seconds = (state.figures.rate.window_ns + 500_000_000) / 1_000_000_000;
    let seconds = seconds.max(1);
    let window = state.shown_window();
    let name = window.name();
    let words = match window {
        Window::All if state.about.since_attach => "since attach".to_owned(),
        Window::All => "since start".to_owned(),
        _ => format!("last {name}"),
    };
    match width {
        0..100 => (format!("{seconds:>2}s "), format!(" {name} ")),
        100..WORDS_FROM => (format!("{seconds:>2}s: "), format!("  {name}: ")),
        _ => (format!(" last {seconds}s: "), format!("   {words}: ")),
    }
}

/// The number of stalls, with a plus if lost ticks could add to it: `3+`.
fn at_least(state: &AppState, count: u64, wide: bool) -> String {
    let more = if state.figures.more_stalls { "+" } else { "" };
    let count = if wide { units::count(count) } else { units::tiny_count(count) };
    format!("{count}{more}")
}

/// The loop's current activity, if it lasts long enough to be read.
fn doing(state: &AppState) -> String {
    let long = busy_now_ns(state) > state.about.stall_limit_ns;
    let now_running = loop_running(state).filter(|_| long);
    now_running.map_or_else(String::new, |now_running| {
        describe::running(now_running, &state.picture().timeline.labels, state.shown().running_at)
    })
}
