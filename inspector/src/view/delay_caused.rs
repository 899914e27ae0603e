//! Delay caused: what delayed others, and by how much in total. The reverse of a breakdown, which divides one wait
//! among its causes.

use loop_probes::event::Phase;
use loop_traces::timeline::{Cause, Impact, TagStats, Waiter, WorstImpact};
use ratatui::style::Style;

use super::breakdown::below;
use super::delayed::{so_far, up_to, way_on, when};
use super::paint::{Canvas, Pen};
use super::timers;
use crate::app::layout::{self, Area};
use crate::app::lists;
use crate::app::overview;
use crate::app::state::AppState;
use crate::theme::Theme;
use crate::units;

/// Width of a figure, including the blank before it.
const FIGURE: u16 = 8;
/// Maximum width of a name, if there is room for a bar, too.
const NAME_MAX: u16 = 32;
/// Minimum widths for the columns beyond the total: timers, signals and tasks separately; the bar.
const APART_FROM: u16 = 62;
const BAR_FROM: u16 = 40;

/// The ranking, worst first.
pub(super) fn ranking(canvas: &mut Canvas<'_>, state: &AppState, area: Area, selected: Option<usize>) {
    let theme = canvas.theme;
    let up_to = up_to(state);
    let remark = match (area.width, up_to.trim_start()) {
        (64.., "") => "delay caused in total, Enter opens the tag",
        (_, "") => "in total",
        (84.., _) => &format!("delay caused{up_to}, Enter opens the tag"),
        (64.., _) => &format!("delay caused{up_to}"),
        (_, up_to) => up_to,
    };
    let inner = canvas.pane(area, "blame: top delayers", remark, selected.is_some());
    let rows = layout::rows(area, true);
    let delay_caused: Vec<&Impact> = lists::delay_caused_shown(state).collect();
    if delay_caused.is_empty() {
        let pen = &mut canvas.pen(inner, 0);
        pen.gap(1).put("nothing delayed", theme.dim()).put(&so_far(state), theme.dim());
        return;
    }
    let kinds = if inner.width >= APART_FROM { 3 } else { 0 };
    let figures = FIGURE * (2 + kinds);
    let bar = if inner.width >= BAR_FROM { (inner.width - figures) / 4 } else { 0 };
    let name = inner.width.saturating_sub(figures + bar + 3);
    let mut pen = canvas.pen(inner, 0);
    pen.gap(1).left("DELAYED OTHERS", name, theme.dim()).number("TOTAL", FIGURE, theme.strong());
    pen.gap(if bar > 0 { bar + 1 } else { 0 });
    for title in ["TIMERS", "SIGNALS", "TASKS"].iter().take(usize::from(kinds)) {
        pen.number(title, FIGURE, theme.dim());
    }
    pen.number("RAN", FIGURE, theme.dim());

    // Unattributed delays do not affect the scale.
    let known = delay_caused.iter().filter(|impact| !impact.cause.is_ignorance());
    let most = known.map(|impact| impact.total_ns()).max().unwrap_or(0).max(1);
    let labels = &state.picture().timeline.labels;
    let first = layout::first_row(selected.unwrap_or(0), rows.height);
    let shown = delay_caused.iter().enumerate().skip(first).take(usize::from(rows.height));
    for (line, (place, impact)) in shown.enumerate() {
        let line = line as u16;
        let style = if impact.cause.is_ignorance() { theme.dim() } else { theme.text() };
        let mut pen = canvas.pen(rows, line);
        pen.gap(1).left(&impact.cause.describe(labels), name, style);
        pen.number(&units::duration(impact.total_ns()), FIGURE, style).gap(1);
        let at = pen.at() - rows.x;
        pen.gap(if bar > 0 { bar } else { 0 });
        for ns in impact.lateness_ns.iter().take(usize::from(kinds)) {
            let text = if *ns > 0 { units::duration(*ns) } else { "·".to_owned() };
            pen.number(&text, FIGURE, theme.dim());
        }
        let ran = impact.run_ns.map_or_else(|| "·".to_owned(), units::duration);
        pen.number(&ran, FIGURE, theme.dim());
        let share = impact.total_ns() as f64 / most as f64;
        canvas.bar(rows, line, at, bar, share, style_of(theme, impact.cause));
        if selected == Some(place) {
            canvas.tint(rows, line, theme.selected());
        }
    }
    canvas.more_below(area, delay_caused.len().saturating_sub(first + usize::from(rows.height)));
}

