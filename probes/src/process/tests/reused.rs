//! Tests a place of the table that emitters of several names use in turn.

use super::*;

/// A session with one place for rings, of 128 records.
fn narrow() -> Session {
    Session::builder("test").tick_unit(TickUnit::Monotonic).capacity(128).recorders_max(1).private()
}

/// Lost records by emitter.
fn lost(events: &[Stamped]) -> Vec<(u32, u64)> {
    let lost = events.iter().filter_map(|stamped| match stamped.event {
        Event::Lost { count, .. } => Some((stamped.source.0, count)),
        _ => None,
    });
    lost.collect()
}

/// The names of emitters, in stream order.
fn names(events: &[Stamped]) -> Vec<(u32, String)> {
    let names = events.iter().filter_map(|stamped| match stamped.event {
        Event::Label { kind: LabelKind::Source, id, text } => Some((id, text.get().as_str().to_owned())),
        _ => None,
    });
    names.collect()
}

/// Records ticks at these times on a recorder of its own.
fn emit(session: &Session, name: &str, at: std::ops::Range<u64>) -> SourceId {
    let recorder = session.recorder(name);
    at.for_each(|at| mark(&recorder, at));
    recorder.source().unwrap()
}

#[test]
fn emitters_of_other_names_are_other_emitters() {
    let session = narrow();
    let mut live = session.reader(Start::Oldest);
    let sources =
        [("a", 0..3), ("b", 3..5), ("b", 5..6), ("a", 6..8)].map(|(name, at)| emit(&session, name, at).0);
    assert_eq!(sources, [1, 2, 2, 3], "the same name goes on, another one begins");
    let expected = [(1, 0), (1, 1), (1, 2), (2, 3), (2, 4), (2, 5), (3, 6), (3, 7)];
    for reader in [&mut live, &mut session.reader(Start::Oldest)] {
        let events = flush(reader);
        assert_eq!((times(&events), lost(&events)), (expected.to_vec(), vec![]));
        let mut names = names(&events);
        names.sort();
        names.dedup();
        assert_eq!(names, [(1, "a".to_owned()), (2, "b".into()), (3, "a".into())]);
    }
}

#[test]
fn a_late_reader_knows_whose_the_oldest_records_are() {
    let session = narrow();
    emit(&session, "a", 0..100);
    emit(&session, "b", 100..210);
    emit(&session, "c", 210..230);
    let events = flush(&mut session.reader(Start::Oldest));
    let sources: Vec<u32> = times(&events).iter().map(|(source, _)| *source).collect();
    assert_eq!(sources.iter().filter(|source| **source == 3).count(), 20);
    assert!(sources.len() > 80 && sources.iter().all(|source| [2, 3].contains(source)), "{sources:?}");
    assert!(sources.is_sorted() && lost(&events).is_empty(), "{sources:?}");
    assert!(names(&events).contains(&(2, "b".into())), "its own label was overwritten: {events:?}");
}

#[test]
fn each_of_two_emitters_misses_its_part_of_a_gap() {
    let session = narrow();
    let mut reader = session.reader(Start::Oldest);
    let one = session.recorder("one");
    (0..10).for_each(|at| mark(&one, at));
    assert_eq!(times(&flush(&mut reader)).len(), 10);
    (10..17).for_each(|at| mark(&one, at));
    drop(one);
    emit(&session, "two", 17..317);
    let events = flush(&mut reader);
    let ticks = times(&events);
    assert!(ticks.iter().all(|(source, _)| *source == 2) && ticks.len() == 128, "{ticks:?}");
    let lost = lost(&events);
    // Both labels are lost, too.
    assert_eq!(lost, [(1, 7), (2, 300 + 2 - 128)]);
    assert_eq!(reader.lost_records(), lost.iter().map(|(_, count)| count).sum::<u64>());
}

#[test]
fn records_behind_a_gap_are_not_the_newest_emitters() {
    let session = narrow();
    let mut reader = session.reader(Start::Oldest);
    emit(&session, "one", 0..10);
    assert_eq!(times(&flush(&mut reader)).len(), 10);
    emit(&session, "two", 10..160);
    emit(&session, "three", 160..200);
    let events = flush(&mut reader);
    let of = |source| times(&events).iter().filter(|(of, _)| *of == source).count();
    assert_eq!((of(1), of(3)), (0, 40));
    assert!(of(2) > 70, "{events:?}");
    assert_eq!(reader.lost_records(), lost(&events).iter().map(|(_, count)| count).sum::<u64>());
}

#[test]
fn what_runs_is_the_emitters_that_has_the_ring_now() {
    let session = narrow();
    emit(&session, "one", 0..10);
    let two = session.recorder("two");
    two.set_running(Ticks(20), Running::Phase(Phase::Io));
    let mut reader = session.reader(Start::Oldest);
    flush(&mut reader);
    let running = reader.running().unwrap();
    assert_eq!(running.iter().map(|running| running.source.0).collect::<Vec<_>>(), [2]);
}
