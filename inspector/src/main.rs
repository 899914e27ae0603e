//! The `loopscope` binary: reads the command line, runs the verb, and reports failures in one line.

use std::io::Write as _;
use std::process::ExitCode;

use loopscope::cli::Cli;
use loopscope::commands;

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
