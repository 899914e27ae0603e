//! The `loopscope` binary: reads the command line, runs the verb, says in one line what went wrong.

use std::io::Write as _;
use std::process::ExitCode;

use loopscope::cli::Cli;
use loopscope::commands;

fn main() -> ExitCode {
    let cli = Cli::read(std::env::args_os()).unwrap_or_else(|error| error.exit());
    match commands::run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // A standard error that is gone too leaves nobody to tell.
            let _ = writeln!(std::io::stderr(), "loopscope: {failure}");
            failure.code()
        }
    }
}
