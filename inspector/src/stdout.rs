//! Standard output as commands use it: a reader that leaves early is no error, everything else is.

use std::io::{self, IsTerminal as _, Write};

use crate::exit::Failure;

/// Whether a person looks at standard output.
#[must_use]
pub fn is_terminal() -> bool {
    io::stdout().is_terminal()
}

/// Columns of the screen that standard output is, 100 where it is none.
#[must_use]
pub fn columns() -> usize {
    let size = is_terminal().then(|| crossterm::terminal::size().ok()).flatten();
    size.map_or(100, |(columns, _)| usize::from(columns))
}

/// Writes `text` and flushes. A closed pipe is success: the reader had enough.
///
/// # Errors
///
/// [`Failure::Input`] where it cannot be written for another reason.
pub fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    settle(out.write_all(text.as_bytes()).and_then(|()| out.flush()), "standard output")
}

/// Makes success of a closed pipe, and a failure that names `place` of every other error.
///
/// # Errors
///
/// [`Failure::Input`] where the error is not a closed pipe.
pub fn settle(written: io::Result<()>, place: &str) -> Result<(), Failure> {
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written.map_err(|error| Failure::Input(format!("cannot write {place}: {error}"))),
    }
}
