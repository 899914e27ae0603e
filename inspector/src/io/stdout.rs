//! Standard output of commands. A reader that closes the pipe early is not an error, any other failure is.

use std::io::{self, IsTerminal as _, StdoutLock, Write};
use std::os::fd::BorrowedFd;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::ValueEnum;
use loop_probes::text::{is_printable, printable_path};
use serde::Serialize;
use serde_json::ser::{Formatter, Serializer};

use super::exit::CommandError;

/// The name of standard output in messages.
const NAME: &str = "standard output";

/// Whether standard output is a terminal.
#[must_use]
pub fn is_terminal() -> bool {
    io::stdout().is_terminal()
}

/// Whether standard output was closed when the program started.
static IS_CLOSED: AtomicBool = AtomicBool::new(false);

/// Notes whether standard output is closed. Must run before `main`: Rust's runtime replaces a closed standard stream with
/// `/dev/null`, which accepts all output without an error.
pub extern "C" fn look() {
    #[expect(unsafe_code, reason = "a descriptor that may be closed has no safe handle")]
    // SAFETY: the number is only passed to fcntl, which reports a closed descriptor as an error, and no other thread
    // runs yet that could open or close it.
    let stdout = unsafe { BorrowedFd::borrow_raw(rustix::stdio::raw_stdout()) };
    IS_CLOSED.store(rustix::io::fcntl_getfd(stdout).is_err(), Ordering::Relaxed);
}

/// Locks standard output, through which commands print everything.
///
/// # Errors
///
/// [`CommandError::Input`] if it is closed.
pub fn lock() -> Result<StdoutLock<'static>, CommandError> {
    if IS_CLOSED.load(Ordering::Relaxed) {
        return Err(CommandError::Input(format!("cannot write {NAME}: it is closed")));
    }
    Ok(io::stdout().lock())
}

/// Default and maximum width of a line, in cells.
const COLUMNS: usize = 80;
const COLUMNS_MAX: usize = 120;

/// The width of a line in cells for every command: that of the terminal, else the value of `COLUMNS`, else 80; at least
/// 60 and at most 120.
#[must_use]
pub fn width() -> usize {
    let terminal = rustix::termios::tcgetwinsize(io::stdout()).ok().map(|size| usize::from(size.ws_col));
    columns(terminal, std::env::var("COLUMNS").ok().as_deref())
}

fn columns(terminal: Option<usize>, variable: Option<&str>) -> usize {
    let known = |columns: &usize| *columns > 0;
    let variable = || variable.and_then(|text| text.trim().parse().ok()).filter(known);
    terminal.filter(known).or_else(variable).unwrap_or(COLUMNS).clamp(60, COLUMNS_MAX)
}

/// Writes `text` and flushes. A closed pipe is success: its reader needs no more.
///
/// # Errors
///
/// [`CommandError::Input`] if writing fails for another reason.
pub fn print(text: &str) -> Result<(), CommandError> {
    let mut out = lock()?;
    settle(out.write_all(text.as_bytes()).and_then(|()| out.flush()))
}

/// Prints `value` as a line of JSON.
///
/// # Errors
///
/// Same as for [`print()`].
pub fn print_json(value: &impl Serialize) -> Result<(), CommandError> {
    let line = json(value).map_err(|error| CommandError::Input(format!("cannot print JSON: {error}")))?;
    print(&(line + "\n"))
}

/// Rejects `--json` together with a `--format` other than JSON.
///
/// # Errors
///
/// [`CommandError::Usage`] if they contradict each other.
pub fn one_format(json: bool, format: &impl ValueEnum) -> Result<(), CommandError> {
    match format.to_possible_value() {
        Some(format) if json && format.get_name() != "json" => Err(CommandError::Usage(format!(
            "--json and --format {} contradict each other: give one of them",
            format.get_name()
        ))),
        _ => Ok(()),
    }
}

/// A path for JSON, unchanged if it is valid UTF-8.
#[must_use]
pub fn json_path(path: &Path) -> String {
    path.to_str().map_or_else(|| printable_path(path), str::to_owned)
}

/// Formats a value as JSON without terminal control sequences: characters that are not [printable](is_printable) become
/// JSON escapes, which a parser turns back into the original text.
fn json(value: &impl Serialize) -> serde_json::Result<String> {
    let mut bytes = Vec::new();
    value.serialize(&mut Serializer::with_formatter(&mut bytes, Plain))?;
    String::from_utf8(bytes).map_err(serde::ser::Error::custom)
}

/// Formats compact JSON in printable characters.
struct Plain;

impl Formatter for Plain {
    fn write_string_fragment<W: ?Sized + Write>(&mut self, out: &mut W, fragment: &str) -> io::Result<()> {
        let mut rest = fragment;
        while let Some((at, character)) = rest.char_indices().find(|(_, character)| !is_printable(*character))
        {
            out.write_all(&rest.as_bytes()[..at])?;
            for unit in character.encode_utf16(&mut [0; 2]) {
                write!(out, "\\u{unit:04x}")?;
            }
            rest = &rest[at + character.len_utf8()..];
        }
        out.write_all(rest.as_bytes())
    }
}

/// Converts the result of writing to standard output. A pipe that its reader closed is success.
///
/// # Errors
///
/// [`CommandError::Input`] for any other error.
pub fn settle(written: io::Result<()>) -> Result<(), CommandError> {
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written.map_err(|error| CommandError::Input(format!("cannot write {NAME}: {error}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_printable_and_parses_back() {
        let text = "a\u{9b}b\u{202e}c\n\u{e0041}\"ä";
        let printed = json(&text).unwrap();
        assert_eq!(printed, r#""a\u009bb\u202ec\n\udb40\udc41\"ä""#);
        assert_eq!(serde_json::from_str::<String>(&printed).unwrap(), text);
    }

    #[test]
    fn the_width_is_that_of_the_terminal_or_of_columns() {
        assert_eq!(columns(Some(80), Some("100")), 80, "a terminal knows better");
        assert_eq!(columns(None, Some("100")), 100);
        assert_eq!(columns(Some(0), Some("100")), 100, "a terminal without a size is none");
        assert_eq!(
            (columns(None, None), columns(None, Some("wide")), columns(None, Some("0"))),
            (80, 80, 80)
        );
        assert_eq!((columns(Some(500), None), columns(None, Some("9"))), (120, 60));
    }
}
