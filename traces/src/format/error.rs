//! Errors that prevent reading a saved trace, and damage that does not.

use std::io;
use std::path::PathBuf;

use loop_probes::ids::Timestamp;
use loop_probes::text::printable_path;

use super::columns::ColumnError;
use super::{BLOCK_HEADER_BYTES, BlockHeader, BlockKind, METADATA_BYTES_MAX, Version};
use crate::units::duration;

/// Why a saved trace cannot be read at all.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The file cannot be opened or read.
    #[error("cannot read {shown} at byte {offset}: {source}", shown = printable_path(.path))]
    Io {
        /// The file.
        path: PathBuf,
        /// The byte offset of the read.
        offset: u64,
        /// The I/O error.
        source: io::Error,
    },
    /// A folder, a pipe or a device.
    #[error("{shown} is not a regular file: save the trace to a file first", shown = printable_path(.path))]
    NotAFile {
        /// The path.
        path: PathBuf,
    },
    /// The file has no bytes.
    #[error("{shown} is empty: nothing was recorded into it", shown = printable_path(.path))]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// The file is not a trace.
    #[error("{shown} is not a loopscope trace: it begins like neither a .looptrace nor a ring", shown = printable_path(.path))]
    NotATrace {
        /// The file.
        path: PathBuf,
    },
    /// A newer major version.
    #[error(
        "{shown} has format version {found}, and this program reads up to {known}: use a newer loopscope", shown = printable_path(.path))]
    NewerMajor {
        /// The file.
        path: PathBuf,
        /// The version of the file.
        found: Version,
        /// The newest version this crate reads.
        known: Version,
    },
    /// The file ends within its header.
    #[error(
        "{shown} ends at byte {bytes}, within its header of {needed} bytes: nothing in it can be read", shown = printable_path(.path))]
    CutHeader {
        /// The file.
        path: PathBuf,
        /// The file's length, in bytes.
        bytes: u64,
        /// Bytes that the header needs, as far as known.
        needed: u64,
    },
    /// The header's checksum is wrong.
    #[error("the header of {shown} is damaged (bytes 0 to {bytes}): its checksum does not match", shown = printable_path(.path))]
    DamagedHeader {
        /// The file.
        path: PathBuf,
        /// The header's length, in bytes.
        bytes: u64,
    },
    /// The header claims more metadata than the format allows.
    #[error(
        "{shown} claims {claimed} bytes of metadata at byte 12, more than the {METADATA_BYTES_MAX} that the format allows: it is damaged", shown = printable_path(.path))]
    HugeMetadata {
        /// The file.
        path: PathBuf,
        /// The claimed length, in bytes.
        claimed: u32,
    },
    /// The metadata is not valid.
    #[error("the metadata of {shown} (at byte 20) is not valid: {source}", shown = printable_path(.path))]
    Metadata {
        /// The file.
        path: PathBuf,
        /// The JSON error.
        source: serde_json::Error,
    },
}

/// Why a part of a trace cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DamageKind {
    /// The file ends within the block.
    #[error("the file ends {found} bytes into it")]
    Cut {
        /// Bytes present.
        found: u64,
    },
    /// There is no block header where one should be.
    #[error("no block header found")]
    Header,
    /// A block claims more than the format allows.
    #[error("its block header claims {claimed} {unit}, more than the {limit} that the format allows")]
    Size {
        /// The number it claims.
        claimed: u32,
        /// The unit of that number.
        unit: &'static str,
        /// The limit.
        limit: u32,
    },
    /// The file claims more records than its size allows.
    #[error("it claims more records than a file of that length may hold")]
    Dense,
    /// The payload's checksum is wrong.
    #[error("its checksum does not match")]
    Checksum,
    /// The payload does not decompress.
    #[error("it cannot be decompressed")]
    Compression,
    /// The payload is several zstd frames.
    #[error("its payload is several zstd frames, and the format allows one")]
    Frames,
    /// Something that is no zstd frame follows the payload's frame.
    #[error("its payload has {0} bytes after its zstd frame, and the format allows none")]
    BehindFrame(u32),
    /// The payload does not unpack to the size in the header.
    #[error("its payload is not as long as its header claims")]
    Length,
    /// A codec that this version does not know.
    #[error("it is stored in the unknown codec {0}")]
    Codec(u8),
    /// A kind of block that a file of this version does not have.
    #[error("its kind, {0}, does not exist in that version of the format")]
    Kind(u8),
    /// The columns are inconsistent.
    #[error("{0}")]
    Columns(ColumnError),
    /// The labels are malformed.
    #[error("its labels are damaged")]
    Labels,
    /// The counts are malformed.
    #[error("its counts are damaged")]
    Counts,
    /// The index is unusable; the blocks were found without it.
    #[error("it is a damaged index; the blocks were found without it")]
    Index,
    /// A copy of an earlier records block.
    #[error("it is a copy of an earlier block")]
    Copy,
    /// A records block that is older than an earlier one.
    #[error("it is older than a block before it")]
    Order,
    /// A block that is in the index but not in the file.
    #[error("the index lists it, but it is not in the file")]
    NotThere,
    /// Bytes after the end of a finished recording.
    #[error("the recording ends before that")]
    Behind,
    /// The beginning of another trace.
    #[error("another trace begins there")]
    AnotherFile,
    /// The rest of an older, longer file that the recording was written over.
    #[error("that is the rest of an older file")]
    Remains,
    /// More blocks than the format allows.
    #[error("the file has more blocks than the format allows")]
    TooManyBlocks,
}

