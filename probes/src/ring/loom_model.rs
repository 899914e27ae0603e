//! The protocol under loom: every interleaving of a writer and a reader that the memory model allows, on a ring
//! so small that the writer laps the reader immediately.
//!
//! `RUSTFLAGS="--cfg loom" cargo test -p loop-probes --release --lib loom`

use std::sync::atomic::Ordering;

use loom::sync::Arc;
use loom::sync::atomic::{AtomicU64, fence};

use super::{Item, MemoryView, PollLimits, Position, RECORD_WORDS, Reader, Slots, Start, Writer, mark_of};
use crate::event::{Event, LabelKind};
use crate::ids::{LabelId, Ticks};
use crate::record::{Packed, unpack};
use crate::text::Text;

/// Slots on loom's atomics.
struct LoomSlots(Vec<AtomicU64>);

impl LoomSlots {
    fn new(capacity: usize) -> Arc<Self> {
        Arc::new(Self((0..capacity * RECORD_WORDS).map(|_| AtomicU64::new(0)).collect()))
    }

    fn word(&self, slot: u64, word: usize) -> &AtomicU64 {
        let capacity = self.0.len() / RECORD_WORDS;
        &self.0[slot as usize % capacity * RECORD_WORDS + word]
    }
}

impl Slots for Arc<LoomSlots> {
    fn shift(&self) -> u32 {
        (self.0.len() / RECORD_WORDS).trailing_zeros()
    }
    fn load(&self, slot: u64, word: usize, order: Ordering) -> u64 {
        self.word(slot, word).load(order)
    }
    fn store(&self, slot: u64, word: usize, value: u64, order: Ordering) {
        self.word(slot, word).store(value, order);
    }
    fn fence(&self, order: Ordering) {
        fence(order);
    }
    fn mark(&self) -> u64 {
        mark_of(0)
    }
}

/// Event number `number`; its fields repeat the number, so that a torn record is detectable.
fn short(number: u64) -> Event<Ticks> {
    Event::Span { label: LabelId(number as u32), start: Ticks(0) }
}

fn long(number: u64) -> Event<Ticks> {
    Event::Label { kind: LabelKind::Text, id: number as u32, text: Text::new("twelve bytes") }
}

/// Writes `events` while a reader polls `polls` times; afterwards the reader reads the rest and the counts are
/// checked.
fn model(capacity: usize, polls: usize, start: Start, events: fn() -> Vec<Event<Ticks>>) {
    let mut explore = loom::model::Builder::new();
    explore.preemption_bound = Some(3);
    explore.check(move || {
        let slots = LoomSlots::new(capacity);
        let shared = Arc::clone(&slots);
        let events = events();
        let expected = events.clone();
        let writer = loom::thread::spawn(move || {
            let writer = Writer::new(shared, Box::new(Position::default()), 0, u64::MAX);
            for (index, event) in events.into_iter().enumerate() {
                let packed = Packed::new(Ticks(index as u64 + 1), event);
                if !writer.write_short(&packed) {
                    writer.write(&packed);
                    writer.open(u64::MAX);
                }
            }
            writer.written()
        });
        let mut reader = Reader::new(start);
        let mut seen = 0;
        let mut scratch = Vec::new();
        let mut check = |item: Item<'_>| {
            if let Item::Event(records, _) = item {
                let (at, event) = unpack::<Ticks>(records).expect("a whole event");
                assert!(at.0 > seen, "in order, none twice");
                seen = at.0;
                assert_eq!(event, expected[at.0 as usize - 1]);
            }
        };
        for _ in 0..polls {
            let Ok(_) = reader.poll(&MemoryView(&slots), &mut scratch, PollLimits::ALL, &mut check);
        }
        let written = writer.join().expect("the writer writes");
        for _ in 0..2 {
            let Ok(_) = reader.poll(&MemoryView(&slots), &mut scratch, PollLimits::ALL, &mut check);
        }
        assert_eq!(reader.read() + reader.lost() + reader.before_attach(), written);
    });
}

#[test]
fn loom_a_lapped_reader_accounts_for_all() {
    model(2, 1, Start::Oldest, || (1..=3).map(short).collect());
}

#[test]
fn loom_two_polls_during_the_writing() {
    model(2, 2, Start::Oldest, || (1..=2).map(short).collect());
}

#[test]
fn loom_a_newest_reader_accounts_for_all() {
    model(2, 1, Start::Newest, || (1..=3).map(short).collect());
}

#[test]
fn loom_events_of_several_records_are_whole() {
    model(4, 1, Start::Oldest, || vec![short(1), long(2), short(3)]);
}
