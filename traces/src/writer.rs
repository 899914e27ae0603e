//! Writes a `.looptrace` during a recording.
//!
//! Events gather until they fill a block, and each block is appended with a single write, so the file is always
//! readable, and a crash loses at most the block being gathered. If a write fails (a full disk), the file is truncated
//! to its last whole block and the writer refuses everything after that, so that the file never ends in the middle of a
//! block.

mod error;
mod new_file;
mod output;

pub use error::{WriteError, untouched};
pub use new_file::NewFile;
pub use output::{Change, TraceOutput};

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use loop_probes::event::{Event, LabelKind};
use loop_probes::ids::Timestamp;
use loop_probes::metadata::Metadata;
use loop_probes::record::{PARTS_MAX, Packed, Record};
use loop_probes::stamped::Stamped;

use crate::format::columns::Encoder;
use crate::format::{
    BLOCKS_MAX, BlockHeader, BlockKind, Codec, FILE_MAGIC, METADATA_BYTES_MAX, RECORDS_MAX, StoredBlock,
    Version, records_allowed, trailer,
};
use crate::source::SourceCounts;

/// Beyond half of the block limit, the age at which events are written doubles with every further run of this many
/// blocks.
const BLOCKS_PER_DOUBLING: u64 = BLOCKS_MAX as u64 / 16;

/// Divisor: with each call, the recorded delay of calls shrinks by this fraction.
const LATE_PARTS: u64 = 8;

/// Limits at which a block is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WriteOptions {
    /// Maximum number of records per block (at most [`RECORDS_MAX`], less one event).
    pub records_per_block: usize,
    /// Greatest age of a block's oldest event, in nanoseconds. Beyond half of the block limit, it doubles with every
    /// 65,536 blocks.
    pub flush_ns: u64,
    /// The zstd compression level.
    pub level: i32,
}

impl Default for WriteOptions {
    fn default() -> Self {
        Self { records_per_block: 16_384, flush_ns: 40_000_000, level: 1 }
    }
}

impl WriteOptions {
    /// Options for traces written in one go: blocks are written only when full, since waiting risks nothing.
    #[must_use]
    pub fn at_rest() -> Self {
        Self { flush_ns: u64::MAX, ..Self::default() }
    }
}

/// Totals of what was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct WriteStats {
    /// Events, including those not flushed yet.
    pub events: u64,
    /// The 32-byte records that the events occupy.
    pub records: u64,
    /// Whole blocks in the file.
    pub blocks: u64,
    /// Bytes of the file.
    pub bytes: u64,
}

/// Writes one trace. See the [module](self).
pub struct TraceWriter<W: TraceOutput = NewFile> {
    out: W,
    path: PathBuf,
    options: WriteOptions,
    pending: Vec<Record>,
    pending_events: u32,
    pending_first: Timestamp,
    pending_last: Timestamp,
    /// The latest time of all blocks so far.
    latest: Timestamp,
    pending_labels: Vec<u8>,
    only_labels: bool,
    /// Whether the gathered events include a [`Running`](Event::Running) event, which is written at once.
    pending_now: bool,
    /// When the next call of [`flush_due`](TraceWriter::flush_due) is planned.
    next_call: Option<Timestamp>,
    /// How late the recent calls came, compared with the plan.
    late_ns: u64,
    counts: SourceCounts,
    counts_written: SourceCounts,
    index: Vec<u8>,
    /// The records that the blocks so far count as, at most [`records_allowed`].
    cost: u64,
    encoder: Encoder,
    raw: Vec<u8>,
    block: Vec<u8>,
    compressor: zstd::bulk::Compressor<'static>,
    stats: WriteStats,
    events_saved: u64,
    closed: bool,
    failed: bool,
}

impl<W: TraceOutput> fmt::Debug for TraceWriter<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TraceWriter").field("path", &self.path).finish_non_exhaustive()
    }
}

