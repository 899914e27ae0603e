//! Tests what a recorder keeps, what a disabled one does, and when a lossless one waits.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use super::*;
use crate::event::Phase;
use crate::ids::{TaskId, Timestamp};
use crate::process::ProcessReader;
use crate::ring::Start;
use crate::session::Session;
use crate::stamped::Stamped;

fn tick(number: u64) -> Event<Ticks> {
    Event::TickStart { tick: number }
}

fn ticks_of(events: &[Stamped]) -> Vec<u64> {
    let ticks = events.iter().filter_map(|stamped| match stamped.event {
        Event::TickStart { tick } => Some(tick),
        _ => None,
    });
    ticks.collect()
}

fn is_send<T: Send>() {}

#[test]
fn a_recorder_goes_to_the_thread_that_records() {
    is_send::<Recorder>();
    let session = Session::builder("test").private();
    let recorder = session.recorder("loop");
    std::thread::spawn(move || recorder.record_now(tick(1))).join().unwrap();
    let mut out = Vec::new();
    session.reader(Start::Oldest).flush(&mut out).unwrap();
    assert_eq!(ticks_of(&out), [1]);
}

#[test]
fn a_capture_keeps_events_and_labels() {
    let (recorder, capture) = Recorder::capture();
    recorder.record(Ticks(5), tick(1));
    recorder.name_tag(Ticks(5), Tag(3), "Echo");
    let label = recorder.intern(Ticks(5), LabelKind::Text, "why");
    assert_eq!(recorder.intern(Ticks(6), LabelKind::Text, "why"), label);
    assert_eq!(capture.take(), [(Ticks(5), tick(1))]);
    assert_eq!(capture.label(LabelKind::Tag, 3).as_deref(), Some("Echo"));
    assert_eq!(capture.label(LabelKind::Text, label.0).as_deref(), Some("why"));
    assert!(capture.take().is_empty() && recorder.is_enabled());
}

#[test]
fn a_disabled_recorder_does_nothing() {
    let recorder = Session::disabled().recorder("loop");
    assert_eq!(recorder.record_now(tick(1)), Ticks(0));
    assert_eq!((recorder.is_enabled(), recorder.written(), recorder.source()), (false, 0, None));
    assert_eq!(recorder.intern(Ticks(1), LabelKind::Text, "x"), LabelId(0));
}

#[test]
fn now_running_is_seen_while_it_lasts() {
    let session = Session::builder("test").private();
    let recorder = session.recorder("loop");
    let mut reader = session.reader(Start::Oldest);
    let (task, tag) = (TaskId(1 << 40), Tag(9));
    let states = [
        Running::Task { task, tag },
        Running::Phase(Phase::Gc),
        Running::Poll { deadline: None },
        Running::Poll { deadline: Some(Timestamp(0)) },
        Running::Outside,
    ];
    for running in states {
        let at = session.clock().ticks();
        recorder.set_running(at, running);
        reader.poll(&mut Vec::new()).unwrap();
        let now = reader.running().unwrap();
        assert_eq!((now.len(), now[0].running), (1, running));
        assert_eq!(now[0].since, reader.time_at(at));
    }
    drop(recorder);
    assert!(reader.running().unwrap().is_empty(), "a recorder that is gone runs nothing");
}

#[test]
fn calibrations_come_on_their_own_and_the_header_has_the_latest() {
    let session = Session::builder("test").private();
    let recorder = session.recorder("loop");
    let mut reader = session.reader(Start::Oldest);
    let start = session.clock().ticks();
    for step in 0..200 {
        recorder.calibrate_if_due(Ticks(start.0 + step * 100_000_000));
    }
    let mut out = Vec::new();
    reader.flush(&mut out).unwrap();
    let count = out.iter().filter(|stamped| matches!(stamped.event, Event::Calibration { .. })).count();
    assert!((3..200).contains(&count), "{count}");
}

/// A lossless session whose ring holds 128 records, and the records drained from it.
struct Lossless {
    session: Session,
    drained: Arc<Mutex<(ProcessReader, Vec<Stamped>)>>,
    asked: Arc<AtomicUsize>,
}

impl Lossless {
    fn new() -> Self {
        let session = Session::builder("test").capacity(128).private();
        let drained = Arc::new(Mutex::new((session.draining_reader(), Vec::new())));
        let asked = Arc::new(AtomicUsize::new(0));
        let lossless = Self { session, drained, asked };
        let (drain, asked) = (lossless.drain(), Arc::clone(&lossless.asked));
        lossless.session.on_full(Arc::new(move || {
            asked.fetch_add(1, Ordering::Relaxed);
            drain();
        }));
        lossless
    }

