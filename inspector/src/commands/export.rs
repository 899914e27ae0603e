//! `loopscope export`: a trace or a ring as a file for other viewers.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use loop_traces::chrome::export::{ExportError, ExportOptions, ExportStats};
use loop_traces::chrome::survey::TimeRange;

use super::warn;
use crate::cli::{ExportArgs, ExportFormat};
use crate::exit::Failure;
use crate::input::Input;
use crate::stdout::settle;

pub(super) fn run(args: &ExportArgs) -> Result<(), Failure> {
    let input = Input::open(&args.input)?;
    let range = TimeRange { from: args.from.map(|from| input.at(from)), to: args.to.map(|to| input.at(to)) };
    let options = ExportOptions { range, ..ExportOptions::default() };
    let stats = if args.output == Path::new("-") {
        write(&input, args.format, options, io::stdout().lock(), "standard output")?
    } else {
        let place = args.output.display().to_string();
        let file = File::create(&args.output);
        let file = file.map_err(|error| Failure::Input(format!("cannot create {place}: {error}")))?;
        write(&input, args.format, options, file, &place)?
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

/// Exports to `out`, called `place`. Nothing is said of a reader that had enough.
fn write(
    input: &Input,
    format: ExportFormat,
    options: ExportOptions,
    out: impl Write,
    place: &str,
) -> Result<Option<ExportStats>, Failure> {
    let mut out = BufWriter::with_capacity(256 * 1024, out);
    let exported = match format {
        ExportFormat::Chrome => input.export_chrome(options, &mut out),
    };
    match exported.and_then(|stats| out.flush().map(|()| stats).map_err(ExportError::Write)) {
        Ok(stats) => Ok(Some(stats)),
        Err(ExportError::Write(error)) => settle(Err(error), place).map(|()| None),
        Err(error) => Err(Failure::input(error)),
    }
}
