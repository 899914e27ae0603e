//! Temporary storage for a trace from a pipe, because readers seek in traces and read them more than once.
//!
//! The file has no name, so it disappears with the process, even one that is killed. Each reader has its own position.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::sync::Arc;

use loop_probes::text::printable_path;

/// Size of the copy buffer.
const BUFFER_BYTES: usize = 64 * 1024;

/// Why a pipe cannot be copied to a temporary file.
#[derive(Debug, thiserror::Error)]
pub enum TempFileError {
    /// The pipe cannot be read.
    #[error("{0}")]
    Input(io::Error),
    /// The temporary file cannot be created or written.
    #[error("cannot write a temporary file in {}: {source}; set TMPDIR to a folder with room", printable_path(.folder))]
    File {
        /// The folder of the file.
        folder: PathBuf,
        /// The cause.
        source: io::Error,
    },
}

/// The content of a pipe, readable from any position.
#[derive(Clone, Debug)]
pub struct TempFile {
    file: Arc<File>,
    size: u64,
    at: u64,
}

impl TempFile {
    /// Copies `input` to a temporary file in `TMPDIR`. Copies only its first bytes if they are not `magic`.
    ///
    /// # Errors
    ///
    /// [`TempFileError`] if `input` cannot be read, or the file cannot be created or written.
    pub fn fill<const N: usize>(mut input: impl Read, magic: &[u8; N]) -> Result<Self, TempFileError> {
        let folder = std::env::temp_dir();
        let failed = |source| TempFileError::File { folder: folder.clone(), source };
        let mut file = tempfile::tempfile_in(&folder).map_err(failed)?;
        let mut begin = Vec::new();
        (&mut input).take(N as u64).read_to_end(&mut begin).map_err(TempFileError::Input)?;
        file.write_all(&begin).map_err(failed)?;
        let rest = if begin == magic { copy(&mut input, &mut file, failed)? } else { 0 };
        let size = begin.len() as u64 + rest;
        Ok(Self { file: Arc::new(file), size, at: 0 })
    }

    /// Another reader, positioned at the beginning.
    #[must_use]
    pub fn again(&self) -> Self {
        Self { at: 0, ..self.clone() }
    }
}

/// Copies the rest of `input` to `file`, and returns the number of bytes. `failed` converts errors of `file`.
fn copy(
    input: &mut impl Read,
    file: &mut File,
    failed: impl Fn(io::Error) -> TempFileError,
) -> Result<u64, TempFileError> {
    let (mut buffer, mut copied) = (vec![0; BUFFER_BYTES], 0);
    loop {
        match input.read(&mut buffer) {
            Ok(0) => return Ok(copied),
            Ok(read) => {
                file.write_all(&buffer[..read]).map_err(&failed)?;
                copied += read as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(TempFileError::Input(error)),
        }
    }
}

impl Read for TempFile {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(buffer, self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}

impl Seek for TempFile {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.size.checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.at = at.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reader_has_its_own_position() {
        let mut temp_file = TempFile::fill(&b"looptrace"[..], b"loop").unwrap();
        let mut other = temp_file.again();
        let mut text = String::new();
        assert_eq!(temp_file.seek(SeekFrom::End(-5)).unwrap(), 4);
        temp_file.read_to_string(&mut text).unwrap();
        other.read_to_string(&mut text).unwrap();
        assert_eq!(text, "tracelooptrace");
        assert_eq!(
            (temp_file.seek(SeekFrom::Current(-2)).unwrap(), temp_file.stream_position().unwrap()),
            (7, 7)
        );
        assert!(temp_file.seek(SeekFrom::Current(-8)).is_err());
    }

    #[test]
    fn only_the_beginning_of_a_non_trace_is_read() {
        let mut temp_file = TempFile::fill(io::repeat(b'x'), b"loop").unwrap();
        let mut text = String::new();
        temp_file.read_to_string(&mut text).unwrap();
        assert_eq!(text, "xxxx");
    }
}