/// The colour of a cause: that of its phase, as everywhere.
pub(super) fn style_of(theme: Theme, cause: Cause) -> Style {
    theme.phase(match cause {
        Cause::Tasks(_) => Phase::Tasks,
        Cause::Io(_) => Phase::Io,
        Cause::Microtasks(_) => Phase::Microtasks,
        Cause::Deferred => Phase::Deferred,
        Cause::Immediates => Phase::Immediates,
        Cause::Gc => Phase::Gc,
        Cause::Phase(phase) | Cause::ShortRuns(phase) => phase,
        Cause::Poll | Cause::Overslept | Cause::LateWakeup | Cause::Suspended => Phase::Poll,
        Cause::Spans(_) => return theme.bar(),
        _ => return theme.unattributed(),
    })
}

/// The delay caused by the selected tag's runs: in total, by kind of what waited, by its worst run; then other causes
/// with its name.
pub(super) fn of_tag(canvas: &mut Canvas<'_>, state: &AppState, area: Area, stats: &TagStats) {
    let theme = canvas.theme;
    let (dim, text) = (theme.dim(), theme.text());
    let delay_caused = &state.overview.delay_caused;
    let own = overview::own_cause(stats);
    let title = match (up_to(state), area.width) {
        (up_to, _) if up_to.is_empty() => "delay caused".to_owned(),
        (up_to, 36..) => format!("delay caused{up_to}"),
        (up_to, _) => format!("caused{up_to}"),
    };
    let inner = canvas.pane(area, &title, "of others", false);
    let mut line;
    if let Some(caused) = delay_caused.iter().find(|impact| Some(impact.cause) == own) {
        let all_ns = delay_caused.iter().map(Impact::total_ns).fold(0, u64::saturating_add);
        let share = caused.total_ns() as f64 / all_ns.max(1) as f64;
        let mut pen = canvas.pen(inner, 0);
        pen.gap(1).put(&units::duration(caused.total_ns()), theme.strong());
        pen.put(&format!(" = {}", units::percent(share)), text).group(&[(" of all delay", dim)]);
        line = 1 + by_waiter(canvas, below(inner, 1), caused);
        if let Some(worst) = caused.worst {
            self::worst(&mut canvas.pen(inner, line), state, &worst);
            line += 1;
        }
    } else {
        canvas.pen(inner, 0).gap(1).put("none that is known", dim);
        if state.up_to_ns().is_some() {
            canvas.pen(inner, 1).gap(1).put(way_on(state), dim);
        }
        line = 2;
    }
    let labels = &state.picture().timeline.labels;
    let others = delay_caused
        .iter()
        .filter(|impact| lists::cause_tag(impact.cause) == Some(stats.tag) && Some(impact.cause) != own);
    for others in others {
        let name = match others.cause {
            Cause::Microtasks(_) => "microtasks after it".to_owned(),
            cause => cause.describe(labels),
        };
        let mut pen = canvas.pen(inner, line);
        pen.gap(1).put(&name, dim).put(&format!(" {}", units::duration(others.total_ns())), text);
        line += 1;
    }
}