/// A part of a trace that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Damage {
    /// The offset of its first byte.
    pub offset: u64,
    /// Length of the damaged stretch, or the length it should have, in bytes.
    pub bytes: u64,
    /// Records in it, where known.
    pub records: Option<u64>,
    /// The times it covers, where known.
    pub times: Option<(Timestamp, Timestamp)>,
    /// The kind of damage.
    pub kind: DamageKind,
}

impl Damage {
    /// The damage of the block at `offset`.
    pub(crate) fn of_block(offset: u64, header: &BlockHeader, kind: DamageKind) -> Self {
        let is_of_records = may_be_of_records(header.kind, kind);
        // If the payload is intact but cannot be unpacked, the header is wrong. So is one without records: no writer
        // writes an empty block.
        let is_believed = !matches!(
            kind,
            DamageKind::Compression
                | DamageKind::Frames
                | DamageKind::BehindFrame(_)
                | DamageKind::Length
                | DamageKind::Columns(_)
                | DamageKind::Kind(_)
        ) && header.records > 0;
        // If an index entry claims no records, its times are not trusted either.
        let is_dated = is_of_records && (header.records > 0 || kind != DamageKind::NotThere);
        Self {
            offset,
            bytes: BLOCK_HEADER_BYTES as u64 + u64::from(header.stored_bytes),
            records: (is_believed || !is_of_records).then_some(u64::from(header.records)),
            times: is_dated.then_some((header.first, header.last)),
            kind,
        }
    }

    /// Whether a block that claims to be of this `kind` may hold records.
    pub(crate) fn may_be_of_records(&self, kind: BlockKind) -> bool {
        may_be_of_records(kind, self.kind)
    }

    /// Bytes that hold no records of the recording.
    pub(crate) const fn surplus(offset: u64, end: u64, kind: DamageKind) -> Self {
        Self { offset, bytes: end.saturating_sub(offset), records: Some(0), times: None, kind }
    }

    /// Whether the number of lost records is unknown.
    pub(crate) const fn is_uncounted(&self) -> bool {
        self.records.is_none()
    }

    /// The number of lost records; 1 if it is unknown.
    pub(crate) fn lost(&self) -> u64 {
        self.records.unwrap_or(u64::from(self.is_uncounted()))
    }
}

/// A block whose kind is unknown may hold records.
fn may_be_of_records(kind: BlockKind, damage: DamageKind) -> bool {
    kind == BlockKind::RECORDS || matches!(damage, DamageKind::Kind(_))
}

impl std::fmt::Display for Damage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { offset, bytes, records, times, kind } = self;
        let is_missing = !matches!(
            kind,
            DamageKind::Copy | DamageKind::Behind | DamageKind::AnotherFile | DamageKind::Remains
        );
        let what = if is_missing { "missing" } else { "left out" };
        if *kind == DamageKind::Order {
            return write!(f, "out of order: the block at byte {offset} ({kind}); records are missing there");
        }
        write!(f, "{what}: {bytes} bytes from byte {offset}")?;
        match records {
            _ if !is_missing => {}
            Some(0) => f.write_str(", no records")?,
            Some(records) => write!(f, ", {records} records")?,
            None => f.write_str(", an unknown number of records")?,
        }
        if let Some((first, last)) = times {
            write!(f, " over {}", duration(last.ns_since(*first)))?;
        }
        write!(f, " ({kind})")
    }
}
