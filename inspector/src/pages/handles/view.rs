//! Draws the active handles, and what reaches the loop from outside.

use loop_probes::ids::Timestamp;
use loop_traces::summary::JobsSummary;
use loop_traces::timeline::{Shutdown, Timeline, command_name};
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::Text;
use ratatui::widgets::{Block, Padding, Paragraph, Widget as _, Wrap};

use crate::app::figures::KeepAliveFigures;
use crate::app::layout::{from_bottom, from_left, from_top, rows};
use crate::app::state::AppState;
use crate::units;
use crate::view::bounds;
use crate::view::paint::Canvas;
use crate::view::table::{Column, cell};

/// The age of the snapshot from which the list was built.
pub(crate) fn age(state: &AppState, keep_alive: &KeepAliveFigures) -> String {
    let age = keep_alive.as_of.map(|as_of| state.picture_at().ns_since(as_of));
    age.map_or_else(String::new, |age| format!("{:>5} old", units::duration(age)))
}

/// Draws the page.
pub(crate) fn draw(canvas: &mut Canvas<'_>, state: &AppState, body: Rect) {
    let [mut left, right] = from_left(body, body.width / 2);
    // Few programs have a pool.
    if let Some(jobs) = &state.figures.jobs {
        let pane;
        [left, pane] = from_bottom(left, JOBS_ROWS);
        self::jobs(canvas, jobs, pane);
    }
    list(canvas, state, left);
    external(canvas, state, right);
}

fn list(canvas: &mut Canvas<'_>, state: &AppState, area: Rect) {
    let theme = canvas.theme;
    let keep_alive = &state.figures.keep_alive;
    let remark =
        keep_alive.as_of.map_or_else(String::new, |_| format!("{} total", units::count(keep_alive.total())));
    let inner = canvas.pane(area, "active handles", &remark, true);
    if keep_alive.as_of.is_none() {
        let text = "no snapshot yet: the loop takes one every few seconds";
        let text = Paragraph::new(Text::styled(text, theme.dim())).wrap(Wrap { trim: true });
        text.block(Block::new().padding(Padding::horizontal(1))).render(inner, canvas.buffer);
        return;
    }
    let mut pen = canvas.pen(inner, 0);
    pen.gap(1).put(
        &format!("snapshot {} ago, updated since", age(state, keep_alive).trim_end_matches(" old").trim()),
        theme.dim(),
    );
    if keep_alive.left_out > 0 {
        pen.whole(&format!("; {} more had no room", units::count(keep_alive.left_out)), theme.held());
    }
    let rows = rows(area, true);
    let all = &keep_alive.held;
    if all.is_empty() {
        let ended = state.picture().timeline.stopped.is_some();
        let text = if ended { "none" } else { "none: the loop can exit" };
        canvas.pen(rows, 0).gap(1).put(text, theme.dim());
    }
    let columns = [Column::text("", 9), Column::rest(""), Column::figure("", 6)];
    let mut above = None;
    let shown = canvas.table(rows, &columns, all.len(), (state.row, state.row > 0), |place, _| {
        let held = &all[place];
        // Only the first row of a kind names it.
        let kind = if above.replace(held.what) == Some(held.what) { "" } else { held.what.name() };
        [
            cell(kind, theme.dim()),
            cell(&*held.name, theme.text()),
            cell(units::short_count(held.count), theme.strong()),
        ]
    });
    canvas.position(area, shown, all.len());
}

/// A row of styled words.
type Line = Vec<(String, Style)>;

fn external(canvas: &mut Canvas<'_>, state: &AppState, area: Rect) {
    let timeline = &state.picture().timeline;
    let panes = [
        ("commands", "self-pipe", commands(canvas, state)),
        ("pumps", "foreign loop", pumps(canvas, timeline)),
        ("futures", "", futures(canvas, timeline)),
        ("shutdown", "", end(canvas, state, timeline)),
    ];
    let mut left = area;
    let mut rest = panes.len() as u16;
    for (title, remark, lines) in panes {
        rest -= 1;
        // The last pane fills the rest; each of the others leaves three rows for every pane below it.
        let most = left.height.saturating_sub(3 * rest);
        let height = if rest == 0 { left.height } else { (lines.len() as u16 + 2).min(most) };
        let pane;
        [pane, left] = from_top(left, height);
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

fn commands(canvas: &Canvas<'_>, state: &AppState) -> Vec<Line> {
    let theme = canvas.theme;
    let mut commands: Vec<_> = state.of_window().commands.by_byte.iter().collect();
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
        return vec![vec![("none".to_owned(), dim)]];
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
            ("p50 ".to_owned(), dim),
            (units::duration(pumps.run_ns.quantile(0.5)), text),
            ("  p99 ".to_owned(), dim),
            (bounds::p99(&pumps.run_ns.percentiles()), text),
            ("  max ".to_owned(), dim),
            (units::duration(pumps.run_ns.max()), text),
        ],
    ]
}

/// Rows of the pane of jobs: the frame, the counts, the waits and the runs.
const JOBS_ROWS: u16 = 5;
/// Minimum width for their 99th percentiles.
const P99_FROM: u16 = 42;

fn jobs(canvas: &mut Canvas<'_>, jobs: &JobsSummary, area: Rect) {
    let theme = canvas.theme;
    let inner = canvas.pane(area, "jobs", "work pool", false);
    let inner = Rect { width: inner.width.saturating_sub(1), ..inner };
    let mut pen = canvas.pen(inner, 0);
    let failed = if jobs.failed > 0 { theme.held() } else { theme.text() };
    pen.gap(1).put(&units::short_count(jobs.queued), theme.strong()).put(" queued  ", theme.dim());
    pen.put(&units::short_count(jobs.ran), theme.text()).put(" ran  ", theme.dim());
    pen.put(&units::short_count(jobs.failed), failed).put(" failed", theme.dim());
    for (row, (name, times)) in
        [("wait", &jobs.queue_wait_ns), ("run ", &jobs.run_ns)].into_iter().enumerate()
    {
        let of = times.bounds.as_ref();
        let p99 = bounds::marked(times.p99, of.map(|all| all.p99));
        let mut pen = canvas.pen(inner, row as u16 + 1);
        pen.gap(1).put(name, theme.dim());
        let p50 = (" p50 ", bounds::marked(times.p50, of.map(|all| all.p50)));
        let p99 = (" p99 ", format!("{p99}{}", times.p99_mark()));
        let max = (" max ", bounds::marked(times.max, of.map(|all| all.max)));
        let has_p99 = inner.width >= P99_FROM;
        for (title, time) in [Some(p50), has_p99.then_some(p99), Some(max)].into_iter().flatten() {
            pen.group(&[(title, theme.dim()), (&format!("{time:>7}"), theme.text())]);
        }
    }
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
        [pair("woken ", futures.woken), pair("  still pending ", futures.pending)].concat(),
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
