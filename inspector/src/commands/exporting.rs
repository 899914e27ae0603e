//! Exports in all formats. A file appears only when it is complete, because half a document is useless.

use std::fmt;
use std::io::{BufWriter, Write};
use std::path::Path;

use loop_probes::text::printable_path;
use loop_traces::chrome::export as chrome;
use loop_traces::export::csv::{self, CsvStats};
use loop_traces::export::folded::{self, FoldedOptions, FoldedStats};
use loop_traces::export::speedscope::{self, SpeedscopeStats};
use loop_traces::export::{ExportError, TimeRange};
use loop_traces::source::{EventSource, SourceError};
use loop_traces::units::{count, counted, duration};
use loop_traces::writer::{NewFile, TraceOutput as _, untouched};

use crate::io::exit::CommandError;
use crate::io::input::Input;
use crate::io::interrupt::{Interrupt, Stopping};

/// Size of the write buffer.
const BUFFER_BYTES: usize = 256 * 1024;

/// The format of an export, with its options.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Export {
    /// Chrome-trace JSON.
    Chrome(chrome::ExportOptions),
    /// One row per event.
    Csv(TimeRange),
    /// Folded stacks.
    Folded(FoldedOptions),
    /// speedscope's native format.
    Speedscope(TimeRange),
}

/// Statistics of an export. Displays as text for the user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exported {
    /// Chrome-trace JSON.
    Chrome(chrome::ExportStats),
    /// One row per event.
    Csv(CsvStats),
    /// Folded stacks.
    Folded(FoldedStats),
    /// speedscope's native format.
    Speedscope(SpeedscopeStats),
}

impl Export {
    /// Writes the recording that `open` opens, which it may do several times, to `out`.
    ///
    /// # Errors
    ///
    /// [`ExportError`] if the recording cannot be read or `out` cannot be written.
    pub(super) fn write<S: EventSource + Send>(
        self,
        open: impl FnMut() -> Result<S, SourceError>,
        out: impl Write,
    ) -> Result<Exported, ExportError> {
        Ok(match self {
            Self::Chrome(options) => Exported::Chrome(chrome::export(open, options, out)?),
            Self::Csv(range) => Exported::Csv(csv::export(open, range, out)?),
            Self::Folded(options) => Exported::Folded(folded::export(open, options, out)?),
            Self::Speedscope(range) => Exported::Speedscope(speedscope::export(open, range, out)?),
        })
    }
}

impl Exported {
    /// Bytes written.
    #[must_use]
    pub(super) const fn bytes(&self) -> u64 {
        match self {
            Self::Chrome(stats) => stats.bytes,
            Self::Csv(stats) => stats.bytes,
            Self::Folded(stats) => stats.bytes,
            Self::Speedscope(stats) => stats.bytes,
        }
    }

    /// Spans left out because they overlap others without nesting.
    #[must_use]
    pub(super) const fn left_out(&self) -> u64 {
        match self {
            Self::Folded(stats) => stats.left_out,
            Self::Speedscope(stats) => stats.left_out,
            Self::Chrome(_) | Self::Csv(_) => 0,
        }
    }
}

impl Exported {
    /// The main figure, for a line that also names the file.
    #[must_use]
    pub(super) fn in_short(&self) -> String {
        match self {
            Self::Chrome(stats) => counted(stats.slices, "slice", "slices"),
            Self::Csv(stats) => counted(stats.rows, "row", "rows"),
            Self::Folded(stats) => counted(stats.stacks, "stack", "stacks"),
            Self::Speedscope(stats) => counted(stats.slices, "slice", "slices"),
        }
    }
}

impl fmt::Display for Exported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Chrome(stats) => {
                write!(f, "{} ({} of them tasks), ", self.in_short(), count(stats.task_slices))?;
                if stats.async_pairs > 0 {
                    write!(
                        f,
                        "{} that overlap, ",
                        counted(stats.async_pairs, "asynchronous pair", "asynchronous pairs")
                    )?;
                }
                let instants = counted(stats.instants, "instant", "instants");
                write!(f, "{instants} and {}", counted(stats.counters, "counter sample", "counter samples"))
            }
            Self::Csv(_) => f.write_str(&self.in_short()),
            Self::Folded(stats) => write!(f, "{}, {} in total", self.in_short(), duration(stats.total_ns)),
            Self::Speedscope(stats) => {
                let profiles = counted(stats.profiles, "profile", "profiles");
                write!(f, "{} in {profiles}", self.in_short())
            }
        }
    }
}

/// Exports `input` to `file`, which moves to `path` once complete. Fails when `interrupt` is due.
///
/// # Errors
///
/// [`CommandError::Input`] if the input cannot be read or the file cannot be written.
pub(super) fn to_file(
    input: &Input,
    what: Export,
    file: NewFile,
    path: &Path,
    interrupt: Option<Interrupt>,
) -> Result<Exported, CommandError> {
    let mut file = Stopping::new(file, interrupt);
    let exported = to(input, what, &mut file);
    exported.and_then(|exported| file.finish().map(|()| exported).map_err(ExportError::Write)).map_err(
        |error| {
            let rest = untouched(path);
            match error {
                ExportError::Write(error) => {
                    CommandError::Input(format!("cannot write {}: {error}{rest}", printable_path(path)))
                }
                error => CommandError::Input(format!("{error}{rest}")),
            }
        },
    )
}

/// Exports `input` to `out`.
///
/// # Errors
///
/// [`ExportError`] if the input cannot be read or `out` cannot be written.
pub(super) fn to(input: &Input, what: Export, out: impl Write) -> Result<Exported, ExportError> {
    let mut out = BufWriter::with_capacity(BUFFER_BYTES, out);
    let exported = what.write(|| input.reopen(), &mut out)?;
    out.flush().map_err(ExportError::Write)?;
    Ok(exported)
}
