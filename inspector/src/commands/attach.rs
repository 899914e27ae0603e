//! `loopscope attach`: watch a running loop.

use loop_probes::ring::Start;

use super::follow::follow;
use super::{drawing, summary, warn};
use crate::cli::{AttachArgs, Global};
use crate::exit::CommandError;
use crate::input;
use crate::interrupt::Interrupt;
use crate::save::{Reread, Saver};
use crate::sink::Sink;

pub(super) fn run(args: &AttachArgs, global: &Global) -> Result<(), CommandError> {
    let path = input::ring(args.target.as_deref())?;
    let mut source = input::open_ring(&path, Start::Newest)?.with_pressure();
    if !source.state().is_alive() {
        // The process is gone: show what its ring still holds.
        warn(&format!("process {} is gone: this is what its ring holds", source.metadata().pid));
        source = input::open_ring(&path, Start::Oldest)?;
    }
    let live = &args.live;
    if drawing::is_wanted(live) {
        let again =
            Box::new(move || input::open_ring(&path, Start::Oldest).map_err(|failure| failure.to_string()));
        let mut saver = Saver::new(Reread::Ring(again));
        if let Some(record) = &live.record {
            saver = saver.recording_to(record, source.metadata())?;
        }
        return drawing::live(source, None, live, global, &saver);
    }
    let interrupt = Interrupt::new(live.duration)?;
    let mut sink = Sink::new(source.metadata(), live.record.as_deref())?;
    let followed = follow(&mut source, &mut sink, &interrupt);
    let (timeline, written) = sink.finish_after(&followed);
    // The summary is printed however the session ended.
    let printed = summary::print(&timeline, &source, live.json, global);
    summary::conclude(followed.and(printed), written, live.record.as_deref())
}
