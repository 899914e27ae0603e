//! The strip: the last ticks, a column each, and the tick that is not over.
//!
//! Height is run time on a log scale: the tick that is a thousand times longer than its neighbours must not
//! hide them. Colour is the largest phase; only what rises above the stall limit is red.

use loop_probes::event::Phase;
use loop_probes::recorder::Running;
use loop_traces::source::NowRunning;
use loop_traces::timeline::TickSummary;
use ratatui::style::Style;

use super::paint::{COLUMNS, Canvas};
use crate::app::describe;
use crate::app::layout::{self, Area};
use crate::app::message::Process;
use crate::app::state::{State, TickKey};
use crate::units;

/// The foot of the scale: a tick that takes less does next to nothing.
const FOOT_NS: f64 = 10_000.0;
/// The smallest scale, and by how much the next ones are larger, in powers of ten: up to 10 ms, 316 ms, 10 s.
const DECADES_MIN: f64 = 3.0;
const DECADES_STEP: f64 = 1.5;
/// A loop that is in one thing for longer than this hangs, in nanoseconds; never below the stall limit.
const HANG_NS: u64 = 250_000_000;

pub(super) fn draw(canvas: &mut Canvas<'_>, state: &State, area: Area, focused: bool) {
    let strip = layout::strip(area);
    let ticks = &state.picture().timeline.ticks.recent;
    let marked = state.marked_tick();
    let place = marked.and_then(|tick| state.picture().place(TickKey::of(tick)));
    let window = layout::window(ticks.len(), layout::tick_columns(strip), place);
    let shown = || ticks.iter().skip(window.first).take(window.count);
    let live = live(state);
    let tallest = shown().map(|tick| tick.busy_ns).chain(live.map(|live| live.ns)).max().unwrap_or(0);
    let scale = Scale::new(tallest.max(state.about.stall_limit_ns), strip.height);

    canvas.pane(area, "ticks", &remark(canvas, &shown), focused);
    axis(canvas, &scale, strip);
    for (column, tick) in shown().enumerate() {
        let x = strip.x + (window.indent + column) as u16;
        let phase = tick.phases.largest().map(|(phase, _)| phase);
        let style = phase.map_or(canvas.theme.unattributed(), |phase| canvas.theme.phase(phase));
        bar(canvas, state, &scale, (x, strip), tick.busy_ns, style, None);
    }
    if let Some(live) = live {
        let x = strip.x + strip.width - 1;
        let style = live.phase.map_or(canvas.theme.unattributed(), |phase| canvas.theme.phase(phase));
        bar(canvas, state, &scale, (x, strip), live.ns, style, Some("▒"));
    }
    let column = place.and_then(|place| place.checked_sub(window.first)).map(|at| window.indent + at);
    marker(canvas, state, strip, marked, column);
    legend(canvas, area, &shown);
    if ticks.is_empty() {
        let text = if state.is_replay() { "no tick up to here" } else { "waiting for the first tick to end" };
        let style = canvas.theme.dim();
        canvas.pen(strip, strip.height / 2).gap(1).put(text, style);
    }
}

/// A log scale over the rows of the strip. Its foot stands still, and its top has few places to stand: a
/// scale that follows every tick would make all others jump.
struct Scale {
    decades: f64,
    rows: u16,
}

impl Scale {
    /// A scale that `tallest_ns` fits on.
    fn new(tallest_ns: u64, rows: u16) -> Self {
        let needed = (tallest_ns.max(1) as f64 / FOOT_NS).log10() - 0.01;
        let decades = (needed / DECADES_STEP).ceil().max(DECADES_MIN / DECADES_STEP) * DECADES_STEP;
        Self { decades, rows }
    }

    /// Eighths of a row, at least one.
    fn height(&self, ns: u64) -> u16 {
        let share = (ns.max(1) as f64 / FOOT_NS).log10() / self.decades;
        ((share.clamp(0.0, 1.0) * f64::from(self.rows) * 8.0).round() as u16).max(1)
    }

    /// The time at the upper edge of a row, 0 the uppermost.
    fn at(&self, row: u16) -> u64 {
        let share = 1.0 - f64::from(row) / f64::from(self.rows.max(1));
        (FOOT_NS * 10f64.powf(self.decades * share)).round() as u64
    }
}

