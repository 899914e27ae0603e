//! Standard output as commands use it: a reader that leaves early is no error, everything else is.

use std::io::{self, IsTerminal as _, Write};

use serde::Serialize;

use crate::exit::Failure;

/// Whether a person looks at standard output.
#[must_use]
pub fn is_terminal() -> bool {
    io::stdout().is_terminal()
}

/// How many cells a line has: the terminal's, at most 120, and 80 where there is none.
#[must_use]
pub fn width() -> usize {
    let size = rustix::termios::tcgetwinsize(io::stdout()).ok();
    size.filter(|size| size.ws_col > 0).map_or(80, |size| usize::from(size.ws_col).clamp(60, 120))
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

/// Prints `value` as a line of JSON.
///
/// # Errors
///
/// As [`print()`].
pub fn print_json(value: &impl Serialize) -> Result<(), Failure> {
    let line = serde_json::to_string(value)
        .map_err(|error| Failure::Input(format!("cannot print JSON: {error}")))?;
    print(&(line + "\n"))
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
