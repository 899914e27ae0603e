//! Fuzzes traces that no recorder wrote: damaged bytes, and whole blocks of made-up records with valid checksums.
//! Each is reported, exported and judged, or refused: without a panic, within its memory limit, and with consistent
//! figures.
//!
//! `cargo test` runs the corpus beside this file and some made-up inputs; the page on testing explains how to run it
//! under an engine that measures coverage.

mod events;
mod memory;
mod plan;
mod printable;
mod sound;

use std::io::Cursor;
use std::path::Path;
use std::sync::OnceLock;

use loop_probes::ids::Timestamp;
use loop_probes::metadata::Metadata;
use loop_probes::record::Record;
use loop_traces::format::columns::Encoder;
use loop_traces::format::{
    BlockHeader, BlockKind, Codec, FILE_MAGIC, PAYLOAD_BYTES_MAX, RECORDS_MAX, Version, trailer,
};
use loop_traces::reader::TraceReader;
use loop_traces::source::SourceError;
use plan::Plan;
use printable::is_printable;

/// Traces to damage.
fn seeds() -> &'static [Vec<u8>] {
    static SEEDS: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    SEEDS.get_or_init(|| {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../traces/corpus");
        let entries =
            std::fs::read_dir(folder).expect("the corpus is there").flatten().map(|entry| entry.path());
        let mut paths: Vec<_> =
            entries.filter(|path| path.extension().is_some_and(|ext| ext == "looptrace")).collect();
        paths.sort();
        paths.iter().map(|path| std::fs::read(path).expect("the corpus is readable")).collect()
    })
}

/// Everything that can be made from a trace.
fn try_all(file: &[u8]) {
    let open = || Ok::<_, SourceError>(TraceReader::new(Cursor::new(file), Path::new("made-up"))?);
    let mut reader = match open() {
        Ok(reader) => reader,
        Err(error) => return is_printable(&error.to_string()),
    };
    reader.warnings().iter().for_each(|warning| is_printable(warning));
    if sound::report_of(&mut reader).is_some() {
        sound::exports(open);
    }
    if let Some((first, last)) = reader.extent() {
        let _ = reader.seek(Timestamp(first.0.midpoint(last.0)));
    }
}

fn damaged(mut plan: Plan<'_>) {
    let seed = &seeds()[plan.below(seeds().len())];
    let mut file = seed.clone();
    while plan.has_more() {
        let place = plan.below(file.len());
        match plan.byte() % 8 {
            0 => file.truncate(place),
            1 => drop(file.drain(place..place.saturating_add(plan.byte().into()).min(file.len()))),
            2 => drop(file.splice(place..place, plan.bytes(64).iter().copied())),
            // A short file may be the record of many events, so copies of copies take long and find nothing
            // new.
            3 if file.len() < 2 * seed.len() => {
                let copy = file[place..].to_vec();
                file.extend_from_slice(&copy[..copy.len().min(4096)]);
            }
            _ => {
                if let Some(byte) = file.get_mut(place) {
                    *byte = plan.byte();
                }
            }
        }
    }
    try_all(&file);
}

/// A file of blocks that match their headers.
fn made_up(mut plan: Plan<'_>) {
    let mut file = header(&mut plan);
    let mut now = 0;
    let mut encoder = Encoder::default();
    let mut blocks = Vec::new();
    while plan.has_more() && blocks.len() < 64 {
        let kind = plan.byte() % 16;
        let mut payload = Vec::new();
        let mut words: Vec<Record> = Vec::new();
        let (kind, events) = match kind {
            0..=9 => {
                let mut events = 0;
                for _ in 0..=plan.byte() % 32 {
                    if let Some(stamped) = events::event(&mut plan, &mut now) {
                        words.extend(events::records(&stamped));
                        events += 1;
                    }
                }
                encoder.encode(&words, &mut payload);
                (BlockKind::RECORDS, events)
            }
            10 => {
                words.extend((0..=plan.byte() % 8).map(|_| std::array::from_fn(|_| plan.number())));
                encoder.encode(&words, &mut payload);
                (BlockKind::RECORDS, words.len() as u32)
            }
            11 => {
                payload.extend_from_slice(plan.bytes(512));
                words.resize(plan.below(300), [0; 4]);
                (BlockKind::RECORDS, words.len() as u32)
            }
            12 => {
                // The records of an event, repeated or without their end.
                if let Some(stamped) = events::event(&mut plan, &mut now) {
                    words.extend(events::records(&stamped));
                    words.pop();
                    words.extend(events::records(&stamped));
                }
                encoder.encode(&words, &mut payload);
                (BlockKind::RECORDS, 1)
            }
            13 => (BlockKind::LABELS, labels(&mut plan, &mut payload)),
            14 => {
                payload.extend((0..plan.byte() % 6).flat_map(|_| plan.number().to_le_bytes()));
                (BlockKind::COUNTS, 0)
            }
            _ => {
                payload.extend_from_slice(plan.bytes(64));
                (BlockKind(plan.byte()), 0)
            }
        };
        let times = || words.iter().map(|record| record[0]);
        let claims = plan.byte() >= 250;
        let block = BlockHeader {
            kind,
            codec: if claims { Codec(plan.byte() % 3) } else { Codec::STORED },
            stored_bytes: payload.len() as u32,
            raw_bytes: if claims { plan.number() as u32 % PAYLOAD_BYTES_MAX } else { payload.len() as u32 },
            records: if claims { plan.number() as u32 % RECORDS_MAX } else { words.len() as u32 },
            events: events.min(words.len() as u32),
            first: Timestamp(times().min().unwrap_or(0)),
            last: Timestamp(times().max().unwrap_or(0)),
            payload_crc: crc32fast::hash(&payload),
        };
        blocks.push((file.len() as u64, block));
        file.extend(block.to_bytes());
        file.extend(payload);
    }
    if plan.byte().is_multiple_of(2) {
        end(&mut file, &blocks);
    }
    try_all(&file);
}

