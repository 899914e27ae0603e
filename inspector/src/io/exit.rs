//! Failures and warnings of commands: one line for each, and the exit code.

use std::fmt;
use std::io::Write as _;
use std::process::ExitCode;

/// How the system says that descriptors have run out, whatever was opened.
const TOO_MANY_OPEN_FILES: &str = "Too many open files";

/// The remedy that is appended to such errors.
const RAISE: &str = "; raise the limit on open files (ulimit -n)";

/// Why a command failed.
#[derive(Debug)]
pub enum CommandError {
    /// A gate or a check failed: exit code 1.
    Check(String),
    /// The command line asks for something impossible: exit code 2.
    Usage(String),
    /// The input cannot be read, or the output cannot be written: exit code 3.
    Input(String),
}

impl CommandError {
    /// An input that cannot be read, or an output that cannot be written, with its cause.
    #[must_use]
    pub fn input(cause: impl fmt::Display) -> Self {
        Self::Input(cause.to_string())
    }

    /// The process exit code.
    #[must_use]
    pub fn code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Check(_) => 1,
            Self::Usage(_) => 2,
            Self::Input(_) => 3,
        })
    }
}

impl fmt::Display for CommandError {
    /// Formats the failure on one line of printable characters.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Check(text) | Self::Usage(text) | Self::Input(text)) = self;
        let line: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        let line = line.join("; ");
        let way_out = if line.contains(TOO_MANY_OPEN_FILES) && !line.contains("ulimit") { RAISE } else { "" };
        write!(f, "{}{way_out}", loop_probes::text::printable(&line))
    }
}

impl std::error::Error for CommandError {}

/// Prints a warning to standard error.
pub fn warn(line: &str) {
    // If standard error is closed, there is nowhere to report it.
    let _ = writeln!(std::io::stderr(), "loopscope: {}", loop_probes::text::printable(line));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lack_of_descriptors_comes_with_its_way_out_once() {
        let failure = |text: &str| CommandError::Input(text.to_owned()).to_string();
        let lacking = "cannot read a: Too many open files (os error 24)";
        assert_eq!(failure(lacking), format!("{lacking}; raise the limit on open files (ulimit -n)"));
        let named = format!("{lacking}; close files (ulimit -n)");
        assert_eq!(failure(&named), named);
    }

    #[test]
    fn a_failure_is_one_printable_line() {
        let failure = CommandError::Input("cannot read a\x1b[2Jb:\n  no such file\n".to_owned());
        assert_eq!(failure.to_string(), "cannot read a\\u{1b}[2Jb:; no such file");
    }
}
