//! The recording embedded in an export: blocks of a saved trace are copied into it, and what comes out is what the trace
//! holds, even if it is damaged or was cut.

use std::io::Cursor;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::super::carried::COPIED_RECORDS_MIN;
use super::*;
use crate::format::{BlockHeader, BlockKind};
use crate::reader::TraceReader;
use crate::source::{SourceCounts, SourceState};
use crate::writer::{TraceWriter, WriteOptions};

fn reader(trace: &[u8]) -> TraceReader<Cursor<Vec<u8>>> {
    TraceReader::new(Cursor::new(trace.to_vec()), Path::new("t")).unwrap()
}

/// A trace with blocks of `records_per_block`, compressed in another way than an export does it.
fn trace(records_per_block: usize) -> Vec<u8> {
    let script = Script { ticks: 700, agenda_workers: 2, ..Script::default() };
    let options = WriteOptions { records_per_block, flush_ns: u64::MAX, level: 5 };
    let mut writer = TraceWriter::new(Vec::new(), Path::new("t"), &script.metadata(), options).unwrap();
    writer.append(&script.events()).unwrap();
    writer.close().unwrap();
    writer.take()
}

fn exported(trace: &[u8], options: ExportOptions) -> Vec<u8> {
    let mut json = Vec::new();
    export(|| Ok(reader(trace)), options, &mut json).unwrap();
    json
}

/// The recording embedded in an exported trace.
fn embedded(json: &[u8]) -> Vec<u8> {
    let json: Value = serde_json::from_slice(json).unwrap();
    let pieces = json["traceEvents"].as_array().unwrap().iter().chain([&json]).map(|it| &it["loopscope"]);
    let mut bytes = Vec::new();
    for piece in pieces.filter(|piece| piece.is_object()) {
        assert_eq!(piece["at"], bytes.len());
        bytes.extend(STANDARD.decode(piece["bytes"].as_str().unwrap()).unwrap());
    }
    bytes
}

/// All that a trace yields: events, counts, and whether it was closed.
fn contents(trace: &[u8]) -> (Vec<Stamped>, SourceCounts, bool) {
    let (mut reader, mut events) = (reader(trace), Vec::new());
    while reader.poll(&mut events).unwrap() == SourceState::More {}
    (events, reader.counts(), reader.is_closed())
}

fn blocks_of_records(trace: &[u8]) -> Vec<BlockHeader> {
    let blocks = reader(trace).blocks().iter().map(|block| block.header).collect::<Vec<_>>();
    blocks.into_iter().filter(|header| header.kind == BlockKind::RECORDS).collect()
}

#[test]
fn large_blocks_are_copied() {
    let trace = trace(COPIED_RECORDS_MIN as usize);
    let recording = embedded(&exported(&trace, ExportOptions::default()));
    assert_eq!(contents(&recording), contents(&trace));
    let (own, copied) = (blocks_of_records(&trace), blocks_of_records(&recording));
    assert!(own.len() > 2, "{}", own.len());
    assert_eq!(own.len(), copied.len());
    assert_eq!(own[..own.len() - 1], copied[..own.len() - 1], "the last one may be small");
}

#[test]
fn small_blocks_are_merged() {
    let trace = trace(500);
    let recording = embedded(&exported(&trace, ExportOptions::default()));
    assert_eq!(contents(&recording), contents(&trace));
    assert!(blocks_of_records(&recording).len() * 8 < blocks_of_records(&trace).len());
}

#[test]
fn a_part_of_a_recording_is_packed() {
    let trace = trace(COPIED_RECORDS_MIN as usize);
    let (events, ..) = contents(&trace);
    let from = events[events.len() / 2].at;
    let range = TimeRange { from: Some(from), to: None };
    let recording = embedded(&exported(&trace, ExportOptions { range, ..ExportOptions::default() }));
    let (kept, ..) = contents(&recording);
    let is_label = |stamped: &Stamped| matches!(stamped.event, Event::Label { .. });
    assert!(kept.len() < events.len() * 3 / 4, "{} of {}", kept.len(), events.len());
    assert!(kept.iter().all(|stamped| is_label(stamped) || stamped.at >= from));
}

#[test]
fn damaged_and_cut_recordings_come_back_as_they_are_read() {
    let whole = trace(COPIED_RECORDS_MIN as usize);
    let blocks = reader(&whole).blocks().to_vec();
    let of_records = blocks.iter().filter(|block| block.header.kind == BlockKind::RECORDS);
    let second = of_records.clone().nth(1).unwrap();
    let (begin, end) = (second.offset as usize, second.header.end(second.offset) as usize);
    let labels = blocks.iter().find(|block| block.header.kind == BlockKind::LABELS).unwrap();
    let mut variants = vec![];
    for at in [begin + 5, end - 2, labels.header.end(labels.offset) as usize - 2] {
        let mut damaged = whole.clone();
        damaged[at] ^= 4;
        variants.push((damaged, format!("damaged at {at}")));
    }
    for at in [begin + 7, end - 1, end] {
        variants.push((whole[..at].to_vec(), format!("cut at {at}")));
    }
    for (trace, what) in variants {
        let recording = embedded(&exported(&trace, ExportOptions::default()));
        assert_eq!(contents(&recording), contents(&trace), "{what}");
    }
}
