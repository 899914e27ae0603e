//! Following a live ring without drawing it: until it ends, until somebody interrupts, or for a time.

use loop_probes::stamped::Stamped;
use loop_traces::ring_source::RingSource;
use loop_traces::source::{EventSource as _, SourceState};

use crate::exit::Failure;
use crate::interrupt::Interrupt;
use crate::sink::Sink;

/// Moves everything from `source` to `sink`.
///
/// # Errors
///
/// [`Failure::Input`] where the ring cannot be read any more; `sink` has what came before.
pub(super) fn follow(source: &mut RingSource, sink: &mut Sink, interrupt: &Interrupt) -> Result<(), Failure> {
    let mut batch: Vec<Stamped> = Vec::new();
    loop {
        batch.clear();
        let is_due = interrupt.is_due();
        let state = if is_due { source.flush(&mut batch) } else { source.poll(&mut batch) };
        sink.absorb(&batch, source.counts());
        match state.map_err(Failure::input)? {
            SourceState::Ended => return Ok(()),
            _ if is_due => return Ok(()),
            SourceState::More => {}
            _ => interrupt.nap(source.suggested_period()),
        }
    }
}
