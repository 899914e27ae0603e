//! The `loopscope` binary: reads the command line, runs the verb, and reports failures in one line.

use std::io::Write as _;
use std::process::ExitCode;

use loopscope::cli::Cli;
use loopscope::{commands, stdout};

/// Called by the C library before `main`.
#[used]
#[expect(unsafe_code, reason = "the section of the functions that run before main")]
// SAFETY: the section holds pointers to functions of this signature, and this one needs nothing of Rust's runtime.
#[unsafe(link_section = ".init_array")]
static LOOK: extern "C" fn() = stdout::look;

fn main() -> ExitCode {
    let cli = Cli::read(std::env::args_os()).unwrap_or_else(|error| error.exit());
    match commands::run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // If standard error is closed too, there is nowhere left to report it.
            let _ = writeln!(std::io::stderr(), "loopscope: {failure}");
            failure.code()
        }
    }
}
