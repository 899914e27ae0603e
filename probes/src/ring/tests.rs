//! Tests the ring against a model, with a damaged or dead writer, and on two threads.

mod stopped;
mod stress;

use std::convert::Infallible;
use std::fs::File;
use std::sync::Arc;

use proptest::prelude::*;

use super::foreign::FileView;
use super::*;
use crate::event::{Event, LabelKind};
use crate::ids::{LabelId, Ticks};
use crate::memory::Region;
use crate::record::{Packed, Stamp, unpack};
use crate::text::Text;

/// Number of iterations, reduced under tools that slow each one down: `LOOPSCOPE_TEST_SCALE` is a
/// percentage.
fn scaled(count: u64) -> u64 {
    let percent =
        std::env::var("LOOPSCOPE_TEST_SCALE").ok().and_then(|text| text.parse().ok()).unwrap_or(100);
    (count * percent / 100).max(1)
}

struct Rig {
    writer: Writer<RingSlots, Box<Position>>,
    slots: RingSlots,
}

impl Rig {
    fn on(region: Region, written: u64) -> Self {
        let slots = RingSlots::new(Arc::new(region), 0);
        let writer = Writer::new(slots.clone(), Box::default(), written, u64::MAX);
        Self { writer, slots }
    }

    fn heap(capacity: usize) -> Self {
        Self::on(Region::heap(capacity * RECORD_WORDS), 0)
    }

    fn write(&self, at: u64, event: Event<Ticks>) {
        let packed = Packed::new(Ticks(at), event);
        if !self.writer.write_short(&packed) {
            self.writer.write(&packed);
            self.writer.open(u64::MAX);
        }
    }
}

/// Event number `number`: of one record, or of as many as a text of `bytes` takes.
fn event(number: u64, bytes: usize) -> Event<Ticks> {
    if bytes == 0 {
        Event::Mark { label: LabelId(number as u32) }
    } else {
        let text = Text::new(&"x".repeat(bytes));
        Event::Label { kind: LabelKind::Text, id: number as u32, text }
    }
}

/// The events a reader returned, checked to be whole and in order.
#[derive(Default)]
struct Got {
    numbers: Vec<u64>,
    lost: u64,
    scratch: Vec<Record>,
}

impl Got {
    fn poll<V: View>(&mut self, reader: &mut Reader, view: &V, limits: PollLimits) -> Result<bool, V::Error> {
        let (numbers, lost) = (&mut self.numbers, &mut self.lost);
        reader.poll(view, &mut self.scratch, limits, |item| match item {
            Item::Lost(count) => *lost += count,
            Item::Event(records, _) => {
                let (at, _) = unpack::<Ticks>(records).expect("a whole event");
                numbers.push(at.0);
            }
        })
    }
}

#[derive(Clone, Debug)]
enum Step {
    Write { count: u64, bytes: usize },
    Read(PollLimits),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let write = (1..40_u64, prop_oneof![3 => Just(0_usize), 1 => 1..80_usize])
        .prop_map(|(count, bytes)| Step::Write { count, bytes });
    let some = || prop_oneof![Just(u64::MAX), 1..20_u64];
    let read = (some(), some()).prop_map(|(limit, window)| Step::Read(PollLimits { limit, window }));
    prop::collection::vec(prop_oneof![3 => write, 1 => read], 1..40)
}

