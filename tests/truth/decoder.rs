//! A second reader of traces, written from `docs/src/trace-format.md` alone. It shares no code with `loop-traces`, so
//! that a mistake in one of them shows as a difference. It reads whole files only, and panics on anything else.

use std::collections::HashMap;

/// One event: the words of its fields in order, with times last.
#[derive(Clone, Debug)]
pub(crate) struct Decoded {
    pub(crate) at: u64,
    pub(crate) source: u32,
    pub(crate) kind: u8,
    pub(crate) tag: u16,
    words: Vec<u64>,
}

impl Decoded {
    /// A field; trailing zeros are not stored.
    pub(crate) fn field(&self, place: usize) -> u64 {
        self.words.get(place).copied().unwrap_or(0)
    }

    /// A field stored as the time before the event.
    pub(crate) fn time(&self, place: usize) -> u64 {
        self.at.wrapping_sub(self.field(place))
    }

    /// A field stored plus one, with 0 for `None`.
    pub(crate) fn optional(&self, place: usize) -> Option<u64> {
        self.field(place).checked_sub(1)
    }
}

/// The contents of a file.
#[derive(Debug)]
pub(crate) struct Trace {
    pub(crate) metadata: serde_json::Value,
    pub(crate) events: Vec<Decoded>,
    /// The names of tags, by number.
    pub(crate) tags: HashMap<u16, String>,
}

impl Trace {
    /// The name of a tag. Without a tag, like a post that the loop never took, it is `untagged` in every figure.
    pub(crate) fn tag(&self, number: u16) -> String {
        if number == 0 { "untagged".to_owned() } else { self.tags.get(&number).cloned().unwrap_or_default() }
    }
}

struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, count: usize) -> &'a [u8] {
        let (head, rest) = self.0.split_at(count);
        self.0 = rest;
        head
    }

    fn little(&mut self, bytes: usize) -> u64 {
        self.take(bytes).iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte))
    }

    fn varint(&mut self) -> u64 {
        let (mut value, mut shift) = (0, 0);
        loop {
            let byte = self.take(1)[0];
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return value;
            }
            shift += 7;
        }
    }
}

fn little(bytes: &[u8], offset: usize, count: usize) -> u64 {
    Bytes(&bytes[offset..]).little(count)
}

fn column(payload: &mut Bytes<'_>, values: usize) -> Vec<u64> {
    let coding = payload.take(1)[0];
    let length = payload.varint() as usize;
    let mut column = Bytes(payload.take(length));
    let mut last = 0_u64;
    let decoded = (0..values).map(|_| match coding {
        0 => column.varint(),
        1 => {
            let zigzag = column.varint();
            last = last.wrapping_add(zigzag >> 1 ^ (zigzag & 1).wrapping_neg());
            last
        }
        2 => 0,
        other => panic!("coding {other}"),
    });
    let decoded = decoded.collect();
    assert!(column.0.is_empty(), "a column takes up its bytes exactly");
    decoded
}

/// Reads a whole file.
pub(crate) fn decode(file: &[u8]) -> Trace {
    assert_eq!(file[..8], *b"\x89LOOPTR\n");
    assert_eq!(little(file, 8, 2), 1, "the major version");
    let length = little(file, 12, 4) as usize;
    let metadata = &file[20..20 + length];
    let mut checked = file[..16].to_vec();
    checked.extend_from_slice(metadata);
    assert_eq!(u64::from(crc32fast::hash(&checked)), little(file, 16, 4), "the header's checksum");
    let metadata = serde_json::from_slice(metadata).expect("metadata is JSON");
    let mut trace = Trace { metadata, events: Vec::new(), tags: HashMap::new() };
    let mut offset = 20 + length;
    while offset < file.len() {
        let header = &file[offset..offset + 48];
        assert_eq!(header[..4], *b"LTBK", "a block at {offset}");
        assert_eq!(u64::from(crc32fast::hash(&header[..44])), little(header, 44, 4));
        let (kind, codec) = (header[4], header[5]);
        let (stored, unpacked) = (little(header, 8, 4) as usize, little(header, 12, 4) as usize);
        let payload = &file[offset + 48..offset + 48 + stored];
        assert_eq!(u64::from(crc32fast::hash(payload)), little(header, 40, 4));
        match (kind, codec) {
            (1, 0) => records(payload, little(header, 16, 4) as usize, &mut trace),
            (1, 1) => {
                let payload = zstd::bulk::decompress(payload, unpacked).expect("one zstd frame");
                assert_eq!(payload.len(), unpacked);
                records(&payload, little(header, 16, 4) as usize, &mut trace);
            }
            (4, _) => break,
            _ => {}
        }
        offset += 48 + stored;
    }
    trace
}

fn records(payload: &[u8], count: usize, trace: &mut Trace) {
    let mut payload = Bytes(payload);
    let [times, sources, kinds, parts] = [(); 4].map(|()| column(&mut payload, count));
    let mut by_kind: HashMap<u64, Vec<[u64; 5]>> = HashMap::new();
    while !payload.0.is_empty() {
        let kind = u64::from(payload.take(1)[0]);
        let of_it = kinds.iter().filter(|its| **its == kind).count();
        let columns = [(); 5].map(|()| column(&mut payload, of_it));
        by_kind
            .insert(kind, (0..of_it).rev().map(|row| columns.each_ref().map(|column| column[row])).collect());
    }
    for place in 0..count {
        let [tag, a, b, c, d] = by_kind.get_mut(&kinds[place]).and_then(Vec::pop).expect("a row a record");
        let part = parts[place];
        let words = if part & 0x80 == 0 { vec![a, b, c, d] } else { vec![a, b] };
        if part & 7 == 0 {
            let kind = kinds[place] as u8;
            let (at, source) = (times[place], sources[place] as u32);
            trace.events.push(Decoded { at, source, kind, tag: tag as u16, words });
        } else {
            trace.events.last_mut().expect("a first part").words.extend(words);
        }
        if part & 7 == part >> 3 & 7 {
            learn(trace);
        }
    }
}

/// A label event (kind 42) of a tag (label kind 1) names it.
fn learn(trace: &mut Trace) {
    let Some(label) = trace.events.last().filter(|event| event.kind == 42 && event.field(0) == 1) else {
        return;
    };
    let bytes: Vec<u8> = (2..12).flat_map(|word| label.field(word).to_le_bytes()).collect();
    let length = usize::from(bytes[0]);
    let text = String::from_utf8(bytes[1..=length].to_vec()).expect("UTF-8");
    trace.tags.insert(label.field(1) as u16, text);
}