fn axis(canvas: &mut Canvas<'_>, scale: &Scale, strip: Area) {
    let style = canvas.theme.dim();
    let every = if strip.height > 4 { 2 } else { 1 };
    for row in (0..strip.height).step_by(every) {
        let label = units::duration(scale.at(row)).replace(".0", "");
        let at = Area::new(strip.x + strip.width, strip.y + row, layout::AXIS_WIDTH, 1);
        canvas.pen(at, 0).number(&label, layout::AXIS_WIDTH - 1, style);
    }
}

fn bar(
    canvas: &mut Canvas<'_>,
    state: &State,
    scale: &Scale,
    (x, strip): (u16, Area),
    ns: u64,
    style: Style,
    full: Option<&str>,
) {
    let eighths = scale.height(ns);
    let limit = state.about.stall_limit_ns;
    let top_row = eighths.div_ceil(8);
    for from_foot in 0..top_row {
        let level = usize::from((eighths - from_foot * 8).min(8));
        let symbol = match full {
            Some(full) if level > 2 => full,
            _ => COLUMNS[level],
        };
        // Red is the part above the limit, and always the tip of what is over it.
        let row = strip.height - 1 - from_foot;
        let above = ns > limit && (from_foot + 1 == top_row || scale.at(row + 1) >= limit);
        let style = if above { canvas.theme.over() } else { style };
        canvas.cell(x, strip.y + row, symbol, style);
    }
}

fn marker(
    canvas: &mut Canvas<'_>,
    state: &State,
    strip: Area,
    marked: Option<&TickSummary>,
    column: Option<usize>,
) {
    let theme = canvas.theme;
    let row = Area::new(strip.x, strip.y + strip.height, strip.width + layout::AXIS_WIDTH, 1);
    if let Some(tick) = marked {
        let text = about(state, tick);
        let Some(column) = column else {
            canvas
                .pen(row, 0)
                .gap(1)
                .put(&format!("{text} · before the ticks that are kept"), theme.strong());
            return;
        };
        let column = column as u16;
        let style = if tick.stall { theme.over() } else { theme.strong() };
        canvas.cell(row.x + column, row.y, "▲", style);
        let width = text.chars().count() as u16;
        if column + 2 + width < row.width {
            canvas.pen(row, 0).gap(column + 2).put(&text, theme.strong());
        } else {
            let before = Area { width: column.saturating_sub(1), ..row };
            canvas.pen(before, 0).right(&text, theme.strong());
        }
    } else if let Some(hang) = hang(state) {
        let style = if hang.over { theme.over() } else { theme.held() };
        let row = Area { width: row.width - layout::AXIS_WIDTH, ..row };
        let text = super::paint::cut(&hang.text, row.width.saturating_sub(2));
        canvas.pen(Area { width: row.width - 2, ..row }, 0).right(&text, style);
        if hang.live {
            canvas.cell(row.x + row.width - 1, row.y, "▲", style);
        }
    }
}

fn about(state: &State, tick: &TickSummary) -> String {
    let at = units::position(state.since_start_ns(tick.start));
    let busy = units::duration(tick.busy_ns);
    let largest = tick.phases.largest().map_or_else(String::new, |(phase, _)| format!(", mostly {phase}"));
    let missing = if tick.incomplete { ", records missing" } else { "" };
    format!("tick {} at {at} · {busy}{largest}{missing}", units::count(tick.tick))
}

fn remark<'a, I>(canvas: &Canvas<'_>, shown: &impl Fn() -> I) -> String
where
    I: Iterator<Item = &'a TickSummary>,
{
    let (Some(first), Some(last)) = (shown().next(), shown().last()) else { return String::new() };
    let wide = units::duration(last.end.ns_since(first.start));
    match canvas.buffer.area.width {
        0..96 => format!("a column a tick, height = run time (log) ─ {wide} wide"),
        _ => format!("a column a tick, height = run time (log), colour = largest phase ── {wide} wide"),
    }
}

/// The phases in sight, in their colours, on the lower edge of the frame.
fn legend<'a, I>(canvas: &mut Canvas<'_>, area: Area, shown: &impl Fn() -> I)
where
    I: Iterator<Item = &'a TickSummary>,
{
    let mut seen = [false; Phase::ALL.len()];
    for (phase, _) in shown().filter_map(|tick| tick.phases.largest()) {
        seen[usize::from(phase.code()) - 1] = true;
    }
    let theme = canvas.theme;
    if !theme.has_color() {
        return;
    }
    let row = Area::new(area.x + 2, area.y + area.height - 1, area.width.saturating_sub(4), 1);
    let mut pen = canvas.pen(row, 0);
    for phase in Phase::ALL.iter().filter(|phase| seen[usize::from(phase.code()) - 1]) {
        pen.put(" ■ ", theme.phase(*phase)).put(phase.name(), theme.dim()).put(" ", theme.dim());
    }
}