impl TraceWriter<NewFile> {
    /// Creates a trace that is written in one go. It replaces the file at `path` only when it is
    /// [finished](Self::finish).
    ///
    /// # Errors
    ///
    /// [`WriteError`] if it cannot be created or written, or if the existing file must not be replaced.
    pub fn create(path: &Path, metadata: &Metadata) -> Result<Self, WriteError> {
        Self::new(NewFile::create(path)?, path, metadata, WriteOptions::at_rest())
    }

    /// Creates a recording, which can be read while it is written. It replaces the file at `path` when its first block
    /// of events is written.
    ///
    /// # Errors
    ///
    /// Same as for [`create`](Self::create).
    pub fn record(path: &Path, metadata: &Metadata) -> Result<Self, WriteError> {
        Self::new(NewFile::create_recording(path)?, path, metadata, WriteOptions::default())
    }
}

impl TraceWriter<Vec<u8>> {
    /// Takes what was written since the last call.
    pub(crate) fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.out)
    }
}

impl<W: TraceOutput> TraceWriter<W> {
    /// Starts a trace in `out`, which is empty; `path` is its name in errors.
    ///
    /// # Errors
    ///
    /// [`WriteError`] if the header cannot be written.
    pub fn new(out: W, path: &Path, metadata: &Metadata, options: WriteOptions) -> Result<Self, WriteError> {
        let path = path.to_owned();
        let json = serde_json::to_vec(metadata).expect("metadata has string keys and plain values");
        let Some(len) = u32::try_from(json.len()).ok().filter(|len| *len <= METADATA_BYTES_MAX) else {
            return Err(WriteError::Metadata { path, bytes: json.len() });
        };
        let mut header = FILE_MAGIC.to_vec();
        header.extend(Version::CURRENT.major.0.to_le_bytes());
        header.extend(Version::CURRENT.minor.0.to_le_bytes());
        header.extend(len.to_le_bytes());
        let mut crc = crc32fast::Hasher::new();
        crc.update(&header);
        crc.update(&json);
        header.extend(crc.finalize().to_le_bytes());
        header.extend(json);
        let compressor = zstd::bulk::Compressor::new(options.level)
            .map_err(|source| WriteError::Create { path: path.clone(), source })?;
        let mut writer = Self {
            out,
            path,
            options,
            pending: Vec::new(),
            pending_events: 0,
            pending_first: Timestamp(0),
            pending_last: Timestamp(0),
            latest: Timestamp(0),
            pending_labels: Vec::new(),
            only_labels: false,
            pending_now: false,
            next_call: None,
            late_ns: 0,
            counts: SourceCounts::default(),
            counts_written: SourceCounts::default(),
            index: Vec::new(),
            cost: 0,
            encoder: Encoder::default(),
            raw: Vec::new(),
            block: Vec::new(),
            compressor,
            stats: WriteStats::default(),
            events_saved: 0,
            closed: false,
            failed: false,
        };
        writer.write(&header)?;
        Ok(writer)
    }

    /// Appends `events`, in stream order, and writes any blocks that become complete.
    ///
    /// # Errors
    ///
    /// [`WriteError`] if a block cannot be written; what was written before remains readable.
    pub fn append(&mut self, events: &[Stamped]) -> Result<(), WriteError> {
        if self.failed {
            return Err(WriteError::Failed { path: self.path.clone() });
        }
        let limit = self.options.records_per_block.clamp(1, RECORDS_MAX as usize - PARTS_MAX);
        for stamped in events {
            let at = stamped.at;
            self.stamp(at, matches!(stamped.event, Event::Label { .. }));
            self.pending.extend(Packed::new(at, stamped.event).records(stamped.source.0));
            self.pending_events += 1;
            self.stats.events += 1;
            if let Event::Label { kind, id, text } = &stamped.event {
                put_label(&mut self.pending_labels, *kind, *id, text.get().as_str());
            }
            self.pending_now |= matches!(stamped.event, Event::Running { .. });
            if self.pending.len() >= limit || at.ns_since(self.pending_first) >= self.flush_ns() {
                self.flush()?;
            }
        }
        // If the recorder is killed while the loop is idle, the file must show when the idle time began.
        let is_early = self.stats.blocks <= BLOCKS_MAX as u64 / 2 && self.options.flush_ns < u64::MAX;
        if self.pending_now && is_early { self.flush() } else { Ok(()) }
    }

