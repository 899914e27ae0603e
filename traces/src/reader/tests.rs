//! Tests of the reader: whole files, cut ones, damaged ones, hostile ones.

mod order;
mod surplus;
mod uncounted;

use std::io::Cursor;

use proptest::prelude::*;

use super::*;
use crate::format::{BLOCK_HEADER_BYTES, BlockHeader, Codec, Minor, u32_at};
use crate::synthetic::Script;
use crate::synthetic::strategy::scripts;
use crate::writer::{TraceWriter, WriteOptions};

const SMALL: WriteOptions = WriteOptions { records_per_block: 48, flush_ns: 250_000_000, level: 1 };

fn file_of(script: &Script, options: WriteOptions) -> Vec<u8> {
    let mut file = Vec::new();
    let mut writer = TraceWriter::new(&mut file, Path::new("t"), &script.metadata(), options).unwrap();
    writer.append(&script.events()).unwrap();
    writer.finish().unwrap();
    file
}

fn open(file: &[u8]) -> Result<TraceReader<Cursor<&[u8]>>, ReadError> {
    TraceReader::new(Cursor::new(file), Path::new("some.looptrace"))
}

fn drain<R: Read + Seek>(reader: &mut TraceReader<R>) -> Vec<Stamped> {
    let mut events = Vec::new();
    while reader.poll(&mut events).unwrap() != SourceState::Ended {}
    events
}

fn is_lost(stamped: &Stamped) -> bool {
    matches!(stamped.event, Event::Lost { .. })
}

fn lost(events: &[Stamped]) -> u64 {
    let counts = events.iter().filter_map(|stamped| match stamped.event {
        Event::Lost { count, .. } => Some(count),
        _ => None,
    });
    counts.sum()
}

#[test]
fn a_file_cut_at_any_byte_gives_its_whole_blocks_and_says_what_is_missing() {
    let script = Script { ticks: 12, ..Script::default() };
    let events = script.events();
    let file = file_of(&script, SMALL);
    let whole = open(&file).unwrap();
    assert!(whole.is_finished() && whole.warnings().is_empty());
    let blocks = whole.blocks().to_vec();
    let header_end = blocks[0].offset as usize;
    let index_at = blocks.last().map(|last| last.offset + 48 + u64::from(last.header.stored_bytes)).unwrap();
    for cut in 0..file.len() {
        let cut_file = &file[..cut];
        let mut reader = match open(cut_file) {
            Ok(reader) => reader,
            Err(error) => {
                assert!(cut < header_end, "{cut}: {error}");
                let fits = if cut == 0 {
                    matches!(error, ReadError::Empty { .. })
                } else {
                    matches!(error, ReadError::CutHeader { bytes, .. } if bytes == cut as u64)
                };
                assert!(fits, "{cut}: {error}");
                continue;
            }
        };
        assert!(cut >= header_end);
        let end = |block: &BlockPlace| block.offset + 48 + u64::from(block.header.stored_bytes);
        let there: Vec<_> = blocks.iter().filter(|block| end(block) <= cut as u64).collect();
        let count: u32 = there.iter().map(|block| block.header.events).sum();
        let read = drain(&mut reader);
        let (whole, behind) = read.split_at(count as usize);
        assert_eq!(whole, &events[..count as usize], "cut at {cut}");
        assert!(behind.iter().all(is_lost), "cut at {cut}: {behind:?}");
        assert_eq!(lost(behind), reader.counts().lost_records, "cut at {cut}");
        assert!(!reader.is_finished());
        assert!(!reader.warnings().is_empty());
        // In the middle of a block, exactly that block is missing; its record count is known if its header is whole.
        let broken = blocks.iter().find(|block| block.offset < cut as u64 && (cut as u64) < end(block));
        match broken {
            Some(block) => {
                let [damage] = reader.damage() else { panic!("cut at {cut}: {:?}", reader.damage()) };
                assert_eq!(damage.offset, block.offset);
                assert_eq!(damage.kind, DamageKind::Cut { found: cut as u64 - block.offset });
                let found = cut as u64 - block.offset;
                let uncounted = reader.counts().uncounted_gaps;
                match (found, block.header.kind) {
                    (48.., BlockKind::RECORDS) => {
                        assert_eq!((lost(behind), uncounted), (u64::from(block.header.records), 0));
                        assert_eq!(behind[0].at, block.header.last);
                    }
                    // The kind of a block is its fifth byte.
                    (..5, _) | (_, BlockKind::RECORDS) => {
                        assert_eq!((damage.records, lost(behind), uncounted), (None, 1, 1), "cut at {cut}");
                    }
                    _ => assert_eq!((behind, uncounted), (&[][..], 0), "cut at {cut}"),
                }
            }
            None if cut as u64 <= index_at => {
                assert_eq!((reader.damage(), behind), (&[][..], &[][..]), "{cut}")
            }
            None => assert!(reader.damage().iter().all(|damage| damage.offset >= index_at)),
        }
    }
}

