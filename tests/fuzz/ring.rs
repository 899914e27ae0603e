//! Fuzzes ring files that no session made: their layout is as specified, but the contents of the words are arbitrary.
//!
//! An input is a plan: changes to a small whole file, word by word and record by record, with stamps as a writer leaves
//! them. The second half of the plan is carried out while the file is read, as if by a process that scribbles over it.
//! Each plan ends in events or an error, within a stated amount of memory and of processor time.
//!
//! `cargo test` runs the plans in the corpus beside this file and a few hundred random ones; the page on testing
//! explains how to run it under an engine that measures coverage.

mod memory;
mod plan;

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use loop_probes::clock::TickUnit;
use loop_probes::discover;
use loop_probes::event::{Event, LabelKind, Phase};
use loop_probes::ids::{Tag, TaskId, Ticks};
use loop_probes::metadata::Metadata;
use loop_probes::process::ProcessReader;
use loop_probes::record::Packed;
use loop_probes::ring::Start;
use loop_probes::shared::LAYOUT_MAJOR;
use loop_probes::stamped::Stamped;
use loop_probes::text::Text;
use plan::Plan;
use rustix::time::{ClockId, clock_gettime};

/// The processor time that one plan may take. A plan with the largest file takes a tenth of it in a debug
/// build.
const PLAN_NS: u64 = 20_000_000_000;

/// The size in bytes to which a plan may grow a file, with zeros.
const BYTES_MAX: u64 = 1 << 33;

/// Offsets in the file that plans start from.
const TABLE_AT: usize = 4096;
const PLACES: usize = 4;
const META_AT: usize = 8192;
const LABELS_AT: usize = 12_288;
const LABELS: usize = 16;
const SLOTS_AT: usize = 16_384;
const CAPACITY: usize = 128;
const RING_BYTES: usize = CAPACITY * 32;
const RINGS: usize = 2;

/// A file as a process leaves it behind, word by word as specified.
fn whole() -> Vec<u8> {
    let mut file = Image(vec![0; SLOTS_AT + RINGS * RING_BYTES]);
    let metadata = serde_json::to_vec(&Metadata::new("fuzzed")).expect("metadata is JSON");
    file.0[META_AT..][..metadata.len()].copy_from_slice(&metadata);
    let header = [
        (0, u64::from_ne_bytes(*b"LOOPRING")),
        (8, u64::from(LAYOUT_MAJOR) << 32),
        (16, 1),
        (24, SLOTS_AT as u64),
        (32, 1),
        (72, TickUnit::Tsc as u64),
        (80, PLACES as u64),
        (88, TABLE_AT as u64),
        (96, META_AT as u64),
        (104, metadata.len() as u64),
        (112, LABELS_AT as u64),
        (120, LABELS as u64),
        // Anchors, with one nanosecond per tick.
        (152, 2_000_000),
        (160, 2_000_000),
        (192, 1),
        (200, 3_000_000),
        (208, 3_000_000),
        (256, 1),
        (280, 2),
    ];
    header.iter().for_each(|(at, value)| file.set(*at, *value));
    file.set(LABELS_AT, u64::from(LabelKind::Tag.code()) << 32 | 1);
    for ring in 0..RINGS {
        let place = TABLE_AT + ring * 256;
        let slots_at = SLOTS_AT + ring * RING_BYTES;
        file.set(place, 1 << 32 | 1);
        file.set(place + 8, slots_at as u64);
        file.set(place + 16, CAPACITY as u64);
        // The *now running* cell: outside of a tick.
        file.set(place + 64, 1 << 32 | 1 << 24);
        let mut sequence = 0;
        while sequence + 8 < CAPACITY {
            // No two rings have the same events.
            let at = Ticks((sequence * 100 + ring) as u64);
            let packed = Packed::new(at, event(sequence, at));
            for (part, mut record) in packed.records(1).enumerate() {
                // The mark of the ring's place.
                record[0] ^= (ring as u64 + 1) << 52;
                file.record(slots_at, sequence + part, &record);
            }
            sequence += packed.parts();
        }
    }
    file.0
}

/// The events of the initial file: short and long ones.
fn event(number: usize, start: Ticks) -> Event<Ticks> {
    let task = TaskId(number as u64);
    match number % 4 {
        0 => Event::TickStart { tick: task.0 },
        1 => Event::Phase { phase: Phase::Io, start },
        2 => Event::TimerCleared { timer: loop_probes::ids::TimerId(u64::MAX) },
        _ => Event::Label {
            kind: LabelKind::Tag,
            id: Tag(3).0.into(),
            text: Text::new("a tag of some length"),
        },
    }
}

struct Image(Vec<u8>);

impl Image {
    fn set(&mut self, at: usize, value: u64) {
        self.0[at..at + 8].copy_from_slice(&value.to_ne_bytes());
    }

    fn record(&mut self, slots_at: usize, slot: usize, words: &[u64; 4]) {
        words.iter().enumerate().for_each(|(word, value)| self.set(slots_at + slot * 32 + word * 8, *value));
    }
}

fn put(file: &File, at: u64, word: u64) {
    // Nothing can be written past the maximum size of a file, which is fine.
    let _written = file.write_all_at(&word.to_ne_bytes(), at.min(BYTES_MAX));
}

