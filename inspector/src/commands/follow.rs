//! Follows a live ring without drawing: until it ends, is interrupted, or its time is up.

use loop_probes::process::ProcessReader;
use loop_probes::stamped::Stamped;
use loop_traces::source::{EventSource, SourceState};

use super::warn;
use crate::exit::CommandError;
use crate::input;
use crate::interrupt::Interrupt;
use crate::sink::Sink;

/// Moves everything from `source` to `sink`, and prints warnings that affect how far its numbers can be trusted.
///
/// # Errors
///
/// [`CommandError::Input`] if the ring becomes unreadable; `sink` keeps what came before.
pub(super) fn follow(
    source: &mut ProcessReader,
    sink: &mut Sink,
    interrupt: &Interrupt,
) -> Result<(), CommandError> {
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
