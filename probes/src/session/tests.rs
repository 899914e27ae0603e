//! Tests a session from its builder to its end.

use std::collections::HashSet;
use std::sync::Mutex;

use super::*;
use crate::event::Event;
use crate::ids::{LabelId, SourceId, Ticks};
use crate::process::{ProcessReader, ProcessState};
use crate::ring::Start;
use crate::stamped::Stamped;

fn read_all(reader: &mut ProcessReader) -> Vec<Stamped> {
    let mut out = Vec::new();
    reader.flush(&mut out).unwrap();
    out
}

#[test]
fn a_private_session_gives_back_what_was_recorded() {
    let session = Session::builder("test").private();
    let recorder = session.recorder("loop");
    let mut reader = session.reader(Start::Oldest);
    for tick in 1..=3 {
        recorder.record(Ticks(recorder.written() + 1), Event::TickStart { tick });
    }
    let events: Vec<_> = read_all(&mut reader).into_iter().map(|stamped| stamped.event).collect();
    assert_eq!(events[1..], [1, 2, 3].map(|tick| Event::TickStart { tick }));
    assert!(
        matches!(events[0], Event::Label { kind: LabelKind::Source, id: 1, text } if text.get().as_str() == "loop")
    );
    assert_eq!(recorder.source(), Some(SourceId(1)));
    let _unlabelled = LabelId(0);
}

#[test]
fn a_shared_session_is_read_through_its_file_and_goes_when_it_ends() {
    let folder = tempfile::tempdir().unwrap();
    let session = Session::builder("test").shared_in(&folder.path().join("rings")).unwrap();
    let path = session.path().unwrap().to_owned();
    let recorder = session.recorder("loop");
    recorder.record_now(Event::TickStart { tick: 7 });
    let mut reader = ProcessReader::open(&path, Start::Oldest).unwrap();
    assert_eq!(reader.metadata(), session.metadata().unwrap());
    assert_eq!(read_all(&mut reader).len(), 2);
    assert_eq!(reader.state(), ProcessState::Running);
    recorder.record_now(Event::TickStart { tick: 8 });
    drop((recorder, session));
    assert!(!path.exists());
    assert_eq!(read_all(&mut reader).len(), 1);
    assert_eq!(reader.state(), ProcessState::Ended);
}

#[test]
fn a_session_that_ends_locally_keeps_its_file_until_it_is_finished() {
    let folder = tempfile::tempdir().unwrap();
    let rings = [folder.path().join("rings")];
    let session = Session::builder("test").shared_in(&rings[0]).unwrap();
    let path = session.path().unwrap().to_owned();
    let recorder = session.recorder("loop");
    recorder.record_now(Event::TickStart { tick: 1 });
    let (mut inside, mut outside) =
        (session.reader(Start::Oldest), ProcessReader::open(&path, Start::Oldest).unwrap());
    session.end_locally();
    assert_eq!(read_all(&mut inside).len(), 2);
    assert_eq!(read_all(&mut outside).len(), 2);
    assert_eq!((inside.state(), outside.state()), (ProcessState::Ended, ProcessState::Running));
    assert_eq!(crate::discover::list_in(&rings).rings.len(), 1);
    session.finish();
    read_all(&mut outside);
    assert_eq!(outside.state(), ProcessState::Ended);
    assert!(!path.exists());
}

#[test]
fn readers_hooks_and_layers_do_not_keep_a_session_from_ending() {
    let folder = tempfile::tempdir().unwrap();
    let session = Session::builder("test").shared_in(&folder.path().join("rings")).unwrap();
    let path = session.path().unwrap().to_owned();
    let drained = Mutex::new(session.draining_reader());
    session.on_full(Arc::new(move || {
        drained.lock().unwrap().poll(&mut Vec::new()).unwrap();
    }));
    let mut reader = session.reader(Start::Oldest);
    let recorder = session.recorder("loop");
    drop(session);
    assert!(path.exists(), "its recorder does");
    recorder.record_now(Event::TickStart { tick: 1 });
    drop(recorder);
    assert!(!path.exists());
    assert_eq!(read_all(&mut reader).len(), 2);
    assert_eq!(reader.state(), ProcessState::Ended);
}

#[test]
fn a_panic_leaves_the_ring_behind() {
    let folder = tempfile::tempdir().unwrap();
    let rings = folder.path().join("rings");
    let inside = rings.clone();
    let died = std::thread::spawn(move || {
        let session = Session::builder("test").shared_in(&inside).unwrap();
        let recorder = session.recorder("loop");
        recorder.record_now(Event::TickStart { tick: 1 });
        panic!("as programs do");
    });
    assert!(died.join().is_err());
    let listing = crate::discover::list_in(&[rings]);
    assert_eq!(listing.rings[0].state, ProcessState::Crashed);
}

#[test]
fn a_text_that_is_different_each_time_fills_no_table() {
    let session = Session::builder("test").private();
    let recorder = session.recorder("loop");
    let mut reader = session.reader(Start::Oldest);
    let span = recorder.intern(Ticks(1), LabelKind::Span, "span");
    let (mut ids, mut labels) = (HashSet::new(), 0);
    for number in 0..5_000 {
        let text = format!("cannot read block {number}");
        ids.insert(recorder.intern(Ticks(1), LabelKind::Text, &text));
        let known = |stamped: &Stamped| matches!(stamped.event, Event::Label { kind: LabelKind::Text, .. });
        labels += read_all(&mut reader).iter().filter(|stamped| known(stamped)).count();
    }
    let kept = registry::texts_max(LabelKind::Text);
    assert_eq!((ids.len(), labels), (kept + 1, kept + 1), "and one that stands for the rest");
    let first = recorder.intern(Ticks(2), LabelKind::Text, "cannot read block 0");
    let rest = recorder.intern(Ticks(2), LabelKind::Text, crate::text::TEXTS_REST);
    assert!(ids.contains(&first) && ids.contains(&rest) && first != rest);
    assert_eq!(recorder.intern(Ticks(2), LabelKind::Text, "one more"), rest);
    assert_eq!(recorder.intern(Ticks(2), LabelKind::Span, "span"), span);
    let other = recorder.intern(Ticks(2), LabelKind::Span, "a span is not a text");
    assert!(!ids.contains(&other));
}

#[test]
fn the_latest_anchor_is_renewed_while_no_loop_does() {
    use std::time::Duration;

    use crate::clock::monotonic_now;
    use crate::shared::layout::head;

    let folder = tempfile::tempdir().unwrap();
    let session = Session::builder("test").shared_in(&folder.path().join("rings")).unwrap();
    let inner = session.handle.as_ref().unwrap().inner();
    let age = || inner.header.word(head::ANCHOR_LATEST + 1) - inner.header.word(head::ANCHOR_FIRST);
    let wanted = 100 * inner.ticks_per_ms();
    let begin = monotonic_now();
    while age() < wanted {
        assert!(monotonic_now().ns_since(begin) < 60_000_000_000, "no later anchor after a minute");
        std::thread::sleep(Duration::from_millis(10));
    }
}