/// Makes one change to the file.
fn change(file: &File, plan: &mut Plan<'_>) {
    let ring = |plan: &mut Plan<'_>| (SLOTS_AT + usize::from(plan.byte()) % RINGS * RING_BYTES) as u64;
    let kind = plan.byte();
    if kind >= 250 {
        // Metadata that differs from what was written.
        let _written = file.write_all_at(plan.bytes(64), (META_AT + plan.below(400)) as u64);
        return;
    }
    match kind % 10 {
        0 => put(file, plan.below(64) as u64 * 8, plan.number()),
        1 => put(file, (TABLE_AT + plan.below(PLACES * 32) * 8) as u64, plan.number()),
        2 => put(file, (LABELS_AT + plan.below(LABELS * 12) * 8) as u64, plan.number()),
        3 => drop(file.write_all_at(&[plan.byte()], (META_AT + plan.below(400)) as u64)),
        // The latest anchor, whole.
        4 => (24..28).for_each(|word| put(file, word * 8, plan.number())),
        5 => drop(file.set_len(plan.number() % BYTES_MAX)),
        // A table entry that claims a ring at an arbitrary place, and a new number of changes of the table.
        6 => {
            let place = (TABLE_AT + plan.below(PLACES) * 256) as u64;
            let words = [plan.number() << 32 | 1, plan.number(), 1 << (plan.byte() % 26)];
            words.iter().enumerate().for_each(|(word, value)| put(file, place + word as u64 * 8, *value));
            put(file, 280, plan.number());
        }
        // Records as a writer leaves them, of any lap, kind and payload.
        7 => {
            let (slots_at, from, count) = (ring(plan), plan.below(CAPACITY), plan.below(CAPACITY));
            let (lap, kind, part, tag) = (plan.number(), plan.byte(), plan.byte(), plan.byte());
            let (time, step, payload) = (plan.number(), plan.number(), plan.number());
            for number in 0..=count as u64 {
                let slot = slots_at + (from as u64 + number) % CAPACITY as u64 * 32;
                let stamp = lap << 32 | u64::from(kind) << 24 | u64::from(part) << 16 | u64::from(tag);
                let time = time.wrapping_add(step.wrapping_mul(number));
                for (word, value) in [time, stamp, payload, payload.rotate_left(7)].into_iter().enumerate() {
                    put(file, slot + word as u64 * 8, value);
                }
            }
        }
        // Changes only their lap.
        8 => {
            let (slots_at, from, count, lap) =
                (ring(plan), plan.below(CAPACITY), plan.below(CAPACITY), plan.number());
            for number in 0..=count {
                let at = slots_at + (from + number) as u64 % CAPACITY as u64 * 32 + 12;
                let _written = file.write_all_at(&(lap as u32).to_ne_bytes(), at);
            }
        }
        // Any word of any record.
        _ => put(file, ring(plan) + plan.below(RING_BYTES / 8) as u64 * 8, plan.number()),
    }
}

fn processor_ns() -> u64 {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    now.tv_sec.unsigned_abs() * 1_000_000_000 + now.tv_nsec.unsigned_abs()
}

/// Makes the file from the first half of a plan, and reads it while the second half is carried out.
fn try_all(plan: &[u8], path: &Path, seed: &[u8]) {
    let began = processor_ns();
    std::fs::write(path, seed).expect("the folder is ours");
    let file = OpenOptions::new().write(true).open(path).expect("it was written");
    let (before, after) = plan.split_at(plan.len() / 2);
    let (mut before, mut after) = (Plan(before), Plan(after));
    let start = if before.byte().is_multiple_of(4) { Start::Newest } else { Start::Oldest };
    while before.has_more() {
        change(&file, &mut before);
    }
    let _listed = discover::inspect(path);
    if let Ok(mut reader) = ProcessReader::open(path, start) {
        let mut out = Vec::new();
        while after.has_more() {
            change(&file, &mut after);
            read(&mut reader, &mut out);
        }
        let _flushed = reader.flush(&mut out);
        read(&mut reader, &mut out);
    }
    let took = processor_ns() - began;
    assert!(took < PLAN_NS, "{took} ns of processor time");
}

fn read(reader: &mut ProcessReader, out: &mut Vec<Stamped>) {
    // Returned events are in the caller's memory, not the reader's.
    out.clear();
    let before = (reader.records_read(), reader.lost_records());
    let polled = reader.poll(out);
    let _running = reader.running();
    let _figures = (
        reader.suggested_period(),
        reader.before_attach(),
        reader.unknown_kinds(),
        reader.malformed_events(),
    );
    let _more =
        (reader.late_events(), reader.dropped_sources(), reader.dropped_labels(), reader.clock_faults());
    assert!(reader.lost_records() >= before.1, "what is lost stays lost");
    if let Ok(report) = polled {
        assert!(report.records >= reader.records_read().saturating_sub(before.0));
    }
}

#[test]
fn rings() {
    memory::limit(1 << 29);
    let folder = tempfile::tempdir().expect("a folder");
    let (path, seed): (PathBuf, _) = (folder.path().join("made.ring"), whole());
    bolero::check!()
        .with_iterations(300)
        .with_max_len(512)
        .for_each(|plan: &[u8]| try_all(plan, &path, &seed));
}

#[test]
fn the_initial_file_of_plans_is_whole() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("whole.ring");
    std::fs::write(&path, whole()).expect("the folder is ours");
    let mut reader = ProcessReader::open(&path, Start::Oldest).expect("it is a ring");
    let mut out = Vec::new();
    reader.flush(&mut out).expect("it is whole");
    assert_eq!(
        (reader.lost_records(), reader.unknown_kinds() + reader.malformed_events(), reader.before_attach()),
        (0, 0, 0)
    );
    assert!(reader.records_read() > 200, "{} records", reader.records_read());
    assert_eq!(reader.running().expect("it is whole").len(), RINGS);
}
