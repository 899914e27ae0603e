//! `loopscope replay`: a saved trace, or a ring, in the dashboard.

use loop_traces::timeline::TimelineConfig;

use super::{drawing, report};
use crate::cli::{Global, ReplayArgs};
use crate::exit::Failure;
use crate::input::Input;
use crate::keeping::{Again, Keeping};
use crate::stdout;

pub(super) fn run(args: &ReplayArgs, global: &Global) -> Result<(), Failure> {
    if args.no_tui || args.json || !stdout::is_terminal() {
        return report::print(&args.input, args.json, TimelineConfig::default().late_kept);
    }
    let input = Input::open(&args.input)?;
    for warning in input.warnings() {
        super::warn(&warning);
    }
    let keeping = Keeping::new(Again::Saved(args.input.clone()));
    drawing::replay(input.into_rewind(), args, global, &keeping)
}