#[test]
fn a_damaged_block_in_the_middle_is_skipped_and_announced() {
    let script = Script { ticks: 40, stall_every: 0, ..Script::default() };
    let events = script.events();
    let mut file = file_of(&script, SMALL);
    let blocks = open(&file).unwrap().blocks().to_vec();
    let broken = blocks[blocks.len() / 2];
    assert_eq!(broken.header.kind, BlockKind::RECORDS);
    file[broken.offset as usize + 60] ^= 1;
    let mut reader = open(&file).unwrap();
    let read = drain(&mut reader);
    let [damage] = reader.damage() else { panic!("{:?}", reader.damage()) };
    assert_eq!((damage.offset, damage.kind), (broken.offset, DamageKind::Checksum));
    assert_eq!(damage.records, Some(u64::from(broken.header.records)));
    assert_eq!(reader.counts().lost_records, u64::from(broken.header.records));
    assert_eq!(lost(&read), u64::from(broken.header.records));
    let rest: Vec<_> = read.into_iter().filter(|stamped| !is_lost(stamped)).collect();
    assert_eq!(rest.len(), events.len() - broken.header.events as usize);
    assert!(reader.warnings()[0].contains("its checksum does not match"), "{:?}", reader.warnings());
}

#[test]
fn a_block_that_goes_on_behind_its_zstd_frame_is_damaged() {
    let script = Script { ticks: 40, ..Script::default() };
    let events = script.events();
    let file = file_of(&script, SMALL);
    let blocks = open(&file).unwrap().blocks().to_vec();
    let is_packed =
        |block: &&BlockPlace| block.header.kind == BlockKind::RECORDS && block.header.codec == Codec::ZSTD;
    let broken = *blocks.iter().filter(is_packed).nth(2).unwrap();
    let (begin, end) = (broken.offset as usize, broken.header.end(broken.offset) as usize);
    let stored = &file[begin + BLOCK_HEADER_BYTES..end];
    let raw = zstd::bulk::decompress(stored, broken.header.raw_bytes as usize).unwrap();
    let frame = |bytes: &[u8]| zstd::bulk::compress(bytes, 1).unwrap();
    let (first, second) = raw.split_at(raw.len() / 2);
    let several = ("several zstd frames, and the format allows one", DamageKind::Frames);
    let behind = ("3 bytes after its zstd frame, and the format allows none", DamageKind::BehindFrame(3));
    for (parts, (text, kind)) in [
        ([frame(first), frame(second)], several),
        ([frame(&raw), frame(&raw)], several),
        ([frame(&raw), frame(&[])], several),
        ([frame(&raw), vec![0; 3]], behind),
    ] {
        let payload = parts.concat();
        let stored_bytes = payload.len() as u32;
        let header = BlockHeader { stored_bytes, payload_crc: crc32fast::hash(&payload), ..broken.header };
        let changed = [&file[..begin], &header.to_bytes(), &payload, &file[end..]].concat();
        let mut reader = open(&changed).unwrap();
        let read = drain(&mut reader);
        let damage = reader.damage().iter().find(|damage| damage.offset == broken.offset).unwrap();
        assert_eq!((damage.kind, damage.records), (kind, None));
        let line = format!("{damage}");
        assert!(line.contains("(its payload ") && line.ends_with(&format!("{text})")), "{line}");
        let rest = read.iter().filter(|stamped| !is_lost(stamped)).count();
        assert_eq!(rest, events.len() - broken.header.events as usize);
        assert_eq!((lost(&read), reader.counts().uncounted_gaps), (1, 1));
    }
}

