//! Prints the summary with which commands end, as text or as JSON.

use std::path::Path;

use loop_demo::Served;
use loop_traces::report;
use loop_traces::source::EventSource;
use loop_traces::summary::Summary;
use loop_traces::timeline::Timeline;
use loop_traces::units::{count, duration, rate};
use loop_traces::writer::WriteStats;
use serde::Serialize;

use super::drawing;
use crate::cli::Global;
use crate::io::exit::{CommandError, warn};
use crate::io::sink::saved;
use crate::io::stdout;
use crate::text;
use crate::theme::Theme;

/// Prints the summary of `timeline`, which was folded from `source`.
///
/// # Errors
///
/// [`CommandError::Input`] if standard output cannot be written.
pub(super) fn print(
    timeline: &Timeline,
    source: &dyn EventSource,
    json: bool,
    global: &Global,
) -> Result<(), CommandError> {
    show(&Summary::new(source, timeline), None, json, global)
}

/// Prints the summary of a demo, and the counts of its clients.
///
/// # Errors
///
/// [`CommandError::Input`] if standard output cannot be written.
pub(super) fn print_demo(
    summary: &Summary,
    served: &Served,
    json: bool,
    global: &Global,
) -> Result<(), CommandError> {
    show(summary, Some(served), json, global)
}

/// Reports what was saved to `path`, even if `printed` failed.
///
/// # Errors
///
/// That of `written`, else that of `printed`.
pub(super) fn conclude(
    printed: Result<(), CommandError>,
    written: Result<Option<WriteStats>, CommandError>,
    path: Option<&Path>,
) -> Result<(), CommandError> {
    if let (Some(stats), Some(path)) = (written?, path)
        && (printed.is_ok() || stats.events > 0)
    {
        warn(&saved(path, &stats));
    }
    printed
}

/// Formats the counts of a demo's clients.
pub(super) fn served(served: &Served) -> String {
    format!(
        "served {} of {} requests in {}: {} per second",
        count(served.answered),
        count(served.sent),
        duration(served.elapsed_ns),
        rate(served.rate())
    )
}

/// Renders the page as text that fits the width of the terminal.
pub(super) fn page(summary: &Summary, theme: Theme) -> String {
    text::page(&report::text_within(summary, stdout::width()), theme)
}

pub(super) fn show(
    summary: &Summary,
    served: Option<&Served>,
    json: bool,
    global: &Global,
) -> Result<(), CommandError> {
    if !json {
        let footer = served.map(|served| format!("\n{}\n", self::served(served))).unwrap_or_default();
        return stdout::print(&(page(summary, drawing::theme(global)) + &footer));
    }
    let workload = served.map(|served| {
        let Served { sent, answered, elapsed_ns } = *served;
        Workload { sent, answered, elapsed_ns, answered_per_s: served.rate() }
    });
    stdout::print_json(&WithWorkload { summary, workload })
}

/// A summary, and what the demo's clients did.
#[derive(Serialize)]
struct WithWorkload<'a> {
    #[serde(flatten)]
    summary: &'a Summary,
    #[serde(skip_serializing_if = "Option::is_none")]
    workload: Option<Workload>,
}

#[derive(Serialize)]
struct Workload {
    sent: u64,
    answered: u64,
    elapsed_ns: u64,
    answered_per_s: f64,
}
