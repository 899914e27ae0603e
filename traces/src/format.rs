//! The `.looptrace` layout: magic numbers, versions, limits, headers. `docs/src/trace-format.md` specifies it byte by
//! byte; this file and [`columns`] implement all of it.
//!
//! ```text
//! file    = header, block*, [index block, trailer]
//! header  = magic 8 · major u16 · minor u16 · metadata length u32 · crc32 · metadata (JSON)
//! block   = block header (48 bytes, with a checksum of its own) · payload (checksummed)
//! trailer = offset of the index block u64 · crc32 · magic 4
//! ```
//!
//! A block header has its own checksum so that its sizes can be trusted before its payload is read, and so that a
//! reader can find the next block after a damaged one. Numbers are little-endian.

pub mod columns;
pub mod error;
pub mod varint;

use std::fmt;

use loop_probes::ids::Timestamp;

/// The first bytes of every trace. The first one is not text; the last one would be altered by a text-mode copy.
pub const FILE_MAGIC: [u8; 8] = *b"\x89LOOPTR\n";
/// The first bytes of every block.
pub const BLOCK_MAGIC: [u8; 4] = *b"LTBK";
/// The last bytes of a finished trace.
pub const TRAILER_MAGIC: [u8; 4] = *b"LTND";
/// Bytes of the file header before the metadata.
pub const FILE_HEADER_BYTES: usize = 20;
/// Bytes of a block header.
pub const BLOCK_HEADER_BYTES: usize = 48;
/// Bytes of the trailer.
pub const TRAILER_BYTES: usize = 16;
/// Bytes of one entry of the index: an offset and a copy of the block header there.
pub const INDEX_ENTRY_BYTES: usize = 8 + BLOCK_HEADER_BYTES;

/// Longest metadata, in bytes.
pub const METADATA_BYTES_MAX: u32 = 1 << 20;
/// Maximum number of records in a block.
pub const RECORDS_MAX: u32 = 1 << 16;
/// Longest payload of a block other than the index, compressed or not, in bytes.
pub const PAYLOAD_BYTES_MAX: u32 = 16 << 20;
/// Maximum number of blocks that a reader keeps track of.
pub const BLOCKS_MAX: usize = 1 << 20;

/// Records allowed in a file of any size.
const RECORDS_FREE: u64 = 1 << 20;
/// Maximum number of records for each byte of the file, beyond [`RECORDS_FREE`].
const RECORDS_PER_BYTE: u64 = 16;
/// Bytes of labels that count as a record.
const LABEL_BYTES_PER_RECORD: u32 = 16;

/// The most records that the first `bytes` bytes of a file may hold. Bounds the cost of reading a file by its length,
/// however well it is compressed. A real record takes several bytes.
#[must_use]
pub const fn records_allowed(bytes: u64) -> u64 {
    RECORDS_FREE.saturating_add(bytes.saturating_mul(RECORDS_PER_BYTE))
}

/// The major version. It changes when older readers would misread the file; a reader refuses a newer one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Major(pub u16);

/// The minor version. It changes when something is added that older readers can skip and count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Minor(pub u16);

/// A format version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// See [`Major`].
    pub major: Major,
    /// See [`Minor`].
    pub minor: Minor,
}

impl Version {
    /// The version that this crate writes.
    pub const CURRENT: Self = Self { major: Major(1), minor: Minor(3) };

    /// Whether the minor version is newer than this crate's, so that parts of the file may be skipped.
    #[must_use]
    pub fn is_newer_minor(self) -> bool {
        self.major == Self::CURRENT.major && self.minor > Self::CURRENT.minor
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major.0, self.minor.0)
    }
}

/// The contents of a block. Unknown kinds are skipped and counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockKind(pub u8);

impl BlockKind {
    /// Records, in columns.
    pub const RECORDS: Self = Self(1);
    /// Labels that the records of the following blocks use for the first time.
    pub const LABELS: Self = Self(2);
    /// Counts of what the recording's source could not deliver.
    pub const COUNTS: Self = Self(3);
    /// The list of all blocks.
    pub const INDEX: Self = Self(4);

    /// The longest payload that a block of this kind may claim, in bytes.
    #[must_use]
    pub const fn payload_bytes_max(self) -> u32 {
        if self.0 == Self::INDEX.0 { (BLOCKS_MAX * INDEX_ENTRY_BYTES) as u32 } else { PAYLOAD_BYTES_MAX }
    }
}

