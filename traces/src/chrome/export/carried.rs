//! The original recording, embedded in its export: viewers skip it, and an import restores it unchanged.
//!
//! Slices and instants hold less than the events they are made from (when a task was queued, how deep each queue was at
//! every tick), and numbers that differ from slice to slice would keep viewers from grouping slices. So the recording
//! is embedded in pieces, packed as in a `.looptrace`, under a separate key that every viewer ignores: on a slice
//! whenever a block is complete, and after the events at the end.

use std::io::Write;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use loop_probes::event::Event;
use loop_probes::metadata::Metadata;
use loop_probes::stamped::Stamped;

use super::JsonOut;
use crate::export::TimeRange;
use crate::export::survey::is_in;
use crate::format::StoredBlock;
use crate::source::{Batch, EventSource};
use crate::writer::{TraceWriter, WriteOptions};

/// Complete blocks are put into the export after this many events.
const BATCH: u64 = 512;

/// A block of a saved trace is copied if it holds at least this many records. Smaller ones are merged: large blocks
/// compress better, and each costs a viewer one key to skip.
pub(super) const COPIED_RECORDS_MIN: u32 = 4096;

/// Compression level: low, because higher ones would take as long as the rest of the export.
const CARRIED_LEVEL: i32 = 1;

/// Packs the recording.
#[derive(Debug)]
pub(super) struct Packer {
    /// `None` if the metadata is too long for a trace: the export then embeds no recording.
    writer: Option<TraceWriter<Vec<u8>>>,
    /// Whether the trace has too many blocks: an import then uses the slices.
    is_full: bool,
    /// Number of events taken so far.
    taken: u64,
    /// Records lost, of those events that it takes.
    lost_records: u64,
}

impl Packer {
    pub(super) fn new(metadata: &Metadata) -> Self {
        // Few large blocks: they compress better, and each costs a viewer one key to skip.
        let options = WriteOptions { flush_ns: u64::MAX, level: CARRIED_LEVEL, ..WriteOptions::default() };
        let path = Path::new("the recording in the export");
        let writer = TraceWriter::new(Vec::new(), path, metadata, options).ok();
        Self { writer, is_full: false, taken: 0, lost_records: 0 }
    }

    /// Takes those of the batch's events that lie in `range`; returns the pieces that became complete, each with the
    /// index of the event that completed it.
    pub(super) fn pack(&mut self, batch: &Batch, range: TimeRange) -> Vec<(usize, Vec<u8>)> {
        let Batch { events, blocks, .. } = batch;
        if range == TimeRange::default() && self.copy(blocks) {
            return vec![(events.len().saturating_sub(1), self.ready())];
        }
        let (mut pieces, mut from) = (Vec::new(), 0);
        for (place, stamped) in events.iter().enumerate() {
            if !matches!(stamped.event, Event::Label { .. }) && !is_in(range, stamped) {
                self.append(&events[from..place]);
                from = place + 1;
                continue;
            }
            if let Event::Lost { count, .. } = stamped.event {
                self.lost_records = self.lost_records.saturating_add(count);
            }
            self.taken += 1;
            if self.taken.is_multiple_of(BATCH) {
                self.append(&events[from..=place]);
                from = place + 1;
                let bytes = self.ready();
                pieces.extend((!bytes.is_empty()).then_some((place, bytes)));
            }
        }
        self.append(&events[from..]);
        pieces
    }

    /// What has become complete since the last call.
    pub(super) fn ready(&mut self) -> Vec<u8> {
        self.writer.as_mut().map(TraceWriter::take).unwrap_or_default()
    }

    /// Ends the recording with what `source`, which was read to its end, could not deliver; returns the last piece.
    pub(super) fn finish(mut self, source: &impl EventSource, range: TimeRange) -> Vec<u8> {
        let mut counts = source.counts();
        if range != TimeRange::default() {
            // Losses outside the range do not count.
            counts.lost_records = self.lost_records;
        }
        if let Some(writer) = self.writer.as_mut().filter(|_| !self.is_full) {
            writer.set_counts(counts);
            let is_cut = source.process_state().is_none() && !source.is_closed();
            let _ = if is_cut { writer.flush() } else { writer.close() };
        }
        self.ready()
    }

    /// Copies the blocks of a batch instead of packing its events again. Returns false if the events have to be packed.
    fn copy(&mut self, blocks: &[StoredBlock]) -> bool {
        let Some(writer) = self.writer.as_mut().filter(|_| !self.is_full) else { return false };
        if blocks.iter().all(|block| block.header.records < COPIED_RECORDS_MIN) {
            return false;
        }
        writer.append_blocks(blocks).unwrap_or_else(|_| {
            self.is_full = true;
            false
        })
    }

    fn append(&mut self, events: &[Stamped]) {
        if let Some(writer) = self.writer.as_mut().filter(|_| !self.is_full) {
            self.is_full = writer.append(events).is_err();
        }
    }
}

/// The packed recording on its way into the export.
#[derive(Debug, Default)]
pub(super) struct Carried {
    waiting: Vec<u8>,
    /// Bytes already put into the export.
    at: u64,
}

impl Carried {
    pub(super) fn add(&mut self, piece: &[u8]) {
        self.waiting.extend_from_slice(piece);
    }

    /// Puts what is ready after the last key of an object. The last piece carries the export's numbers of slices and
    /// instants, by which an import detects edits.
    pub(super) fn put<W: Write>(&mut self, out: &mut JsonOut<W>, counts: Option<(u64, u64)>) {
        if self.waiting.is_empty() {
            return;
        }
        out.raw(",\"loopscope\":{\"at\":").number(self.at).raw(",\"bytes\":\"");
        out.raw(&STANDARD.encode(&self.waiting)).raw("\"");
        if let Some((slices, instants)) = counts {
            out.raw(",\"counts\":[").number(slices).raw(",").number(instants).raw("]");
        }
        out.raw("}");
        self.at += self.waiting.len() as u64;
        self.waiting.clear();
    }
}