/// Plays the steps and checks the reader's output.
fn play<V: View<Error: std::fmt::Debug>>(rig: &Rig, view: &V, start: Start, steps: &[Step]) {
    let (mut reader, mut got) = (Reader::new(start), Got::default());
    // For every event: its first sequence number, its parts, its number.
    let mut written: Vec<(u64, u64, u64)> = Vec::new();
    let mut first_poll = None;
    for step in steps {
        match *step {
            Step::Write { count, bytes } => {
                for _ in 0..count {
                    let number = written.len() as u64 + 1;
                    let from = rig.writer.written();
                    rig.write(number, event(number, bytes));
                    written.push((from, rig.writer.written() - from, number));
                }
            }
            Step::Read(limits) => {
                first_poll.get_or_insert(rig.writer.written());
                let more = got.poll(&mut reader, view, limits).unwrap();
                assert_eq!(got.lost, reader.lost());
                assert_eq!(reader.read() + reader.lost() + reader.before_attach(), reader.next());
                assert!(more || reader.next() == rig.writer.written());
            }
        }
    }
    while got.poll(&mut reader, view, PollLimits { limit: 50, ..PollLimits::ALL }).unwrap() {}
    let total = rig.writer.written();
    assert_eq!(
        reader.read() + reader.lost() + reader.before_attach(),
        total,
        "every record is accounted for"
    );
    let parts = |number: &u64| written[*number as usize - 1].1;
    assert_eq!(got.numbers.iter().map(parts).sum::<u64>(), reader.read());
    assert!(got.numbers.is_sorted_by(|one, other| one < other), "in order, none twice");
    let newest = written.last().map(|(_, _, number)| *number);
    if start == Start::Oldest {
        // No writer is active while we read: the last poll returned everything in the ring whole.
        assert!(newest.is_none() || got.numbers.last() == newest.as_ref());
    } else if let Some(attached) = first_poll {
        assert_eq!(reader.before_attach(), attached, "a reader of new records passes over the old ones");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: scaled(256) as u32, failure_persistence: None, ..Default::default() })]

    #[test]
    fn in_memory_it_does_as_the_model(steps in steps(), newest: bool, shift in 4_u32..8) {
        let rig = Rig::heap(1 << shift);
        play(&rig, &MemoryView(&rig.slots), if newest { Start::Newest } else { Start::Oldest }, &steps);
    }

    #[test]
    fn through_a_file_it_does_as_the_model(steps in steps(), newest: bool) {
        let (file, rig) = file_rig(128);
        let view = FileView { file: &file, offset: 0, shift: 7, there: 128, mark: mark_of(0) };
        play(&rig, &view, if newest { Start::Newest } else { Start::Oldest }, &steps);
    }

    #[test]
    fn the_circle_of_laps_closes(steps in steps(), before in 0_u64..200) {
        // A ring whose laps are about to wrap, as after months of writing.
        let start = (LAPS << 4) - 32 - before;
        let rig = Rig::on(Region::heap(16 * RECORD_WORDS), start);
        let view = MemoryView(&rig.slots);
        let (mut reader, mut got) = (Reader::new(Start::Oldest), Got::default());
        (1..=32).for_each(|number| rig.write(number, event(number, 0)));
        got.poll(&mut reader, &view, PollLimits::ALL).unwrap();
        let (mut number, offset) = (32, rig.writer.written() - reader.next());
        for step in steps {
            match step {
                Step::Write { count, bytes } => for _ in 0..count {
                    number += 1;
                    rig.write(number, event(number, bytes));
                },
                Step::Read(_) => { got.poll(&mut reader, &view, PollLimits::ALL).unwrap(); }
            }
        }
        got.poll(&mut reader, &view, PollLimits::ALL).unwrap();
        prop_assert_eq!(reader.next() + offset, rig.writer.written());
        prop_assert_eq!(got.numbers.last(), Some(&number));
    }

    #[test]
    fn any_bytes_are_harmless(
        words in prop::collection::vec(prop_oneof![any::<u64>(), Just(0), (0..40_u64).prop_map(|lap| lap << 32 | 1 << 24)], 64),
        later in prop::collection::vec((0..64_usize, any::<u64>()), 0..40),
        newest: bool,
    ) {
        let region = Arc::new(Region::heap(64));
        for (index, word) in words.iter().enumerate() {
            region.word(index).store(*word, std::sync::atomic::Ordering::Relaxed);
        }
        let slots = RingSlots::new(Arc::clone(&region), 0);
        let mut reader = Reader::new(if newest { Start::Newest } else { Start::Oldest });
        let mut scratch = Vec::new();
        for (index, word) in later {
            let mut records = 0;
            let Ok(_) = reader.poll(&MemoryView(&slots), &mut scratch, PollLimits::ALL, |item| {
                if let Item::Event(parts, _) = item {
                    records += parts.len();
                    let _any = unpack::<Ticks>(parts);
                }
            });
            prop_assert!(records <= 16, "no more than the ring holds");
            prop_assert_eq!(reader.read() + reader.lost() + reader.before_attach(), reader.next());
            region.word(index).store(word, std::sync::atomic::Ordering::Relaxed);
        }
    }
}

