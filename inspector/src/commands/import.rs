//! `loopscope import`: a Chrome trace that another program wrote becomes a trace.

mod progress;
mod text;

use std::fs::File;
use std::io;
use std::os::fd::AsFd as _;
use std::path::Path;

use loop_traces::chrome::import::{Import, ImportError, ImportReport};
use loop_traces::writer::{TraceWriter, WriteOptions, create};

use self::progress::Bar;
use super::warn;
use crate::cli::ImportArgs;
use crate::exit::Failure;
use crate::exporting::discard;
use crate::input::spare;
use crate::interrupt::{Interrupt, Stopping, StoppingInput};
use crate::stdout;

pub(super) fn run(args: &ImportArgs) -> Result<(), Failure> {
    if args.output == Path::new("-") {
        return Err(Failure::Usage("a trace is saved to a file: name one with -o, not -".to_owned()));
    }
    let from_stdin = args.input == Path::new("-");
    let shown = if from_stdin { "standard input".to_owned() } else { args.input.display().to_string() };
    let unreadable = |error: io::Error| Failure::Input(format!("cannot read {shown}: {error}"));
    let (input, size) = if from_stdin {
        // Its own buffer would hide from a wait what has come already.
        (File::from(io::stdin().as_fd().try_clone_to_owned().map_err(unreadable)?), None)
    } else {
        let file = File::open(&args.input).map_err(unreadable)?;
        let found = file.metadata().map_err(unreadable)?;
        if found.is_dir() {
            return Err(Failure::Input(format!("cannot read {shown}: it is a folder")));
        }
        spare(&args.input, &args.output)?;
        (file, found.is_file().then_some(found.len()))
    };
    let interrupt = Interrupt::new(None)?;
    let input = StoppingInput::new(input, interrupt.clone());
    let bar = Bar::new(size);
    let name =
        args.input.file_name().map_or_else(|| shown.clone(), |name| name.to_string_lossy().into_owned());
    let import = Import::read(input, &name, &args.thread, &mut |progress| bar.show(progress))
        .map_err(|error| failure(error, &shown))?;
    let (report, bytes) = write(import, &args.output, &bar, interrupt)?;
    bar.finish();
    if let Some(line) = text::warning(&report, &shown) {
        warn(&line);
    }
    if args.json {
        return stdout::print_json(&report);
    }
    stdout::print(&text::page(&report, &shown, &args.output.display().to_string(), bytes))
}

fn failure(error: ImportError, shown: &str) -> Failure {
    match error {
        ImportError::Read(error) => Failure::Input(format!("{shown} {error}")),
        ImportError::NoThread { .. } => Failure::Usage(format!("--thread: {shown}: {error}")),
        error => Failure::input(error),
    }
}

/// Writes the trace; one that fails is removed, so that none is taken for whole that is not.
fn write(
    import: Import,
    path: &Path,
    bar: &Bar,
    interrupt: Interrupt,
) -> Result<(ImportReport, u64), Failure> {
    let file = create(path).map_err(Failure::input)?;
    let is_regular = file.metadata().is_ok_and(|found| found.is_file());
    let file = Stopping::new(file, Some(interrupt));
    let written = || -> Result<(ImportReport, u64), ImportError> {
        let metadata = import.metadata();
        let mut writer = TraceWriter::new(file, path, &metadata, WriteOptions::default())?;
        let report = import.write(&mut writer, &mut |progress| bar.show(progress))?;
        Ok((report, writer.finish()?.bytes))
    };
    written().map_err(|error| {
        let rest = discard(is_regular, path);
        let cause = match error {
            // Of a trace that is removed nothing is readable.
            ImportError::Write(loop_traces::writer::WriteError::Write { path, source, .. }) => {
                format!("cannot write {}: {source}", path.display())
            }
            error => error.to_string(),
        };
        Failure::Input(format!("{cause}{rest}"))
    })
}
