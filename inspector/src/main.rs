//! The `loopscope` binary: reads the command line, runs the verb, and reports failures in one line.

use std::io::Write as _;
use std::process::ExitCode;

use clap::error::ErrorKind;
use loopscope::cli::{Cli, one_line};
use loopscope::commands;
use loopscope::io::exit::CommandError;
use loopscope::io::stdout;

/// Called by the C library before `main`.
#[used]
#[expect(unsafe_code, reason = "the section of the functions that run before main")]
// SAFETY: the section holds pointers to functions of this signature, and this one needs nothing of Rust's runtime.
#[unsafe(link_section = ".init_array")]
static LOOK: extern "C" fn() = stdout::look;

fn main() -> ExitCode {
    let (ended, code) = match Cli::read(std::env::args_os()) {
        Ok(cli) => (commands::run(cli), ExitCode::SUCCESS),
        Err(error) => explain(&error),
    };
    match ended {
        Ok(()) => code,
        Err(failure) => {
            // If standard error is closed too, there is nowhere left to report it.
            let _ = writeln!(std::io::stderr(), "loopscope: {failure}");
            failure.code()
        }
    }
}

/// Prints the help that the command line asks for, or returns what is wrong with it.
fn explain(error: &clap::Error) -> (Result<(), CommandError>, ExitCode) {
    if error.use_stderr() && error.kind() != ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        return (Err(CommandError::Usage(one_line(error))), ExitCode::SUCCESS);
    }
    let printed = stdout::settle(error.print());
    let code = ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
    if error.use_stderr() {
        return (Ok(()), code);
    }
    (printed.and_then(|()| stdout::print("")), code)
}