    fn drain(&self) -> impl Fn() + Send + Sync + 'static {
        let drained = Arc::clone(&self.drained);
        move || {
            let (reader, out) = &mut *drained.lock().unwrap();
            reader.poll(out).unwrap();
        }
    }

    fn lost(&self) -> u64 {
        self.drained.lock().unwrap().0.lost_records()
    }

    fn ticks(&self) -> Vec<u64> {
        self.drain()();
        ticks_of(&self.drained.lock().unwrap().1)
    }
}

#[test]
fn a_lossless_recorder_drains_itself_as_a_last_resort() {
    let lossless = Lossless::new();
    let recorder = lossless.session.recorder("loop");
    (1..=10_000).for_each(|number| recorder.record(Ticks(number), tick(number)));
    assert!(lossless.ticks().into_iter().eq(1..=10_000));
    assert_eq!(lossless.lost(), 0);
    assert!((77..=80).contains(&lossless.asked.load(Ordering::Relaxed)), "once for each filled ring");
}

#[test]
fn pressure_makes_the_loop_drain_earlier() {
    let lossless = Lossless::new();
    let recorder = lossless.session.recorder("loop");
    let drain = lossless.drain();
    for number in 1..=10_000 {
        if recorder.should_drain() {
            drain();
            assert!(!recorder.should_drain());
        }
        recorder.record(Ticks(number), tick(number));
    }
    assert_eq!(lossless.ticks().len(), 10_000);
    assert_eq!((lossless.lost(), lossless.asked.load(Ordering::Relaxed)), (0, 0));
    assert!(!Session::builder("test").private().recorder("x").should_drain());
}

#[test]
fn the_loop_and_a_draining_thread_drain_at_the_same_time() {
    let lossless = Lossless::new();
    let recorder = lossless.session.recorder("loop");
    let (drain, done) = (lossless.drain(), Arc::new(AtomicU64::new(0)));
    let thread = std::thread::spawn({
        let done = Arc::clone(&done);
        move || {
            while done.load(Ordering::Acquire) == 0 {
                drain();
            }
        }
    });
    (1..=100_000).for_each(|number| recorder.record(Ticks(number), tick(number)));
    done.store(1, Ordering::Release);
    thread.join().unwrap();
    assert!(lossless.ticks().into_iter().eq(1..=100_000));
    assert_eq!(lossless.lost(), 0);
}

#[test]
fn a_drain_that_frees_nothing_is_given_up_and_the_loss_is_exact() {
    let session = Session::builder("test").capacity(128).private();
    let mut reader = session.draining_reader();
    reader.poll(&mut Vec::new()).unwrap();
    let asked = Arc::new(AtomicUsize::new(0));
    session.on_full({
        let asked = Arc::clone(&asked);
        Arc::new(move || {
            asked.fetch_add(1, Ordering::Relaxed);
        })
    });
    let recorder = session.recorder("loop");
    reader.poll(&mut Vec::new()).unwrap();
    (1..=1_000).for_each(|number| recorder.record(Ticks(number), tick(number)));
    let mut out = Vec::new();
    reader.flush(&mut out).unwrap();
    assert_eq!((reader.lost_records(), reader.records_read()), (1_000 - 128, 128));
    assert!(out.iter().any(|stamped| matches!(stamped.event, Event::Lost { count: 872, .. })));
    let asked = asked.load(Ordering::Relaxed);
    assert!((2..100).contains(&asked), "not for each record: {asked}");
}

#[test]
fn a_drain_that_records_calls_no_drain() {
    let lossless = || Session::builder("test").capacity(128).private();
    let (session, other) = (lossless(), lossless());
    let nested = Arc::new(AtomicUsize::new(0));
    other.on_full({
        let nested = Arc::clone(&nested);
        Arc::new(move || {
            nested.fetch_add(1, Ordering::Relaxed);
        })
    });
    let inner = Mutex::new(other.recorder("drain"));
    session.on_full(Arc::new(move || {
        (0..500).for_each(|number| inner.lock().unwrap().record(Ticks(number), tick(number)));
    }));
    let recorder = session.recorder("loop");
    (1..=200).for_each(|number| recorder.record(Ticks(number), tick(number)));
    assert_eq!((recorder.written(), nested.load(Ordering::Relaxed)), (200, 0));
}

#[test]
fn a_capture_stops_its_loop_where_requested() {
    static ASKED: AtomicU64 = AtomicU64::new(0);
    let (recorder, _capture) = Recorder::capture_with_pauses(
        || ASKED.load(Ordering::Relaxed) == 0,
        || {
            ASKED.fetch_add(1, Ordering::Relaxed);
        },
    );
    assert!(recorder.should_drain());
    recorder.pause_to_drain();
    assert!(!recorder.should_drain());
    assert!(!Recorder::capture().0.should_drain());
}