/// The encoding of a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Codec(pub u8);

impl Codec {
    /// Not compressed.
    pub const STORED: Self = Self(0);
    /// One zstd frame.
    pub const ZSTD: Self = Self(1);
}

/// The fixed part before a block's payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockHeader {
    /// The contents of the block.
    pub kind: BlockKind,
    /// The encoding of the payload.
    pub codec: Codec,
    /// Bytes of the payload as stored.
    pub stored_bytes: u32,
    /// Bytes of the payload once decompressed.
    pub raw_bytes: u32,
    /// Records in the block; 0 unless its kind is [`RECORDS`](BlockKind::RECORDS).
    pub records: u32,
    /// Events in the block; 0 unless its kind is [`RECORDS`](BlockKind::RECORDS).
    pub events: u32,
    /// The earliest record time.
    pub first: Timestamp,
    /// The latest record time.
    pub last: Timestamp,
    /// CRC-32 of the payload as stored.
    pub payload_crc: u32,
}

/// A block as it is in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredBlock {
    /// The block's header.
    pub header: BlockHeader,
    /// The payload as stored, in the header's encoding.
    pub payload: Vec<u8>,
}

/// Why 48 bytes are not a block header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HeaderError {
    /// The bytes do not begin with the magic number.
    #[error("no block begins here")]
    Magic,
    /// The checksum is wrong.
    #[error("the checksum of the block header does not match")]
    Checksum,
    /// A size is beyond the format's limits.
    #[error("the block claims {claimed} {unit}, more than the {limit} that the format allows")]
    Size {
        /// The claimed number.
        claimed: u32,
        /// The unit of that number.
        unit: &'static str,
        /// The limit.
        limit: u32,
    },
}

impl BlockHeader {
    /// The number of records that the block counts as, towards [`records_allowed`].
    #[must_use]
    pub const fn cost(&self) -> u64 {
        match self.kind {
            BlockKind::RECORDS => self.records as u64,
            _ => (self.raw_bytes / LABEL_BYTES_PER_RECORD) as u64,
        }
    }

    /// The end of the block, if it begins at `offset`.
    #[must_use]
    pub const fn end(&self, offset: u64) -> u64 {
        offset.saturating_add(BLOCK_HEADER_BYTES as u64 + self.stored_bytes as u64)
    }

