//! `loopscope export`: a trace or a ring as a file for other viewers.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use loop_traces::chrome::export::{ExportError, ExportOptions, ExportStats, export};

use super::warn;
use crate::cli::{ExportArgs, ExportFormat};
use crate::exit::Failure;
use crate::input::Input;
use crate::stdout;

pub(super) fn run(args: &ExportArgs) -> Result<(), Failure> {
    let mut input = Input::open(&args.input)?;
    let options = ExportOptions { from: args.from, to: args.to, ..ExportOptions::default() };
    let to_stdout = args.output == Path::new("-");
    let stats = match args.format {
        ExportFormat::Chrome if to_stdout => {
            let mut out = BufWriter::new(io::stdout().lock());
            let exported = export(input.source(), &mut out, &options);
            match exported {
                Err(ExportError::Write(error)) => return stdout::settle(Err(error), "standard output"),
                exported => {
                    stdout::settle(out.flush(), "standard output")?;
                    exported.map_err(Failure::input)?
                }
            }
        }
        ExportFormat::Chrome => to_file(&args.output, |out| export(input.source(), out, &options))?,
    };
    for warning in input.warnings() {
        warn(&warning);
    }
    warn(&format!("{stats}"));
    Ok(())
}
