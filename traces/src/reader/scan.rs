//! Finds the blocks of a trace: by the index if the trace was finished, by walking from header to header if not, and by
//! searching for the next header after a damaged one.

use std::collections::{HashMap, HashSet};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use loop_probes::ids::Timestamp;
use loop_probes::metadata::Metadata;

use super::block::BlockPlace;
use crate::format::error::{Damage, DamageKind, ReadError};
use crate::format::{
    BLOCK_HEADER_BYTES, BLOCK_MAGIC, BLOCKS_MAX, BlockHeader, BlockKind, FILE_HEADER_BYTES, FILE_MAGIC,
    HeaderError, INDEX_ENTRY_BYTES, METADATA_BYTES_MAX, Major, Minor, TRAILER_BYTES, Version, parse_trailer,
    u32_at, u64_at,
};

/// Bytes searched at once.
const SEARCH_BYTES: usize = 1 << 16;

/// Offset of the kind in a block header.
const KIND_AT: usize = 4;

/// Known block kinds that hold no records.
const NO_RECORDS: [BlockKind; 3] = [BlockKind::LABELS, BlockKind::COUNTS, BlockKind::INDEX];

/// The result of a scan.
pub(super) struct Scanned {
    pub(super) version: Version,
    pub(super) metadata: Metadata,
    pub(super) blocks: Vec<BlockPlace>,
    pub(super) finished: bool,
    pub(super) damage: Vec<Damage>,
}

pub(super) fn scan<R: Read + Seek>(input: &mut R, path: &Path) -> Result<Scanned, ReadError> {
    let mut scan = Scan { input, path, len: 0 };
    scan.len = scan.input.seek(SeekFrom::End(0)).map_err(|source| scan.failure(0, source))?;
    let (version, metadata, begin) = scan.header()?;
    let (mut blocks, finished, mut damage) = match scan.index(begin)? {
        Some(blocks) => (blocks, true, Vec::new()),
        None => scan.walk(begin)?,
    };
    leave_out_copies(&mut blocks, &mut damage);
    damage.extend(out_of_order(&blocks));
    damage.sort_by_key(|damage| damage.offset);
    Ok(Scanned { version, metadata, blocks, finished, damage })
}

/// Removes copies of earlier records blocks, also those with another codec, because their events happened once. Blocks
/// whose events are all of one instant are kept: they can be equal without being copies.
fn leave_out_copies(blocks: &mut Vec<BlockPlace>, damage: &mut Vec<Damage>) {
    let mut seen = HashSet::new();
    let mut codecs = HashMap::new();
    blocks.retain(|BlockPlace { offset, header }| {
        let mut is_copy = false;
        if header.kind == BlockKind::RECORDS && header.first < header.last {
            let shape = shape(header);
            let is_recoded = codecs.insert(shape, header.codec).is_some_and(|codec| codec != header.codec);
            is_copy = is_recoded || !seen.insert((shape, header.payload_crc));
        }
        if is_copy {
            damage.push(Damage::surplus(*offset, header.end(*offset), DamageKind::Copy));
        }
        !is_copy
    });
}

/// Damage for each records block that ends before an earlier one does. No writer writes them in that order, so an
/// unknown number of records is missing before it.
fn out_of_order(blocks: &[BlockPlace]) -> impl Iterator<Item = Damage> + '_ {
    let mut latest = Timestamp(0);
    let records = blocks.iter().filter(|block| block.header.kind == BlockKind::RECORDS);
    let older = records.filter(move |block| {
        let is_older = block.header.last < latest;
        latest = latest.max(block.header.last);
        is_older
    });
    older.map(|block| Damage {
        records: None,
        ..Damage::surplus(block.offset, block.offset, DamageKind::Order)
    })
}

struct Scan<'a, R> {
    input: &'a mut R,
    path: &'a Path,
    len: u64,
}

