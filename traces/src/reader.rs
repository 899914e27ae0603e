//! Reads a `.looptrace`, even if incomplete.
//!
//! Nothing in the file is trusted: sizes are limited before memory is allocated, and checksums are verified before data
//! is used. A file that was cut, or has a damaged block, yields all its intact blocks. [`TraceReader::damage`] lists
//! exactly what is missing; missing records also become a [`Lost`](Event::Lost) event in the stream, so that no tick
//! around the gap counts as complete. If their number is unknown, the event counts one, and the gap is counted in
//! [`SourceCounts::uncounted_gaps`]. In a file that was cut, the event covers the block that was cut; how many blocks
//! followed it is unknown.

mod block;
mod gap;
mod scan;
mod side_blocks;

pub use self::block::BlockPlace;
pub use crate::format::error::{Damage, DamageKind, ReadError};

use std::collections::BTreeSet;
use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use loop_probes::chronology::Chronology;
use loop_probes::event::Event;
use loop_probes::ids::{SourceId, Timestamp};
use loop_probes::metadata::Metadata;
use loop_probes::record::{Record, RecordError, Stamp, unpack};
use loop_probes::stamped::Stamped;
use loop_probes::text::printable_path;
use rustix::fs::OFlags;

use self::gap::{Gap, Gaps};
use crate::format::columns::decode;
use crate::format::{BlockKind, StoredBlock, Version, records_allowed};
use crate::labels::Labels;
use crate::source::{EventSource, SourceCounts, SourceError, SourceKind, SourceState};
use crate::units::counted;

/// Maximum number of damaged places kept; further ones are only counted.
const DAMAGES_MAX: usize = 256;

/// Maximum number of damaged places among the warnings.
const DAMAGES_SHOWN: usize = 8;

/// Reads one trace. See the [module](self).
pub struct TraceReader<R = File> {
    input: R,
    path: PathBuf,
    name: String,
    version: Version,
    metadata: Metadata,
    blocks: Vec<BlockPlace>,
    next: usize,
    finished: bool,
    damage: Vec<Damage>,
    damaged: BTreeSet<u64>,
    /// Damaged places found so far.
    damages: u64,
    blocks_skipped: u64,
    /// Blocks whose unknown contents were counted, so that reading a block again counts nothing twice.
    counted: BTreeSet<usize>,
    counting: bool,
    labels: Labels,
    /// Names from label blocks whose records block, which would announce them, has not been read yet.
    pending_labels: Vec<Event>,
    recorded_counts: SourceCounts,
    counts: SourceCounts,
    /// Blocks that claim more records than the file can hold.
    dense: BTreeSet<u64>,
    chronology: Chronology,
    gaps: Gaps,
    records: Vec<Record>,
    /// The blocks that the last poll read without leaving out a record.
    whole_blocks: Vec<StoredBlock>,
}

impl<R> fmt::Debug for TraceReader<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TraceReader").field("path", &self.path).finish_non_exhaustive()
    }
}

impl TraceReader<File> {
    /// Opens the file at `path`.
    ///
    /// # Errors
    ///
    /// [`ReadError`] if the file cannot be opened, or does not begin as a trace of a version that this crate reads.
    pub fn open(path: &Path) -> Result<Self, ReadError> {
        let io = |source| ReadError::Io { path: path.to_owned(), offset: 0, source };
        // Opening a FIFO without a writer must not block. Pipes and devices are refused, because they cannot seek.
        let file = OpenOptions::new().read(true).custom_flags(OFlags::NONBLOCK.bits() as i32).open(path);
        let file = file.map_err(io)?;
        if !file.metadata().map_err(io)?.is_file() {
            return Err(ReadError::NotAFile { path: path.to_owned() });
        }
        Self::new(file, path)
    }
}