/// A ring in a file, mapped by its writer.
fn file_rig(capacity: usize) -> (File, Rig) {
    let file = tempfile::tempfile().unwrap();
    file.set_len((capacity * crate::record::RECORD_BYTES) as u64).unwrap();
    let region = Region::mapped(&file, 0, capacity * RECORD_WORDS, false).unwrap();
    (file, Rig::on(region, 0))
}

#[test]
fn an_empty_ring_has_nothing() {
    let rig = Rig::heap(16);
    for start in [Start::Oldest, Start::Newest] {
        let (mut reader, mut got) = (Reader::new(start), Got::default());
        let Ok(more) = got.poll(&mut reader, &MemoryView(&rig.slots), PollLimits::ALL);
        assert!(!more && got.numbers.is_empty() && reader.before_attach() == 0);
    }
}

#[test]
fn records_overwritten_after_the_first_read_are_lost() {
    let rig = Rig::heap(16);
    let view = MemoryView(&rig.slots);
    let (mut reader, mut got) = (Reader::new(Start::Oldest), Got::default());
    let Ok(_) = got.poll(&mut reader, &view, PollLimits::ALL);
    (1..=20).for_each(|number| rig.write(number, event(number, 0)));
    let Ok(_) = got.poll(&mut reader, &view, PollLimits::ALL);
    assert_eq!((reader.lost(), reader.before_attach(), got.numbers.len()), (4, 0, 16));
}

#[test]
fn records_overwritten_before_the_first_read_are_not_lost() {
    let rig = Rig::heap(16);
    (1..=20).for_each(|number| rig.write(number, event(number, 0)));
    let (mut reader, mut got) = (Reader::new(Start::Oldest), Got::default());
    let Ok(_) = got.poll(&mut reader, &MemoryView(&rig.slots), PollLimits::ALL);
    assert_eq!((reader.lost(), reader.before_attach(), got.numbers.len()), (0, 4, 16));
}

#[test]
fn the_rest_of_a_half_overwritten_event_is_lost() {
    let rig = Rig::heap(16);
    let view = MemoryView(&rig.slots);
    let (mut reader, mut got) = (Reader::new(Start::Oldest), Got::default());
    let Ok(_) = got.poll(&mut reader, &view, PollLimits::ALL);
    rig.write(1, event(1, 79));
    let parts = rig.writer.written();
    // One record into the next lap: the first part is gone, the others are still there.
    (2..=18 - parts).for_each(|number| rig.write(number, event(number, 0)));
    assert_eq!(rig.writer.written(), 17);
    let Ok(_) = got.poll(&mut reader, &view, PollLimits::ALL);
    assert_eq!((reader.lost(), got.numbers[0]), (parts, 2));
}

#[test]
fn a_writer_killed_in_the_middle_leaves_everything_else() {
    use std::sync::atomic::Ordering::Relaxed;
    for died_at in 14..40_u64 {
        let rig = Rig::heap(16);
        let view = MemoryView(&rig.slots);
        let (mut early, mut got) = (Reader::new(Start::Oldest), Got::default());
        (1..=died_at).for_each(|number| rig.write(number, event(number, 0)));
        let Ok(_) = got.poll(&mut early, &view, PollLimits::ALL);
        // The writer dies after clearing the stamp and writing half of the payload.
        rig.slots.store(died_at, STAMP_WORD, 0, Relaxed);
        rig.slots.store(died_at, 0, u64::MAX, Relaxed);
        let (mut late, mut found) = (Reader::new(Start::Oldest), Got::default());
        for _ in 0..3 {
            let Ok(_) = got.poll(&mut early, &view, PollLimits::ALL);
            let Ok(_) = found.poll(&mut late, &view, PollLimits::ALL);
        }
        assert_eq!((early.next(), early.lost()), (died_at, 0));
        assert_eq!(got.numbers.last(), Some(&died_at));
        // The record being overwritten is gone too.
        let there: Vec<u64> = (died_at.saturating_sub(15) + 1..=died_at).collect();
        assert_eq!((found.numbers, late.lost(), late.next()), (there, 0, died_at), "killed at {died_at}");
    }
}

