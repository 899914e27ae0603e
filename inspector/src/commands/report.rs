//! `loopscope report`: what happened in a trace or a ring, in one page.

use super::{summary, warn};
use crate::cli::{ReportArgs, ReportFormat};
use crate::exit::Failure;
use crate::input::Input;
use crate::runs::fold;

pub(super) fn run(args: &ReportArgs) -> Result<(), Failure> {
    print(&args.input, args.json || args.format == ReportFormat::Json)
}

/// Reads `input` to its end and prints its summary.
pub(super) fn print(input: &str, json: bool) -> Result<(), Failure> {
    let mut input = Input::open(input)?;
    let timeline = fold(input.source())?;
    for warning in input.warnings() {
        warn(&warning);
    }
    summary::print(&timeline, input.source(), json)
}
