//! The strip of ticks: the last ones, in one column each or several per column, and the running tick.
//!
//! Height is run time. Colour is the largest phase; only the part above the stall limit is red. A column of several ticks shows the busiest
//! of them, so that no stall is averaged away.

use loop_probes::event::Phase;
use loop_probes::recorder::Running;
use loop_traces::timeline::TickSummary;
use ratatui::layout::Rect;

use crate::app::hang::{hang, loop_running, unfinished_tick};
use crate::app::state::{AppState, Moment};
use crate::pages::overview::columns::{busiest, has_gap};
use crate::pages::overview::layout::{AXIS_WIDTH, Pane, Panes};
use crate::pages::overview::{OverviewPage, Strip};
use crate::theme::Theme;
use crate::units;
use crate::view::paint::{Canvas, HATCH};

use super::scale::{Scale, axis, bar};

/// Draws the pane, whose columns stand for ticks.
pub(super) fn draw(canvas: &mut Canvas<'_>, state: &AppState, page: &OverviewPage, panes: &Panes) {
    let (area, strip) = (panes.area(Pane::Ticks), panes.strip());
    let ticks = &state.picture().timeline.ticks.recent;
    let marked = state.marked_tick();
    let Strip { column_ticks, columns, window, marked: place } = page.strip(state, panes);
    let shown: Vec<(&TickSummary, bool)> = (window.first..window.first + window.count)
        .map(|column| columns.places(column))
        .filter_map(|places| {
            let own = || ticks.iter().skip(places.start).take(places.len());
            let before = places.start.checked_sub(1).and_then(|place| ticks.at(place));
            Some((busiest(own())?, has_gap(before, own())))
        })
        .collect();
    let live = live(state);
    let tallest =
        shown.iter().map(|(tick, _)| tick.busy_ns).chain(live.map(|live| live.ns)).max().unwrap_or(0);
    let scale = Scale::new(tallest.max(state.about.stall_limit_ns), strip.height);

    let from = ticks.at(columns.places(window.first).start);
    let to = ticks.at(columns.places(window.first + window.count).start.saturating_sub(1));
    let wide_ns = to.zip(from).map_or(0, |(to, from)| to.end.ns_since(from.start));
    let remark = remark(canvas.theme, column_ticks, area.width, wide_ns);
    canvas.pane(area, "ticks", &remark, page.focus == Pane::Ticks);
    axis(canvas, &scale, strip);
    for (column, (tick, gap)) in shown.iter().enumerate() {
        let x = strip.x + (window.indent + column) as u16;
        if *gap {
            // The true height is unknown: hatches all rows and the one below, with the recorded part in front.
            let style = canvas.theme.held();
            (0..=strip.height).for_each(|row| canvas.cell(x, strip.y + row, HATCH, style));
        }
        let phase = tick.phases.largest().map(|(phase, _)| phase);
        let style = phase.map_or(canvas.theme.unattributed(), |phase| canvas.theme.phase(phase));
        bar(canvas, state, &scale, (x, strip), tick.busy_ns, style, None);
    }
    if let Some(live) = live {
        let x = strip.x + strip.width - 1;
        let style = live.phase.map_or(canvas.theme.unattributed(), |phase| canvas.theme.phase(phase));
        bar(canvas, state, &scale, (x, strip), live.ns, style, Some("▒"));
    }
    let column = place.and_then(|place| columns.column_of(place).checked_sub(window.first));
    marker(canvas, state, strip, marked, column.map(|column| window.indent + column));
    legend(canvas, state, area);
    if ticks.is_empty() {
        no_ticks(canvas, state, strip);
    }
}

/// Says that there is nothing to draw yet.
pub(super) fn no_ticks(canvas: &mut Canvas<'_>, state: &AppState, strip: Rect) {
    let text =
        if state.is_replay() { "no tick before this time" } else { "waiting for the first tick to end" };
    let style = canvas.theme.dim();
    canvas.pen(strip, strip.height / 2).gap(1).put(text, style);
}

/// Draws the marker below the column of the marked tick, or what the loop is stuck in.
pub(super) fn marker(
    canvas: &mut Canvas<'_>,
    state: &AppState,
    strip: Rect,
    marked: Option<&TickSummary>,
    column: Option<usize>,
) {
    let theme = canvas.theme;
    let row = Rect::new(strip.x, strip.y + strip.height, strip.width + AXIS_WIDTH, 1);
    if let Some(tick) = marked {
        let text = about(state, tick);
        let Some(column) = column else {
            canvas
                .pen(row, 0)
                .gap(1)
                .put(&format!("{text} · before the oldest tick in history"), theme.strong());
            return;
        };
        let column = column as u16;
        let style = if tick.stall { theme.over() } else { theme.strong() };
        canvas.cell(row.x + column, row.y, "▲", style);
        let width = text.chars().count() as u16;
        if column + 2 + width < row.width {
            canvas.pen(row, 0).gap(column + 2).put(&text, theme.strong());
        } else {
            let before = Rect { width: column.saturating_sub(1), ..row };
            canvas.pen(before, 0).right(&text, theme.strong());
        }
    } else if let Some(hang) = hang(state) {
        let style = if hang.is_fault { theme.over() } else { theme.held() };
        let row = Rect { width: row.width - AXIS_WIDTH, ..row };
        let text = crate::text::cut(&hang.text, row.width.saturating_sub(2).into());
        canvas.pen(Rect { width: row.width - 2, ..row }, 0).right(&text, style);
        if hang.has_column {
            canvas.cell(row.x + row.width - 1, row.y, "▲", style);
        }
    }
}

