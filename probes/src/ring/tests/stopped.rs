//! Tests rings whose slots were damaged after the writer died.

use std::sync::atomic::Ordering::Relaxed;

use super::*;

/// Writes `count` events of one record into a ring of 64, then overwrites the stamps of `damage`.
fn damaged(count: u64, damage: &[(u64, u64)]) -> (Rig, Vec<u64>) {
    let rig = Rig::heap(64);
    (1..=count).for_each(|number| rig.write(number, event(number, 0)));
    let mut left: Vec<u64> = (count.saturating_sub(64) + 1..=count).collect();
    for (slot, laps) in damage {
        let stamp = rig.slots.load(*slot, STAMP_WORD, Relaxed);
        let changed = if *laps == 0 { 0 } else { stamp.wrapping_add(*laps << 32) };
        rig.slots.store(*slot, STAMP_WORD, changed, Relaxed);
        left.retain(|number| (number - 1) % 64 != *slot);
    }
    (rig, left)
}

fn read(rig: &Rig) -> (Got, Reader) {
    let (mut reader, mut got) = (Reader::of_still(Known::default()), Got::default());
    for _ in 0..3 {
        let Ok(_) =
            got.poll(&mut reader, &MemoryView(&rig.slots), PollLimits { limit: 20, ..PollLimits::ALL });
    }
    while let Ok(true) = got.poll(&mut reader, &MemoryView(&rig.slots), PollLimits::ALL) {}
    (got, reader)
}

/// Up to a quarter of the slots, in runs, zeroed or with a lap far from the others.
fn damage() -> impl Strategy<Value = Vec<(u64, u64)>> {
    let run = (0..64_u64, 1..6_u64, prop_oneof![Just(0_u64), Just(1_000), Just(1 << 31)]);
    prop::collection::vec(run, 0..4).prop_map(|runs| {
        let slots = runs
            .into_iter()
            .flat_map(|(from, length, laps)| (from..from + length).map(move |slot| (slot % 64, laps)));
        slots.collect::<std::collections::HashMap<u64, u64>>().into_iter().collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: scaled(1024) as u32, failure_persistence: None, ..Default::default() })]

    // From the third lap on: in the first, a zeroed slot looks like one that was never written.
    #[test]
    fn all_that_is_readable_is_returned_and_the_rest_between_is_lost(count in 129_u64..500, damage in damage()) {
        let (rig, left) = damaged(count, &damage);
        let (got, reader) = read(&rig);
        prop_assert_eq!(&got.numbers, &left);
        prop_assert_eq!(got.lost, reader.lost());
        prop_assert_eq!(reader.read() + reader.lost() + reader.before_attach(), reader.next());
        // Behind the last one, a single zeroed record may be one that was being written.
        let (first, last) = (left[0], left[left.len() - 1]);
        let between = last - first + 1 - left.len() as u64;
        prop_assert!(reader.lost() >= between && reader.lost() + 1 >= count - first + 1 - left.len() as u64);
    }

    #[test]
    fn a_whole_ring_is_read_as_a_live_one(count in 0_u64..400, bytes in prop_oneof![Just(0_usize), 1..80_usize]) {
        let rig = Rig::heap(64);
        (1..=count).for_each(|number| rig.write(number, event(number, if number % 3 == 0 { bytes } else { 0 })));
        let (got, reader) = read(&rig);
        let (mut live, mut expected) = (Reader::new(Start::Oldest), Got::default());
        let Ok(_) = expected.poll(&mut live, &MemoryView(&rig.slots), PollLimits::ALL);
        prop_assert_eq!(got.numbers, expected.numbers);
        prop_assert_eq!((reader.next(), reader.lost(), reader.before_attach()), (live.next(), 0, live.before_attach()));
    }
}

#[test]
fn a_hole_in_the_first_lap_does_not_end_it() {
    let hole: Vec<(u64, u64)> = (10..30).map(|slot| (slot, 0)).collect();
    let (rig, left) = damaged(40, &hole);
    let (got, reader) = read(&rig);
    assert_eq!((got.numbers, reader.lost(), reader.before_attach()), (left, 20, 0));
}

#[test]
fn a_live_reader_counts_a_hole_behind_returned_records_as_lost() {
    let (rig, left) = damaged(100, &[(50, 1 << 31), (51, 1 << 31)]);
    let (mut reader, mut got) = (Reader::new(Start::Oldest), Got::default());
    let Ok(_) = got.poll(&mut reader, &MemoryView(&rig.slots), PollLimits::ALL);
    assert_eq!((got.numbers, reader.lost(), reader.before_attach()), (left, 2, 36));
}
