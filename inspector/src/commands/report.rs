//! `loopscope report`: what happened in a trace or a ring, in one page.

use loop_traces::source::{EventSource, SourceState};
use loop_traces::timeline::Timeline;

use super::{summary, warn};
use crate::cli::{ReportArgs, ReportFormat};
use crate::exit::Failure;
use crate::input::Input;

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

/// Everything that `source` holds now.
fn fold(source: &mut dyn EventSource) -> Result<Timeline, Failure> {
    let mut timeline = Timeline::of(source.metadata());
    let mut batch = Vec::new();
    loop {
        batch.clear();
        let state = source.poll(&mut batch);
        timeline.extend(&batch);
        timeline.counts = source.counts();
        if state.map_err(Failure::input)? != SourceState::More {
            return Ok(timeline);
        }
    }
}
