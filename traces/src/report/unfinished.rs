//! The lines at the head of the report about the state of the source and unfinished work.

use super::page::Page;
use crate::cells::cut_name;
use crate::source::SourceKind;
use crate::summary::{OpenTickSummary, StateSummary, Summary};
use crate::units::{count, counted, duration, position};

/// Writes the state of the source, the tick in progress and overdue timers; nothing if the source ended normally.
pub(super) fn head(page: &mut Page, summary: &Summary) {
    let state = match summary.source.state {
        StateSummary::Crashed => {
            // Times of the page may count from a pressure sample that precedes the first event, `span_ns` does not.
            let as_of_ns = summary.open_tick.as_ref().and_then(|open| u64::try_from(open.as_of_ns).ok());
            &format!("crashed after {}", position(as_of_ns.unwrap_or(summary.span_ns)))
        }
        StateSummary::Stopped => "stopped, by SIGSTOP or a debugger",
        StateSummary::Unclosed if summary.source.kind == SourceKind::Ring => {
            "not closed: the ring file was truncated, or is a copy made before the session ended"
        }
        StateSummary::Unclosed => "not closed: the recording was cut off, or is still being written",
        _ => "",
    };
    if !state.is_empty() {
        page.sentence(state);
    }
    if let Some(open) = &summary.open_tick {
        open_tick(page, open, summary.source.state);
    }
    let (overdue, at_stop) = (summary.timers.still_overdue(), summary.timers.overdue_at_stop.unwrap_or(0));
    // A timer whose loop has stopped has a final lag.
    let (listed, at_least) = if overdue > 0 { (overdue, "at least ") } else { (at_stop, "") };
    let not_fired =
        summary.late_timers.iter().filter(|late| late.fired_ns.is_none() && late.open == (overdue > 0));
    let most = not_fired.map(|late| late.lag_ns).max();
    let longest = if listed > 1 { "the longest " } else { "" };
    let by = most.map_or_else(String::new, |ns| format!(", {longest}by {at_least}{}", duration(ns)));
    // Other lines of the page report missing records.
    let is_missing = summary.lost_records > 0 || summary.malformed_events > 0;
    if summary.timers.overdue_bounds.is_some() && !is_missing {
        let known = counted(overdue, "timer is overdue", "timers are overdue");
        let text = format!("at least {known}{by}: more are armed than are tracked");
        page.sentence(&text);
    } else if overdue > 0 {
        page.line(&format!("{}{by}", counted(overdue, "timer is overdue", "timers are overdue")));
    } else if at_stop > 0 && most.is_some() {
        let overdue = counted(at_stop, "timer was overdue", "timers were overdue");
        page.sentence(&format!("{overdue} when the loop stopped{by}"));
    }
}

/// Writes `at least 3.20s, still running: BusyHang #4764, since 00:02.1, busy for at least 3.21s in tick 431`.
fn open_tick(page: &mut Page, open: &OpenTickSummary, state: StateSummary) {
    let tick = open.tick.map_or_else(String::new, |tick| format!(" in tick {}", count(tick)));
    let busy = format!("busy for at least {}{tick}", duration(open.run_ns));
    let at = |ns: i64| position(u64::try_from(ns).unwrap_or(0));
    let (Some(_), Some(lasted), Some(since)) = (&open.running, open.running_ns, open.running_since_ns) else {
        page.list("a tick has not ended:", &[busy, "its activity is unknown".to_owned()]);
        return;
    };
    let (lasted, since) = (duration(lasted), format!("since {}", at(since)));
    let Some(running) = open.busy_with() else {
        page.list(&format!("in poll for at least {lasted},"), &[since, busy]);
        return;
    };
    let running = cut_name(running, page.columns() / 2);
    let verb = if state == StateSummary::Crashed { "was" } else { "still" };
    page.list(&format!("at least {lasted}, {verb} running:"), &[running, since, busy]);
}
