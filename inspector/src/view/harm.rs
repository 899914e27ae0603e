//! Harm: who made others late, and by how much in total. The other way round than a ledger, which says of one
//! wait who used it.

use loop_probes::event::Phase;
use loop_traces::timeline::{Cause, Harm};
use ratatui::style::Style;

use super::paint::Canvas;
use crate::app::layout::{self, Area};
use crate::app::state::State;
use crate::theme::Theme;
use crate::units;

/// Cells of a figure, with the blank before it.
const FIGURE: u16 = 8;
/// From these widths on, of the columns beyond the total: timers, signals and tasks apart; the bar.
const APART_FROM: u16 = 62;
const BAR_FROM: u16 = 40;

/// The ranking: the worst first.
pub(super) fn ranking(canvas: &mut Canvas<'_>, state: &State, area: Area, selected: Option<usize>) {
    let theme = canvas.theme;
    let remark = if area.width >= 64 { "lateness of others, in total, Enter opens the tag" } else { "in total" };
    let inner = canvas.pane(area, "who made others late", remark, selected.is_some());
    let rows = layout::rows(area, true);
    let harm = &state.harm;
    if harm.is_empty() {
        canvas.pen(inner, 0).gap(1).put("nobody so far", theme.dim());
        return;
    }
    let apart = if inner.width >= APART_FROM { 3 } else { 0 };
    let figures = FIGURE * (2 + apart);
    let bar = if inner.width >= BAR_FROM { (inner.width - figures) / 4 } else { 0 };
    let name = inner.width.saturating_sub(figures + bar + 2);
    let mut pen = canvas.pen(inner, 0);
    pen.gap(1).left("WHO", name, theme.dim()).number("CAUSED", FIGURE, theme.strong());
    pen.gap(if bar > 0 { bar + 1 } else { 0 });
    for title in ["TIMERS", "SIGNALS", "TASKS"].iter().take(usize::from(apart)) {
        pen.number(title, FIGURE, theme.dim());
    }
    pen.number("RAN", FIGURE, theme.dim());

    let most = harm.iter().map(Harm::total_ns).max().unwrap_or(0).max(1);
    let labels = &state.picture().timeline.labels;
    let first = layout::first_row(selected.unwrap_or(0), rows.height);
    let shown = harm.iter().enumerate().skip(first).take(usize::from(rows.height));
    for (line, (place, harm)) in shown.enumerate() {
        let line = line as u16;
        let style = if harm.cause.is_ignorance() { theme.dim() } else { theme.text() };
        let mut pen = canvas.pen(rows, line);
        pen.gap(1).left(&harm.cause.describe(labels), name, style);
        pen.number(&units::duration(harm.total_ns()), FIGURE, style).gap(1);
        let at = pen.at() - rows.x;
        pen.gap(if bar > 0 { bar } else { 0 });
        for ns in harm.lateness_ns.iter().take(usize::from(apart)) {
            let text = if *ns > 0 { units::duration(*ns) } else { "·".to_owned() };
            pen.number(&text, FIGURE, theme.dim());
        }
        let ran = harm.run_ns.map_or_else(|| "·".to_owned(), units::duration);
        pen.number(&ran, FIGURE, theme.dim());
        let share = harm.total_ns() as f64 / most as f64;
        canvas.bar(rows, line, at, bar, share, cause_style(theme, harm.cause));
        if selected == Some(place) {
            canvas.tint(rows, line, theme.selected());
        }
    }
    canvas.more_below(area, harm.len().saturating_sub(first + usize::from(rows.height)));
}

/// A cause's colour: its phase's, as everywhere.
fn cause_style(theme: Theme, cause: Cause) -> Style {
    theme.phase(match cause {
        Cause::Tasks(_) => Phase::Tasks,
        Cause::Io(_) => Phase::Io,
        Cause::Microtasks(_) => Phase::Microtasks,
        Cause::Deferred => Phase::Deferred,
        Cause::Immediates => Phase::Immediates,
        Cause::Gc => Phase::Gc,
        Cause::Phase(phase) | Cause::ShortRuns(phase) => phase,
        Cause::Poll | Cause::PollLate => Phase::Poll,
        Cause::Spans(_) => return theme.bar(),
        _ => return theme.unattributed(),
    })
}
