//! Records as columns: the contents of a records block before compression.
//!
//! Times, places, kinds and part bytes are columns over all records; tags and payload words are columns per kind, which
//! groups similar values: run times with run times, ascending ids with ids. Each column states its coding: plain,
//! differences, or all zero.
//!
//! ```text
//! payload = times · places · kinds · parts · (kind code u8 · tags · four payload columns)*
//! column  = coding u8 · length varint · bytes      (coding 0 plain varints, 1 zigzag differences, 2 all zero)
//! ```

use loop_probes::record::{Record, Stamp};

use super::varint;

const PLAIN: u8 = 0;
const DIFFERENCES: u8 = 1;
const ZERO: u8 = 2;

/// Columns of one kind: tags, then the payload's four 32-bit words (narrow) or two 64-bit words (wide).
const KIND_COLUMNS: usize = 5;

/// Why a payload is not a list of records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("column {column} of {of} is damaged")]
pub struct ColumnError {
    /// The index of the column, from 0.
    pub column: usize,
    /// What the column belongs to.
    pub of: Of,
}

/// What a column belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of {
    /// All records.
    Records,
    /// The records of one kind.
    Kind(u8),
}

impl std::fmt::Display for Of {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Records => f.write_str("the records"),
            Self::Kind(kind) => write!(f, "kind {kind}"),
        }
    }
}

/// Encodes records as columns. Keeps its buffers from block to block.
#[derive(Debug)]
pub struct Encoder {
    whole: [Vec<u64>; 4],
    kinds: Vec<[Vec<u64>; KIND_COLUMNS]>,
}

impl Default for Encoder {
    fn default() -> Self {
        Self { whole: Default::default(), kinds: (0..256).map(|_| Default::default()).collect() }
    }
}

impl Encoder {
    /// Appends `records` as columns to `out`.
    pub fn encode(&mut self, records: &[Record], out: &mut Vec<u8>) {
        for column in self.whole.iter_mut().chain(self.kinds.iter_mut().flatten()) {
            column.clear();
        }
        for [time, stamp, low, high] in records.iter().copied() {
            let stamp = Stamp(stamp);
            let part = (stamp.0 >> 16) as u8;
            for (column, value) in self.whole.iter_mut().zip([
                time,
                u64::from(stamp.place()),
                u64::from(stamp.kind()),
                u64::from(part),
            ]) {
                column.push(value);
            }
            let words = if stamp.is_wide() { [low, high, 0, 0] } else { narrow(low, high) };
            let [tags, a, b, c, d] = &mut self.kinds[usize::from(stamp.kind())];
            tags.push(u64::from(stamp.tag()));
            a.push(words[0]);
            b.push(words[1]);
            c.push(words[2]);
            d.push(words[3]);
        }
        for column in &self.whole {
            put_column(out, column);
        }
        for (kind, columns) in self.kinds.iter().enumerate().filter(|(_, columns)| !columns[0].is_empty()) {
            out.push(kind as u8);
            for column in columns {
                put_column(out, column);
            }
        }
    }
}

const fn narrow(low: u64, high: u64) -> [u64; 4] {
    [low & 0xffff_ffff, low >> 32, high & 0xffff_ffff, high >> 32]
}

fn put_column(out: &mut Vec<u8>, values: &[u64]) {
    // Most columns are all zero, because few events use all their words.
    if values.iter().fold(0, |all, value| all | value) == 0 {
        out.extend([ZERO, 0]);
        return;
    }
    let (mut plain, mut differences, mut last) = (0, 0, 0);
    for value in values {
        plain += varint::len(*value);
        differences += varint::len(varint::delta(last, *value));
        last = *value;
    }
    if plain <= differences {
        out.push(PLAIN);
        varint::put(out, plain as u64);
        for value in values {
            varint::put(out, *value);
        }
    } else {
        out.push(DIFFERENCES);
        varint::put(out, differences as u64);
        let mut last = 0;
        for value in values {
            varint::put(out, varint::delta(last, *value));
            last = *value;
        }
    }
}

/// Decodes the `count` records in `payload` into `out`.
///
/// # Errors
///
/// [`ColumnError`] if the payload is damaged; `out` is then unchanged.
pub fn decode(payload: &[u8], count: usize, out: &mut Vec<Record>) -> Result<(), ColumnError> {
    let before = out.len();
    let decoded = decode_into(payload, count, out);
    if decoded.is_err() {
        out.truncate(before);
    }
    decoded
}

