//! `loopscope report`: what happened in a trace or a ring, in one page.

use loop_traces::source::{EventSource, SourceState};
use loop_traces::timeline::{Timeline, TimelineConfig};

use super::{summary, warn};
use crate::cli::{ReportArgs, ReportFormat};
use crate::exit::Failure;
use crate::input::Input;

pub(super) fn run(args: &ReportArgs) -> Result<(), Failure> {
    let late_kept = usize::from(args.late_timers);
    print(&args.input, args.json || args.format == ReportFormat::Json, late_kept)
}

/// Reads `input` to its end and prints its summary, with so many of what was late or slow.
pub(super) fn print(input: &str, json: bool, late_kept: usize) -> Result<(), Failure> {
    let mut input = Input::open(input)?;
    let source = input.source();
    let config = TimelineConfig { late_kept, ..TimelineConfig::of(source.metadata()) };
    let timeline = fold(source, config)?;
    for warning in input.warnings() {
        warn(&warning);
    }
    summary::print(&timeline, input.source(), json)
}

/// Everything that `source` holds now.
fn fold(source: &mut dyn EventSource, config: TimelineConfig) -> Result<Timeline, Failure> {
    let mut timeline = Timeline::new(config);
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
