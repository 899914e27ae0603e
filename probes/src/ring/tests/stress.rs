//! Tests one writer at full speed with several readers: every record is whole and accounted for.

use std::sync::atomic::{AtomicBool, Ordering};

use super::*;
use crate::ids::{Tag, TaskId};

/// An event whose every field follows from its number, so that a torn one is detectable.
fn from_number(number: u64) -> Event<Ticks> {
    let at = Ticks(number);
    Event::TaskRan {
        task: TaskId(number & 0xffff_ffff),
        tag: Tag(number as u16),
        outcome: crate::event::Outcome::Done,
        queued: Ticks(at.0.wrapping_sub(number % 1000)),
        start: Ticks(at.0.wrapping_sub(number % 77)),
    }
}

/// Occasionally an event of several records.
fn numbered(number: u64) -> Event<Ticks> {
    if number.is_multiple_of(97) { event(number, 40) } else { from_number(number) }
}

fn read_until<V: View<Error: std::fmt::Debug>>(view: &V, done: &AtomicBool) -> Reader {
    let mut reader = Reader::new(Start::Oldest);
    let mut scratch = Vec::new();
    let mut last = 0;
    loop {
        let was_done = done.load(Ordering::Acquire);
        let check = |item: Item<'_>| {
            if let Item::Event(records, _) = item {
                let (at, found) = unpack::<Ticks>(records).expect("a whole event");
                assert!(at.0 > last, "{} after {last}", at.0);
                last = at.0;
                assert_eq!(found, numbered(at.0));
            }
        };
        let more =
            reader.poll(view, &mut scratch, PollLimits { limit: 10_000, ..PollLimits::ALL }, check).unwrap();
        if was_done && !more {
            return reader;
        }
    }
}

fn blast(rig: &Rig, readers: impl Fn(&AtomicBool) -> Reader + Sync) {
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reading: Vec<_> = (0..2).map(|_| scope.spawn(|| readers(&done))).collect();
        for number in 1..=scaled(3_000_000) {
            rig.write(number, numbered(number));
        }
        done.store(true, Ordering::Release);
        for reader in reading {
            let reader = reader.join().expect("the reader's checks hold");
            assert_eq!(reader.read() + reader.lost() + reader.before_attach(), rig.writer.written());
            assert!(reader.read() > 0);
        }
    });
}

#[test]
fn memory_at_full_blast() {
    let rig = Rig::heap(4096);
    let slots = rig.slots.clone();
    blast(&rig, |done| read_until(&MemoryView(&slots), done));
}

#[test]
fn a_tiny_ring_at_full_blast() {
    let rig = Rig::heap(16);
    let slots = rig.slots.clone();
    blast(&rig, |done| read_until(&MemoryView(&slots), done));
}

#[test]
fn a_file_at_full_blast() {
    let (file, rig) = file_rig(4096);
    blast(&rig, |done| {
        read_until(&FileView { file: &file, offset: 0, shift: 12, there: 4096, mark: mark_of(0) }, done)
    });
}
