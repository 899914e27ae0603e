//! `loopscope attach` and `loopscope record`: observe or record a running loop.

use std::ffi::OsStr;

use loop_probes::process::{ProcessReader, ProcessState};
use loop_probes::ring::Start;
use loop_probes::stamped::Stamped;
use loop_traces::source::{EventSource, SourceState};

use super::save::{Reread, Saver};
use super::{drawing, summary};
use crate::cli::{AttachArgs, Global, RecordArgs};
use crate::io::exit::{CommandError, warn};
use crate::io::input;
use crate::io::interrupt::Interrupt;
use crate::io::sink::Sink;

pub(super) fn run(args: &AttachArgs, global: &Global) -> Result<(), CommandError> {
    let path = input::ring(args.target.as_deref())?;
    let mut source = input::open_ring(&path, Start::Newest)?.with_pressure();
    if !source.state().is_alive() {
        // Show what the ring still holds.
        let pid = source.metadata().pid;
        let why = match source.state() {
            ProcessState::Unclosed => format!("this is a copy of the ring file of process {pid}"),
            _ => format!("process {pid} is gone"),
        };
        warn(&format!("{why}: showing the contents of its ring"));
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
        let pid = source.metadata().pid.to_string();
        let target = args.target.as_deref().unwrap_or(OsStr::new(&pid));
        return drawing::live(source, None, target, live, global, &saver);
    }
    let interrupt = Interrupt::new(live.duration)?;
    let mut sink = Sink::new(source.metadata(), live.record.as_deref())?;
    let followed = follow(&mut source, &mut sink, &interrupt);
    let (timeline, written) = ending(sink, &source).finish_after(&followed);
    // Print the summary even if following failed.
    let printed = summary::print(&timeline, &source, live.json, global);
    summary::conclude(followed.and(printed), written, live.record.as_deref())
}

/// Records without a dashboard.
pub(super) fn record(args: &RecordArgs, global: &Global) -> Result<(), CommandError> {
    let interrupt = Interrupt::new(args.duration)?;
    // The current content of the ring is part of the recording.
    let mut source = input::open_ring(&input::ring(args.target.as_deref())?, Start::Oldest)?.with_pressure();
    let mut sink = Sink::new(source.metadata(), Some(&args.output))?.for_the_file();
    let followed = follow(&mut source, &mut sink, &interrupt);
    let (timeline, written) = ending(sink, &source).finish_after(&followed);
    // Print the summary even if following failed.
    let printed = summary::print(&timeline, &source, args.json, global);
    summary::conclude(followed.and(printed), written, Some(&args.output))
}

/// The sink of everything in `source`. What is saved of a copy stays unclosed: nothing tells what followed.
fn ending(sink: Sink, source: &ProcessReader) -> Sink {
    if source.state() == ProcessState::Unclosed { sink.unclosed() } else { sink }
}

/// Moves events from `source` to `sink` until the end, and prints warnings about missing or unreliable data.
///
/// # Errors
///
/// [`CommandError::Input`] if the ring becomes unreadable; `sink` keeps the earlier events.
fn follow(source: &mut ProcessReader, sink: &mut Sink, interrupt: &Interrupt) -> Result<(), CommandError> {
    let followed = until_the_end(source, sink, interrupt);
    let why_silent = followed.is_ok().then(|| input::state_warning(source)).flatten();
    for warning in input::ring_warnings(source).into_iter().chain(why_silent) {
        warn(&warning);
    }
    followed
}

fn until_the_end(
    source: &mut ProcessReader,
    sink: &mut Sink,
    interrupt: &Interrupt,
) -> Result<(), CommandError> {
    let mut batch: Vec<Stamped> = Vec::new();
    loop {
        batch.clear();
        if interrupt.is_due() {
            let flushed = source.flush(&mut batch);
            sink.absorb(&batch, source.counts());
            return flushed.map(drop).map_err(CommandError::input);
        }
        let state = EventSource::poll(source, &mut batch);
        sink.absorb(&batch, source.counts());
        match state.map_err(CommandError::input)? {
            SourceState::Ended => return Ok(()),
            _ if sink.is_pointless() => return Ok(()),
            SourceState::More => {}
            _ => interrupt.nap(sink.period(source.suggested_period())),
        }
    }
}