    /// The header as bytes.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; BLOCK_HEADER_BYTES] {
        let mut bytes = [0; BLOCK_HEADER_BYTES];
        bytes[..4].copy_from_slice(&BLOCK_MAGIC);
        bytes[4] = self.kind.0;
        bytes[5] = self.codec.0;
        for (place, word) in
            [(8, self.stored_bytes), (12, self.raw_bytes), (16, self.records), (20, self.events)]
        {
            bytes[place..place + 4].copy_from_slice(&word.to_le_bytes());
        }
        bytes[24..32].copy_from_slice(&self.first.0.to_le_bytes());
        bytes[32..40].copy_from_slice(&self.last.0.to_le_bytes());
        bytes[40..44].copy_from_slice(&self.payload_crc.to_le_bytes());
        let crc = crc32fast::hash(&bytes[..44]);
        bytes[44..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// Parses the header in `bytes`. The returned sizes are within the format's limits; nothing else is verified.
    ///
    /// # Errors
    ///
    /// [`HeaderError`] if the bytes are not a valid header.
    pub fn parse(bytes: &[u8; BLOCK_HEADER_BYTES]) -> Result<Self, HeaderError> {
        if bytes[..4] != BLOCK_MAGIC {
            return Err(HeaderError::Magic);
        }
        if crc32fast::hash(&bytes[..44]) != u32_at(bytes, 44) {
            return Err(HeaderError::Checksum);
        }
        let header = Self {
            kind: BlockKind(bytes[4]),
            codec: Codec(bytes[5]),
            stored_bytes: u32_at(bytes, 8),
            raw_bytes: u32_at(bytes, 12),
            records: u32_at(bytes, 16),
            events: u32_at(bytes, 20),
            first: Timestamp(u64_at(bytes, 24)),
            last: Timestamp(u64_at(bytes, 32)),
            payload_crc: u32_at(bytes, 40),
        };
        let limit = header.kind.payload_bytes_max();
        let limits = [
            (header.stored_bytes, "bytes", limit),
            (header.raw_bytes, "unpacked bytes", limit),
            (header.records, "records", RECORDS_MAX),
            (header.events, "events", header.records),
        ];
        for (claimed, unit, limit) in limits {
            if claimed > limit {
                return Err(HeaderError::Size { claimed, unit, limit });
            }
        }
        Ok(header)
    }
}

/// The trailer that points at the index block at `offset`.
#[must_use]
pub fn trailer(offset: u64) -> [u8; TRAILER_BYTES] {
    let mut bytes = [0; TRAILER_BYTES];
    bytes[..8].copy_from_slice(&offset.to_le_bytes());
    let crc = crc32fast::hash(&bytes[..8]);
    bytes[8..12].copy_from_slice(&crc.to_le_bytes());
    bytes[12..].copy_from_slice(&TRAILER_MAGIC);
    bytes
}

/// The offset of the index block that a trailer points at.
#[must_use]
pub fn parse_trailer(bytes: &[u8; TRAILER_BYTES]) -> Option<u64> {
    let whole = bytes[12..] == TRAILER_MAGIC && crc32fast::hash(&bytes[..8]) == u32_at(bytes, 8);
    whole.then(|| u64_at(bytes, 0))
}

pub(crate) fn u32_at(bytes: &[u8], place: usize) -> u32 {
    bytes[place..].iter().take(4).rev().fold(0, |word, byte| word << 8 | u32::from(*byte))
}

pub(crate) fn u64_at(bytes: &[u8], place: usize) -> u64 {
    bytes[place..].iter().take(8).rev().fold(0, |word, byte| word << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use loop_probes::event::{self, Event};

    use super::*;

    /// Other people build readers from this page, so it must match the code.
    #[test]
    fn the_specification_names_every_kind_word_and_limit() {
        let page = include_str!("../../docs/src/trace-format.md");
        for (code, name) in Event::<Timestamp>::KINDS {
            assert!(page.contains(&format!("| {code} | `{name}` |")), "kind {code} {name}");
        }
        let words = |name: &str, words: Vec<String>| {
            assert!(page.contains(&format!("| {name} | {} |", words.join(", "))), "{name}: {words:?}");
        };
        macro_rules! words {
            ($($name:ident)+) => {$(
                words(stringify!($name), event::$name::ALL.iter().map(|word| format!("{} {word}", word.code())).collect());
            )+};
        }
        words!(Phase Queue Origin Outcome PollReason GcAction GcReason GcMode StopReason RefKind WorkerPhase);
        words!(Priority LabelKind ClockPoint PolicyField RunningKind);
        let magic: Vec<String> = FILE_MAGIC.iter().map(|byte| format!("{byte:02X}")).collect();
        assert!(page.contains(&magic.join(" ")));
        assert!(page.contains(&format!("**version {}**", Version::CURRENT)));
    }

    fn header() -> BlockHeader {
        BlockHeader {
            kind: BlockKind::RECORDS,
            codec: Codec::ZSTD,
            stored_bytes: 1000,
            raw_bytes: 5000,
            records: 300,
            events: 290,
            first: Timestamp(7),
            last: Timestamp(1 << 40),
            payload_crc: 0xdead_beef,
        }
    }

    #[test]
    fn a_header_survives_its_bytes_and_any_flipped_bit_is_seen() {
        let bytes = header().to_bytes();
        assert_eq!(BlockHeader::parse(&bytes), Ok(header()));
        for bit in 0..BLOCK_HEADER_BYTES * 8 {
            let mut flipped = bytes;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(BlockHeader::parse(&flipped).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn hostile_sizes_are_refused_though_their_checksum_fits() {
        let huge = BlockHeader { stored_bytes: u32::MAX, ..header() };
        assert!(matches!(
            BlockHeader::parse(&huge.to_bytes()),
            Err(HeaderError::Size { claimed: u32::MAX, .. })
        ));
        let many = BlockHeader { records: RECORDS_MAX + 1, ..header() };
        assert!(matches!(
            BlockHeader::parse(&many.to_bytes()),
            Err(HeaderError::Size { unit: "records", .. })
        ));
    }

    #[test]
    fn a_trailer_survives_its_bytes() {
        assert_eq!(parse_trailer(&trailer(1 << 33)), Some(1 << 33));
        let mut cut = trailer(99);
        cut[3] ^= 4;
        assert_eq!(parse_trailer(&cut), None);
    }
}
