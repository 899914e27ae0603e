//! The original recording, embedded in its export: viewers skip it, and an import restores it unchanged.
//!
//! Slices and instants hold less than the events they are made from (when a task was queued, how deep each queue was at
//! every tick), and numbers that differ from slice to slice would keep viewers from grouping slices. So the recording
//! is embedded in pieces, packed as in a `.looptrace`, under a separate key that every viewer ignores: on a slice
//! whenever a block is complete, and after the events at the end.

use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use loop_probes::event::Event;
use loop_probes::metadata::Metadata;
use loop_probes::stamped::Stamped;

use super::JsonOut;
use crate::export::TimeRange;
use crate::source::EventSource;
use crate::writer::{TraceOutput, TraceWriter, WriteOptions};

/// Events passed to the writer at once.
const BATCH: usize = 512;

/// Compression level: low, because higher ones would take as long as the rest of the export.
const CARRIED_LEVEL: i32 = 1;

/// Blocks written and not yet put into the export.
#[derive(Clone, Debug, Default)]
struct Waiting(Arc<Mutex<Vec<u8>>>);

impl Waiting {
    fn bytes(&self) -> MutexGuard<'_, Vec<u8>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Write for Waiting {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl TraceOutput for Waiting {
    fn truncate(&mut self, _: u64) -> io::Result<()> {
        // Called only after a failed write, and writes to memory do not fail.
        Err(io::Error::other("what was put into the export stays there"))
    }
}

/// The recording on its way into the export.
#[derive(Debug)]
pub(super) struct Carried {
    writer: Option<TraceWriter<Waiting>>,
    waiting: Waiting,
    batch: Vec<Stamped>,
    /// Bytes already put into the export.
    at: u64,
    /// The recording was not closed.
    is_cut: bool,
    /// Records lost, of those events that it takes.
    lost_records: u64,
}

impl Carried {
    pub(super) fn new(metadata: &Metadata) -> Self {
        let waiting = Waiting::default();
        // Few large blocks: they compress better, and each costs a viewer one key to skip.
        let options = WriteOptions { flush_ns: u64::MAX, level: CARRIED_LEVEL, ..WriteOptions::default() };
        let path = Path::new("the recording in the export");
        // Metadata too long for a trace: the export then embeds no recording.
        let writer = TraceWriter::new(waiting.clone(), path, metadata, options).ok();
        Self { writer, waiting, batch: Vec::new(), at: 0, is_cut: false, lost_records: 0 }
    }

    pub(super) fn push(&mut self, stamped: &Stamped) {
        if let Event::Lost { count, .. } = stamped.event {
            self.lost_records = self.lost_records.saturating_add(count);
        }
        self.batch.push(*stamped);
        if self.batch.len() >= BATCH {
            self.hand_on();
        }
    }

    /// Takes over from `source`, which was read to its end, what it could not deliver, and whether it was cut off.
    pub(super) fn ended_as(&mut self, source: &impl EventSource, range: TimeRange) {
        self.is_cut = source.process_state().is_none() && !source.is_closed();
        let mut counts = source.counts();
        if range != TimeRange::default() {
            // Not what was lost beyond the range.
            counts.lost_records = self.lost_records;
        }
        if let Some(writer) = &mut self.writer {
            writer.set_counts(counts);
        }
    }

    /// Ends the recording after the last event.
    pub(super) fn finish(&mut self) {
        self.hand_on();
        if let Some(writer) = self.writer.take() {
            // A trace with too many blocks ends here, and an import then uses the slices.
            let _ = if self.is_cut { writer.finish_unclosed() } else { writer.finish() };
        }
    }

    /// Puts what is ready after the last key of an object. The last piece carries the export's numbers of slices and
    /// instants, so that an import can tell whether the file was edited.
    pub(super) fn put<W: Write>(&mut self, out: &mut JsonOut<W>, counts: Option<(u64, u64)>) {
        let bytes = std::mem::take(&mut *self.waiting.bytes());
        if bytes.is_empty() {
            return;
        }
        out.raw(",\"loopscope\":{\"at\":").number(self.at).raw(",\"bytes\":\"");
        out.raw(&STANDARD.encode(&bytes)).raw("\"");
        if let Some((slices, instants)) = counts {
            out.raw(",\"counts\":[").number(slices).raw(",").number(instants).raw("]");
        }
        out.raw("}");
        self.at += bytes.len() as u64;
    }

    fn hand_on(&mut self) {
        if let Some(writer) = &mut self.writer
            && writer.append(&self.batch).is_err()
        {
            self.writer = None;
        }
        self.batch.clear();
    }
}
