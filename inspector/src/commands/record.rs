//! `loopscope record`: save what a running loop does, without a dashboard.

use loop_probes::ring::Start;

use super::follow::follow;
use super::summary;
use crate::cli::RecordArgs;
use crate::exit::Failure;
use crate::input;
use crate::interrupt::Interrupt;
use crate::sink::Sink;

pub(super) fn run(args: &RecordArgs) -> Result<(), Failure> {
    let interrupt = Interrupt::new(args.duration)?;
    // What the ring holds already is part of the recording.
    let mut source = input::open_ring(&input::ring(Some(&args.target))?, Start::Oldest)?;
    let mut sink = Sink::new(source.metadata(), Some(&args.output))?;
    let followed = follow(&mut source, &mut sink, &interrupt);
    let (timeline, written) = sink.finish();
    followed?;
    let stats = written?;
    summary::print(&timeline, &source, args.json)?;
    if let Some(stats) = stats {
        super::warn(&format!(
            "saved {} events in {} bytes to {}",
            stats.events,
            stats.bytes,
            args.output.display()
        ));
    }
    Ok(())
}
