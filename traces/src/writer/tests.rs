//! Tests of the writer: what it writes can be read back, and a full disk leaves a whole file.

use std::io::{Cursor, Write};

use super::*;
use crate::reader::TraceReader;
use crate::source::EventSource;
use crate::synthetic::Script;

pub(crate) fn written(script: &Script, options: WriteOptions) -> (Vec<u8>, WriteStats, Vec<Stamped>) {
    let events = script.events();
    let mut file = Vec::new();
    let mut writer = TraceWriter::new(&mut file, Path::new("t"), &script.metadata(), options).unwrap();
    writer.append(&events).unwrap();
    let stats = writer.finish().unwrap();
    (file, stats, events)
}

fn read_all(file: &[u8]) -> (TraceReader<Cursor<&[u8]>>, Vec<Stamped>) {
    let mut reader = TraceReader::new(Cursor::new(file), Path::new("t")).unwrap();
    let mut events = Vec::new();
    while reader.poll(&mut events).unwrap() != crate::source::SourceState::Ended {}
    (reader, events)
}

/// A disk with room for `room` bytes, then full.
#[derive(Default)]
struct Disk {
    file: Vec<u8>,
    room: usize,
    /// Whether the output has replaced an older file.
    replaces: bool,
}

impl Write for Disk {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let free = self.room.saturating_sub(self.file.len()).min(bytes.len());
        self.file.extend_from_slice(&bytes[..free]);
        if free == 0 { Err(io::ErrorKind::StorageFull.into()) } else { Ok(free) }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl TraceOutput for Disk {
    fn truncate(&mut self, len: u64) -> io::Result<()> {
        TraceOutput::truncate(&mut self.file, len)
    }

    fn has_events(&mut self) -> io::Result<()> {
        self.replaces = true;
        Ok(())
    }
}

#[test]
fn a_full_disk_keeps_all_whole_blocks() {
    let script = Script { ticks: 60, ..Script::default() };
    let options = WriteOptions { records_per_block: 64, ..WriteOptions::default() };
    let (whole, _, events) = written(&script, options);
    for room in (400..whole.len()).step_by(517) {
        let mut disk = Disk { room, ..Disk::default() };
        let mut writer = TraceWriter::new(&mut disk, Path::new("t"), &script.metadata(), options).unwrap();
        let error = writer.append(&events).or_else(|_| writer.append(&events));
        let closed = writer.finish();
        assert!(matches!(closed, Err(WriteError::Failed { .. } | WriteError::Write { .. })), "{closed:?}");
        let (reader, read) = read_all(&disk.file);
        assert_eq!(reader.damage(), [], "room {room}");
        assert!(!reader.is_finished());
        assert_eq!(read, events[..read.len()]);
        let of_loop = read.iter().any(|stamped| !matches!(stamped.event, Event::Label { .. }));
        assert_eq!(
            disk.replaces, of_loop,
            "room {room}: an older file must stay if nothing of this one is saved"
        );
        if let Err(error) = error {
            assert!(matches!(error, WriteError::Failed { .. }));
        }
    }
}

#[test]
#[cfg(target_os = "linux")]
fn the_error_of_a_full_disk_names_it_and_what_is_saved() {
    let error = TraceWriter::create(Path::new("/dev/full"), &Script::default().metadata()).unwrap_err();
    let text = error.to_string();
    assert!(text.starts_with("cannot write /dev/full beyond byte 0: No space left"), "{text}");
}

#[test]
fn a_block_is_written_when_its_oldest_event_is_due() {
    let script = Script { ticks: 5, ..Script::default() };
    let events = script.events();
    let mut file = Vec::new();
    let mut writer =
        TraceWriter::new(&mut file, Path::new("t"), &script.metadata(), WriteOptions::default()).unwrap();
    let labels = events.iter().take_while(|stamped| matches!(stamped.event, Event::Label { .. })).count();
    writer.append(&events[..labels]).unwrap();
    let first = events[labels].at;
    writer.flush_due(first.plus_ns(1 << 40), first.plus_ns(1 << 40)).unwrap();
    assert_eq!((labels > 0, writer.stats().blocks), (true, 0), "labels alone are not urgent");
    writer.append(&events[labels..labels + 5]).unwrap();
    writer.flush_due(first, first.plus_ns(39_999_999)).unwrap();
    assert_eq!(writer.stats().blocks, 0);
    writer.flush_due(first.plus_ns(30_000_000), first.plus_ns(40_000_000)).unwrap();
    assert_eq!(writer.stats().blocks, 2, "labels and records");
}

/// The greatest age of unwritten events, in ms, if calls are planned every 10 ms and come `gaps` ms apart, in a cycle.
fn oldest_unwritten_ms(gaps: &[u64]) -> u64 {
    const MS: u64 = 1_000_000;
    let mut file = Vec::new();
    let metadata = Script::default().metadata();
    let mut writer = TraceWriter::new(&mut file, Path::new("t"), &metadata, WriteOptions::default()).unwrap();
    let source = loop_probes::ids::SourceId(1);
    let (mut now, mut unwritten, mut oldest_ms) = (1_000, None, 0);
    for (round, gap) in (0..20).flat_map(|round| gaps.iter().map(move |gap| (round, gap))) {
        // One event per millisecond; the call at the end of the gap appends them.
        let at = |ms: u64| Timestamp(ms * MS);
        let batch =
            (now..now + gap).map(|ms| Stamped { at: at(ms), source, event: Event::TickStart { tick: ms } });
        let first = *unwritten.get_or_insert(now);
        now += gap;
        // The writer cannot foresee the first late call.
        oldest_ms = if round == 0 { 0 } else { oldest_ms.max(now - first) };
        let blocks = writer.stats().blocks;
        writer.append(&batch.collect::<Vec<_>>()).unwrap();
        writer.flush_due(at(now), at(now + 10)).unwrap();
        if writer.stats().blocks > blocks {
            unwritten = None;
        }
    }
    oldest_ms
}

#[test]
fn calls_that_come_late_again_and_again_are_expected_late() {
    for (gaps, oldest_ms) in
        [(&[10; 4], 30), (&[15; 4], 30), (&[25; 4], 25), (&[28; 4], 28), (&[10, 10, 30, 10], 40)]
    {
        assert_eq!(oldest_unwritten_ms(gaps), oldest_ms, "{gaps:?}");
    }
}

#[test]
fn running_events_are_written_at_once() {
    let mut file = Vec::new();
    let mut writer =
        TraceWriter::new(&mut file, Path::new("t"), &Script::default().metadata(), WriteOptions::default())
            .unwrap();
    let at = Timestamp(1_000_000_000);
    let source = loop_probes::ids::SourceId(1);
    let running = loop_probes::recorder::Running::Outside.event(at);
    writer.append(&[Stamped { at, source, event: Event::TickStart { tick: 1 } }]).unwrap();
    assert_eq!(writer.stats().blocks, 0);
    writer.append(&[Stamped { at, source, event: running }]).unwrap();
    assert_eq!(writer.stats().blocks, 1);
}

#[test]
fn a_long_recording_has_ever_rarer_blocks_instead_of_too_many() {
    let mut file = Vec::new();
    let mut writer =
        TraceWriter::new(&mut file, Path::new("t"), &Script::default().metadata(), WriteOptions::default())
            .unwrap();
    let step = 1 << 12;
    let (mut lasts_ns, mut at_full_pace_ns) = (0, 0);
    for blocks in (0..BLOCKS_MAX as u64).step_by(step) {
        writer.stats.blocks = blocks;
        let ns = writer.flush_ns() * step as u64;
        lasts_ns += ns;
        at_full_pace_ns += if writer.flush_ns() == 40_000_000 { ns } else { 0 };
    }
    writer.stats.blocks = 0;
    let hours = |ns: u64| ns / 3_600_000_000_000;
    assert_eq!((hours(at_full_pace_ns), hours(lasts_ns) / 24), (5, 15), "hours at full pace, days in all");
}

#[test]
fn counts_of_the_source_are_saved() {
    let script = Script { ticks: 5, ..Script::default() };
    let counts = SourceCounts {
        lost_records: 3,
        before_attach: 900,
        unknown_kinds: 2,
        malformed: 1,
        uncounted_gaps: 4,
        clock_error_ns_max: 5,
    };
    let mut file = Vec::new();
    let mut writer =
        TraceWriter::new(&mut file, Path::new("t"), &script.metadata(), WriteOptions::default()).unwrap();
    writer.set_counts(counts);
    writer.append(&script.events()).unwrap();
    drop(writer);
    let (reader, _) = read_all(&file);
    assert_eq!(reader.counts(), counts);
    assert!(reader.is_finished(), "a dropped writer closes its file");
}

#[test]
fn the_demo_like_stream_takes_less_than_twelve_bytes_a_record() {
    let (_, stats, _) = written(&Script { ticks: 20_000, ..Script::default() }, WriteOptions::default());
    let per_record = stats.bytes as f64 / stats.records as f64;
    assert!(per_record < 12.0, "{per_record}");
}

#[test]
fn events_that_are_older_than_the_last_block_are_no_damage() {
    let event = |at, label| Stamped {
        at: Timestamp(at),
        source: loop_probes::ids::SourceId(1),
        event: Event::Mark { label: loop_probes::ids::LabelId(label) },
    };
    let mut file = Vec::new();
    let options = WriteOptions { records_per_block: 1, ..WriteOptions::default() };
    let events = [event(50, 1), event(20, 2), event(30, 3), event(60, 4)];
    let mut writer =
        TraceWriter::new(&mut file, Path::new("t"), &Script::default().metadata(), options).unwrap();
    events.iter().for_each(|event| writer.append(&[*event]).unwrap());
    writer.finish().unwrap();
    let (reader, read) = read_all(&file);
    assert_eq!((read, reader.damage()), (events.to_vec(), &[][..]));
    let records = reader.blocks().iter().filter(|block| block.header.kind == BlockKind::RECORDS);
    let times: Vec<_> = records.map(|block| (block.header.first.0, block.header.last.0)).collect();
    assert_eq!(times, [(50, 50), (20, 50), (30, 50), (60, 60)]);
}
