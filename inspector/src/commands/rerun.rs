//! `loopscope rerun`: a trace is executed again, on the real loop under a virtual clock.

use super::what_if;
use crate::cli::{Global, RerunArgs};
use crate::exit::Failure;

pub(super) fn run(args: &RerunArgs, global: &Global) -> Result<(), Failure> {
    if args.check { check(args) } else { what_if::run(args, global) }
}

fn check(_args: &RerunArgs) -> Result<(), Failure> {
    Err(Failure::Usage("not yet".to_owned()))
}