impl<R: Read + Seek> TraceReader<R> {
    /// Reads a trace from `input`; `path` is its name in errors.
    ///
    /// # Errors
    ///
    /// Same as for [`open`](TraceReader::open).
    pub fn new(mut input: R, path: &Path) -> Result<Self, ReadError> {
        let scanned = scan::scan(&mut input, path)?;
        let chronology = Chronology::new(scanned.metadata.started.monotonic);
        let mut reader = Self {
            input,
            path: path.to_owned(),
            name: printable_path(path),
            version: scanned.version,
            metadata: scanned.metadata,
            blocks: scanned.blocks,
            next: 0,
            finished: scanned.finished,
            damage: Vec::new(),
            damaged: BTreeSet::new(),
            damages: 0,
            blocks_skipped: 0,
            counted: BTreeSet::new(),
            counting: true,
            labels: Labels::default(),
            pending_labels: Vec::new(),
            recorded_counts: SourceCounts::default(),
            counts: SourceCounts::default(),
            dense: BTreeSet::new(),
            chronology,
            gaps: Gaps::default(),
            records: Vec::new(),
            whole_blocks: Vec::new(),
        };
        for damage in scanned.damage {
            reader.gaps.place(&damage, &reader.blocks);
            reader.note(damage);
        }
        reader.find_dense();
        reader.read_recorded_counts()?;
        Ok(reader)
    }

    /// Finds blocks beyond the cost limit, so that the cost of reading a file is bounded by its length.
    fn find_dense(&mut self) {
        let mut cost: u64 = 0;
        for BlockPlace { offset, header } in &self.blocks {
            let with_it = cost.saturating_add(header.cost());
            if with_it > records_allowed(header.end(*offset)) {
                self.dense.insert(*offset);
            } else {
                cost = with_it;
            }
        }
    }

    /// Sets another display name: for a temporary file, that of the recording it is part of. Errors still give the
    /// file's path.
    #[must_use]
    pub fn called(mut self, name: &str) -> Self {
        name.clone_into(&mut self.name);
        self
    }

    /// The format version of the file.
    #[must_use]
    pub const fn version(&self) -> Version {
        self.version
    }

    /// Whether the recording was closed. Otherwise it was cut, or is still being written.
    #[must_use]
    pub const fn is_finished(&self) -> bool {
        self.finished
    }

    /// The blocks, in file order.
    #[must_use]
    pub fn blocks(&self) -> &[BlockPlace] {
        &self.blocks
    }

    /// The times of the first and the last record, according to the block headers.
    #[must_use]
    pub fn extent(&self) -> Option<(Timestamp, Timestamp)> {
        let mut records = self.blocks.iter().filter(|block| block.header.kind == BlockKind::RECORDS);
        let first = records.next()?;
        let last = records.next_back().unwrap_or(first);
        Some((first.header.first, last.header.last))
    }

    /// The missing parts found so far. Cuts are found when the file is opened, damaged blocks when they are read.
    #[must_use]
    pub fn damage(&self) -> &[Damage] {
        &self.damage
    }

