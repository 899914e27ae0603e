//! `loopscope minimize`: the smallest part of a trace that still shows something.

use crate::cli::MinimizeArgs;
use crate::exit::Failure;

pub(super) fn run(args: &MinimizeArgs) -> Result<(), Failure> {
    Err(Failure::Usage(format!("{} is not there yet", args.keep)))
}