fn decode_into(mut payload: &[u8], count: usize, out: &mut Vec<Record>) -> Result<(), ColumnError> {
    let mut whole: [Vec<u64>; 4] = Default::default();
    for (column, values) in whole.iter_mut().enumerate() {
        *values = take_column(&mut payload, count).ok_or(ColumnError { column, of: Of::Records })?;
        values.resize(count, 0);
    }
    let [times, places, kinds, parts] = whole;
    for (column, (values, limit)) in
        [(&places, u64::from(u32::MAX)), (&kinds, 0xff), (&parts, 0xff)].into_iter().enumerate()
    {
        if values.iter().any(|value| *value > limit) {
            return Err(ColumnError { column: column + 1, of: Of::Records });
        }
    }
    let mut counts = [0usize; 256];
    for kind in &kinds {
        counts[*kind as usize] += 1;
    }
    let mut columns: Vec<KindColumns> = (0..256).map(|_| KindColumns::default()).collect();
    for (kind, count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
        let of = Of::Kind(kind as u8);
        let (first, rest) = payload.split_first().ok_or(ColumnError { column: 0, of })?;
        if usize::from(*first) != kind {
            return Err(ColumnError { column: 0, of });
        }
        payload = rest;
        for (column, values) in columns[kind].values.iter_mut().enumerate() {
            *values = take_column(&mut payload, *count).ok_or(ColumnError { column, of })?;
        }
    }
    if !payload.is_empty() {
        return Err(ColumnError { column: 4, of: Of::Records });
    }
    out.reserve(count);
    for (((time, place), kind), part) in times.into_iter().zip(places).zip(kinds).zip(parts) {
        let of = Of::Kind(kind as u8);
        let [tag, a, b, c, d] = columns[kind as usize].next();
        let tag = u16::try_from(tag).map_err(|_| ColumnError { column: 0, of })?;
        let stamp = Stamp(place << 32 | kind << 24 | part << 16 | u64::from(tag));
        let (low, high) = if stamp.is_wide() {
            (a, b)
        } else {
            if a | b | c | d > u64::from(u32::MAX) {
                let word = [a, b, c, d].iter().position(|word| *word > u64::from(u32::MAX));
                return Err(ColumnError { column: word.unwrap_or(0) + 1, of });
            }
            (a | b << 32, c | d << 32)
        };
        out.push([time, stamp.0, low, high]);
    }
    Ok(())
}

/// The columns of one kind, and how many records were made from them.
#[derive(Default)]
struct KindColumns {
    /// Empty for a column of zeros.
    values: [Vec<u64>; KIND_COLUMNS],
    taken: usize,
}

impl KindColumns {
    #[inline]
    fn next(&mut self) -> [u64; KIND_COLUMNS] {
        let place = self.taken;
        self.taken += 1;
        self.values.each_ref().map(|values| values.get(place).copied().unwrap_or(0))
    }
}

/// Takes a column of `count` values off `payload`; a column of zeros comes back empty.
fn take_column(payload: &mut &[u8], count: usize) -> Option<Vec<u64>> {
    let (coding, rest) = payload.split_first()?;
    *payload = rest;
    let len = usize::try_from(varint::take(payload)?).ok()?;
    let (mut bytes, rest) = payload.split_at_checked(len)?;
    *payload = rest;
    let mut values = Vec::with_capacity(if *coding == ZERO { 0 } else { count });
    match *coding {
        ZERO => {}
        PLAIN => {
            for _ in 0..count {
                values.push(varint::take(&mut bytes)?);
            }
        }
        DIFFERENCES => {
            let mut last = 0;
            for _ in 0..count {
                last = varint::follow(last, varint::take(&mut bytes)?);
                values.push(last);
            }
        }
        _ => return None,
    }
    bytes.is_empty().then_some(values)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn columns(records: &[Record]) -> Vec<u8> {
        let mut out = Vec::new();
        Encoder::default().encode(records, &mut out);
        out
    }

    proptest! {
        #[test]
        fn any_records_survive(records in prop::collection::vec(any::<[u64; 4]>(), 0..80)) {
            let mut back = Vec::new();
            prop_assert_eq!(decode(&columns(&records), records.len(), &mut back), Ok(()));
            prop_assert_eq!(back, records);
        }

        #[test]
        fn damaged_columns_are_refused_or_harmless(
            records in prop::collection::vec(any::<[u64; 4]>(), 1..20),
            place in any::<prop::sample::Index>(), flip in 1u8.., cut in any::<prop::sample::Index>(),
        ) {
            let mut bytes = columns(&records);
            let place = place.index(bytes.len());
            bytes[place] ^= flip;
            let mut out = vec![[1, 2, 3, 4]];
            if decode(&bytes, records.len(), &mut out).is_err() {
                prop_assert_eq!(&out, &vec![[1, 2, 3, 4]]);
            }
            bytes[place] ^= flip;
            bytes.truncate(cut.index(bytes.len()));
            prop_assert!(decode(&bytes, records.len(), &mut out).is_err());
        }

        #[test]
        fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), count in 0usize..70_000) {
            let _ = decode(&bytes, count, &mut Vec::new());
        }
    }
}
