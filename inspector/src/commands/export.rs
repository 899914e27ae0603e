//! `loopscope export`: a trace or a ring as a file for other viewers.

use std::io;
use std::path::Path;

use loop_traces::chrome::export::{ExportError, ExportOptions, ExportStats};
use loop_traces::chrome::survey::TimeRange;
use loop_traces::writer::create;

use super::warn;
use crate::cli::{ExportArgs, ExportFormat};
use crate::exit::Failure;
use crate::exporting;
use crate::input::Input;
use crate::stdout::settle;

pub(super) fn run(args: &ExportArgs) -> Result<(), Failure> {
    if let (Some(from), Some(to)) = (args.from, args.to)
        && from > to
    {
        return Err(Failure::Usage(format!(
            "nothing lies between --from {from:?} and --to {to:?}: swap them"
        )));
    }
    let input = Input::open(&args.input)?;
    let range = TimeRange { from: args.from.map(|from| input.at(from)), to: args.to.map(|to| input.at(to)) };
    let options = ExportOptions { range, ..ExportOptions::default() };
    let stats = match args.format {
        ExportFormat::Chrome if args.output == Path::new("-") => to_stdout(&input, options)?,
        ExportFormat::Chrome => {
            if input.is_read_from(&args.output) {
                let place = args.output.display();
                return Err(Failure::Usage(format!("-o {place} is the trace itself: name another file")));
            }
            let file = create(&args.output).map_err(Failure::input)?;
            Some(exporting::to_file(&input, options, file, &args.output)?)
        }
    };
    for warning in input.warnings() {
        warn(&warning);
    }
    if let Some(ExportStats { task_slices, slices, instants, counters, bytes, .. }) = stats {
        warn(&format!(
            "{slices} slices ({task_slices} of them tasks), {instants} instants and {counters} counter samples in \
             {bytes} bytes to {}",
            args.output.display()
        ));
    }
    Ok(())
}

/// Nothing is said of a reader that had enough.
fn to_stdout(input: &Input, options: ExportOptions) -> Result<Option<ExportStats>, Failure> {
    match exporting::to(input, options, io::stdout().lock()) {
        Ok(stats) => Ok(Some(stats)),
        Err(ExportError::Write(error)) => settle(Err(error), "standard output").map(|()| None),
        Err(error) => Err(Failure::input(error)),
    }
}
