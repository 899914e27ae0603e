//! `loopscope replay`: shows a saved trace or a ring in the dashboard.

use super::save::{Reread, Saver};
use super::{drawing, report};
use crate::cli::{Global, ListLimits, ReplayArgs};
use crate::io::exit::{CommandError, warn};
use crate::io::input::{Input, STDIN};
use crate::io::stdout;

pub(super) fn run(args: &ReplayArgs, global: &Global) -> Result<(), CommandError> {
    let is_drawn = !args.no_tui && !args.json && stdout::is_terminal();
    if is_drawn && args.input == STDIN {
        let way_out = "save it to a file first, or print the summary with --no-tui";
        return Err(CommandError::Usage(format!("the dashboard cannot replay standard input: {way_out}")));
    }
    let input = Input::open(&args.input)?;
    if let Some(at) = args.at {
        input.at("--at", at)?;
    }
    if !is_drawn {
        return report::print(input, args.json, &ListLimits::default(), global);
    }
    for warning in input.warnings() {
        warn(&warning);
    }
    let saver = Saver::new(Reread::Saved(args.input.clone()));
    drawing::replay(input.into_rewind(), args, global, &saver)
}