    /// Writes `blocks`, which a reader [took](crate::source::EventSource::take_blocks) from another trace, as they are.
    /// Returns false, and writes none of them, if a reader would refuse them here.
    ///
    /// # Errors
    ///
    /// Same as for [`append`](Self::append).
    pub(crate) fn append_blocks(&mut self, blocks: &[StoredBlock]) -> Result<bool, WriteError> {
        self.flush()?;
        let (mut latest, mut cost, mut end) = (self.latest, self.cost, self.stats.bytes);
        for StoredBlock { header, .. } in blocks {
            let is_in_order = header.last >= latest;
            latest = latest.max(header.last);
            cost = cost.saturating_add(header.cost());
            end = header.end(end);
            if !is_in_order || cost > records_allowed(end) {
                return Ok(false);
            }
        }
        for StoredBlock { header, payload } in blocks {
            self.block.clear();
            self.block.extend(header.to_bytes());
            self.block.extend_from_slice(payload);
            self.add_block(*header)?;
            if header.kind == BlockKind::RECORDS {
                self.stats.events += u64::from(header.events);
                self.saved(header.records as usize, header.events)?;
            }
        }
        self.latest = latest;
        Ok(true)
    }

    /// Notes that a block of records was written.
    fn saved(&mut self, records: usize, events: u32) -> Result<(), WriteError> {
        // Labels and counts alone must not replace an older recording, so this comes after the first block of records.
        self.out.has_events().map_err(|source| {
            self.failed = true;
            self.failure(source)
        })?;
        self.stats.records += records as u64;
        self.events_saved += u64::from(events);
        Ok(())
    }

    /// The age at which events are written. It grows with the file, because few large blocks use up the block limit
    /// more slowly than many small ones.
    const fn flush_ns(&self) -> u64 {
        let beyond = self.stats.blocks.saturating_sub(BLOCKS_MAX as u64 / 2);
        let doublings = beyond.div_ceil(BLOCKS_PER_DOUBLING);
        self.options.flush_ns.saturating_mul(1 << doublings)
    }

    /// Extends the block's times to `at`. Labels count only in a block of labels alone, because a reader that attaches
    /// late receives them with the time of the recording's start.
    fn stamp(&mut self, at: Timestamp, is_label: bool) {
        if self.pending.is_empty() || (self.only_labels && !is_label) {
            (self.pending_first, self.pending_last, self.only_labels) = (at, at, is_label);
        } else if self.only_labels || !is_label {
            self.pending_first = self.pending_first.min(at);
            self.pending_last = self.pending_last.max(at);
        }
    }

    /// Sets the counts of what the source could not deliver. They are written with the next block if they changed.
    pub fn set_counts(&mut self, counts: SourceCounts) {
        self.counts = counts;
    }

    /// Writes the gathered events if the oldest one would be overdue at the next call, planned for `next`. Must be
    /// called regularly, even if no events arrive, so that the last events of a silent loop are saved. On a busy
    /// machine calls are late, often several in a row, so the next one is expected to be as late as the recent ones.
    ///
    /// # Errors
    ///
    /// Same as for [`append`](Self::append).
    pub fn flush_due(&mut self, now: Timestamp, next: Timestamp) -> Result<(), WriteError> {
        let late_ns = self.next_call.replace(next).map_or(0, |planned| now.ns_since(planned));
        self.late_ns = late_ns.max(self.late_ns - self.late_ns / LATE_PARTS);
        let expected = next.plus_ns(self.late_ns);
        // Labels alone, which carry the time of the recording's start, can wait for an event.
        let is_any = !self.pending.is_empty() && !self.only_labels;
        let due = is_any && expected.ns_since(self.pending_first) >= self.flush_ns();
        if due { self.flush() } else { Ok(()) }
    }

