//! Tests merging, labels and counts of a whole process, and corrupt files.

mod damage;
mod hostile;
mod reused;
mod stale;

use super::*;
use crate::clock::{Anchor, Clock as _, SystemClock, TickUnit};
use crate::event::{Event, Phase};
use crate::ids::Tag;
use crate::recorder::{Recorder, Running};
use crate::shared::original::adopt;

fn mark(recorder: &Recorder, at: u64) {
    recorder.record(Ticks(at), Event::TickStart { tick: at });
}

/// A private session whose ticks are nanoseconds, so that tests can choose times.
fn session() -> Session {
    Session::builder("test").tick_unit(TickUnit::Monotonic).capacity(128).private()
}

fn flush(reader: &mut ProcessReader) -> Vec<Stamped> {
    let mut out = Vec::new();
    reader.flush(&mut out).unwrap();
    out
}

/// Reads the ring file that `session` would leave in `folder` if its process died now, after `change` to its bytes.
fn read_copy(
    session: &Session,
    folder: &Path,
    change: impl FnOnce(&mut Vec<u8>),
) -> (Vec<Stamped>, ProcessReader) {
    let mut bytes = std::fs::read(session.path().unwrap()).unwrap();
    change(&mut bytes);
    let path = folder.join("copy.ring");
    std::fs::write(&path, &bytes).unwrap();
    adopt(&path);
    let mut reader = ProcessReader::open(&path, Start::Oldest).unwrap();
    let events = flush(&mut reader);
    (events, reader)
}

fn times(events: &[Stamped]) -> Vec<(u32, u64)> {
    let ticks = events.iter().filter(|stamped| matches!(stamped.event, Event::TickStart { .. }));
    ticks.map(|stamped| (stamped.source.0, stamped.at.0)).collect()
}

#[test]
fn rings_are_merged_by_time() {
    let session = session();
    let (one, two) = (session.recorder("one"), session.recorder("two"));
    for at in [10, 30, 50] {
        mark(&one, at);
        mark(&two, at + 10);
    }
    let events = flush(&mut session.reader(Start::Oldest));
    assert_eq!(times(&events), [(1, 10), (2, 20), (1, 30), (2, 40), (1, 50), (2, 60)]);
}

#[test]
fn events_after_the_watermark_wait() {
    let session = session();
    let (one, two) = (session.recorder("one"), session.recorder("two"));
    let mut reader = session.reader(Start::Oldest);
    mark(&one, 10);
    mark(&two, 20);
    let future = session.clock().ticks().0 + 3_600_000_000_000;
    mark(&one, future);
    let mut out = Vec::new();
    let report = reader.poll(&mut out).unwrap();
    assert_eq!((report.records, times(&out)), (3, vec![(1, 10), (2, 20)]));
    assert_eq!(times(&flush(&mut reader)), [(1, future)]);
    assert_eq!(reader.late_events(), 0);
}

#[test]
fn a_label_comes_before_its_first_use_and_once() {
    let session = session();
    let recorder = session.recorder("loop");
    recorder.name_tag(Ticks(1), Tag(4), "Echo");
    let label = recorder.intern(Ticks(2), LabelKind::Span, "parse");
    recorder.record(Ticks(3), Event::Mark { label });
    recorder.name_tag(Ticks(4), Tag(4), "Echo");
    let mut reader = session.reader(Start::Oldest);
    let labels: Vec<String> = flush(&mut reader)
        .iter()
        .filter_map(|stamped| match stamped.event {
            Event::Label { kind, id, text } => Some(format!("{kind} {id} {}", text.get().as_str())),
            _ => None,
        })
        .collect();
    assert_eq!(labels, ["source 1 loop", "tag 4 Echo", "span 1 parse"]);

    // Overwritten in the ring, but still reported to late readers.
    (0..1_000).for_each(|at| mark(&recorder, at + 5));
    let late = flush(&mut session.reader(Start::Oldest));
    let label_count = late.iter().filter(|stamped| matches!(stamped.event, Event::Label { .. })).count();
    assert_eq!(label_count, 3);
    assert!(late[..3].iter().all(|stamped| matches!(stamped.event, Event::Label { .. })));
    assert!(flush(&mut reader).iter().all(|stamped| !matches!(stamped.event, Event::Label { .. })));
}

#[test]
fn a_gap_is_reported_at_the_next_record() {
    let session = session();
    let recorder = session.recorder("loop");
    let mut reader = session.reader(Start::Oldest);
    mark(&recorder, 1);
    assert_eq!(times(&flush(&mut reader)), [(1, 1)]);
    (2..=200).for_each(|at| mark(&recorder, at));
    let events = flush(&mut reader);
    let lost = Stamped {
        at: Timestamp(73),
        source: SourceId(1),
        event: Event::Lost { count: 71, from: Timestamp(1) },
    };
    assert_eq!(events[0], lost);
    assert_eq!((reader.lost_records(), reader.records_read(), reader.before_attach()), (71, 129, 0));
}

