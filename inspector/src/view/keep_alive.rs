//! Active handles by name; and what reaches the loop from outside: commands, pumps, futures, its shutdown.
//!
//! A pane of a roomy overview, and a page of its own.

use loop_probes::ids::Timestamp;
use loop_traces::timeline::{Shutdown, Timeline, command_name};
use ratatui::style::Style;

use super::bounds;
use super::paint::Canvas;
use crate::app::layout::{self, Area, Pane};
use crate::app::overview::KeepAliveFigures;
use crate::app::state::AppState;
use crate::text::wrap;
use crate::units;

/// A pane of the overview: the number of each kind, then the names.
pub(super) fn pane(canvas: &mut Canvas<'_>, state: &AppState, area: Area) {
    if area.is_empty() {
        return;
    }
    let theme = canvas.theme;
    let keep_alive = &state.overview.keep_alive;
    let inner = canvas.pane(area, "alive", &age(state, keep_alive), state.focus == Pane::KeepAlive);
    let rows = usize::from(inner.height);
    let whole = if keep_alive.held.len() > rows { rows - 1 } else { keep_alive.held.len() };
    for (row, held) in keep_alive.held[..whole].iter().enumerate() {
        let mut pen = canvas.pen(inner, row as u16);
        let count = units::short_count(held.count);
        let named = inner.width.saturating_sub(count.len() as u16 + 2);
        let name = named.saturating_sub(held.what.name().len() as u16 + 2);
        pen.gap(1).put(held.what.name(), theme.dim()).gap(1).left(&held.name, name, theme.text());
        pen.to(inner.x + named).gap(1).put(&count, theme.strong());
    }
    if whole < keep_alive.held.len() {
        let more = format!(
            "{} more, {} in all",
            keep_alive.held.len() - whole,
            units::short_count(keep_alive.total())
        );
        canvas.pen(inner, whole as u16).gap(1).put(&more, theme.dim());
    }
}

/// Width of a count.
const COUNT_WIDTH: u16 = 7;

/// The age of the snapshot behind the list.
fn age(state: &AppState, keep_alive: &KeepAliveFigures) -> String {
    let age = keep_alive.as_of.map(|as_of| state.picture_at().ns_since(as_of));
    age.map_or_else(String::new, |age| format!("{:>5} old", units::duration(age)))
}

/// Draws the page.
pub(super) fn draw(canvas: &mut Canvas<'_>, state: &AppState, body: Area) {
    let left = Area { width: body.width / 2, ..body };
    let right = Area { x: body.x + left.width, width: body.width - left.width, ..body };
    list(canvas, state, left);
    external(canvas, state, right);
}

fn list(canvas: &mut Canvas<'_>, state: &AppState, area: Area) {
    let theme = canvas.theme;
    let keep_alive = &state.overview.keep_alive;
    let remark =
        keep_alive.as_of.map_or_else(String::new, |_| format!("{} in all", units::count(keep_alive.total())));
    let inner = canvas.pane(area, "active handles", &remark, true);
    if keep_alive.as_of.is_none() {
        let text = "no snapshot yet: the loop lists it every few seconds";
        for (row, line) in wrap(text, inner.width.saturating_sub(2).into(), 0).lines().enumerate() {
            canvas.pen(inner, row as u16).gap(1).put(line, theme.dim());
        }
        return;
    }
    let mut pen = canvas.pen(inner, 0);
    pen.gap(1).put(
        &format!("listed {} ago, followed since", age(state, keep_alive).trim_end_matches(" old").trim()),
        theme.dim(),
    );
    if keep_alive.left_out > 0 {
        pen.whole(&format!("; {} more had no room", units::count(keep_alive.left_out)), theme.held());
    }
    let rows = layout::rows(area, true);
    if keep_alive.held.is_empty() {
        let ended = state.picture().timeline.stopped.is_some();
        let text = if ended { "nothing" } else { "nothing: the loop may end" };
        canvas.pen(rows, 0).gap(1).put(text, theme.dim());
    }
    let first = layout::first_row(state.row, rows.height);
    let shown = keep_alive.held.iter().enumerate().skip(first).take(usize::from(rows.height));
    let last = first + usize::from(rows.height).min(keep_alive.held.len() - first);
    canvas.more_below(area, keep_alive.held.len() - last);
    let mut above = None;
    for (line, (place, held)) in shown.enumerate() {
        let line = line as u16;
        let mut pen = canvas.pen(rows, line);
        // A kind is only named in its first row.
        let kind = if above.replace(held.what) == Some(held.what) { "" } else { held.what.name() };
        let name = rows.width.saturating_sub(2 + 10 + COUNT_WIDTH);
        pen.gap(1).left(kind, 10, theme.dim()).left(&held.name, name, theme.text());
        pen.number(&units::short_count(held.count), COUNT_WIDTH, theme.strong());
        if place == state.row && state.row > 0 {
            canvas.tint(rows, line, theme.selected());
        }
    }
}

/// A row of styled words.
type Line = Vec<(String, Style)>;