#[test]
fn an_event_that_was_never_finished_is_never_returned() {
    let rig = Rig::heap(16);
    let view = MemoryView(&rig.slots);
    let packed = Packed::new(Ticks(9), event(9, 79));
    let (mut reader, mut got) = (Reader::new(Start::Oldest), Got::default());
    rig.write(1, event(1, 0));
    for part in 0..packed.parts() - 1 {
        let record = packed.record(part, 1);
        for (word, value) in record.into_iter().enumerate() {
            rig.slots.store(1 + part as u64, word, value, std::sync::atomic::Ordering::Relaxed);
        }
        let Ok(_) = got.poll(&mut reader, &view, PollLimits::ALL);
    }
    assert_eq!((got.numbers, reader.next(), reader.lost()), (vec![1], 1, 0));
}

#[test]
fn a_file_that_shrinks_is_an_error() {
    let (file, rig) = file_rig(128);
    (1..=128).for_each(|number| rig.write(number, event(number, 0)));
    drop(rig);
    file.set_len(64).unwrap();
    let view = FileView { file: &file, offset: 0, shift: 7, there: 128, mark: mark_of(0) };
    let error = Got::default().poll(&mut Reader::new(Start::Oldest), &view, PollLimits::ALL).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::UnexpectedEof);
}

#[test]
fn laps_are_compared_on_their_circle() {
    assert_eq!(laps_ahead(5, 3), 2);
    assert_eq!(laps_ahead(3, 5), -2);
    assert_eq!(laps_ahead(1, u32::MAX), 1);
    assert_eq!(laps_ahead(u32::MAX, 1), -1);
    assert_eq!((lap_of(0, 4), lap_of(16, 4), lap_of(LAPS << 4, 4)), (1, 2, 1));
}

/// A view whose writer continues during reads: it writes more between any two accesses.
struct Racing<'a> {
    rig: &'a Rig,
    bursts: std::cell::RefCell<std::vec::IntoIter<u64>>,
    number: std::cell::Cell<u64>,
}

impl Racing<'_> {
    fn write_some(&self) {
        for _ in 0..self.bursts.borrow_mut().next().unwrap_or(0) {
            self.number.set(self.number.get() + 1);
            self.rig.write(self.number.get(), event(self.number.get(), 0));
        }
    }
}

impl View for Racing<'_> {
    type Error = Infallible;
    fn shift(&self) -> u32 {
        self.rig.slots.shift()
    }
    fn stamp(&self, slot: u64) -> Result<Stamp, Infallible> {
        self.write_some();
        MemoryView(&self.rig.slots).stamp(slot)
    }
    fn copy(&self, slot: u64, out: &mut [Record]) -> Result<(), Infallible> {
        for (index, record) in out.iter_mut().enumerate() {
            self.write_some();
            MemoryView(&self.rig.slots).copy(slot + index as u64, std::slice::from_mut(record))?;
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: scaled(512) as u32, failure_persistence: None, ..Default::default() })]

    #[test]
    fn a_writer_at_any_pace_is_accounted_for(bursts in prop::collection::vec(prop_oneof![4 => Just(0_u64), 2 => 1..4_u64, 1 => 4..40_u64], 0..300)) {
        let rig = Rig::heap(16);
        let racing = Racing { rig: &rig, bursts: std::cell::RefCell::new(bursts.into_iter()), number: 0.into() };
        let (mut reader, mut got) = (Reader::new(Start::Oldest), Got::default());
        for _ in 0..60 {
            let Ok(_) = got.poll(&mut reader, &racing, PollLimits::ALL);
        }
        while racing.bursts.borrow().len() > 0 {
            racing.write_some();
        }
        while { let before = reader.next(); let Ok(_) = got.poll(&mut reader, &racing, PollLimits::ALL); before != reader.next() } {}
        prop_assert_eq!(reader.next(), rig.writer.written());
        prop_assert_eq!(got.numbers.len() as u64, reader.read());
        // Event n is the record of sequence n - 1: any torn one would show up out of place.
        prop_assert!(got.numbers.is_sorted_by(|one, other| one < other));
    }
}
