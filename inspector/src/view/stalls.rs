//! The stalls, newest first, each with what ran in it.

use loop_traces::analysis::attribution::{Share, What};
use loop_traces::labels::Labels;
use loop_traces::timeline::{Stall, UnfinishedTick};

use unicode_width::UnicodeWidthStr as _;

use super::paint::{Canvas, Pen};
use super::when_width;
use crate::app::layout::{self, Area};
use crate::app::lists::{self, StallRow};
use crate::app::state::AppState;
use crate::text::cut;
use crate::units;

/// The unit of a sum and of its parts, by the size of the sum, in nanoseconds: all are shown with one decimal. Smaller
/// sums have no common unit.
const UNITS: [(u64, u64, &str); 3] = [
    (360_000_000_000_000, 3_600_000_000_000, "h"),
    (100_000_000_000, 1_000_000_000, "s"),
    (10_000_000, 1_000_000, "ms"),
];

pub(super) fn draw(canvas: &mut Canvas<'_>, state: &AppState, area: Area, focused: bool) {
    let timeline = &state.picture().timeline;
    let stalls = &timeline.stalls;
    let rows = layout::rows(area, false);
    let limit = units::duration(state.about.stall_limit_ns).replace(".0", "");
    let lost = state.overview.more_stalls;
    let remark = match (lost, area.width) {
        (true, _) => format!("at least {}: records were lost, newest first", units::count(stalls.count)),
        (false, 0..96) => format!("busier than {limit}, newest first"),
        (false, _) => format!("ticks busier than {limit}, newest first, Enter opens the breakdown"),
    };
    canvas.pane(area, "stalls", &remark, focused);
    let theme = canvas.theme;
    let mut all = lists::stalls(state.picture()).enumerate().peekable();
    if stalls.count == 0 && all.peek().is_none() {
        let text = if lost { "none seen; lost records may have held some" } else { "none so far" };
        canvas.pen(rows, 0).gap(1).put(text, theme.dim());
        return;
    }
    let first = layout::first_row(state.stall_row, rows.height);
    let shown: Vec<(usize, StallRow<'_>)> = all.skip(first).take(usize::from(rows.height)).collect();
    let widths = shown.iter().map(|(_, row)| units::tick_name(number_of(row)).width() as u16);
    let tick_width = widths.max().unwrap_or(0).max(TICK_WIDTH_MIN);
    for (line, (place, stall)) in shown.into_iter().enumerate() {
        let line = line as u16;
        match stall {
            StallRow::Unfinished(tick) => unfinished_row(canvas, state, (rows, line), &tick, tick_width),
            StallRow::Ended(stall) => row(canvas, state, (rows, line), stall, tick_width),
        }
        if focused && place == state.stall_row {
            canvas.tint(rows, line, theme.selected());
        }
    }
}

/// Width of `tick 999,999`.
const TICK_WIDTH_MIN: u16 = 12;

const fn number_of(row: &StallRow<'_>) -> Option<u64> {
    match row {
        StallRow::Unfinished(tick) => tick.tick,
        StallRow::Ended(stall) => Some(stall.tick.tick),
    }
}

fn row(canvas: &mut Canvas<'_>, state: &AppState, (rows, line): (Area, u16), stall: &Stall, tick_width: u16) {
    let theme = canvas.theme;
    let labels = &state.picture().timeline.labels;
    let tick = &stall.tick;
    let mut pen = canvas.pen(rows, line);
    pen.gap(1)
        .left(&units::position(state.since_start_ns(tick.start)), when_width(state), theme.dim())
        .gap(2);
    pen.left(&units::tick_name(Some(tick.tick)), tick_width, theme.text()).gap(1);
    pen.number(&units::duration(tick.busy_ns), 6, theme.over()).put(" = ", theme.dim());
    shares(&mut pen, &stall.blame.shares, labels, (theme.text(), theme.dim()));
}

/// `00:02.1  tick 431  at least 3.2s, still running: BusyHang #4764, since 00:02.2`
fn unfinished_row(
    canvas: &mut Canvas<'_>,
    state: &AppState,
    (rows, line): (Area, u16),
    tick: &UnfinishedTick,
    tick_width: u16,
) {
    let theme = canvas.theme;
    let position = |at| units::position(state.since_start_ns(at));
    let doing = tick.describe(&state.picture().timeline.labels);
    let mut pen = canvas.pen(rows, line);
    pen.gap(1).left(&position(tick.start), when_width(state), theme.dim()).gap(2);
    pen.left(&units::tick_name(tick.tick), tick_width, theme.text()).gap(1);
    pen.put("at least ", theme.over()).put(&units::duration(tick.busy_ns), theme.over());
    match (doing, tick.running) {
        (Some(_), Some((_, since))) if tick.is_polling() => {
            pen.put(&format!(", in poll since {}", position(since)), theme.dim());
        }
        (Some(doing), Some((_, since))) => {
            let doing = doing.strip_prefix("task ").unwrap_or(&doing);
            let verb =
                if state.picture_running().2.is_gone() { ", was running: " } else { ", still running: " };
            pen.put(verb, theme.dim()).put(doing, theme.text());
            pen.whole(&format!(", since {}", position(since)), theme.dim());
        }
        _ => _ = pen.put(", not ended", theme.dim()),
    }
}

/// `ReadFile #8812 38.2ms + microtasks 2.1ms + 3 more 0.1ms`, shortened to fit. The parts shown add up to the sum
/// shown, all in one unit.
pub(super) fn shares(
    pen: &mut Pen<'_, '_>,
    shares: &[Share],
    labels: &Labels,
    (text, dim): (ratatui::style::Style, ratatui::style::Style),
) {
    let sum_ns = shares.iter().fold(0u64, |sum, share| sum.saturating_add(share.ns));
    let unit = UNITS.iter().find(|(from_ns, ..)| sum_ns >= *from_ns);
    let shown = |ns: u64| match unit {
        Some((_, unit, _)) => ns.saturating_add(unit / 20) / (unit / 10) * (unit / 10),
        None => ns,
    };
    let figure = |ns: u64| match unit {
        Some((_, unit, name)) => units::tenths(ns, *unit, name),
        None => units::duration(ns),
    };
    let more = |parts: usize, ns: u64| match ns {
        0 => String::new(),
        _ => format!(" + {parts} more {}", figure(ns)),
    };
    let mut rest_ns = shown(sum_ns);
    let mut parts: usize = shares.iter().map(|share| small_parts(share).unwrap_or(1)).sum();
    // Parts that would read 0.0 are left out, unless that is all there is.
    let named = shares.iter().filter(|share| small_parts(share).is_none());
    let shown_shares = named.enumerate().filter(|(place, share)| *place == 0 || shown(share.ns) > 0);
    for (place, share) in shown_shares {
        let joint = if place > 0 { " + " } else { "" };
        let (name, ns) = (name(&share.what, labels), figure(share.ns));
        let after_ns = rest_ns.saturating_sub(shown(share.ns));
        let more = if parts > 1 { more(parts - 1, after_ns) } else { String::new() };
        let needed = joint.len() + name.width() + 1 + ns.width() + more.width();
        if place > 0 && usize::from(pen.room()) < needed {
            break;
        }
        // The first is always there, and of it the figure matters more than the name.
        let name = cut(&name, usize::from(pen.room()).saturating_sub(joint.len() + 1 + ns.width()));
        pen.put(joint, dim).put(&name, text).put(&format!(" {ns}"), dim);
        (rest_ns, parts) = (after_ns, parts - 1);
    }
    if parts > 0 {
        pen.whole(&more(parts, rest_ns), dim);
    }
}

/// The number of parts that the breakdown itself has merged.
fn small_parts(share: &Share) -> Option<usize> {
    match share.what {
        What::Others { parts } => usize::try_from(parts).ok(),
        _ => None,
    }
}

/// The name without the word "task": in a breakdown, nearly all are tasks.
pub(super) fn name(what: &What, labels: &Labels) -> String {
    match what {
        What::Task { task, tag } => format!("{} #{task}", labels.tag(*tag)),
        What::Io { tag, task, .. } => format!("io {} #{task}", labels.tag(*tag)),
        other => other.describe(labels),
    }
}
