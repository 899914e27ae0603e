//! `loopscope diff`: better or worse.

use loop_traces::analysis::diff::{Options, Run, comparable, compare};

use super::warn;
use crate::cli::{DiffArgs, Global};
use crate::exit::Failure;
use crate::runs;
use crate::stdout;

pub(super) fn run(args: &DiffArgs, _global: &Global) -> Result<(), Failure> {
    let options = options(args)?;
    let (base, candidate) = (side(&args.base)?, side(&args.candidate)?);
    for refused in comparable::check(&base, &candidate) {
        if !args.anyway {
            return Err(Failure::Input(format!("{refused}, or compare --anyway")));
        }
        warn(&refused.why);
    }
    let comparison = compare(&base, &candidate, &options);
    stdout::print(&format!("{}\n", serde_json::to_string(&comparison).map_err(Failure::input)?))
}

fn options(args: &DiffArgs) -> Result<Options, Failure> {
    let options = Options { margin: args.margin, ..Options::default() };
    if args.primary.is_empty() {
        return Ok(options);
    }
    let chosen = options.with_primaries(args.primary.clone());
    chosen.map_err(|error| Failure::Usage(format!("--primary: {error}")))
}

fn side(words: &[String]) -> Result<Vec<Run>, Failure> {
    let read = words.iter().map(|word| {
        let read = runs::read(word)?;
        read.warnings.iter().for_each(|warning| warn(warning));
        Ok(read.run)
    });
    read.collect()
}
