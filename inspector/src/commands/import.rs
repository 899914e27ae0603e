//! `loopscope import`: converts another program's Chrome trace into a trace.

mod text;

use std::fs::File;
use std::io;
use std::os::fd::AsFd as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use loop_probes::text::printable_path;
use loop_traces::chrome::import::{Import, ImportError, ImportReport};
use loop_traces::writer::{NewFile, TraceWriter, WriteOptions, untouched};
use rustix::fs::{OFlags, fcntl_setfl};

use super::drawing;
use super::progress::ImportBar;
use crate::cli::{Global, ImportArgs};
use crate::io::exit::{CommandError, warn};
use crate::io::input::{STDIN, shown, spare};
use crate::io::interrupt::{Interrupt, Stopping, StoppingInput};
use crate::io::stdout;

pub(super) fn run(args: &ImportArgs, global: &Global) -> Result<(), CommandError> {
    let shown = shown(&args.input);
    if args.input != Path::new(STDIN) {
        spare(&args.input, &args.output)?;
    }
    let interrupt = Interrupt::new(None)?;
    let (mut bar, mut import) = read(args, &shown, &args.thread, &interrupt)?;
    if let Err(ImportError::NamedTooLate { threads, .. }) = &import
        && args.input.is_file()
    {
        // Read again: with the names, the second pass knows the loops from the beginning.
        let all: Vec<String> = args.thread.iter().chain(threads).cloned().collect();
        (bar, import) = read(args, &shown, &all, &interrupt)?;
    }
    let import = import.map_err(|error| {
        if interrupt.is_asked() {
            return CommandError::Input(format!("the import of {shown} was interrupted; nothing is saved"));
        }
        failure(error, &shown)
    })?;
    let (report, bytes) = write(import, &args.output, &bar, interrupt)?;
    bar.finish();
    if let Some(line) = text::warning(&report, &shown) {
        warn(&line);
    }
    if args.json {
        return stdout::print_json(&report);
    }
    let output = printable_path(&args.output);
    let page = text::page(&report, &shown, &output, bytes, stdout::width());
    stdout::print(&crate::text::page(&page, drawing::theme(global)))
}

/// Reads the input once.
fn read(
    args: &ImportArgs,
    shown: &str,
    threads: &[String],
    interrupt: &Interrupt,
) -> Result<(ImportBar, Result<Import, ImportError>), CommandError> {
    let unreadable = |error: io::Error| CommandError::Input(format!("cannot read {shown}: {error}"));
    let (input, size) = if args.input == Path::new(STDIN) {
        // Bypasses the buffer of `stdin`, because a poll does not see buffered data.
        (File::from(io::stdin().as_fd().try_clone_to_owned().map_err(unreadable)?), None)
    } else {
        // Opening a pipe without a writer would block and ignore signals.
        let file = File::options()
            .read(true)
            .custom_flags(OFlags::NONBLOCK.bits().cast_signed())
            .open(&args.input)
            .map_err(unreadable)?;
        fcntl_setfl(&file, OFlags::empty()).map_err(|error| unreadable(error.into()))?;
        let found = file.metadata().map_err(unreadable)?;
        if found.is_dir() {
            return Err(CommandError::Input(format!("cannot read {shown}: it is a folder")));
        }
        (file, found.is_file().then_some(found.len()))
    };
    let input = StoppingInput::new(input, interrupt.clone());
    let name = args.input.file_name().map_or_else(|| shown.to_owned(), |name| printable_path(name.as_ref()));
    let bar = ImportBar::new(size);
    let import = Import::read(input, &name, threads, &mut |progress| bar.show(progress));
    Ok((bar, import))
}

fn failure(error: ImportError, shown: &str) -> CommandError {
    match error {
        ImportError::Read(error) => CommandError::Input(format!("{shown} {error}")),
        ImportError::NoLoop(_) => CommandError::Input(format!("{shown} {error}")),
        ImportError::NoThread { .. } | ImportError::NamedTooLate { .. } => {
            CommandError::Usage(format!("--thread: {shown}: {error}"))
        }
        error => CommandError::input(error),
    }
}

/// Writes the trace. The file appears only when it is complete.
fn write(
    import: Import,
    path: &Path,
    bar: &ImportBar,
    interrupt: Interrupt,
) -> Result<(ImportReport, u64), CommandError> {
    let file = Stopping::new(NewFile::create(path).map_err(CommandError::input)?, Some(interrupt));
    let written = || -> Result<(ImportReport, u64), ImportError> {
        let metadata = import.metadata();
        let writer = TraceWriter::new(file, path, &metadata, WriteOptions::at_rest())?;
        let (report, written) = import.write(writer, &mut |progress| bar.show(progress))?;
        Ok((report, written.bytes))
    };
    written().map_err(|error| {
        let rest = untouched(path);
        let cause = match error {
            // The error's own text would say what remains readable, but an incomplete trace never appears.
            ImportError::Write(loop_traces::writer::WriteError::Write { path, source, .. }) => {
                format!("cannot write {}: {source}", printable_path(&path))
            }
            error => error.to_string(),
        };
        CommandError::Input(format!("{cause}{rest}"))
    })
}
