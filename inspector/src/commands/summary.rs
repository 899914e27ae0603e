//! The page that every command ends with: the summary of a fold, as text or as JSON.

use loop_traces::report;
use loop_traces::source::EventSource;
use loop_traces::summary::Summary;
use loop_traces::timeline::Timeline;

use crate::exit::Failure;
use crate::stdout;
use crate::workload::Served;

/// Prints what `timeline`, folded from `source`, amounts to.
///
/// # Errors
///
/// [`Failure::Input`] where standard output cannot be written.
pub(super) fn print(timeline: &Timeline, source: &dyn EventSource, json: bool) -> Result<(), Failure> {
    show(&Summary::new(source, timeline), None, json)
}

/// Prints the summary of a demo, and what its clients counted.
///
/// # Errors
///
/// As [`print()`].
pub(super) fn print_demo(summary: &Summary, served: &Served, json: bool) -> Result<(), Failure> {
    show(summary, Some(served), json)
}

/// The page as text: as wide as the terminal, so that no line of it wraps.
pub(super) fn page(summary: &Summary) -> String {
    if stdout::is_terminal() { report::text_within(summary, stdout::width()) } else { report::text(summary) }
}

fn show(summary: &Summary, served: Option<&Served>, json: bool) -> Result<(), Failure> {
    if !json {
        let told = served.map(|served| format!("\n{served}\n")).unwrap_or_default();
        return stdout::print(&(page(summary) + &told));
    }
    let mut value = serde_json::to_value(summary).map_err(Failure::input)?;
    if let (Some(served), Some(object)) = (served, value.as_object_mut()) {
        object.insert("workload".to_owned(), served.to_json());
    }
    stdout::print_json(&value)
}