fn about(state: &AppState, tick: &TickSummary) -> String {
    let at = units::position(state.since_start_ns(tick.start));
    let busy = units::duration(tick.busy_ns);
    let largest = tick.phases.largest().map_or_else(String::new, |(phase, _)| format!(", mostly {phase}"));
    let missing = if tick.incomplete { ", records missing" } else { "" };
    format!("tick {} at {at} · {busy}{largest}{missing}", units::count(tick.tick))
}

/// The pane's remark: how to read the strip, and how much time it spans. Changing figures have fixed widths, so that
/// nothing moves.
fn remark(theme: Theme, column_ticks: usize, width: u16, wide_ns: u64) -> String {
    if wide_ns == 0 {
        return String::new();
    }
    let wide = format!("span {:>6}", units::duration(wide_ns));
    match (column_ticks, width) {
        (1, 0..96) => format!("1 column = 1 tick, height = run time (log) ─ {wide}"),
        (1, _) if !theme.has_color() => format!("1 column = 1 tick, height = run time (log) ─ {wide}"),
        (1, _) => format!("1 column = 1 tick, height = run time (log), colour = largest phase ─ {wide}"),
        (ticks, 0..96) => format!("1 column = {ticks} ticks (max) ─ {wide}"),
        (ticks, _) => {
            format!("1 column = {ticks} ticks (max), height = run time (log) ─ {wide}")
        }
    }
}

/// Draws the phases that took any time so far, in their colours, on the lower edge of the frame. Without room for all,
/// the shortest are left out.
fn legend(canvas: &mut Canvas<'_>, state: &AppState, area: Rect) {
    let theme = canvas.theme;
    if !theme.has_color() {
        return;
    }
    let times = &state.of_window().ticks.phases;
    let mut phases: Vec<Phase> =
        Phase::ALL.iter().copied().filter(|phase| *phase != Phase::Poll && times.of(*phase) > 0).collect();
    let row = Rect::new(area.x + 2, area.y + area.height - 1, area.width.saturating_sub(4), 1);
    let width = |phases: &[Phase]| phases.iter().map(|phase| phase.name().len() + 4).sum::<usize>();
    while width(&phases) > usize::from(row.width) {
        let least = phases.iter().enumerate().min_by_key(|(_, phase)| times.of(**phase));
        let Some((least, _)) = least else { break };
        phases.remove(least);
    }
    let mut pen = canvas.pen(row, 0);
    for phase in phases {
        pen.put(" ■ ", theme.phase(phase)).put(phase.name(), theme.dim()).put(" ", theme.dim());
    }
}

/// The running tick; in a frozen view, the one that was running then; in a replay or after the process has gone, the one in
/// which the events end.
#[derive(Clone, Copy)]
struct Live {
    ns: u64,
    phase: Option<Phase>,
}

fn live(state: &AppState) -> Option<Live> {
    let Moment { running_at, process, .. } = *state.shown();
    if state.is_replay() || process.is_gone() {
        return unfinished(state);
    }
    let running = loop_running(state)?;
    let lasted = running_at.ns_since(running.since);
    let phase = phase(running.running);
    Some(match running.running {
        // A tick may be busy with something that has no name.
        Running::Outside => return unfinished(state),
        Running::Phase(_) | Running::Task { .. } => Live { ns: lasted, phase },
        // Waiting is not running: a poll has a height only after its deadline.
        Running::Poll { deadline } => {
            Live { ns: deadline.map_or(0, |deadline| running_at.ns_since(deadline)), phase }
        }
    })
}

/// The tick in which the events end, with the part of it that is known.
fn unfinished(state: &AppState) -> Option<Live> {
    let tick = unfinished_tick(state)?;
    Some(Live { ns: tick.busy_ns, phase: tick.running.and_then(|(running, _)| phase(running)) })
}

const fn phase(running: Running) -> Option<Phase> {
    match running {
        Running::Outside => None,
        Running::Phase(phase) => Some(phase),
        Running::Task { .. } => Some(Phase::Tasks),
        Running::Poll { .. } => Some(Phase::Poll),
    }
}
