//! Surplus parts of a file (copies of blocks, bytes after its end), and blocks that only the index lists.

use super::*;

fn script() -> Script {
    Script { ticks: 40, ..Script::default() }
}

fn kinds(reader: &TraceReader<Cursor<&[u8]>>) -> Vec<DamageKind> {
    reader.damage().iter().map(|damage| damage.kind).collect()
}

/// The file with another copy of block `place` before block `before`.
fn with_copy(file: &[u8], place: usize, before: usize) -> Vec<u8> {
    let blocks = open(file).unwrap().blocks().to_vec();
    let BlockPlace { offset, header } = blocks[place];
    let copy = &file[offset as usize..header.end(offset) as usize];
    let at = blocks.get(before).map_or_else(
        || blocks.last().map(|last| last.header.end(last.offset)).unwrap(),
        |block| block.offset,
    );
    [&file[..at as usize], copy, &file[at as usize..]].concat()
}

#[test]
fn a_block_that_is_in_the_file_twice_counts_once() {
    let file = file_of(&script(), SMALL);
    let blocks = open(&file).unwrap().blocks().to_vec();
    let places = (0..blocks.len()).filter(|place| blocks[*place].header.kind == BlockKind::RECORDS);
    for place in places {
        for before in [place + 1, blocks.len() / 2, blocks.len()] {
            let copied = with_copy(&file, place, before.max(place + 1));
            let mut reader = open(&copied).unwrap();
            assert_eq!(kinds(&reader), [DamageKind::Copy, DamageKind::Index], "{place} {before}");
            assert_eq!(drain(&mut reader), script().events());
            assert_eq!((reader.is_finished(), reader.counts()), (true, SourceCounts::default()));
            assert_eq!(reader.blocks().len(), blocks.len());
            let warning = &reader.warnings()[0];
            assert!(
                warning.contains("left out: ") && warning.contains("copy of an earlier block"),
                "{warning}"
            );
        }
    }
}

/// The same blocks, in this order, without an index.
fn reordered(file: &[u8], order: impl Fn(&mut Vec<BlockPlace>)) -> Vec<u8> {
    let mut blocks = open(file).unwrap().blocks().to_vec();
    let mut reordered = file[..blocks[0].offset as usize].to_vec();
    order(&mut blocks);
    for BlockPlace { offset, header } in blocks {
        reordered.extend(&file[offset as usize..header.end(offset) as usize]);
    }
    reordered
}

#[test]
fn a_block_that_is_older_than_the_one_before_it_leaves_everything_open() {
    let file = file_of(&script(), SMALL);
    let in_order = reordered(&file, |_| {});
    let whole = open(&in_order).unwrap();
    assert_eq!((kinds(&whole), whole.counts().uncounted_gaps), (vec![], 0));
    let records = whole.blocks().iter().filter(|block| block.header.kind == BlockKind::RECORDS).count();
    let reversed = reordered(&file, |blocks| blocks.reverse());
    let mut reader = open(&reversed).unwrap();
    assert_eq!(kinds(&reader), vec![DamageKind::Order; records - 1]);
    assert_eq!(reader.counts().uncounted_gaps, records as u64 - 1);
    let losses = drain(&mut reader).iter().filter(|stamped| is_lost(stamped)).count();
    assert!(losses >= records - 1, "{losses} of {records}");
    assert!(reader.warnings()[0].contains("out of order: the block at byte "), "{:?}", reader.warnings());
}

#[test]
fn a_copy_that_is_compressed_in_another_way_counts_once() {
    let file = file_of(&script(), SMALL);
    let blocks = open(&file).unwrap().blocks().to_vec();
    let is_packed =
        |block: &&BlockPlace| block.header.kind == BlockKind::RECORDS && block.header.codec == Codec::ZSTD;
    let BlockPlace { offset, header } = *blocks.iter().find(is_packed).unwrap();
    let begin = offset as usize + BLOCK_HEADER_BYTES;
    let payload = zstd::bulk::decompress(&file[begin..][..header.stored_bytes as usize], 1 << 20).unwrap();
    let copy = BlockHeader {
        codec: Codec::STORED,
        stored_bytes: payload.len() as u32,
        payload_crc: crc32fast::hash(&payload),
        ..header
    };
    let end = blocks.last().map(|last| last.header.end(last.offset) as usize).unwrap();
    let copied = [&file[..end], &copy.to_bytes(), &payload, &file[end..]].concat();
    let mut reader = open(&copied).unwrap();
    assert_eq!(kinds(&reader), [DamageKind::Copy, DamageKind::Index]);
    assert_eq!(drain(&mut reader), script().events());
}

#[test]
fn blocks_of_one_instant_can_be_equal() {
    let mark = Event::Mark { label: loop_probes::ids::LabelId(1) };
    let marks = vec![Stamped { at: Timestamp(5), source: SourceId(1), event: mark }; 200];
    let mut file = Vec::new();
    let metadata = script().metadata();
    let mut writer = TraceWriter::new(&mut file, Path::new("t"), &metadata, SMALL).unwrap();
    writer.append(&marks).unwrap();
    writer.finish().unwrap();
    let mut reader = open(&file).unwrap();
    assert_eq!((drain(&mut reader), reader.damage()), (marks, &[][..]));
}