/// The script's file with the first `damaged` records blocks damaged, and those blocks.
fn damaged_ahead(script: &Script, damaged: usize) -> (Vec<u8>, Vec<BlockPlace>) {
    let mut file = file_of(script, SMALL);
    let mut broken = open(&file).unwrap().blocks().to_vec();
    broken.retain(|block| block.header.kind == BlockKind::RECORDS);
    broken.truncate(damaged);
    broken.iter().for_each(|block| file[block.offset as usize + BLOCK_HEADER_BYTES] ^= 1);
    (file, broken)
}

#[test]
fn damaged_blocks_at_the_beginning_are_announced_before_the_first_event() {
    let script = Script { ticks: 40, ..Script::default() };
    for damaged in [1, 3] {
        let (file, broken) = damaged_ahead(&script, damaged);
        let records: u64 = broken.iter().map(|block| u64::from(block.header.records)).sum();
        let mut reader = open(&file).unwrap();
        for _ in 0..2 {
            let mut read = drain(&mut reader);
            read.retain(|stamped| !matches!(stamped.event, Event::Label { .. }));
            let first = read.iter().position(|stamped| !is_lost(stamped)).unwrap();
            let (from, at) = (broken[0].header.first, broken[damaged - 1].header.last);
            let source = read[first].source;
            let announced = read[..first].iter().find(|seen| seen.source == source).unwrap();
            assert!(
                matches!(announced.event, Event::Lost { from: began, .. } if began == from) || damaged > 1
            );
            assert!(read[..first].iter().all(|seen| seen.at <= at) && at <= read[first].at);
            assert_eq!((lost(&read[..first]), lost(&read)), (records, records));
            assert_eq!(reader.counts().lost_records, records);
            reader.seek(Timestamp(0)).unwrap();
        }
    }
}

#[test]
fn the_first_damaged_places_are_named_and_the_others_counted() {
    let script = Script { ticks: 120, ..Script::default() };
    for damaged in [3, 8, 9, 20] {
        let (file, broken) = damaged_ahead(&script, damaged);
        assert_eq!(broken.len(), damaged);
        let mut reader = open(&file).unwrap();
        drain(&mut reader);
        let warnings = reader.warnings();
        let more = warnings.iter().find(|line| line.contains(": and "));
        let expected = match damaged.saturating_sub(DAMAGES_SHOWN) {
            0 => None,
            1 => Some("1 damaged place".to_owned()),
            more => Some(format!("{more} damaged places")),
        };
        assert_eq!(more.map(|line| line.split_once("and ").unwrap().1.replace(" more", "")), expected);
        assert_eq!(warnings.len() - usize::from(more.is_some()), damaged.min(DAMAGES_SHOWN));
    }
}

#[test]
fn without_a_whole_block_all_records_are_reported_lost() {
    let script = Script { ticks: 12, ..Script::default() };
    let (file, broken) = damaged_ahead(&script, usize::MAX);
    let mut reader = open(&file).unwrap();
    let mut read = drain(&mut reader);
    read.retain(|stamped| !matches!(stamped.event, Event::Label { .. }));
    let [Stamped { at, event: Event::Lost { count, from }, .. }] = read[..] else { panic!("{read:?}") };
    assert_eq!((from, at), (broken[0].header.first, broken.last().unwrap().header.last));
    assert_eq!(count, broken.iter().map(|block| u64::from(block.header.records)).sum::<u64>());
    assert_eq!(reader.poll(&mut read).unwrap(), SourceState::Ended);
    assert_eq!(read.len(), 1, "reported once");
}

#[test]
fn a_damaged_header_in_a_file_without_index_costs_one_block() {
    let script = Script { ticks: 40, ..Script::default() };
    let mut file = file_of(&script, SMALL);
    let blocks = open(&file).unwrap().blocks().to_vec();
    let broken = blocks[blocks.len() / 2];
    file.truncate(file.len() - 1);
    file[broken.offset as usize + 20] ^= 1;
    let reader = open(&file).unwrap();
    assert_eq!(reader.blocks().len(), blocks.len() - 1);
    assert_eq!(reader.damage()[0].offset, broken.offset);
    assert_eq!(reader.damage()[0].kind, DamageKind::Header);
}

