//! TOML files: read up to a size limit, parsed with the position of every value, so that a mistake is reported with its
//! place.

use std::io::{self, Read};
use std::ops::Range;
use std::path::Path;

use loop_probes::text::printable_path;
use toml::Spanned;
use toml::de::DeTable;

/// Reads all of `file`.
///
/// # Errors
///
/// If it cannot be read, has more than `bytes_max` bytes, or is not UTF-8.
pub fn read(file: impl Read, bytes_max: u64) -> io::Result<String> {
    let mut bytes = Vec::new();
    file.take(bytes_max + 1).read_to_end(&mut bytes)?;
    // What lies beyond the limit would silently have no effect.
    if bytes.len() as u64 > bytes_max {
        return Err(io::Error::other(format!("it is longer than {bytes_max} bytes")));
    }
    String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let (line, column) = position(&String::from_utf8_lossy(error.as_bytes()), valid);
        io::Error::other(format!("it is not UTF-8 in line {line}, column {column}"))
    })
}

/// An error in a TOML document, with its byte offset.
#[derive(Debug)]
pub struct Wrong {
    at: usize,
    what: String,
}

impl Wrong {
    /// An error at the beginning of `at`.
    #[must_use]
    pub fn new(at: &Range<usize>, what: impl Into<String>) -> Self {
        Self { at: at.start, what: what.into() }
    }

    /// Formats the error with its file and line.
    #[must_use]
    pub fn describe(&self, path: &Path, text: &str) -> String {
        let (line, _) = position(text, self.at);
        format!("{}:{line}: {}", printable_path(path), self.what)
    }

    /// Formats the error with its file, line and column.
    #[must_use]
    pub fn describe_with_column(&self, path: &Path, text: &str) -> String {
        let (line, column) = position(text, self.at);
        format!("{}:{line}:{column}: {}", printable_path(path), self.what)
    }
}

impl From<toml::de::Error> for Wrong {
    fn from(error: toml::de::Error) -> Self {
        Self { at: error.span().map_or(0, |span| span.start), what: error.message().to_owned() }
    }
}

/// The line and the column, in characters, of a byte offset. Both count from 1.
fn position(text: &str, at: usize) -> (usize, usize) {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    let before = &text[..at];
    let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
    let column = before.rsplit('\n').next().map_or(0, |rest| rest.chars().count()) + 1;
    (line, column)
}

/// Parses `text` as TOML, keeping the position of every value.
///
/// # Errors
///
/// [`Wrong`] if it is not TOML.
pub fn document(text: &str) -> Result<Spanned<DeTable<'_>>, Wrong> {
    DeTable::parse(text).map_err(|error| {
        let error = Wrong::from(error);
        Wrong { what: format!("invalid TOML: {}", error.what), ..error }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_count_lines_and_characters() {
        let text = "a\nüb\n";
        let found = [0, 1, 2, 3, 4, 5, 6, 99].map(|at| position(text, at));
        assert_eq!(found, [(1, 1), (1, 2), (2, 1), (2, 1), (2, 2), (2, 3), (3, 1), (3, 1)]);
    }

    #[test]
    fn long_and_undecodable_files_are_refused() {
        assert_eq!(read(&b"a = 1"[..], 5).unwrap(), "a = 1");
        assert_eq!(read(&b"a = 11"[..], 5).unwrap_err().to_string(), "it is longer than 5 bytes");
        let not_utf8 = read(&b"a = 1\nb = \"\xff\""[..], 99).unwrap_err();
        assert_eq!(not_utf8.to_string(), "it is not UTF-8 in line 2, column 6");
    }

    #[test]
    fn what_is_no_toml_is_reported_with_its_place() {
        let text = "a = 1\nb = [1\n";
        let wrong = document(text).unwrap_err();
        let line = wrong.describe_with_column(Path::new("x.toml"), text);
        assert!(line.starts_with("x.toml:2:7: invalid TOML: "), "{line}");
        assert!(wrong.describe(Path::new("x.toml"), text).starts_with("x.toml:2: invalid TOML: "));
    }
}