    /// Writes the gathered events.
    ///
    /// # Errors
    ///
    /// Same as for [`append`](Self::append).
    pub fn flush(&mut self) -> Result<(), WriteError> {
        if !self.pending_labels.is_empty() {
            self.raw.clear();
            self.raw.append(&mut self.pending_labels);
            self.write_block(BlockKind::LABELS)?;
        }
        if self.counts != self.counts_written {
            self.raw.clear();
            let SourceCounts { lost_records, before_attach, unknown_kinds, malformed, .. } = self.counts;
            let SourceCounts { uncounted_gaps, clock_error_ns_max, .. } = self.counts;
            let later = [uncounted_gaps, clock_error_ns_max];
            for count in [lost_records, before_attach, unknown_kinds, malformed].into_iter().chain(later) {
                self.raw.extend(count.to_le_bytes());
            }
            self.write_block(BlockKind::COUNTS)?;
            self.counts_written = self.counts;
        }
        if !self.pending.is_empty() {
            self.raw.clear();
            self.encoder.encode(&self.pending, &mut self.raw);
            self.write_block(BlockKind::RECORDS)?;
            self.saved(self.pending.len(), self.pending_events)?;
            self.pending.clear();
            self.pending_events = 0;
            self.pending_now = false;
        }
        Ok(())
    }

    /// Writes the remaining events and the index, and waits until they are on disk. An unfinished recording is readable
    /// too, but what followed its end is unknown.
    ///
    /// # Errors
    ///
    /// Same as for [`append`](Self::append).
    pub fn finish(mut self) -> Result<WriteStats, WriteError> {
        self.close()?;
        self.out.finish().map_err(|source| self.failure(source))?;
        self.check_unchanged(&[])?;
        Ok(self.stats)
    }

    /// Like [`finish`](Self::finish), but leaves out the index. A copy of a recording that was cut off must itself
    /// count as unclosed.
    ///
    /// # Errors
    ///
    /// Same as for [`append`](Self::append).
    pub fn finish_unclosed(mut self) -> Result<WriteStats, WriteError> {
        self.flush()?;
        self.closed = true;
        self.out.finish().map_err(|source| self.failure(source))?;
        self.check_unchanged(&[])?;
        Ok(self.stats)
    }

    /// Writes the remaining events and ends without an index, as if the recording had been cut off here. If only labels
    /// remain, writes nothing and does not replace an existing file.
    ///
    /// # Errors
    ///
    /// Same as for [`append`](Self::append).
    pub fn break_off(mut self) -> Result<WriteStats, WriteError> {
        let flushed = if self.only_labels { Ok(()) } else { self.flush() };
        self.closed = true;
        flushed.and_then(|()| self.check_unchanged(&[])).map(|()| self.stats)
    }

    /// What was written so far.
    #[must_use]
    pub const fn stats(&self) -> WriteStats {
        self.stats
    }

    /// The path of the file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes the remaining events and the index.
    pub(crate) fn close(&mut self) -> Result<(), WriteError> {
        if self.closed {
            return Err(WriteError::Failed { path: self.path.clone() });
        }
        self.flush()?;
        self.closed = true;
        let offset = self.stats.bytes;
        self.raw.clear();
        self.raw.extend_from_slice(&self.index);
        self.fill_block(BlockKind::INDEX)?;
        self.block.extend(trailer(offset));
        self.write_gathered()
    }

    fn write_block(&mut self, kind: BlockKind) -> Result<(), WriteError> {
        let header = self.fill_block(kind)?;
        self.add_block(header)
    }

