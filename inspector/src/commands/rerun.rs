//! `loopscope rerun`: a trace is executed again, on the real loop under a virtual clock.

use crate::cli::RerunArgs;
use crate::exit::Failure;

pub(super) fn run(args: &RerunArgs) -> Result<(), Failure> {
    if args.check { check(args) } else { Err(Failure::Usage("say what to do: --check".to_owned())) }
}

fn check(_args: &RerunArgs) -> Result<(), Failure> {
    Err(Failure::Usage("not yet".to_owned()))
}
