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
    /// The block's header.
    pub header: BlockHeader,
}

impl BlockPlace {
    /// The offset of the block's payload.
    pub(super) const fn payload_offset(&self) -> u64 {
        self.offset + BLOCK_HEADER_BYTES as u64
    }

    /// Reads the block's payload, verified and unpacked; leaves it in `stored` as it is in the file.
    pub(super) fn payload(
        &self,
        input: &mut (impl Read + Seek),
        stored: &mut Vec<u8>,
    ) -> io::Result<Result<Vec<u8>, DamageKind>> {
        let Self { header, .. } = self;
        let (stored_bytes, raw_bytes) = (header.stored_bytes as usize, header.raw_bytes as usize);
        input.seek(SeekFrom::Start(self.payload_offset()))?;
        stored.clear();
        input.take(stored_bytes as u64).read_to_end(stored)?;
        if stored.len() < stored_bytes {
            return Ok(Err(DamageKind::Cut { found: (BLOCK_HEADER_BYTES + stored.len()) as u64 }));
        }
        if crc32fast::hash(stored) != header.payload_crc {
            return Ok(Err(DamageKind::Checksum));
        }
        let raw = match header.codec {
            Codec::STORED => stored.clone(),
            Codec::ZSTD => {
                // zstd would unpack any number of frames.
                if let Some(kind) = behind_frame(stored) {
                    return Ok(Err(kind));
                }
                match zstd::bulk::decompress(stored, raw_bytes) {
                    Ok(raw) => raw,
                    Err(_) => return Ok(Err(DamageKind::Compression)),
                }
            }
            Codec(codec) => return Ok(Err(DamageKind::Codec(codec))),
        };
        Ok(if raw.len() == raw_bytes { Ok(raw) } else { Err(DamageKind::Length) })
    }
}

/// The damage of a payload that continues after its first zstd frame.
fn behind_frame(stored: &[u8]) -> Option<DamageKind> {
    let frame_bytes = zstd_safe::find_frame_compressed_size(stored).ok()?;
    let behind = stored.get(frame_bytes..).filter(|behind| !behind.is_empty())?;
    Some(match zstd_safe::find_frame_compressed_size(behind) {
        Ok(_) => DamageKind::Frames,
        Err(_) => DamageKind::BehindFrame(u32::try_from(behind.len()).unwrap_or(u32::MAX)),
    })
}
