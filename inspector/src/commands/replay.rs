//! `loopscope replay`: a saved trace, or a ring, in the dashboard.

use super::report;
use crate::cli::{Global, ReplayArgs};
use crate::exit::Failure;
use crate::stdout;

pub(super) fn run(args: &ReplayArgs, global: &Global) -> Result<(), Failure> {
    if args.no_tui || args.json || !stdout::is_terminal() {
        return report::print(&args.input, args.json);
    }
    let _ = global;
    Ok(())
}
