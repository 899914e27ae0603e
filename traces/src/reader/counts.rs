//! What the recording's own source could not deliver, from the last counts block.

use std::io::{Read, Seek};

use super::TraceReader;
use crate::format::error::{Damage, DamageKind, ReadError};
use crate::format::{BlockKind, u64_at};
use crate::source::SourceCounts;

/// Bytes of the counts of version 1.0. Later versions have more.
const COUNTS_BYTES: usize = 32;

impl<R: Read + Seek> TraceReader<R> {
    /// Reads the last counts block. If it is damaged, what it counted is at least what the last whole one did.
    pub(super) fn read_recorded_counts(&mut self) -> Result<(), ReadError> {
        for place in (0..self.blocks.len()).rev() {
            let block = self.blocks[place];
            if block.header.kind != BlockKind::COUNTS {
                continue;
            }
            let counts = match self.payload(block)? {
                Ok(raw) => counts_of(raw).ok_or(DamageKind::Counts),
                Err(kind) => Err(kind),
            };
            match counts {
                Ok(counts) => {
                    self.recorded_counts = counts;
                    break;
                }
                Err(kind) => {
                    self.note(Damage::of_block(block.offset, &block.header, kind));
                    // Where those are is unknown: no event of the stream counts the one that a gap is.
                    self.counts.uncounted_gaps += 1;
                    self.counts.lost_records += 1;
                }
            }
        }
        Ok(())
    }
}

/// `None` if it is too short.
fn counts_of(raw: &[u8]) -> Option<SourceCounts> {
    (raw.len() >= COUNTS_BYTES).then(|| SourceCounts {
        lost_records: u64_at(raw, 0),
        before_attach: u64_at(raw, 8),
        unknown_kinds: u64_at(raw, 16),
        malformed: u64_at(raw, 24),
        uncounted_gaps: if raw.len() >= COUNTS_BYTES + 8 { u64_at(raw, 32) } else { 0 },
        clock_error_ns_max: if raw.len() >= COUNTS_BYTES + 16 { u64_at(raw, 40) } else { 0 },
    })
}
