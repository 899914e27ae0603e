//! Tests real spans and events from real threads.

use tracing_subscriber::layer::SubscriberExt;

use super::*;
use crate::ids::SourceId;
use crate::ring::Start;
use crate::stamped::Stamped;

fn read(session: &Session) -> (Vec<Stamped>, HashMap<u32, String>) {
    let mut reader = session.reader(Start::Oldest);
    let mut out = Vec::new();
    reader.flush(&mut out).unwrap();
    let labels = out.iter().filter_map(|stamped| match stamped.event {
        Event::Label { kind: LabelKind::Span, id, text } => Some((id, text.get().as_str().to_owned())),
        _ => None,
    });
    let labels = labels.collect();
    (out, labels)
}

fn inside(session: &Session, work: impl FnOnce()) {
    let subscriber = tracing_subscriber::registry().with(TracingLayer::new(session));
    tracing::subscriber::with_default(subscriber, work);
}

#[test]
fn spans_and_events_are_labelled_work_and_marks() {
    let session = Session::builder("test").private();
    inside(&session, || {
        for round in 0..3 {
            let _outer = tracing::info_span!("request", round).entered();
            tracing::info_span!("parse").in_scope(|| tracing::info!(round, "a header"));
        }
    });
    let (events, labels) = read(&session);
    let name = |label: &LabelId| labels[&label.0].as_str();
    let story: Vec<(&str, &str)> = events
        .iter()
        .filter_map(|stamped| match &stamped.event {
            Event::Span { label, .. } => Some(("span", name(label))),
            Event::Mark { label } => Some(("mark", name(label))),
            _ => None,
        })
        .collect();
    let round = [("mark", "a header"), ("span", "parse"), ("span", "request")];
    assert_eq!(story, [round, round, round].concat());
    assert_eq!(labels.len(), 3, "a label per callsite, however often it is passed");
    let extents: Vec<_> = events
        .iter()
        .filter_map(|stamped| match stamped.event {
            Event::Span { start, .. } => Some((start, stamped.at)),
            _ => None,
        })
        .collect();
    assert!(extents[1].0 <= extents[0].0 && extents[0].1 <= extents[1].1, "the inner span lies in the outer");
}

#[test]
fn a_thread_gets_a_ring_when_it_traces_and_gives_it_back() {
    let session = Session::builder("test").private();
    for _ in 0..3 {
        let session = session.clone();
        let worker = std::thread::Builder::new().name("worker".to_owned());
        worker.spawn(move || inside(&session, || tracing::info!("here"))).unwrap().join().unwrap();
    }
    let (events, _) = read(&session);
    let marks: Vec<SourceId> = events
        .iter()
        .filter(|stamped| matches!(stamped.event, Event::Mark { .. }))
        .map(|stamped| stamped.source)
        .collect();
    assert_eq!(marks, [SourceId(1); 3], "threads of one name, one after the other, share a ring");
}

#[test]
fn an_adopted_thread_writes_to_its_recorders_ring() {
    let session = Session::builder("test").private();
    let recorder = session.recorder("loop");
    recorder.adopt_thread();
    inside(&session, || tracing::info!("in the loop"));
    let (events, _) = read(&session);
    let mark = events.iter().find(|stamped| matches!(stamped.event, Event::Mark { .. })).unwrap();
    assert_eq!(Some(mark.source), recorder.source());
    drop(recorder);
    inside(&session, || tracing::info!("after it"));
    let (events, _) = read(&session);
    assert_eq!(events.iter().filter(|stamped| matches!(stamped.event, Event::Mark { .. })).count(), 2);
}

#[test]
fn a_disabled_session_takes_nothing() {
    inside(&Session::disabled(), || tracing::info!("no recorder"));
    assert!(read(&Session::disabled()).0.is_empty());
}
