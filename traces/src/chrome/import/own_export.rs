//! Restores the recording embedded in an export by loopscope, provided that the export was not changed.

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use super::status::{ImportError, Progress};
use crate::reader::TraceReader;
use crate::source::{EventSource, SourceCounts, SourceState};
use crate::writer::{TraceOutput, TraceWriter};

/// The pieces of an embedded recording, assembled in a temporary file.
#[derive(Debug)]
pub(super) struct Pieces {
    file: File,
    /// Bytes so far.
    whole: u64,
    is_broken: bool,
    /// Slices and instants, by the export's own count.
    counts: Option<(u64, u64)>,
}

impl Pieces {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self { file: tempfile::tempfile()?, whole: 0, is_broken: false, counts: None })
    }

    /// Appends a piece, which must begin where the last one ended.
    pub(super) fn push(&mut self, json: &[u8]) -> io::Result<()> {
        #[derive(Deserialize)]
        struct Piece<'a> {
            at: u64,
            bytes: &'a str,
            /// Present in the last piece only.
            counts: Option<(u64, u64)>,
        }
        let piece = serde_json::from_slice::<Piece<'_>>(json).ok().filter(|piece| piece.at == self.whole);
        let Some((bytes, counts)) =
            piece.and_then(|piece| Some((STANDARD.decode(piece.bytes).ok()?, piece.counts)))
        else {
            self.is_broken = true;
            return Ok(());
        };
        self.counts = self.counts.or(counts);
        self.whole += bytes.len() as u64;
        self.file.write_all(&bytes)
    }
}

/// The recording embedded in an export.
#[derive(Debug, Default)]
pub(super) struct OwnRecording {
    /// `None` if there is none, if it does not match the slices, or if particular threads were asked for: then the slices
    /// are used.
    pub(super) reader: Option<TraceReader<File>>,
    /// What was missing in it, other than lost records: those are instants of the export.
    pub(super) missing: SourceCounts,
    /// Whether the embedded recording was not closed.
    pub(super) is_cut: bool,
}

impl OwnRecording {
    /// Opens the recording in an export with these numbers of slices and instants, unless `asks` for threads.
    pub(super) fn open(
        mut pieces: Pieces,
        counts: (u64, u64),
        is_export_cut: bool,
        asks: bool,
    ) -> io::Result<Self> {
        pieces.file.seek(SeekFrom::Start(0))?;
        let Ok(reader) = TraceReader::new(pieces.file, Path::new("the recording in the export")) else {
            return Ok(Self::default());
        };
        let missing = SourceCounts { lost_records: 0, before_attach: 0, ..reader.counts() };
        let is_cut = !pieces.is_broken && !reader.is_finished();
        // An export that was cut off has lost the counts, which come last.
        let fits = pieces.counts.map_or(is_export_cut, |own| own == counts);
        let is_whole = is_export_cut || reader.damage().is_empty();
        let is_used = !pieces.is_broken && fits && !asks && is_whole;
        Ok(Self { reader: is_used.then_some(reader), missing, is_cut })
    }
}

/// Copies a recording.
pub(super) fn copy<W: TraceOutput>(
    mut reader: TraceReader<File>,
    writer: &mut TraceWriter<W>,
    progress: &mut dyn FnMut(Progress),
) -> Result<(), ImportError> {
    let mut batch = Vec::new();
    let mut events = 0;
    loop {
        batch.clear();
        let state =
            reader.poll(&mut batch).map_err(|error| ImportError::Temporary(io::Error::other(error)))?;
        writer.append(&batch)?;
        writer.set_counts(reader.counts());
        events += batch.len() as u64;
        progress(Progress::Writing { events });
        if state != SourceState::More {
            return Ok(());
        }
    }
}