/// By kind of what waited; returns the number of rows used.
fn by_waiter(canvas: &mut Canvas<'_>, area: Area, caused: &Impact) -> u16 {
    let (dim, text) = (canvas.theme.dim(), canvas.theme.text());
    let waited = Waiter::ALL.into_iter().zip(caused.lateness_ns).zip(caused.delayed);
    let mut line = 0;
    for ((waiter, ns), count) in waited.filter(|(_, count)| *count > 0) {
        let mut pen = canvas.pen(area, line);
        pen.gap(1).left(name(waiter), 8, dim).number(&units::duration(ns), 7, text);
        let times = if count == 1 { " time" } else { " times" };
        pen.number(&units::short_count(count), 7, text).group(&[(times, dim)]);
        line += 1;
    }
    line
}

fn worst(pen: &mut Pen<'_, '_>, state: &AppState, worst: &WorstImpact) {
    let (dim, text) = (pen.theme().dim(), pen.theme().text());
    let run = worst.task.map_or_else(|| "one run".to_owned(), |task| format!("#{task}"));
    pen.gap(1).put("worst ", dim).put(&run, text);
    pen.put(&format!(" {}", units::duration(worst.lateness_ns)), text);
    pen.group(&[(" at ", dim), (&units::position(state.since_start_ns(worst.at)), dim)]);
    pen.group(&[(" for ", dim), (&units::count(worst.delayed), text), (" that waited", dim)]);
}

const fn name(waiter: Waiter) -> &'static str {
    match waiter {
        Waiter::Timer => "timers",
        Waiter::Signal => "signals",
        Waiter::Task => "tasks",
    }
}

/// What the selected tag delayed, of the waits whose breakdowns are kept: largest part first.
pub(super) fn delayed(canvas: &mut Canvas<'_>, state: &AppState, area: Area, selected: Option<usize>) {
    let theme = canvas.theme;
    let remark = if area.width >= 60 {
        "of the worst in history, Enter opens the breakdown"
    } else {
        "Enter opens the breakdown"
    };
    canvas.pane(area, "delayed most", remark, selected.is_some());
    let rows = layout::rows(area, true);
    if state.delayed.is_empty() {
        canvas.pen(area.inner(), 0).gap(1).put("none with a breakdown in history", theme.dim());
        return;
    }
    let when = when(state);
    let left = rows.width.saturating_sub(1 + when + 2 * FIGURE + 1);
    let name_width = if left > NAME_MAX + 10 { NAME_MAX } else { left };
    let bar_width = (left - name_width).saturating_sub(2);
    let most = state.delayed.iter().map(|waiter| waiter.ns).max().unwrap_or(0).max(1);
    let mut pen = canvas.pen(area.inner(), 0);
    pen.gap(1).left("WHEN", when, theme.dim()).left("DELAYED", name_width, theme.dim());
    pen.number("ITS PART", FIGURE, theme.strong()).number("WAIT", FIGURE, theme.dim());
    let labels = &state.picture().timeline.labels;
    let first = layout::first_row(selected.unwrap_or(0), rows.height);
    let shown = state.delayed.iter().enumerate().skip(first).take(usize::from(rows.height));
    for (line, (place, waiter)) in shown.enumerate() {
        let line = line as u16;
        let subject = &waiter.row.subject;
        let (lasted_ns, at) = (subject.lasted_ns(), subject.extent().1);
        let over = lasted_ns > state.about.stall_limit_ns;
        let mut pen = canvas.pen(rows, line);
        pen.gap(1).left(&units::position(state.since_start_ns(at)), when, theme.dim());
        pen.left(&timers::late_name(subject, labels), name_width, theme.text());
        pen.number(&units::duration(waiter.ns), FIGURE, theme.text());
        pen.number(&units::duration(lasted_ns), FIGURE, if over { theme.over() } else { theme.dim() });
        let bar = pen.at() + 2 - rows.x;
        canvas.bar(rows, line, bar, bar_width, waiter.ns as f64 / most as f64, theme.bar());
        if selected == Some(place) {
            canvas.tint(rows, line, theme.selected());
        }
    }
    canvas.more_below(area, state.delayed.len().saturating_sub(first + usize::from(rows.height)));
}