#[test]
fn bytes_after_the_end_are_not_part_of_a_recording() {
    let file = file_of(&script(), SMALL);
    let other = file_of(&Script { ticks: 12, ..Script::default() }, SMALL);
    for behind in [&file[..], &other, &file[..30], b"x", &[0; 100]] {
        let joined = [&file, behind].concat();
        let mut reader = open(&joined).unwrap();
        let [damage] = reader.damage() else { panic!("{:?}", reader.damage()) };
        assert_eq!((damage.offset, damage.bytes), (file.len() as u64, behind.len() as u64));
        assert_eq!(damage.kind, DamageKind::Behind);
        assert_eq!(drain(&mut reader), script().events());
        assert_eq!((reader.is_finished(), reader.counts()), (true, SourceCounts::default()));
    }
}

#[test]
fn an_unfinished_recording_ends_where_another_trace_begins() {
    let file = file_of(&script(), SMALL);
    let blocks = open(&file).unwrap().blocks().to_vec();
    let end = blocks.last().map(|last| last.header.end(last.offset)).unwrap() as usize;
    let reader_of = |joined: &[u8], kinds: &[DamageKind]| {
        let mut reader = open(joined).unwrap();
        assert_eq!((self::kinds(&reader), reader.is_finished()), (kinds.to_vec(), false));
        drain(&mut reader).into_iter().filter(|stamped| !is_lost(stamped)).count()
    };
    let joined = [&file[..end], &file].concat();
    assert_eq!(reader_of(&joined, &[DamageKind::AnotherFile]), script().events().len());
    // The first file was cut inside a block header.
    let cut = blocks.last().unwrap().offset as usize;
    let joined = [&file[..cut + 20], &file].concat();
    let events: u32 = blocks[..blocks.len() - 1].iter().map(|block| block.header.events).sum();
    assert_eq!(reader_of(&joined, &[DamageKind::Header, DamageKind::AnotherFile]), events as usize);
    // Inside its payload, or inside the index.
    for (cut, events) in [(cut + 60, events as usize), (end + 60, script().events().len())] {
        let joined = [&file[..cut], &file].concat();
        let kinds = [DamageKind::Cut { found: 60 }, DamageKind::AnotherFile];
        assert_eq!(reader_of(&joined, &kinds), events, "{cut}");
    }
}

#[test]
fn the_rest_of_an_older_file_is_not_part_of_the_recording_over_it() {
    let (older, script) = (file_of(&script(), SMALL), Script { ticks: 12, ..script() });
    let later = |stamped: Stamped| Stamped { at: stamped.at.plus_ns(1_000_000_000), ..stamped };
    let events: Vec<Stamped> = script.events().into_iter().map(later).collect();
    let mut newer = Vec::new();
    let mut writer = TraceWriter::new(&mut newer, Path::new("t"), &script.metadata(), SMALL).unwrap();
    writer.append(&events).unwrap();
    writer.break_off().unwrap();
    let file = [&newer[..], &older[newer.len()..]].concat();
    let mut reader = open(&file).unwrap();
    assert_eq!((kinds(&reader), reader.is_finished()), (vec![DamageKind::Remains], false));
    assert_eq!(drain(&mut reader), drain(&mut open(&newer).unwrap()));
}

#[test]
fn a_block_that_only_the_index_has_is_lost() {
    let file = file_of(&script(), SMALL);
    let blocks = open(&file).unwrap().blocks().to_vec();
    let of_records = |block: &&BlockPlace| block.header.kind == BlockKind::RECORDS;
    for BlockPlace { offset, header } in blocks.iter().filter(of_records) {
        let cut = [&file[..*offset as usize], &file[header.end(*offset) as usize..]].concat();
        let mut reader = open(&cut).unwrap();
        assert_eq!(reader.damage().len(), 2);
        let missing = reader.damage().iter().find(|damage| damage.kind == DamageKind::NotThere).unwrap();
        assert_eq!((missing.offset, missing.records), (*offset, Some(header.records.into())));
        let read = drain(&mut reader);
        assert_eq!(
            (lost(&read), reader.counts().lost_records),
            (header.records.into(), header.records.into())
        );
        let at = read.iter().position(is_lost).unwrap();
        let events: u32 = blocks
            .iter()
            .filter(|block| block.offset < *offset)
            .filter(of_records)
            .map(|block| block.header.events)
            .sum();
        let is_first = events == 0;
        assert!(is_first || at == events as usize, "{at} {events}");
    }
}

#[test]
fn an_index_entry_without_records_says_nothing_about_their_time() {
    let file = file_of(&script(), SMALL);
    let events = script().events();
    let [first, last] = [events[0].at, events.last().unwrap().at];
    for (offset, at) in [(1 << 40, 0), (1 << 40, 1 << 60), (30, 0), (30, 1 << 60)] {
        let mut reader = open(&file).unwrap();
        let records = reader.blocks().iter().find(|block| block.header.kind == BlockKind::RECORDS).unwrap();
        let header = BlockHeader { records: 0, first: Timestamp(at), last: Timestamp(at), ..records.header };
        let damage = Damage::of_block(offset, &header, DamageKind::NotThere);
        reader.gaps.place(&damage, &reader.blocks);
        reader.note(damage);
        let read = drain(&mut reader);
        assert_eq!(lost(&read), 1);
        assert_eq!((reader.counts().lost_records, reader.counts().uncounted_gaps), (1, 1));
        let times = |stamped: &Stamped| match stamped.event {
            Event::Lost { from, .. } => [from, stamped.at],
            _ => [stamped.at; 2],
        };
        assert!(read.iter().flat_map(times).all(|at| (first..=last).contains(&at)), "{offset} {at}");
    }
}
