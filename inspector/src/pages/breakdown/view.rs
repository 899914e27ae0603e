//! Draws a breakdown in full: the subject, the table of lines, and an explanation of the selected line.

use loop_traces::attribution::What;
use ratatui::layout::Rect;

use super::{BreakdownPage, lines};
use crate::app::attribution::{Attribution, Subject};
use crate::app::layout::below;
use crate::app::state::AppState;
use crate::text::cut;
use crate::view::paint::Canvas;
use crate::view::{breakdown as table, delayed};

/// Draws the page.
pub(crate) fn draw(canvas: &mut Canvas<'_>, state: &AppState, page: &BreakdownPage, body: Rect) {
    let Some(attribution @ Attribution { subject, breakdown, .. }) = &page.attribution else {
        let inner = canvas.pane(body, "breakdown", "", true);
        let dim = canvas.theme.dim();
        canvas.pen(inner, 0).gap(1).put("no breakdown open: press Enter on a stall or a late timer", dim);
        return;
    };
    let title = subject.title(&state.picture().timeline.labels);
    let slow = matches!(subject, Subject::Slow { .. });
    let remark = match (slow, body.width >= 96) {
        (true, true) => "Enter opens the tag, the total opens the tick",
        (true, false) => "Enter opens the tag",
        (false, true) => "Enter opens a line's tag, else the tick",
        (false, false) => "Enter opens a line",
    };
    let inner = canvas.pane(body, &title, remark, true);
    table::about(canvas, state, subject, inner);
    let list = lines(body);
    let headed = Rect { y: list.y - 1, height: list.height + 1, ..list };
    let shown = table::table(canvas, state, headed, (subject, breakdown), Some(state.row));
    canvas.position(body, shown, attribution.rows());
    let text = match breakdown.shares.get(state.row) {
        Some(share) => explained(&share.what),
        None if matches!(subject, Subject::Unfinished(_)) => SUM_SO_FAR,
        None if matches!(subject, Subject::Overdue(_)) => SUM_OVERDUE,
        None => SUM,
    };
    let foot = Rect { y: inner.y + inner.height.saturating_sub(1), height: 1, ..inner };
    let dim = canvas.theme.dim();
    canvas.pen(foot, 0).gap(1).put(text, dim);
    if let Subject::Tick(tick) = subject {
        delayed::row(&mut canvas.pen(Rect { y: foot.y.saturating_sub(1), ..foot }, 0), state, tick);
    }
    if attribution.is_bare() {
        bare(canvas, state, subject, below(headed, 4));
    }
}

/// Draws a hint for a slow task without spans: what to open next, and how to get spans.
fn bare(canvas: &mut Canvas<'_>, state: &AppState, subject: &Subject, area: Rect) {
    let theme = canvas.theme;
    let (dim, text) = (theme.dim(), theme.text());
    let labels = &state.picture().timeline.labels;
    let tag = subject.tag().map_or_else(String::new, |tag| labels.tag(tag).into_owned());
    let name = cut(&tag, usize::from(area.width / 3));
    let mut pen = canvas.pen(area, 0);
    pen.gap(1).put("no spans inside", text).put(": its time is unattributed", dim);
    let mut pen = canvas.pen(area, 1);
    pen.gap(1).put("Enter", theme.key()).put(" opens ", dim).put(&name, text);
    pen.put(": its statistics, what it delayed", dim);
    let mut pen = canvas.pen(area, 2);
    pen.gap(1).put("spans inside it, from tracing or the probe, would be listed here", dim);
}

/// Explains the sum.
const SUM: &str = "the lines add up to the nanosecond; Enter opens the tick";

/// Explains the sum of a tick that has not ended.
const SUM_SO_FAR: &str = "the lines add up to the nanosecond so far; open parts are lower bounds";

/// Explains the sum of a timer that has not fired.
const SUM_OVERDUE: &str = "the lines add up to the nanosecond; the timer has not fired";

/// Explains a line.
const fn explained(what: &What) -> &'static str {
    match what {
        What::Task { .. } => "a task; Enter opens its tag",
        What::Io { .. } => "a readiness callback; Enter opens its tag",
        What::Microtasks { after: Some(_) } => "microtasks; Enter opens the tag that most of them ran after",
        What::Microtasks { after: None } => "microtasks after no single task",
        What::Deferred => "entries of the deferred queue",
        What::Immediates => "immediates, without their tasks",
        What::Gc => "garbage collections",
        What::Span { .. } => "a labelled span of the program",
        What::Phase(_) => "the phase's own time, without what ran in it",
        What::ShortRuns(_) => "a phase with too many short runs to record each",
        What::Poll => "a non-blocking poll; in a slow task, its own polls",
        What::Overslept => "the loop asked poll to wait past a due timer",
        What::LateWakeup => "poll returned after its deadline: the system woke the loop late",
        What::Suspended => "the whole process was stopped, or the machine slept",
        What::Others { .. } => "the smallest parts, summed",
        What::BeforeRecording => "before the first event of the recording: not measured",
        What::Evicted => "evicted from history: open the saved trace",
        What::Unknown { .. } => "records from this time were lost",
        What::Unattributed => "no events cover this time",
        _ => "",
    }
}
