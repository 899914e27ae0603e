//! The text of a trace: a window that moves over the input, decompressed if necessary, with its position.

use std::cell::Cell;
use std::io::{self, BufReader, Cursor, Read};
use std::rc::Rc;

use flate2::bufread::MultiGzDecoder;

use super::item::{Position, ReadError};

/// Bytes read at once.
const PIECE_BYTES: usize = 256 << 10;

/// Size up to which compressed input may expand, whatever its own size.
const UNPACKED_FREE: u64 = 1 << 30;

/// Beyond that, the largest ratio of unpacked to packed size: real traces reach 10 to 20.
const UNPACKED_RATIO_MAX: u64 = 100;

/// Counts the bytes taken from the input, before decompression.
struct Counted<R> {
    inner: R,
    taken: Rc<Cell<u64>>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(out)?;
        self.taken.set(self.taken.get() + count as u64);
        Ok(count)
    }
}

type Whole<R> = io::Chain<Cursor<Vec<u8>>, Counted<R>>;

enum Source<R: Read> {
    Plain(Whole<R>),
    Gzip(Box<MultiGzDecoder<BufReader<Whole<R>>>>),
}

pub(super) struct Input<R: Read> {
    source: Source<R>,
    taken: Rc<Cell<u64>>,
    buffer: Vec<u8>,
    /// The end of the text in the buffer.
    filled: usize,
    /// The read position: buffered text before it is consumed.
    at: usize,
    place: Position,
    ended: bool,
    /// The limit [`UNPACKED_FREE`], which tests lower.
    free: u64,
}

impl<R: Read> std::fmt::Debug for Input<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Input").field("place", &self.place).finish_non_exhaustive()
    }
}

impl<R: Read> Input<R> {
    pub(super) fn new(inner: R) -> Result<Self, ReadError> {
        Self::with_free(inner, UNPACKED_FREE)
    }

    pub(super) fn with_free(inner: R, free: u64) -> Result<Self, ReadError> {
        let taken = Rc::new(Cell::new(0));
        let mut counted = Counted { inner, taken: Rc::clone(&taken) };
        let mut magic = Vec::new();
        let place = Position { offset: 0, line: 1 };
        (&mut counted).take(2).read_to_end(&mut magic).map_err(|source| ReadError::Io { place, source })?;
        let is_gzip = magic == [0x1f, 0x8b];
        let whole = Cursor::new(magic).chain(counted);
        let source = if is_gzip {
            Source::Gzip(Box::new(MultiGzDecoder::new(BufReader::with_capacity(PIECE_BYTES, whole))))
        } else {
            Source::Plain(whole)
        };
        Ok(Self { source, taken, buffer: Vec::new(), filled: 0, at: 0, place, ended: false, free })
    }

    pub(super) const fn is_gzip(&self) -> bool {
        matches!(self.source, Source::Gzip(_))
    }

    pub(super) fn bytes_taken(&self) -> u64 {
        self.taken.get()
    }

    pub(super) const fn place(&self) -> Position {
        self.place
    }

    /// The buffered bytes from `skip` bytes ahead on.
    pub(super) fn rest(&self, skip: usize) -> &[u8] {
        self.buffer.get(self.at + skip..self.filled).unwrap_or(&[])
    }

    /// The last `len` bytes advanced over. They stay valid until the next read.
    pub(super) fn taken(&self, len: usize) -> &[u8] {
        &self.buffer[self.at - len..self.at]
    }

    /// Advances over `len` buffered bytes.
    pub(super) fn advance(&mut self, len: usize) {
        let passed = &self.buffer[self.at..self.at + len];
        self.place.line += memchr::memchr_iter(b'\n', passed).count() as u64;
        self.place.offset += len as u64;
        self.at += len;
    }

    /// Reads more; `false` at the end.
    pub(super) fn more(&mut self) -> Result<bool, ReadError> {
        if self.ended {
            return Ok(false);
        }
        self.buffer.copy_within(self.at..self.filled, 0);
        self.filled -= self.at;
        self.at = 0;
        if self.buffer.len() < self.filled + PIECE_BYTES {
            self.buffer.resize(self.filled + PIECE_BYTES, 0);
        }
        let read = loop {
            let piece = &mut self.buffer[self.filled..];
            let read = match &mut self.source {
                Source::Plain(plain) => plain.read(piece),
                Source::Gzip(gzip) => gzip.read(piece),
            };
            match read {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // Compressed text that ends too early counts as cut off, as plain text does.
                Err(error) if self.is_gzip() && error.kind() == io::ErrorKind::UnexpectedEof => break Ok(0),
                other => break other,
            }
        };
        let place = self.place;
        let count = read.map_err(|source| ReadError::Io { place, source })?;
        self.filled += count;
        self.ended = count == 0;
        let unpacked = place.offset + self.filled as u64;
        if self.is_gzip() && unpacked > self.free.max(self.bytes_taken().saturating_mul(UNPACKED_RATIO_MAX)) {
            return Err(ReadError::Expands { place, packed: self.bytes_taken() });
        }
        Ok(count > 0)
    }

    /// At least `count` bytes, if there are that many.
    pub(super) fn ahead(&mut self, count: usize) -> Result<&[u8], ReadError> {
        while self.rest(0).len() < count && self.more()? {}
        let rest = self.rest(0);
        Ok(&rest[..rest.len().min(count)])
    }

    /// The next byte other than white space.
    pub(super) fn peek(&mut self) -> Result<Option<u8>, ReadError> {
        loop {
            let rest = self.rest(0);
            let blank = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\r' | b'\n');
            let blanks = rest.iter().take_while(|byte| blank(byte)).count();
            let found = rest.get(blanks).copied();
            self.advance(blanks);
            if found.is_some() || !self.more()? {
                return Ok(found);
            }
        }
    }

    pub(super) fn skip_bom(&mut self) -> Result<bool, ReadError> {
        let bom = self.ahead(3)? == [0xef, 0xbb, 0xbf];
        if bom {
            self.advance(3);
        }
        Ok(bom)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    /// How much of `text`, compressed, is read when `free` bytes are free.
    fn read(text: &[u8], free: u64) -> (u64, Option<ReadError>) {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(text).unwrap();
        let packed = encoder.finish().unwrap();
        let mut input = Input::with_free(&packed[..], free).unwrap();
        loop {
            let at_hand = input.rest(0).len();
            input.advance(at_hand);
            match input.more() {
                Ok(true) => {}
                Ok(false) => return (input.place().offset, None),
                Err(error) => return (input.place().offset, Some(error)),
            }
        }
    }

    #[test]
    fn what_unpacks_to_far_more_than_its_size_is_refused() {
        let blank = vec![b' '; 4 << 20];
        assert!(matches!(read(&blank, 4 << 20), (read, None) if read == blank.len() as u64));
        let (before, error) = read(&blank, (4 << 20) - 1);
        assert!(before < blank.len() as u64);
        assert!(error.unwrap().to_string().contains("unpacks to more than 100 times its size"));
        // Input compressed as traces are is read whatever its size.
        let mut seed = 7_u32;
        let text: Vec<u8> = (0..1 << 20)
            .map(|_| {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                b"0123456789abcdef"[(seed >> 28) as usize]
            })
            .collect();
        assert!(matches!(read(&text, 0), (read, None) if read == 1 << 20));
    }
}