fn external(canvas: &mut Canvas<'_>, state: &AppState, area: Area) {
    let timeline = &state.picture().timeline;
    let panes = [
        ("commands", "self-pipe", commands(canvas, state, timeline)),
        ("pumps", "foreign loop", pumps(canvas, timeline)),
        ("futures", "", futures(canvas, timeline)),
        ("end", "", end(canvas, state, timeline)),
    ];
    let mut left = area;
    let mut rest = panes.len() as u16;
    for (title, remark, lines) in panes {
        rest -= 1;
        // The last pane fills the rest; each of the others leaves three rows for each that follows.
        let most = left.height.saturating_sub(3 * rest);
        let height = if rest == 0 { left.height } else { (lines.len() as u16 + 2).min(most) };
        let pane = Area { height, ..left };
        (left.y, left.height) = (left.y + height, left.height - height);
        let inner = canvas.pane(pane, title, remark, false);
        for (row, line) in lines.iter().enumerate() {
            let mut pen = canvas.pen(inner, row as u16);
            pen.gap(1);
            for (text, style) in line {
                pen.put(text, *style);
            }
        }
    }
}

fn commands(canvas: &Canvas<'_>, state: &AppState, timeline: &Timeline) -> Vec<Line> {
    let theme = canvas.theme;
    let mut commands: Vec<_> = timeline.commands.by_byte.iter().collect();
    if commands.is_empty() {
        return vec![vec![("none".to_owned(), theme.dim())]];
    }
    commands.sort_by(|a, b| b.count.cmp(&a.count).then(a.byte.cmp(&b.byte)));
    let line = |command: &&loop_traces::timeline::CommandStats| {
        let style = if command.known { theme.text() } else { theme.held() };
        let unknown = if command.known { "" } else { "  unknown" };
        let last = units::position(state.since_start_ns(command.last_at));
        vec![
            (format!("{:<5}", command_name(command.byte)), style),
            (format!("{:>7}", units::short_count(command.count)), theme.strong()),
            (unknown.to_owned(), style),
            (format!("  last {last}"), theme.dim()),
        ]
    };
    commands.iter().map(line).collect()
}

fn pumps(canvas: &Canvas<'_>, timeline: &Timeline) -> Vec<Line> {
    let theme = canvas.theme;
    let (dim, text) = (theme.dim(), theme.text());
    let pumps = &timeline.pumps;
    if pumps.count() == 0 {
        return vec![vec![("no foreign loop was pumped".to_owned(), dim)]];
    }
    let count = |count: u64| units::short_count(count);
    vec![
        vec![
            (count(pumps.count()), theme.strong()),
            (" pumps, handled ".to_owned(), dim),
            (count(pumps.handled), text),
        ],
        vec![
            ("ready ".to_owned(), dim),
            (count(pumps.ready), text),
            ("  idle in poll ".to_owned(), dim),
            (count(pumps.polled()), text),
        ],
        vec![
            ("run p50 ".to_owned(), dim),
            (units::duration(pumps.run_ns.quantile(0.5)), text),
            ("  p99 ".to_owned(), dim),
            (bounds::p99(&pumps.run_ns.percentiles()), text),
            ("  max ".to_owned(), dim),
            (units::duration(pumps.run_ns.max()), text),
        ],
    ]
}

fn futures(canvas: &Canvas<'_>, timeline: &Timeline) -> Vec<Line> {
    let theme = canvas.theme;
    let (dim, text) = (theme.dim(), theme.text());
    let futures = timeline.futures;
    if !futures.is_seen() {
        return vec![vec![("none".to_owned(), dim)]];
    }
    let pair = |name: &str, count: u64| [(name.to_owned(), dim), (units::short_count(count), text)];
    vec![
        [pair("refs ", futures.refs_taken), pair("  released ", futures.refs_released)].concat(),
        [pair("woken ", futures.woken), pair("  for nothing yet ", futures.pending)].concat(),
    ]
}

fn end(canvas: &Canvas<'_>, state: &AppState, timeline: &Timeline) -> Vec<Line> {
    let theme = canvas.theme;
    let mut lines = Vec::new();
    if let Some(shutdown) = timeline.shutdown {
        lines.extend(shutdown_lines(canvas, state, &shutdown));
    }
    match timeline.stopped {
        Some(stopped) => lines.push(vec![
            (format!("ended at {}: ", units::position(state.since_start_ns(stopped.at))), theme.dim()),
            (stopped.reason.to_string(), theme.strong()),
        ]),
        None if lines.is_empty() => lines.push(vec![("not requested".to_owned(), theme.dim())]),
        None => {}
    }
    lines
}

fn shutdown_lines(canvas: &Canvas<'_>, state: &AppState, shutdown: &Shutdown) -> Vec<Line> {
    let theme = canvas.theme;
    let now: Timestamp = state.picture_at();
    let began = units::position(state.since_start_ns(shutdown.began));
    let limit = shutdown.deadline.map(|deadline| units::duration(deadline.ns_since(shutdown.began)));
    let of = limit.map_or_else(String::new, |limit| format!(" of {limit}"));
    let over = shutdown.is_overdue(now);
    let style = if over { theme.over() } else { theme.strong() };
    let (word, took_ns) = match shutdown.ended {
        Some(ended) => ("took ", ended.run_ns),
        None => ("in progress for ", now.ns_since(shutdown.began)),
    };
    let mut lines = vec![
        vec![("shutdown began at ".to_owned(), theme.dim()), (began, theme.text())],
        vec![(word.to_owned(), theme.dim()), (units::duration(took_ns), style), (of, theme.dim())],
    ];
    if let Some(ended) = shutdown.ended {
        let left = if ended.left > 0 { theme.held() } else { theme.dim() };
        lines.push(vec![
            (format!("{} finished  {} cancelled  ", ended.finished, ended.cancelled), theme.text()),
            (format!("{} left", ended.left), left),
        ]);
    }
    lines
}