#[test]
fn versions_are_honoured() {
    let script = Script { ticks: 3, ..Script::default() };
    let sign = |file: &mut Vec<u8>| {
        let end = 20 + u32_at(file, 12) as usize;
        let mut crc = crc32fast::Hasher::new();
        crc.update(&file[..16]);
        crc.update(&file[20..end]);
        let crc = crc.finalize().to_le_bytes();
        file[16..20].copy_from_slice(&crc);
    };
    let mut newer = file_of(&script, SMALL);
    newer[8] = 2;
    let error = open(&newer).unwrap_err();
    assert!(matches!(error, ReadError::NewerMajor { .. }));
    assert_eq!(
        error.to_string(),
        "some.looptrace has format version 2.3, and this program reads up to 1.3: use a newer loopscope"
    );
    let mut minor = file_of(&script, SMALL);
    minor[10] = 9;
    sign(&mut minor);
    let mut reader = open(&minor).unwrap();
    assert_eq!(drain(&mut reader), script.events());
    assert!(reader.warnings()[0].contains("format version 1.9"));
}

#[test]
fn unknown_kinds_and_values_out_of_range_are_skipped_and_counted() {
    let script = Script { ticks: 3, ..Script::default() };
    let mut reader = open_owned(file_of(&script, SMALL));
    let stamp = |kind, parts, part| Stamp::new(1, kind, 0, false, part, parts).0;
    let records = [
        [5, stamp(250, 2, 0), 1, 1],
        [5, stamp(250, 2, 1), 1, 1],
        [6, stamp(3, 1, 0), 99, 0],
        [7, stamp(1, 1, 0), 4, 0],
    ];
    for (minor, counted) in [(Version::CURRENT.minor.0 + 1, (1, 1)), (Version::CURRENT.minor.0, (1, 3))] {
        let mut out = Vec::new();
        reader.version.minor = Minor(minor);
        reader.unpack_all(&records, &mut out);
        let event = Event::TickStart { tick: 4 };
        assert_eq!(out, [Stamped { at: Timestamp(7), source: SourceId(1), event }]);
        // In a file of this version, a kind that does not exist is damage.
        assert_eq!((reader.counts().unknown_kinds, reader.counts().malformed), counted);
    }
}

fn open_owned(file: Vec<u8>) -> TraceReader<Cursor<Vec<u8>>> {
    TraceReader::new(Cursor::new(file), Path::new("t")).unwrap()
}

#[test]
fn seeking_finds_the_block_and_the_names_given_before_it() {
    let script = Script { ticks: 200, ..Script::default() };
    let events = script.events();
    let file = file_of(&script, SMALL);
    let mut reader = open(&file).unwrap();
    for target in events.iter().step_by(97) {
        reader.seek(target.at).unwrap();
        let mut batch = Vec::new();
        let _ = reader.poll(&mut batch).unwrap();
        let first = events.iter().position(|stamped| stamped == &batch[0]).unwrap();
        assert!(batch[0].at <= target.at || first == 0);
        assert!(batch.last().unwrap().at >= target.at);
        assert_eq!(reader.labels().tag(loop_probes::ids::Tag(2)), "HttpRequest");
    }
    reader.seek(Timestamp(u64::MAX)).unwrap();
    assert_eq!(drain(&mut reader), []);
}

#[test]
fn names_survive_the_loss_of_their_block() {
    let script = Script { ticks: 200, ..Script::default() };
    let mut file = file_of(&script, SMALL);
    let blocks = open(&file).unwrap().blocks().to_vec();
    let first = blocks.iter().find(|block| block.header.kind == BlockKind::RECORDS).unwrap();
    file[first.offset as usize + BLOCK_HEADER_BYTES] ^= 1;
    let mut seen = Labels::default();
    for stamped in drain(&mut open(&file).unwrap()) {
        seen.learn_event(&stamped.event);
    }
    assert_eq!(seen.tag(loop_probes::ids::Tag(2)), "HttpRequest");
}

#[test]
fn an_index_that_leaves_blocks_out_is_not_believed() {
    let script = Script { ticks: 60, ..Script::default() };
    let file = file_of(&script, SMALL);
    let blocks = open(&file).unwrap().blocks().to_vec();
    let last = blocks.last().unwrap();
    let end = (last.offset + BLOCK_HEADER_BYTES as u64) as usize + last.header.stored_bytes as usize;
    for left_out in [0, blocks.len() / 2, blocks.len() - 1] {
        let mut listed = blocks.clone();
        listed.remove(left_out);
        let lying = with_index(&file[..end], &listed);
        let mut reader = open(&lying).unwrap();
        assert_eq!(drain(&mut reader), script.events());
        assert!(reader.damage().iter().all(|damage| damage.kind == DamageKind::Index));
    }
}