    /// Warnings to show before the numbers, one per line.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let mut lines = Vec::new();
        let name = loop_probes::text::printable(&self.name);
        if self.version.is_newer_minor() {
            lines.push(format!(
                "{name} has format version {}, this program knows {}: what it does not know is skipped and counted",
                self.version,
                Version::CURRENT
            ));
        }
        lines.extend(self.damage.iter().take(DAMAGES_SHOWN).map(|damage| format!("{name}: {damage}")));
        let more = self.damages.saturating_sub(DAMAGES_SHOWN as u64);
        if more > 0 {
            lines.push(format!("{name}: and {} more", counted(more, "damaged place", "damaged places")));
        }
        if !self.finished && self.damage.is_empty() {
            lines.push(format!("{name} was not closed: it ends with its last whole block"));
        }
        let unknown = self.counts.unknown_kinds + self.blocks_skipped;
        if unknown > 0 {
            lines.push(format!("{name}: {unknown} events or blocks of unknown kinds were skipped"));
        }
        lines
    }

    /// The labels known at the current position.
    #[must_use]
    pub const fn labels(&self) -> &Labels {
        &self.labels
    }

    /// Seeks to the first block with a record at or after `at`. The next poll returns that whole block, so its first
    /// events may be a little earlier. [`labels`](Self::labels) then has the names defined before the block.
    ///
    /// # Errors
    ///
    /// [`ReadError::Io`] if the file cannot be read.
    pub fn seek(&mut self, at: Timestamp) -> Result<(), ReadError> {
        // The end times of blocks never decrease in a file by this crate's writer.
        self.next = self.blocks.partition_point(|block| block.header.last < at);
        self.labels = Labels::default();
        self.pending_labels.clear();
        self.gaps.sought();
        self.chronology = Chronology::new(self.metadata.started.monotonic);
        for place in 0..self.next {
            if self.blocks[place].header.kind == BlockKind::LABELS {
                self.read_block(place, &mut Vec::new())?;
            }
        }
        Ok(())
    }

    /// Counts each damaged place once, however often it is read.
    fn note(&mut self, damage: Damage) {
        // A block that only the index lists may have the offset of another block.
        if damage.kind == DamageKind::NotThere || self.damaged.insert(damage.offset) {
            self.counts.lost_records = self.counts.lost_records.saturating_add(damage.lost());
            self.counts.uncounted_gaps += u64::from(damage.is_uncounted());
            self.damages += 1;
            if self.damage.len() < DAMAGES_MAX {
                self.damage.push(damage);
            }
        }
    }

    /// Reads block number `place`. Damage is recorded and becomes `Lost` events, not an error.
    fn read_block(&mut self, place: usize, out: &mut Vec<Stamped>) -> Result<(), ReadError> {
        let block = self.blocks[place];
        self.counting = !self.counted.contains(&place);
        let unknown = (self.counts.unknown_kinds, self.counts.malformed, self.blocks_skipped);
        let read = self.read_one(block, out);
        if unknown != (self.counts.unknown_kinds, self.counts.malformed, self.blocks_skipped) {
            self.counted.insert(place);
        }
        read
    }

    fn read_one(&mut self, block: BlockPlace, out: &mut Vec<Stamped>) -> Result<(), ReadError> {
        match block.header.kind {
            BlockKind::RECORDS | BlockKind::LABELS => {}
            BlockKind::COUNTS | BlockKind::INDEX => return Ok(()),
            _ if self.version.is_newer_minor() => {
                self.blocks_skipped += 1;
                return Ok(());
            }
            BlockKind(kind) => {
                self.missing(block, DamageKind::Kind(kind), out);
                return Ok(());
            }
        }
        let mut records = std::mem::take(&mut self.records);
        records.clear();
        let mut stored = Vec::new();
        let payload = self.payload(block, &mut stored)?;
        let broken = match payload {
            Err(kind) => Some(kind),
            Ok(payload) if block.header.kind == BlockKind::LABELS => {
                (!self.learn_labels(&payload)).then_some(DamageKind::Labels)
            }
            Ok(payload) => {
                decode(&payload, block.header.records as usize, &mut records).err().map(DamageKind::Columns)
            }
        };
        match broken {
            Some(kind) => self.missing(block, kind, out),
            None => {
                if block.header.kind == BlockKind::RECORDS {
                    self.pending_labels.clear();
                }
                let begin = out.len();
                self.unpack_all(&records, out);
                if out.len() - begin == block.header.events as usize && !self.version.is_newer_minor() {
                    self.whole_blocks.push(StoredBlock { header: block.header, payload: stored });
                }
                self.gaps.announce_ahead(begin, out);
            }
        }
        self.records = records;
        Ok(())
    }

    /// The payload of `block`, verified and unpacked; leaves it in `stored` as it is in the file.
    fn payload(
        &mut self,
        block: BlockPlace,
        stored: &mut Vec<u8>,
    ) -> Result<Result<Vec<u8>, DamageKind>, ReadError> {
        if self.dense.contains(&block.offset) {
            return Ok(Err(DamageKind::Dense));
        }
        let offset = block.payload_offset();
        block.payload(&mut self.input, stored).map_err(|source| ReadError::Io {
            path: self.path.clone(),
            offset,
            source,
        })
    }

    /// Records that a block cannot be read, and breaks the ticks around the gap.
    fn missing(&mut self, block: BlockPlace, kind: DamageKind, out: &mut Vec<Stamped>) {
        let BlockPlace { offset, header } = block;
        let damage = Damage::of_block(offset, &header, kind);
        let count = damage.lost();
        self.note(damage);
        if damage.may_be_of_records(header.kind) {
            let at = self.gaps.lost(Gap { from: header.first, to: header.last, count }, out);
            // The missing block would have announced these labels.
            for event in self.pending_labels.drain(..) {
                out.push(Stamped { at, source: SourceId(0), event });
            }
        }
    }

    fn unpack_all(&mut self, records: &[Record], out: &mut Vec<Stamped>) {
        let mut rest = records;
        while let Some(first) = rest.first() {
            let parts = Stamp(first[1]).parts().min(rest.len());
            let (event, after) = rest.split_at(parts);
            match unpack::<Timestamp>(event) {
                Ok((at, event)) => {
                    let source = SourceId(Stamp(first[1]).place());
                    self.gaps.read_from(source);
                    rest = after;
                    let stamped = Stamped { at, source, event };
                    let steps_back = self.chronology.steps_back();
                    if !self.chronology.allows(&stamped, self.recorded_counts.clock_error_ns_max) {
                        self.counts.malformed += u64::from(self.counting);
                        continue;
                    }
                    if self.chronology.steps_back() > steps_back && self.counting {
                        let error_ns = self.chronology.back_ns_max();
                        self.counts.malformed += 1;
                        self.counts.clock_error_ns_max = self.counts.clock_error_ns_max.max(error_ns);
                    }
                    self.labels.learn_event(&event);
                    self.gaps.returned(at);
                    out.push(stamped);
                }
                // In a file of this version, an unknown kind is damage.
                Err(error) if error.unknown_kind().is_some() && self.version.is_newer_minor() => {
                    self.counts.unknown_kinds += u64::from(self.counting);
                    rest = after;
                }
                Err(RecordError::Decode(_)) => {
                    self.counts.malformed += u64::from(self.counting);
                    rest = after;
                }
                Err(_) => {
                    self.counts.malformed += u64::from(self.counting);
                    rest = &rest[1..];
                }
            }
        }
    }
}

impl<R: Read + Seek> EventSource for TraceReader<R> {
    fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    fn kind(&self) -> SourceKind {
        SourceKind::of_trace(&self.metadata)
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn poll(&mut self, out: &mut Vec<Stamped>) -> Result<SourceState, SourceError> {
        let before = out.len();
        self.whole_blocks.clear();
        while self.next < self.blocks.len() && out.len() == before {
            let place = self.next;
            self.next += 1;
            self.gaps.announce_between(place, out);
            self.read_block(place, out)?;
        }
        let is_last = self.next == self.blocks.len();
        if is_last {
            self.gaps.announce_behind(out);
        }
        let in_whole_blocks: usize = self.whole_blocks.iter().map(|block| block.header.events as usize).sum();
        if in_whole_blocks != out.len() - before {
            self.whole_blocks.clear();
        }
        Ok(if is_last { SourceState::Ended } else { SourceState::More })
    }

    fn take_blocks(&mut self) -> Vec<StoredBlock> {
        std::mem::take(&mut self.whole_blocks)
    }

    fn is_closed(&self) -> bool {
        self.finished
    }

    fn counts(&self) -> SourceCounts {
        self.recorded_counts.plus(&self.counts)
    }
}

#[cfg(test)]
mod tests;