impl<R: Read + Seek> Scan<'_, R> {
    fn failure(&self, offset: u64, source: io::Error) -> ReadError {
        ReadError::Io { path: self.path.to_owned(), offset, source }
    }

    /// Reads up to `len` bytes from `offset`, fewer at the end of the file.
    fn bytes(&mut self, offset: u64, len: usize) -> Result<Vec<u8>, ReadError> {
        self.input.seek(SeekFrom::Start(offset)).map_err(|source| self.failure(offset, source))?;
        let mut bytes = Vec::new();
        let read = (&mut *self.input).take(len as u64).read_to_end(&mut bytes);
        read.map_err(|source| self.failure(offset, source))?;
        Ok(bytes)
    }

    fn header(&mut self) -> Result<(Version, Metadata, u64), ReadError> {
        let path = || self.path.to_owned();
        if self.len == 0 {
            return Err(ReadError::Empty { path: path() });
        }
        let head = self.bytes(0, FILE_HEADER_BYTES)?;
        let path = || self.path.to_owned();
        let magic = head.len().min(FILE_MAGIC.len());
        if head[..magic] != FILE_MAGIC[..magic] {
            return Err(ReadError::NotATrace { path: path() });
        }
        let cut = |needed: u64| ReadError::CutHeader { path: path(), bytes: self.len, needed };
        if head.len() < FILE_HEADER_BYTES {
            return Err(cut(FILE_HEADER_BYTES as u64));
        }
        let version =
            Version { major: Major(u32_at(&head, 8) as u16), minor: Minor((u32_at(&head, 8) >> 16) as u16) };
        let known = Version::CURRENT;
        if version.major > known.major {
            return Err(ReadError::NewerMajor { path: path(), found: version, known });
        }
        let claimed = u32_at(&head, 12);
        if claimed > METADATA_BYTES_MAX {
            return Err(ReadError::HugeMetadata { path: path(), claimed });
        }
        let end = FILE_HEADER_BYTES as u64 + u64::from(claimed);
        if self.len < end {
            return Err(cut(end));
        }
        let json = self.bytes(FILE_HEADER_BYTES as u64, claimed as usize)?;
        let mut crc = crc32fast::Hasher::new();
        crc.update(&head[..16]);
        crc.update(&json);
        let path = || self.path.to_owned();
        if crc.finalize() != u32_at(&head, 16) || version.major < known.major {
            return Err(ReadError::DamagedHeader { path: path(), bytes: end });
        }
        let metadata =
            serde_json::from_slice(&json).map_err(|source| ReadError::Metadata { path: path(), source })?;
        Ok((version, metadata, end))
    }

    /// The payload of the index block at `offset`; `None` if it is damaged.
    fn index_payload(&mut self, offset: u64, header: BlockHeader) -> Result<Option<Vec<u8>>, ReadError> {
        let block = BlockPlace { offset, header };
        let payload = block.payload(self.input, &mut Vec::new());
        Ok(payload.map_err(|source| self.failure(block.payload_offset(), source))?.ok())
    }

    /// The blocks listed by the index at the end. `None` if there is no intact index.
    fn index(&mut self, begin: u64) -> Result<Option<Vec<BlockPlace>>, ReadError> {
        let at = self.len.saturating_sub(TRAILER_BYTES as u64);
        let Some(offset) = self.trailer(at)?.filter(|offset| (begin..at).contains(offset)) else {
            return Ok(None);
        };
        let Some(header) = self.block_header(offset)?.and_then(Result::ok) else { return Ok(None) };
        let end = offset.saturating_add(BLOCK_HEADER_BYTES as u64 + u64::from(header.stored_bytes));
        if header.kind != BlockKind::INDEX || end != at {
            return Ok(None);
        }
        let Some(raw) = self.index_payload(offset, header)? else { return Ok(None) };
        match entries(&raw, begin, offset) {
            Some(blocks) if self.are_as_in_the_file(&blocks)? => Ok(Some(blocks)),
            _ => Ok(None),
        }
    }

    /// Whether no intact header contradicts its copy in the index. A damaged header is no contradiction: its copy
    /// replaces it.
    fn are_as_in_the_file(&mut self, blocks: &[BlockPlace]) -> Result<bool, ReadError> {
        for block in blocks {
            if self.block_header(block.offset)?.is_some_and(|own| own.is_ok_and(|own| own != block.header)) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The offset of the index that the trailer at `at` points at. `None` if there is no whole trailer.
    fn trailer(&mut self, at: u64) -> Result<Option<u64>, ReadError> {
        let trailer = self.bytes(at, TRAILER_BYTES)?;
        Ok(<&[u8; TRAILER_BYTES]>::try_from(&trailer[..]).ok().and_then(parse_trailer))
    }

    /// The header at `offset`; `None` at the end of the file.
    fn block_header(&mut self, offset: u64) -> Result<Option<Result<BlockHeader, HeaderError>>, ReadError> {
        if offset.saturating_add(BLOCK_HEADER_BYTES as u64) > self.len {
            return Ok(None);
        }
        let mut bytes = [0; BLOCK_HEADER_BYTES];
        let read = self.input.seek(SeekFrom::Start(offset)).and_then(|_| self.input.read_exact(&mut bytes));
        match read {
            Ok(()) => Ok(Some(BlockHeader::parse(&bytes))),
            // The file became shorter while it was read.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
            Err(error) => Err(self.failure(offset, error)),
        }
    }

    /// Walks from header to header.
    fn walk(&mut self, begin: u64) -> Result<(Vec<BlockPlace>, bool, Vec<Damage>), ReadError> {
        let mut finished = false;
        let mut blocks: Vec<BlockPlace> = Vec::new();
        let mut damage: Vec<Damage> = Vec::new();
        let mut listed: Vec<u8> = Vec::new();
        let mut offset = begin;
        let mut is_indexed = false;
        let mut previous = None;
        let unknown = |offset, bytes, kind| Damage { offset, bytes, records: None, times: None, kind };
        while offset < self.len {
            let left = self.len - offset;
            if blocks.len() == BLOCKS_MAX {
                damage.push(unknown(offset, left, DamageKind::TooManyBlocks));
                break;
            }
            match self.block_header(offset)? {
                Some(Ok(header)) if header.kind == BlockKind::INDEX => {
                    let index_end = header.end(offset);
                    listed = self.index_payload(offset, header)?.unwrap_or_default();
                    let end = index_end.saturating_add(TRAILER_BYTES as u64);
                    if end == self.len {
                        // Reading goes on without the index, but reports that it was unusable.
                        finished = true;
                        damage.push(Damage::surplus(offset, index_end, DamageKind::Index));
                        break;
                    }
                    if self.trailer(index_end)? == Some(offset) {
                        finished = true;
                        damage.push(Damage::surplus(end, self.len, DamageKind::Behind));
                        break;
                    }
                    previous = Some(BlockPlace { offset, header });
                    offset = index_end;
                    is_indexed = true;
                }
                Some(Ok(header)) => {
                    is_indexed = false;
                    let bytes = BLOCK_HEADER_BYTES as u64 + u64::from(header.stored_bytes);
                    if bytes > left {
                        damage.push(Damage::of_block(offset, &header, DamageKind::Cut { found: left }));
                        break;
                    }
                    blocks.push(BlockPlace { offset, header });
                    previous = blocks.last().copied();
                    offset += bytes;
                }
                Some(Err(_)) if self.bytes(offset, FILE_MAGIC.len())? == FILE_MAGIC => {
                    damage.push(Damage::surplus(offset, self.len, DamageKind::AnotherFile));
                    break;
                }
                Some(Err(error)) => {
                    if let Some(cut) = previous
                        && let Some(file) = self.file_within(cut)?
                    {
                        blocks.pop_if(|block| block.offset == cut.offset);
                        let kind = DamageKind::Cut { found: file - cut.offset };
                        damage.push(Damage::of_block(cut.offset, &cut.header, kind));
                        damage.push(Damage::surplus(file, self.len, DamageKind::AnotherFile));
                        break;
                    }
                    let kind = match error {
                        HeaderError::Size { claimed, unit, limit } => {
                            DamageKind::Size { claimed, unit, limit }
                        }
                        _ => DamageKind::Header,
                    };
                    let next = self.search(offset + 1)?;
                    let index_end = self.len.saturating_sub(TRAILER_BYTES as u64);
                    if next.is_none() && self.trailer(index_end)? == Some(offset) {
                        finished = true;
                        damage.push(Damage::surplus(offset, index_end, DamageKind::Index));
                        break;
                    }
                    damage.push(unknown(offset, next.unwrap_or(self.len) - offset, kind));
                    offset = next.unwrap_or(self.len);
                }
                None => {
                    let kind = DamageKind::Cut { found: left };
                    // The kind may be readable in a header that was cut. After the index comes the trailer, which is no
                    // block.
                    let is_of_records = match self.bytes(offset, KIND_AT + 1)?.get(KIND_AT) {
                        _ if is_indexed => false,
                        Some(kind) => !NO_RECORDS.contains(&BlockKind(*kind)),
                        None => true,
                    };
                    damage.push(if is_of_records {
                        unknown(offset, left, kind)
                    } else {
                        Damage::surplus(offset, self.len, kind)
                    });
                    break;
                }
            }
        }
        if let Some(own) = before_remains(&listed, &blocks) {
            let end = blocks[own - 1].header.end(blocks[own - 1].offset);
            blocks.truncate(own);
            damage.retain(|found| found.offset < end);
            damage.push(Damage::surplus(end, self.len, DamageKind::Remains));
            return Ok((blocks, false, damage));
        }
        damage.extend(missing_of(&listed, &blocks));
        Ok((blocks, finished, damage))
    }

    /// Where another file begins within `block`, which was cut off if it is damaged.
    fn file_within(&mut self, block: BlockPlace) -> Result<Option<u64>, ReadError> {
        let mut stored = Vec::new();
        let payload = block.payload(self.input, &mut stored);
        let is_whole = payload.map_err(|source| self.failure(block.payload_offset(), source))?.is_ok();
        let place = stored.windows(FILE_MAGIC.len()).position(|bytes| bytes == FILE_MAGIC);
        Ok(place.filter(|_| !is_whole).map(|place| block.payload_offset() + place as u64))
    }

    /// The offset of the next intact block header, or of the beginning of another file, at or after `from`.
    fn search(&mut self, mut from: u64) -> Result<Option<u64>, ReadError> {
        while from < self.len {
            let window = self.bytes(from, SEARCH_BYTES)?;
            for place in 0..window.len().saturating_sub(BLOCK_HEADER_BYTES - 1) {
                if window[place..].starts_with(&FILE_MAGIC) {
                    return Ok(Some(from + place as u64));
                }
                if window[place..].starts_with(&BLOCK_MAGIC) {
                    let bytes = &window[place..place + BLOCK_HEADER_BYTES];
                    let header = <&[u8; BLOCK_HEADER_BYTES]>::try_from(bytes).ok();
                    if header.is_some_and(|header| BlockHeader::parse(header).is_ok()) {
                        return Ok(Some(from + place as u64));
                    }
                }
            }
            let step = window.len().saturating_sub(BLOCK_HEADER_BYTES - 1);
            if step == 0 {
                break;
            }
            from += step as u64;
        }
        Ok(None)
    }
}

/// What a block's header says of its records, whatever their codec.
fn shape(header: &BlockHeader) -> (Timestamp, Timestamp, u32, u32) {
    (header.first, header.last, header.records, header.raw_bytes)
}

/// The number of blocks before the remains of a longer, older file that the recording was written over: blocks that
/// the index does not list, where it lists others, and behind them blocks that it lists. `None` if there are none.
fn before_remains(index: &[u8], blocks: &[BlockPlace]) -> Option<usize> {
    let listed = index_entries(index);
    let shapes: HashSet<_> = listed.iter().map(|listed| shape(&listed.header)).collect();
    let is_listed = |block: &BlockPlace| shapes.contains(&shape(&block.header));
    let own = blocks.iter().position(is_listed).filter(|own| *own > 0)?;
    listed.iter().any(|listed| listed.offset < blocks[own].offset).then_some(own)
}

/// The entries of an index that can be read.
fn index_entries(index: &[u8]) -> Vec<BlockPlace> {
    let entries = index.chunks_exact(INDEX_ENTRY_BYTES).filter_map(|entry| {
        let header = BlockHeader::parse(<&[u8; BLOCK_HEADER_BYTES]>::try_from(&entry[8..]).ok()?).ok()?;
        Some(BlockPlace { offset: u64_at(entry, 0), header })
    });
    entries.collect()
}

/// The records blocks that an index lists but the file lacks. None if the index lists no more blocks than were found:
/// then the index is wrong.
fn missing_of(index: &[u8], blocks: &[BlockPlace]) -> Vec<Damage> {
    let of_records = |header: &BlockHeader| header.kind == BlockKind::RECORDS;
    let found: HashSet<_> =
        blocks.iter().map(|block| block.header).filter(of_records).map(|header| header.to_bytes()).collect();
    let mut listed = index_entries(index);
    listed.retain(|block| of_records(&block.header));
    if listed.len() <= found.len() {
        return Vec::new();
    }
    let missing = listed.into_iter().filter(|block| !found.contains(&block.header.to_bytes()));
    missing.map(|block| Damage::of_block(block.offset, &block.header, DamageKind::NotThere)).collect()
}

/// The entries of an index. `None` unless they are contiguous from the file header to the index, so that no block is
/// omitted.
fn entries(raw: &[u8], begin: u64, end: u64) -> Option<Vec<BlockPlace>> {
    let mut blocks: Vec<BlockPlace> = Vec::with_capacity(raw.len() / INDEX_ENTRY_BYTES);
    let mut free = begin;
    if !raw.len().is_multiple_of(INDEX_ENTRY_BYTES) {
        return None;
    }
    for entry in raw.chunks_exact(INDEX_ENTRY_BYTES) {
        let offset = u64_at(entry, 0);
        let header = BlockHeader::parse(<&[u8; BLOCK_HEADER_BYTES]>::try_from(&entry[8..]).ok()?).ok()?;
        let past = offset.checked_add(BLOCK_HEADER_BYTES as u64 + u64::from(header.stored_bytes))?;
        if offset != free {
            return None;
        }
        free = past;
        blocks.push(BlockPlace { offset, header });
    }
    (free == end).then_some(blocks)
}