/// The tick that is not over.
#[derive(Clone, Copy)]
struct Live {
    ns: u64,
    phase: Option<Phase>,
}

/// The emitter that stands for the loop: the one whose tick ended last, else the first that says anything.
pub(super) fn loop_running(state: &State) -> Option<&NowRunning> {
    let newest = state.fold.timeline.ticks.recent.newest().map(|tick| tick.source);
    let own = state.running.iter().find(|running| Some(running.source) == newest);
    own.or_else(|| state.running.first())
}

fn live(state: &State) -> Option<Live> {
    let gone = matches!(state.process, Process::Ended | Process::Crashed);
    if state.frozen.is_some() || state.is_replay() || gone {
        return None;
    }
    let running = loop_running(state)?;
    let lasted = state.running_at.ns_since(running.since);
    Some(match running.running {
        Running::Outside => return None,
        Running::Phase(phase) => Live { ns: lasted, phase: Some(phase) },
        Running::Task { .. } => Live { ns: lasted, phase: Some(Phase::Tasks) },
        // Waiting is not running: a poll has a height only from its deadline on.
        Running::Poll { deadline } => Live {
            ns: deadline.map_or(0, |deadline| state.running_at.ns_since(deadline)),
            phase: Some(Phase::Poll),
        },
    })
}

/// What keeps the loop from moving.
pub(super) struct Hang {
    pub(super) text: String,
    /// It is over a limit, and not merely stopped or ended by somebody.
    pub(super) over: bool,
    /// The live column shows it.
    live: bool,
}

/// Whether the loop hangs, stands still or is gone, and in what.
pub(super) fn hang(state: &State) -> Option<Hang> {
    if state.is_replay() || state.frozen.is_some() {
        return None;
    }
    let timeline = &state.fold.timeline;
    let last = timeline.last_at().unwrap_or_default();
    let running = loop_running(state);
    let doing = running.map(|running| describe::running(running, &timeline.labels, state.running_at));
    let since = |at| units::position(state.since_start_ns(at));
    let and_doing = doing.as_ref().map_or_else(String::new, |doing| format!(": {doing}"));
    match state.process {
        Process::Ended => {
            let text = format!("the process ended at {}", since(last));
            return Some(Hang { text, over: false, live: false });
        }
        Process::Crashed => {
            let was = running.map_or_else(String::new, |running| {
                format!(" {}", describe::doing(running, &timeline.labels))
            });
            let text = format!("the process is gone, last seen at {}{was}", since(last));
            return Some(Hang { text, over: true, live: false });
        }
        Process::Stopped => {
            let moved = running.map_or(last, |running| running.since.max(last));
            let text = format!("has not moved since {}, process is stopped{and_doing}", since(moved));
            return Some(Hang { text, over: false, live: true });
        }
        Process::Running => {}
    }
    let running = running?;
    let lasted = match running.running {
        Running::Outside | Running::Poll { deadline: None } => return None,
        Running::Poll { deadline: Some(deadline) } => state.running_at.ns_since(deadline),
        Running::Phase(_) | Running::Task { .. } => state.running_at.ns_since(running.since),
    };
    let limit = state.about.stall_limit_ns.max(HANG_NS);
    (lasted > limit).then(|| Hang { text: doing.unwrap_or_default(), over: true, live: true })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scale_has_few_places_to_stand() {
        let top = |ns| Scale::new(ns, 3).at(0);
        assert_eq!((top(0), top(50_000), top(10_000_000)), (10_000_000, 10_000_000, 10_000_000));
        assert_eq!((top(41_000_000), top(316_000_000)), (316_227_766, 316_227_766));
        assert_eq!((top(400_000_000), top(9_000_000_000)), (10_000_000_000, 10_000_000_000));
        assert!(top(u64::MAX) >= u64::MAX / 2);
    }

    #[test]
    fn a_tick_is_as_tall_as_its_axis_says() {
        let scale = Scale::new(10_000_000, 3);
        assert_eq!([0, 1, 2].map(|row| scale.at(row)), [10_000_000, 1_000_000, 100_000]);
        assert_eq!([1, 10_000, 100_000, 1_000_000, 10_000_000].map(|ns| scale.height(ns)), [1, 1, 8, 16, 24]);
    }
}