    /// Writes the gathered block, which begins with `header`.
    fn add_block(&mut self, header: BlockHeader) -> Result<(), WriteError> {
        if self.stats.blocks as usize >= BLOCKS_MAX {
            return Err(WriteError::Full { path: self.path.clone() });
        }
        let offset = self.stats.bytes;
        self.write_gathered()?;
        self.index.extend(offset.to_le_bytes());
        self.index.extend(header.to_bytes());
        self.cost = self.cost.saturating_add(header.cost());
        self.stats.blocks += 1;
        Ok(())
    }

    /// Turns `raw` into a block, compressed if that is shorter.
    fn fill_block(&mut self, kind: BlockKind) -> Result<BlockHeader, WriteError> {
        let compressed = self.compressor.compress(&self.raw).map_err(|source| self.failure(source))?;
        let of_records = kind == BlockKind::RECORDS;
        if of_records {
            // Events can be older than those of the previous block, but the latest times must not decrease from block
            // to block.
            self.latest = self.latest.max(self.pending_last);
        }
        let header = |codec, payload: &[u8]| BlockHeader {
            kind,
            codec,
            stored_bytes: payload.len() as u32,
            raw_bytes: self.raw.len() as u32,
            records: if of_records { self.pending.len() as u32 } else { 0 },
            events: if of_records { self.pending_events } else { 0 },
            first: self.pending_first,
            last: self.latest.max(self.pending_last),
            payload_crc: crc32fast::hash(payload),
        };
        let packed = header(Codec::ZSTD, &compressed);
        // A reader rejects blocks with too many records for the file's size.
        let is_dense =
            self.cost.saturating_add(packed.cost()) > records_allowed(packed.end(self.stats.bytes));
        let is_longer = compressed.len() >= self.raw.len();
        let (header, payload) = if is_longer || (is_dense && kind != BlockKind::INDEX) {
            (header(Codec::STORED, &self.raw), &self.raw)
        } else {
            (packed, &compressed)
        };
        self.block.clear();
        self.block.extend(header.to_bytes());
        self.block.extend_from_slice(payload);
        Ok(header)
    }

    fn write_gathered(&mut self) -> Result<(), WriteError> {
        let block = std::mem::take(&mut self.block);
        let written = self.write(&block);
        self.block = block;
        written
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), WriteError> {
        if self.failed {
            return Err(WriteError::Failed { path: self.path.clone() });
        }
        // A moved file can still be written; the end of the recording reports the move.
        self.check_unchanged(&[Change::Moved])?;
        let written = self.out.write_all(bytes).and_then(|()| self.out.flush());
        if let Err(source) = written {
            self.failed = true;
            // If even that fails, the reader finds the last whole block by its checksum.
            let _ = self.out.truncate(self.stats.bytes);
            return Err(self.failure(source));
        }
        self.stats.bytes += bytes.len() as u64;
        Ok(())
    }

    /// Fails if another program changed the output in another way than those allowed.
    fn check_unchanged(&mut self, allowed: &[Change]) -> Result<(), WriteError> {
        let changed = self.out.changed(self.stats.bytes);
        let Some(how) = changed.filter(|how| !allowed.contains(how)) else { return Ok(()) };
        self.failed = true;
        Err(WriteError::Changed { path: self.path.clone(), how })
    }

    fn failure(&self, source: io::Error) -> WriteError {
        WriteError::Write {
            path: self.path.clone(),
            offset: self.stats.bytes,
            events: if self.out.is_in_place() { self.events_saved } else { 0 },
            source,
        }
    }
}

impl<W: TraceOutput> Drop for TraceWriter<W> {
    fn drop(&mut self) {
        // If a recording ends by a panic or an early return, its gathered events are kept.
        let _ = self.close();
    }
}

fn put_label(out: &mut Vec<u8>, kind: LabelKind, id: u32, text: &str) {
    // The length of an inline text fits in one byte.
    out.push(kind.code());
    out.extend(id.to_le_bytes());
    out.push(text.len() as u8);
    out.extend(text.as_bytes());
}

#[cfg(test)]
mod tests;
