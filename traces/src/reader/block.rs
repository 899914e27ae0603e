//! A block of the file, and its payload.

use std::io::{self, Read, Seek, SeekFrom};

use zstd::zstd_safe;

use crate::format::error::DamageKind;
use crate::format::{BLOCK_HEADER_BYTES, BlockHeader, Codec};

/// A block listed in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockPlace {
    /// The offset of its header.
    pub offset: u64,
    /// Its header.
    pub header: BlockHeader,
}

impl BlockPlace {
    /// The offset of its payload.
    pub(super) const fn payload_offset(&self) -> u64 {
        self.offset + BLOCK_HEADER_BYTES as u64
    }

    /// Reads its payload, verified and unpacked.
    pub(super) fn payload(&self, input: &mut (impl Read + Seek)) -> io::Result<Result<Vec<u8>, DamageKind>> {
        let Self { header, .. } = self;
        let (stored_bytes, raw_bytes) = (header.stored_bytes as usize, header.raw_bytes as usize);
        input.seek(SeekFrom::Start(self.payload_offset()))?;
        let mut stored = Vec::new();
        input.take(stored_bytes as u64).read_to_end(&mut stored)?;
        if stored.len() < stored_bytes {
            return Ok(Err(DamageKind::Cut { found: (BLOCK_HEADER_BYTES + stored.len()) as u64 }));
        }
        if crc32fast::hash(&stored) != header.payload_crc {
            return Ok(Err(DamageKind::Checksum));
        }
        let raw = match header.codec {
            Codec::STORED => stored,
            // Unpacking alone would take any number of frames.
            Codec::ZSTD
                if zstd_safe::find_frame_compressed_size(&stored).is_ok_and(|len| len < stored_bytes) =>
            {
                return Ok(Err(DamageKind::Frames));
            }
            Codec::ZSTD => match zstd::bulk::decompress(&stored, raw_bytes) {
                Ok(raw) => raw,
                Err(_) => return Ok(Err(DamageKind::Compression)),
            },
            Codec(codec) => return Ok(Err(DamageKind::Codec(codec))),
        };
        Ok(if raw.len() == raw_bytes { Ok(raw) } else { Err(DamageKind::Length) })
    }
}
