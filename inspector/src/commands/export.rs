//! `loopscope export`: writes a trace or a ring in a format of other programs.

use std::path::Path;

use loop_probes::text::printable_path;
use loop_traces::chrome::export::ExportOptions;
use loop_traces::export::folded::FoldedOptions;
use loop_traces::export::{ExportError, TimeRange};
use loop_traces::writer::NewFile;

use super::exporting::{self, Export, Exported};
use crate::cli::{ExportArgs, ExportFormat};
use crate::io::exit::{CommandError, warn};
use crate::io::input::Input;
use crate::io::interrupt::Interrupt;
use crate::io::stdout;
use crate::units::bytes;

pub(super) fn run(args: &ExportArgs) -> Result<(), CommandError> {
    if let (Some(from), Some(to)) = (args.from, args.to)
        && from > to
    {
        return Err(CommandError::Usage(format!("--from {from:?} is later than --to {to:?}: swap them")));
    }
    if args.poll && args.format != ExportFormat::Folded {
        return Err(CommandError::Usage(
            "--poll needs --format folded: the other formats always contain polls".to_owned(),
        ));
    }
    let input = Input::open(&args.input)?;
    let from = args.from.map(|from| input.at("--from", from)).transpose()?;
    // A `--to` past the end means the end.
    let to = args.to.and_then(|to| input.at("--to", to).ok());
    let range = TimeRange { from, to };
    let what = match args.format {
        ExportFormat::Chrome => Export::Chrome(ExportOptions { range, ..ExportOptions::default() }),
        ExportFormat::Csv => Export::Csv(range),
        ExportFormat::Folded => Export::Folded(FoldedOptions { range, poll: args.poll }),
        ExportFormat::Speedscope => Export::Speedscope(range),
    };
    let exported = if args.output == Path::new("-") {
        to_stdout(&input, what)?
    } else {
        input.spare(&args.output)?;
        let interrupt = Some(Interrupt::new(None)?);
        let file = NewFile::create(&args.output).map_err(CommandError::input)?;
        Some(exporting::to_file(&input, what, file, &args.output, interrupt)?)
    };
    for warning in input.warnings() {
        warn(&warning);
    }
    if let Some(exported) = exported {
        warn(&format!("{exported}, {} to {}", bytes(exported.bytes()), printable_path(&args.output)));
        if exported.left_out() > 0 {
            warn(&format!(
                "{} spans overlap others without nesting and are in no stack; --format chrome has them",
                exported.left_out()
            ));
        }
    }
    Ok(())
}

/// Exports to standard output. `None` if its reader closed the pipe early, which is not an error.
fn to_stdout(input: &Input, what: Export) -> Result<Option<Exported>, CommandError> {
    match exporting::to(input, what, stdout::lock()?) {
        Ok(exported) => Ok(Some(exported)),
        Err(ExportError::Write(error)) => stdout::settle(Err(error)).map(|()| None),
        Err(error) => Err(CommandError::input(error)),
    }
}