#[test]
fn newest_skips_existing_records_except_the_current_tick() {
    let session = session();
    let recorder = session.recorder("loop");
    (1..=10).for_each(|at| mark(&recorder, at));
    let mut reader = session.reader(Start::Newest);
    mark(&recorder, 11);
    let later = session.recorder("later");
    mark(&later, 12);
    let events = flush(&mut reader);
    assert_eq!(times(&events), [(1, 10), (1, 11), (2, 12)]);
    assert_eq!((reader.before_attach(), reader.lost_records()), (9, 0));
    let labels = events.iter().filter(|stamped| matches!(stamped.event, Event::Label { .. })).count();
    assert_eq!(labels, 2, "the label that was found on attaching is reported by the first poll");
}

#[test]
fn the_stream_begins_where_the_loop_does() {
    let session = session();
    let (worker, busy) = (session.recorder("worker"), session.recorder("loop"));
    let ran = |at: u64| worker.record(Ticks(at), Event::Mark { label: crate::ids::LabelId(1) });
    (1..=20).for_each(|at| ran(at * 100));
    // Of the loop's 300 ticks, one per nanosecond from 1001 on, the last 128 are left.
    (1001..=1300).for_each(|at| mark(&busy, at));
    let mut reader = session.reader(Start::Oldest);
    let events = flush(&mut reader);
    let first = events.iter().find(|stamped| !matches!(stamped.event, Event::Label { .. })).unwrap();
    assert_eq!(first.at, Timestamp(1300 - 127));
    let marks = events.iter().filter(|stamped| matches!(stamped.event, Event::Mark { .. }));
    assert_eq!(marks.count(), 9, "from 1200 to 2000");
    assert_eq!((reader.records_read(), reader.before_attach()), (128 + 9, 300 - 128 + 11));

    // With a complete loop, the stream begins where the loop began, including all other rings.
    let session = self::session();
    let (worker, idle) = (session.recorder("worker"), session.recorder("loop"));
    worker.record(Ticks(5), Event::Mark { label: crate::ids::LabelId(1) });
    mark(&idle, 1000);
    let mut reader = session.reader(Start::Oldest);
    assert_eq!(flush(&mut reader).iter().filter(|stamped| stamped.at == Timestamp(5)).count(), 1);
}

#[test]
fn a_place_is_used_again_and_says_so() {
    let session = Session::builder("test").capacity(128).recorders_max(2).private();
    let mut reader = session.reader(Start::Oldest);
    let one = session.recorder("one");
    let two = session.recorder("two");
    let refused = session.recorder("three");
    assert!(!refused.is_enabled());
    mark(&one, 1);
    drop(one);
    let three = session.recorder("three");
    assert_eq!(three.source(), Some(SourceId(3)), "the first one's number stays its own");
    mark(&three, 2);
    mark(&two, 3);
    let events = flush(&mut reader);
    assert_eq!(reader.dropped_sources(), 1);
    assert_eq!(reader.records_read(), 3 + 1 + 2, "the two names are events");
    let names = events.iter().filter(|stamped| {
        matches!(stamped.event, Event::Label { kind: LabelKind::Source, text, .. } if text.get().as_str() == "three")
    });
    assert_eq!(names.count(), 1);
}

#[test]
fn extents_and_absolute_times_are_on_one_clock() {
    let session = Session::builder("test").private();
    let recorder = session.recorder("loop");
    let clock = session.clock();
    let before = clock.now();
    let start = clock.ticks();
    let end = recorder.record_now(Event::Phase { phase: Phase::Io, start });
    let after = clock.now();
    assert!(end >= start);
    let events = flush(&mut session.reader(Start::Oldest));
    let Some(Stamped { at, event: Event::Phase { start, .. }, .. }) = events.last() else {
        panic!("{events:?}")
    };
    // The first slope is only accurate to some tens of parts per million, over about a millisecond.
    let slack_ns = 1_000_000;
    assert!(start.0 + slack_ns >= before.0 && start <= at && at.0 <= after.0 + slack_ns);
}

#[test]
fn the_period_follows_the_fill_rate() {
    let session = session();
    let recorder = session.recorder("loop");
    let mut reader = session.reader(Start::Oldest);
    assert_eq!(reader.suggested_period(), Duration::from_millis(33), "nothing to be read");
    reader.poll(&mut Vec::new()).unwrap();
    assert_eq!(reader.suggested_period(), Duration::from_millis(1), "how fast it fills is unknown");
    reader.poll(&mut Vec::new()).unwrap();
    assert_eq!(reader.suggested_period(), Duration::from_millis(33), "no records");
    for _ in 0..20 {
        (0..100).for_each(|at| mark(&recorder, at));
        reader.poll(&mut Vec::new()).unwrap();
    }
    assert!(reader.suggested_period() < Duration::from_millis(33));
}

#[test]
fn a_disabled_session_is_empty_and_over() {
    let mut reader = Session::disabled().reader(Start::Oldest);
    assert!(flush(&mut reader).is_empty());
    assert_eq!(reader.state(), ProcessState::Ended);
}
