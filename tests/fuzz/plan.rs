//! Shared by the harnesses: an input is a plan, read byte by byte, for making things up.

/// Values at the edges of arithmetic and limits.
const EDGES: [u64; 20] = [
    0,
    1,
    2,
    7,
    127,
    128,
    255,
    4096,
    1_000_000,
    1 << 20,
    (1 << 24) - 1,
    1 << 24,
    (1 << 31) - 1,
    u32::MAX as u64,
    1 << 32,
    (u32::MAX as u64) << 32,
    i64::MAX as u64,
    1 << 63,
    u64::MAX - 1,
    u64::MAX,
];

/// A plan; reads 0 after its end.
pub(crate) struct Plan<'a>(pub(crate) &'a [u8]);

impl<'a> Plan<'a> {
    /// Takes the next byte.
    pub(crate) fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    /// A number below `limit`.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        let number = u16::from_le_bytes([self.byte(), self.byte()]);
        usize::from(number) % limit.max(1)
    }

    /// Any number: mostly small, sometimes an edge value or one near it, sometimes eight arbitrary bytes.
    pub(crate) fn number(&mut self) -> u64 {
        match self.byte() {
            small @ 0..=127 => small.into(),
            edge @ 128..=199 => EDGES[usize::from(edge - 128) % EDGES.len()],
            edge @ 200..=223 => EDGES[usize::from(edge - 200) % EDGES.len()]
                .wrapping_add_signed(self.byte().cast_signed().into()),
            _ => u64::from_le_bytes(std::array::from_fn(|_| self.byte())),
        }
    }

    /// At most `most` of the remaining bytes.
    pub(crate) fn bytes(&mut self, most: usize) -> &'a [u8] {
        let count = self.below(most + 1).min(self.0.len());
        let (first, rest) = self.0.split_at(count);
        self.0 = rest;
        first
    }

    /// Whether any bytes are left.
    pub(crate) fn has_more(&self) -> bool {
        !self.0.is_empty()
    }
}
