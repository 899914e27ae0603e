//! Blocks without records: labels, which name ids that occur in records, and counts of what the recording's own source
//! could not deliver.

use std::io::{Read, Seek};

use loop_probes::event::{Event, LabelKind};
use loop_probes::text::{TEXT_BYTES_MAX, Text};

use super::TraceReader;
use crate::format::error::{Damage, DamageKind, ReadError};
use crate::format::{BlockKind, u32_at, u64_at};
use crate::source::SourceCounts;

/// Maximum number of names held until they are announced.
const PENDING_LABELS_MAX: usize = 1 << 17;

/// Bytes of the counts of version 1.0. Later versions have more.
const COUNTS_BYTES: usize = 32;

impl<R> TraceReader<R> {
    /// Learns the labels in `bytes` and returns whether they are well-formed; learns none if they are not.
    pub(super) fn learn_labels(&mut self, bytes: &[u8]) -> bool {
        let mut rest = bytes;
        while !rest.is_empty() {
            match split_label(rest) {
                Some((.., after)) => rest = after,
                None => return false,
            }
        }
        rest = bytes;
        while let Some((kind, id, text, after)) = split_label(rest) {
            // A label of an unknown kind names nothing that this reader shows.
            if let Some(kind) = LabelKind::from_code(kind) {
                self.labels.learn(kind, id, text);
                if self.pending_labels.len() < PENDING_LABELS_MAX {
                    self.pending_labels.push(Event::Label { kind, id, text: Text::new(text) });
                }
            }
            rest = after;
        }
        true
    }
}

impl<R: Read + Seek> TraceReader<R> {
    /// Reads the last counts block. If it is damaged, its counts are at least those of the last intact one.
    pub(super) fn read_recorded_counts(&mut self) -> Result<(), ReadError> {
        for place in (0..self.blocks.len()).rev() {
            let block = self.blocks[place];
            if block.header.kind != BlockKind::COUNTS {
                continue;
            }
            match self
                .payload(block, &mut Vec::new())?
                .and_then(|raw| counts_of(&raw).ok_or(DamageKind::Counts))
            {
                Ok(counts) => {
                    self.recorded_counts = counts;
                    break;
                }
                Err(kind) => {
                    self.note(Damage::of_block(block.offset, &block.header, kind));
                    // Nothing shows where records are missing, so no event of the stream counts this gap.
                    self.counts.uncounted_gaps += 1;
                    self.counts.lost_records += 1;
                }
            }
        }
        Ok(())
    }
}

/// Splits a label off `bytes`: its kind, id and text, and the rest.
fn split_label(bytes: &[u8]) -> Option<(u8, u32, &str, &[u8])> {
    let (head, rest) = bytes.split_at_checked(6)?;
    let len = Some(usize::from(head[5])).filter(|len| *len <= TEXT_BYTES_MAX)?;
    let (text, rest) = rest.split_at_checked(len)?;
    Some((head[0], u32_at(head, 1), std::str::from_utf8(text).ok()?, rest))
}

/// Parses a counts block. `None` if it is too short.
fn counts_of(raw: &[u8]) -> Option<SourceCounts> {
    let since_then = |place: usize| if raw.len() >= place + 8 { u64_at(raw, place) } else { 0 };
    (raw.len() >= COUNTS_BYTES).then(|| SourceCounts {
        lost_records: u64_at(raw, 0),
        before_attach: u64_at(raw, 8),
        unknown_kinds: u64_at(raw, 16),
        malformed: u64_at(raw, 24),
        uncounted_gaps: since_then(COUNTS_BYTES),
        clock_error_ns_max: since_then(COUNTS_BYTES + 8),
    })
}