/// `body`, whose blocks are all whole, with an index that lists `listed`.
fn with_index(body: &[u8], listed: &[BlockPlace]) -> Vec<u8> {
    let mut index = Vec::new();
    for block in listed {
        index.extend(block.offset.to_le_bytes());
        index.extend(block.header.to_bytes());
    }
    let index = stored_block(BlockKind::INDEX, &index, listed[0].header);
    [body, &index, &crate::format::trailer(body.len() as u64)].concat()
}

/// A block without records, with the times of `like`.
fn stored_block(kind: BlockKind, payload: &[u8], like: BlockHeader) -> Vec<u8> {
    let bytes = payload.len() as u32;
    let header = BlockHeader {
        kind,
        codec: Codec::STORED,
        stored_bytes: bytes,
        raw_bytes: bytes,
        records: 0,
        events: 0,
        payload_crc: crc32fast::hash(payload),
        ..like
    };
    [&header.to_bytes(), payload].concat()
}

#[test]
fn an_index_that_contradicts_the_blocks_is_not_believed() {
    let script = Script { ticks: 60, ..Script::default() };
    let file = file_of(&script, SMALL);
    let blocks = open(&file).unwrap().blocks().to_vec();
    let last = blocks.last().unwrap();
    let end = last.header.end(last.offset) as usize;
    let place = blocks.iter().rposition(|block| block.header.kind == BlockKind::RECORDS).unwrap();
    let own = blocks[place].header;
    for seen in [
        BlockHeader { kind: BlockKind(99), ..own },
        BlockHeader { kind: BlockKind::LABELS, records: 0, events: 0, ..own },
        BlockHeader { records: 0, events: 0, ..own },
        BlockHeader { first: Timestamp(0), last: Timestamp(1), ..own },
    ] {
        let mut listed = blocks.clone();
        listed[place].header = seen;
        let lying = with_index(&file[..end], &listed);
        let mut reader = open(&lying).unwrap();
        assert_eq!((reader.blocks(), reader.is_finished()), (&blocks[..], true));
        assert_eq!(drain(&mut reader), script.events());
        assert_eq!(reader.counts(), SourceCounts::default());
        assert!(reader.warnings()[0].contains("damaged index"), "{:?}", reader.warnings());
    }
    // A damaged header does not contradict its copy, which replaces it.
    let mut damaged = with_index(&file[..end], &blocks);
    damaged[blocks[place].offset as usize + 20] ^= 1;
    let mut reader = open(&damaged).unwrap();
    assert_eq!((drain(&mut reader), reader.damage()), (script.events(), &[][..]));
}

#[test]
fn a_trailer_that_points_nowhere_costs_only_the_index() {
    let script = Script { ticks: 20, ..Script::default() };
    let file = file_of(&script, SMALL);
    for offset in [0, file.len() as u64, u64::MAX] {
        let body = file.len() - crate::format::TRAILER_BYTES;
        let lying = [&file[..body], &crate::format::trailer(offset)].concat();
        assert_eq!(drain(&mut open(&lying).unwrap()), script.events(), "{offset}");
    }
}

