//! A ledger in full: who used a stretch of time, each line with its share and a bar to scale, and their sum.

use loop_probes::event::Phase;
use loop_traces::analysis::attribution::{Ledger, Share, What};
use ratatui::style::Style;

use super::paint::{Canvas, Pen};
use super::stalls;
use crate::app::account::{Account, Subject};
use crate::app::layout::{self, Area};
use crate::app::state::State;
use crate::theme::Theme;
use crate::units;

/// From this width on times stand there to the nanosecond, too.
const EXACT_FROM: u16 = 96;

pub(super) fn draw(canvas: &mut Canvas<'_>, state: &State, body: Area) {
    let Some(account) = &state.account else {
        let inner = canvas.pane(body, "ledger", "", true);
        let dim = canvas.theme.dim();
        canvas.pen(inner, 0).gap(1).put("no ledger is open: Enter on a stall or on a late timer opens one", dim);
        return;
    };
    let inner = canvas.pane(body, &title(state, account), "Enter opens a line's tag, or the tick", true);
    about(canvas, state, account, inner);
    let rows = below_heading(inner, layout::LEDGER_HEAD - 1);
    match &account.ledger {
        Some(ledger) => lines(canvas, state, rows, ledger, Some(state.row)),
        None => {
            let dim = canvas.theme.dim();
            canvas.pen(rows, 0).gap(1).put("what ran then is no longer kept", dim);
        }
    }
}

/// The columns of the lines: who, how long, to the nanosecond where there is room, of how much, the bar.
struct Columns {
    name: u16,
    exact: u16,
    bar: u16,
}

impl Columns {
    const TIME: u16 = 8;
    const SHARE: u16 = 7;

    fn new(width: u16) -> Self {
        let exact = if width >= EXACT_FROM { 18 } else { 0 };
        let left = width.saturating_sub(3 + Self::TIME + Self::SHARE + 2 + exact);
        let name = (left / 2).clamp(22, 44).min(left);
        Self { name, exact, bar: left - name }
    }
}

/// Draws the lines of `ledger` and their sum, the selected one in sight.
pub(super) fn lines(
    canvas: &mut Canvas<'_>,
    state: &State,
    area: Area,
    ledger: &Ledger,
    selected: Option<usize>,
) {
    let theme = canvas.theme;
    let columns = Columns::new(area.width);
    let mut pen = canvas.pen(area, 0);
    pen.gap(3).left("WHO", columns.name, theme.dim()).number("TIME", Columns::TIME, theme.dim());
    pen.number("EXACTLY", columns.exact, theme.dim()).number("SHARE", Columns::SHARE, theme.dim());
    let rows = below_heading(area, 1);
    let count = ledger.shares.len() + 1;
    let first = layout::first_row(selected.unwrap_or(0), rows.height);
    for (line, place) in (first..count).take(usize::from(rows.height)).enumerate() {
        let line = line as u16;
        match ledger.shares.get(place) {
            Some(share) => one(canvas, state, (rows, line), &columns, ledger, share),
            None => sum(canvas, (rows, line), &columns, ledger),
        }
        if selected == Some(place) {
            canvas.tint(rows, line, theme.selected());
        }
    }
}

fn below_heading(area: Area, rows: u16) -> Area {
    let rows = rows.min(area.height);
    Area { y: area.y + rows, height: area.height - rows, ..area }
}

fn one(
    canvas: &mut Canvas<'_>,
    state: &State,
    (rows, line): (Area, u16),
    columns: &Columns,
    ledger: &Ledger,
    share: &Share,
) {
    let theme = canvas.theme;
    let style = style_of(theme, &share.what);
    let (name_style, mark) = match share.what {
        What::Unattributed => (theme.dim(), "·"),
        _ => (theme.text(), "■"),
    };
    let name = stalls::name(&share.what, &state.picture().timeline.labels);
    let part = share.ns as f64 / ledger.total_ns.max(1) as f64;
    let mut pen = canvas.pen(rows, line);
    pen.gap(1).put(mark, style).gap(1).left(&name, columns.name, name_style);
    figures(&mut pen, columns, share.ns, theme.text(), theme);
    pen.number(&units::percent(part), Columns::SHARE, theme.text());
    let at = 3 + columns.name + Columns::TIME + columns.exact + Columns::SHARE + 1;
    canvas.bar(rows, line, at, columns.bar, part, style);
}

fn sum(canvas: &mut Canvas<'_>, (rows, line): (Area, u16), columns: &Columns, ledger: &Ledger) {
    let theme = canvas.theme;
    let mut pen = canvas.pen(rows, line);
    pen.gap(1).put("=", theme.strong()).gap(1).left("the sum", columns.name, theme.strong());
    figures(&mut pen, columns, ledger.total_ns, theme.strong(), theme);
}

fn figures(pen: &mut Pen<'_, '_>, columns: &Columns, ns: u64, style: Style, theme: Theme) {
    pen.number(&units::duration(ns), Columns::TIME, style);
    if columns.exact > 0 {
        pen.number(&format!("{} ns", units::count(ns)), columns.exact, theme.dim());
    }
}

/// A line's colour: its phase's, as everywhere.
fn style_of(theme: Theme, what: &What) -> Style {
    theme.phase(match what {
        What::Task { .. } => Phase::Tasks,
        What::Io { .. } => Phase::Io,
        What::Microtasks => Phase::Microtasks,
        What::Deferred => Phase::Deferred,
        What::Immediates => Phase::Immediates,
        What::Gc => Phase::Gc,
        What::Phase(phase) => *phase,
        What::Span { .. } => return theme.bar(),
        _ => return theme.unattributed(),
    })
}

fn title(state: &State, account: &Account) -> String {
    let labels = &state.picture().timeline.labels;
    match &account.subject {
        Subject::Tick(tick) if tick.stall => format!("stall: tick {}", units::count(tick.tick)),
        Subject::Tick(tick) => format!("tick {}", units::count(tick.tick)),
        Subject::Timer(late) => format!("late timer: {} #{}", labels.tag(late.tag), late.task),
    }
}

/// The rows above the lines: what happened, and when.
fn about(canvas: &mut Canvas<'_>, state: &State, account: &Account, inner: Area) {
    let theme = canvas.theme;
    let (dim, text) = (theme.dim(), theme.strong());
    let at = |at| units::position_us(state.since_start_ns(at));
    let limit = state.about.stall_limit_ns;
    let over = |ns: u64| if ns > limit { theme.over() } else { text };
    let mut pen = canvas.pen(inner, 0);
    pen.gap(1);
    match &account.subject {
        Subject::Tick(tick) => {
            pen.put("busy ", dim).put(&units::duration(tick.busy_ns), over(tick.busy_ns));
            pen.put("  limit ", dim).put(&units::duration(limit), text);
            pen.put("  began ", dim).put(&at(tick.start), text);
            pen.group(&[("  polled ", dim), (&units::duration(tick.poll_wait_ns), text)]);
            for (name, count) in [("tasks", tick.tasks_run), ("late timers", tick.timers_late)] {
                pen.group(&[(&format!("  {name} "), dim), (&units::count(u64::from(count)), text)]);
            }
        }
        Subject::Timer(late) => {
            let lag_ns = late.lag_ns();
            pen.put("lag ", dim).put(&units::duration(lag_ns), over(lag_ns));
            pen.put("  due ", dim).put(&at(late.due), text).put("  fired ", dim).put(&at(late.fired), text);
            if let Some(tick) = late.tick {
                pen.group(&[("  in tick ", dim), (&units::count(tick), text)]);
            }
        }
    }
}
