//! Restores the recording embedded in an export by loopscope, provided that the export was not changed.

use std::fs::File;
use std::io;
use std::path::Path;

use loop_probes::metadata::Metadata;

use super::gather::Gathered;
use super::role::Producer;
use super::status::{ImportError, Progress};
use super::tally::repaired;
use crate::reader::TraceReader;
use crate::source::{EventSource, SourceCounts, SourceError, SourceState};
use crate::writer::{TraceOutput, TraceWriter};

/// The recording embedded in an export.
#[derive(Debug)]
pub(super) struct OwnRecording {
    reader: TraceReader<File>,
}

impl OwnRecording {
    /// Takes it from the gathered data. `None` if there is none, if it does not match the file's slices, or if
    /// particular threads are asked for: then the slices are used.
    pub(super) fn open(gathered: &mut Gathered, asked: &[String]) -> io::Result<Option<Self>> {
        let Some(pieces) = gathered.own.take() else { return Ok(None) };
        gathered.producer = Some(Producer::Loopscope);
        let cut = gathered.is_cut();
        // A file that was cut off has lost the counts, which come last.
        let fits = match gathered.own_counts {
            Some(counts) => counts == (gathered.read.slices, gathered.read.instants),
            None => cut,
        };
        let is_usable = !pieces.is_broken && fits && asked.is_empty();
        let is_in_order = !pieces.is_broken;
        let reader = TraceReader::new(pieces.into_file()?, Path::new("the recording in the export"));
        gathered.is_own_cut = is_in_order && reader.as_ref().is_ok_and(|reader| !reader.is_finished());
        if let Ok(reader) = &reader {
            // Whatever the slices cannot show of what is missing. Losses are instants.
            gathered.own_missing = SourceCounts { lost_records: 0, before_attach: 0, ..reader.counts() };
        }
        match reader {
            Ok(reader) if is_usable && (cut || reader.damage().is_empty()) => Ok(Some(Self { reader })),
            _ => {
                gathered.repaired.add(repaired::OWN_RECORDING_UNUSED, 1);
                Ok(None)
            }
        }
    }

    pub(super) fn metadata(&self) -> Metadata {
        self.reader.metadata().clone()
    }

    pub(super) fn write<W: TraceOutput>(
        mut self,
        writer: &mut TraceWriter<W>,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<(), ImportError> {
        let mut batch = Vec::new();
        let mut events = 0;
        loop {
            batch.clear();
            let state = self.reader.poll(&mut batch).map_err(|error| match error {
                SourceError::Read(error) => ImportError::Temporary(io::Error::other(error)),
                other => ImportError::Temporary(io::Error::other(other)),
            })?;
            writer.append(&batch)?;
            writer.set_counts(self.reader.counts());
            events += batch.len() as u64;
            progress(Progress::Writing { events });
            if state != SourceState::More {
                return Ok(());
            }
        }
    }
}
