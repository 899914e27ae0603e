//! An export into a file: it is whole, or it is not there. Half a JSON document helps nobody.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;

use loop_traces::chrome::export::{ExportError, ExportOptions, ExportStats};

use crate::exit::Failure;
use crate::input::Input;

/// Bytes gathered for one write.
const BUFFER_BYTES: usize = 256 * 1024;

/// Exports `input` to `file`, which is `path`, and removes it when that fails.
///
/// # Errors
///
/// [`Failure::Input`] where the input cannot be read or the file not be written.
pub fn to_file(
    input: &Input,
    options: ExportOptions,
    file: File,
    path: &Path,
) -> Result<ExportStats, Failure> {
    let is_regular = file.metadata().is_ok_and(|found| found.is_file());
    to(input, options, file).map_err(|error| {
        // A device or a pipe stays as it is.
        let removed = is_regular && fs::remove_file(path).is_ok();
        let rest = if removed { "; the unfinished file was removed" } else { "" };
        match error {
            ExportError::Write(error) => {
                Failure::Input(format!("cannot write {}: {error}{rest}", path.display()))
            }
            error => Failure::Input(format!("{error}{rest}")),
        }
    })
}

/// Exports `input` to `out`.
///
/// # Errors
///
/// [`ExportError`] where the input cannot be read or `out` not be written.
pub fn to(input: &Input, options: ExportOptions, out: impl Write) -> Result<ExportStats, ExportError> {
    let mut out = BufWriter::with_capacity(BUFFER_BYTES, out);
    let stats = input.export_chrome(options, &mut out)?;
    out.flush().map_err(ExportError::Write)?;
    Ok(stats)
}
