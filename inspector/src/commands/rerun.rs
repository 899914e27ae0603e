//! `loopscope rerun`: re-execute a trace, on the real loop under a virtual clock.

mod check;

use super::what_if;
use crate::cli::{Global, RerunArgs};
use crate::exit::CommandError;

pub(super) fn run(args: &RerunArgs, global: &Global) -> Result<(), CommandError> {
    if args.check { check::run(args) } else { what_if::run(args, global) }
}
