//! `loopscope record`: save the events of a running loop, without a dashboard.

use loop_probes::ring::Start;

use super::follow::follow;
use super::summary;
use crate::cli::{Global, RecordArgs};
use crate::exit::CommandError;
use crate::input;
use crate::interrupt::Interrupt;
use crate::sink::Sink;

pub(super) fn run(args: &RecordArgs, global: &Global) -> Result<(), CommandError> {
    let interrupt = Interrupt::new(args.duration)?;
    // The current content of the ring is part of the recording.
    let mut source = input::open_ring(&input::ring(args.target.as_deref())?, Start::Oldest)?.with_pressure();
    let mut sink = Sink::new(source.metadata(), Some(&args.output))?.for_the_file();
    let followed = follow(&mut source, &mut sink, &interrupt);
    let (timeline, written) = sink.finish_after(&followed);
    // The summary is printed however the session ended.
    let printed = summary::print(&timeline, &source, args.json, global);
    summary::conclude(followed.and(printed), written, Some(&args.output))
}