#[test]
fn other_files_are_named_as_such() {
    assert!(matches!(open(b"{\"traceEvents\":[]}"), Err(ReadError::NotATrace { .. })));
    assert!(matches!(TraceReader::open(Path::new("/")), Err(ReadError::NotAFile { .. })));
    assert!(matches!(TraceReader::open(Path::new("/dev/zero")), Err(ReadError::NotAFile { .. })));
    assert!(matches!(TraceReader::open(Path::new("/nonexistent")), Err(ReadError::Io { .. })));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_written_is_read(script in scripts(), records_per_block in 1usize..400) {
        let options = WriteOptions { records_per_block, ..SMALL };
        let file = file_of(&script, options);
        let mut reader = open(&file).unwrap();
        prop_assert_eq!(reader.metadata(), &script.metadata());
        prop_assert_eq!(drain(&mut reader), script.events());
        prop_assert!(reader.warnings().is_empty());
    }

    #[test]
    fn damage_causes_no_panic_and_no_invented_event(
        flips in prop::collection::vec((any::<prop::sample::Index>(), 1u8..), 1..8),
        cut in any::<prop::sample::Index>(), keep_end in any::<bool>(),
    ) {
        let script = Script { ticks: 10, ..Script::default() };
        let events = script.events();
        let mut file = file_of(&script, SMALL);
        for (place, flip) in flips {
            let place = place.index(file.len());
            file[place] ^= flip;
        }
        if !keep_end {
            file.truncate(cut.index(file.len()));
        }
        if let Ok(mut reader) = open(&file) {
            let read = drain(&mut reader);
            let mut rest = events.iter();
            for stamped in read.iter().filter(|stamped| !is_lost(stamped)) {
                // A name is repeated if the block that introduced it is missing.
                let seen = |event: &Stamped| event.event == stamped.event;
                let again = matches!(stamped.event, Event::Label { .. }) && events.iter().any(seen);
                prop_assert!(again || rest.any(|event| event == stamped), "invented {:?}", stamped);
            }
        }
    }

    #[test]
    fn random_bytes_are_an_error(mut bytes in prop::collection::vec(any::<u8>(), 0..400), magic in any::<bool>()) {
        if magic && bytes.len() > 8 {
            bytes[..8].copy_from_slice(&crate::format::FILE_MAGIC);
        }
        prop_assert!(open(&bytes).is_err());
    }
}

/// A file of `copies` of one block, whose records are as similar as possible.
fn dense_file(copies: usize) -> Vec<u8> {
    let records: Vec<Record> = (0..60_000).map(|_| [5, Stamp::new(1, 1, 0, false, 0, 1).0, 4, 0]).collect();
    let mut raw = Vec::new();
    crate::format::columns::Encoder::default().encode(&records, &mut raw);
    let payload = zstd::bulk::compress(&raw, 19).unwrap();
    let header = BlockHeader {
        kind: BlockKind::RECORDS,
        codec: Codec::ZSTD,
        stored_bytes: payload.len() as u32,
        raw_bytes: raw.len() as u32,
        records: records.len() as u32,
        events: records.len() as u32,
        first: Timestamp(5),
        last: Timestamp(5),
        payload_crc: crc32fast::hash(&payload),
    };
    let mut file = file_of(&Script { ticks: 0, ..Script::default() }, SMALL);
    file.truncate(20 + u32_at(&file, 12) as usize);
    for _ in 0..copies {
        file.extend(header.to_bytes());
        file.extend(&payload);
    }
    file
}

#[test]
fn the_cost_of_reading_a_file_is_bounded_by_its_length() {
    let copies = 60;
    let file = dense_file(copies);
    assert!(file.len() < 20_000, "{} bytes", file.len());
    let mut reader = open(&file).unwrap();
    let events = drain(&mut reader);
    let seen = events.iter().filter(|stamped| matches!(stamped.event, Event::TickStart { .. })).count();
    assert!(seen as u64 <= records_allowed(file.len() as u64) && seen >= 1 << 20, "{seen} events");
    let left_out = copies - seen / 60_000;
    assert_eq!(reader.damage().iter().filter(|damage| damage.kind == DamageKind::Dense).count(), left_out);
    assert_eq!(EventSource::counts(&reader).lost_records, 60_000 * left_out as u64);
}

#[test]
fn a_writer_writes_no_file_that_is_too_dense() {
    let mut file = Vec::new();
    let options = WriteOptions { records_per_block: 60_000, ..WriteOptions::at_rest() };
    let metadata = Script::default().metadata();
    let mut writer = TraceWriter::new(&mut file, Path::new("t"), &metadata, options).unwrap();
    let event = Stamped { at: Timestamp(5), source: SourceId(1), event: Event::TickStart { tick: 4 } };
    let count = (1 << 20) + 300_000;
    for _ in 0..count / 1_000 {
        writer.append(&[event; 1_000]).unwrap();
    }
    writer.finish().unwrap();
    let mut reader = open(&file).unwrap();
    let mut seen = 0;
    let mut batch = Vec::new();
    while reader.poll(&mut batch).unwrap() == SourceState::More {
        seen += batch.len();
        batch.clear();
    }
    assert_eq!((reader.damage(), seen + batch.len()), (&[][..], count / 1_000 * 1_000));
}