fn header(plan: &mut Plan<'_>) -> Vec<u8> {
    let mut metadata = Metadata::new("made up");
    metadata.stall_limit_ns = if plan.byte() >= 128 { plan.number() } else { metadata.stall_limit_ns };
    metadata.started.monotonic = Timestamp(plan.number());
    metadata.started.wall_ns = plan.number();
    for _ in 0..plan.byte() % 4 {
        let name = ["import", "imported_from", "queue_waits", "rerun", "load"][plan.below(5)];
        let text = match plan.byte() % 4 {
            0 => "chrome".to_owned(),
            1 => r#"{"producer":"\u001b","repaired":{"a\u0007":1},"left_out":{"slices":1}}"#.to_owned(),
            _ => String::from_utf8_lossy(plan.bytes(32)).into_owned(),
        };
        metadata.settings.insert(name.to_owned(), text);
    }
    metadata.program = String::from_utf8_lossy(plan.bytes(16)).into_owned();
    let metadata = match plan.byte() {
        255 => plan.bytes(64).to_vec(),
        _ => serde_json::to_vec(&metadata).expect("metadata is JSON"),
    };
    let mut file = FILE_MAGIC.to_vec();
    let minor = if plan.byte() >= 240 { plan.byte().into() } else { Version::CURRENT.minor.0 };
    file.extend(Version::CURRENT.major.0.to_le_bytes());
    file.extend(minor.to_le_bytes());
    file.extend((metadata.len() as u32).to_le_bytes());
    let mut checked = crc32fast::Hasher::new();
    checked.update(&file);
    checked.update(&metadata);
    file.extend(checked.finalize().to_le_bytes());
    file.extend(metadata);
    file
}

/// Labels, as the writer places them, and sometimes anything else.
fn labels(plan: &mut Plan<'_>, payload: &mut Vec<u8>) -> u32 {
    for _ in 0..plan.byte() % 8 {
        payload.push(plan.byte() % 8);
        payload.extend((plan.number() as u32).to_le_bytes());
        let text = String::from_utf8_lossy(plan.bytes(64)).into_owned();
        let text = &text.as_bytes()[..text.len().min(255)];
        payload.push(text.len() as u8);
        payload.extend_from_slice(text);
    }
    if plan.byte() >= 240 {
        payload.extend_from_slice(plan.bytes(64));
    }
    0
}

/// The index of all blocks, mostly correct, and the trailer.
fn end(file: &mut Vec<u8>, blocks: &[(u64, BlockHeader)]) {
    let offset = file.len() as u64;
    let payload: Vec<u8> = blocks
        .iter()
        .flat_map(|(place, block)| place.to_le_bytes().into_iter().chain(block.to_bytes()))
        .collect();
    let index = BlockHeader {
        kind: BlockKind::INDEX,
        codec: Codec::STORED,
        stored_bytes: payload.len() as u32,
        raw_bytes: payload.len() as u32,
        records: 0,
        events: 0,
        first: Timestamp(0),
        last: Timestamp(0),
        payload_crc: crc32fast::hash(&payload),
    };
    file.extend(index.to_bytes());
    file.extend(payload);
    file.extend(trailer(offset));
}

#[test]
fn bytes() {
    memory::limit(1 << 30);
    bolero::check!().with_iterations(200).with_max_len(256).for_each(|plan: &[u8]| damaged(Plan(plan)));
}

#[test]
fn records() {
    memory::limit(1 << 30);
    bolero::check!().with_iterations(1500).with_max_len(4096).for_each(|plan: &[u8]| made_up(Plan(plan)));
}
