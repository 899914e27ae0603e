//! Prints the page with which commands end: the summary of a timeline, as text or as JSON.

use loop_traces::report;
use loop_traces::source::EventSource;
use loop_traces::summary::Summary;
use loop_traces::timeline::Timeline;

use super::drawing;
use crate::cli::Global;
use crate::exit::CommandError;
use crate::stdout;
use crate::text;
use crate::theme::Theme;
use crate::workload::Served;

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

/// Renders the page as text that fits the width of the terminal.
pub(super) fn page(summary: &Summary, theme: Theme) -> String {
    text::page(&report::text_within(summary, stdout::width()), theme)
}

fn show(summary: &Summary, served: Option<&Served>, json: bool, global: &Global) -> Result<(), CommandError> {
    if !json {
        let footer = served.map(|served| format!("\n{served}\n")).unwrap_or_default();
        return stdout::print(&(page(summary, drawing::theme(global)) + &footer));
    }
    let mut value = serde_json::to_value(summary).map_err(CommandError::input)?;
    if let (Some(served), Some(object)) = (served, value.as_object_mut()) {
        object.insert("workload".to_owned(), served.to_json());
    }
    stdout::print_json(&value)
}
