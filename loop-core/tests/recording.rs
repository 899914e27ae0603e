//! Tests the loop on a real ring: what runs now, names, and a lossless recording that needs the loop's help.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use loop_core::sim::{Sim, SimClock};
use loop_core::{Builtin, EventLoop, Shutdown, TagOf};
use loop_probes::clock::Clock;
use loop_probes::event::{Event, LabelKind, Phase, StopReason};
use loop_probes::ids::{Ticks, Timestamp};
use loop_probes::instrument::LoopProbe;
use loop_probes::process::ProcessReader;
use loop_probes::recorder::{Recorder, Running};
use loop_probes::ring::Start;
use loop_probes::session::Session;
use loop_probes::stamped::Stamped;
use loop_probes::text::InlineText;

use crate::kit::{ms, name, pick};

#[test]
fn a_reader_sees_the_task_that_runs_now_and_the_poll_with_its_deadline() {
    let session = Session::builder("test").private();
    let mut event_loop = EventLoop::<Builtin>::builder().session(&session, "loop").build().unwrap();
    let mut reader = session.reader(Start::Oldest);
    let seen = Rc::new(Cell::new(None));
    let found = Rc::clone(&seen);
    let task = event_loop.post(Builtin::once("looks", move |_| {
        reader.poll(&mut Vec::new()).unwrap();
        found.set(reader.running().unwrap().first().map(|now| now.running));
    }));
    event_loop.run().unwrap();
    let Some(Running::Task { task: running, tag }) = seen.get() else { panic!("{:?}", seen.get()) };
    assert_eq!((running, name(tag)), (task, "looks".to_owned()));

    let mut reader = session.reader(Start::Oldest);
    let handle = event_loop.handle();
    event_loop.with(|cx| cx.set_timeout(ms(3_600_000), Builtin::once("in an hour", |_| ())));
    let watcher = std::thread::spawn(move || {
        loop {
            reader.poll(&mut Vec::new()).unwrap();
            let now = reader.running().unwrap();
            if let Some(Running::Poll { deadline }) = now.first().map(|now| now.running) {
                handle.stop();
                return deadline;
            }
            std::thread::yield_now();
        }
    });
    event_loop.run().unwrap();
    let deadline = watcher.join().unwrap().unwrap();
    let left = deadline.ns_since(loop_probes::clock::monotonic_now());
    assert!((3_500_000_000_000..3_600_000_000_000).contains(&left), "{left}");
}

/// Asks what is running when it is dropped.
struct Looks(ProcessReader, Rc<Cell<Option<Running>>>);

impl Drop for Looks {
    fn drop(&mut self) {
        self.0.poll(&mut Vec::new()).unwrap();
        self.1.set(self.0.running().unwrap().first().map(|now| now.running));
    }
}

#[test]
fn the_drop_of_a_cancelled_future_is_no_task_while_it_lasts() {
    let session = Session::builder("test").private();
    let mut event_loop = EventLoop::<Builtin>::builder().session(&session, "loop").build().unwrap();
    let seen = Rc::new(Cell::new(None));
    let looks = Looks(session.reader(Start::Oldest), Rc::clone(&seen));
    let handle = event_loop.spawn("victim", async move |_| {
        let _looks = looks;
        std::future::pending::<()>().await;
    });
    event_loop.tick();
    handle.cancel();
    event_loop.run().unwrap();
    assert_eq!(seen.get(), Some(Running::Phase(Phase::Tasks)));
}

/// The events saved by a lossless recording, and the reader that saves them.
type Saved = Arc<Mutex<(ProcessReader, Vec<Stamped>)>>;

fn save(saved: &Saved) {
    let (reader, out) = &mut *saved.lock().unwrap();
    reader.poll(out).unwrap();
}

#[test]
fn a_lossless_recording_is_drained_between_tasks_in_its_own_phase() {
    const TASKS: usize = 5_000;
    let session = Session::builder("test").capacity(1024).private();
    let saved: Saved = Arc::new(Mutex::new((session.draining_reader(), Vec::new())));
    let hook = Arc::clone(&saved);
    session.on_full(Arc::new(move || save(&hook)));
    let mut event_loop = EventLoop::<Builtin>::builder().session(&session, "loop").build().unwrap();
    fn chain(left: usize) -> Builtin {
        Builtin::once("chain", move |cx| {
            if left > 1 {
                cx.post(chain(left - 1));
            }
        })
    }
    event_loop.post(chain(TASKS));
    event_loop.run().unwrap();
    drop(event_loop);
    let (reader, events) = &mut *saved.lock().unwrap();
    reader.flush(events).unwrap();
    assert_eq!(reader.lost_records(), 0);
    let ran = events.iter().filter(|stamped| matches!(stamped.event, Event::TaskRan { .. })).count();
    assert_eq!(ran, TASKS);
    let mut ended = Timestamp(0);
    let mut given = 0;
    for stamped in events.iter() {
        if let Event::Phase { phase, start } = stamped.event {
            assert!(start >= ended, "{phase} overlaps the phase before it");
            ended = stamped.at;
            given += usize::from(phase == Phase::Recorder);
        }
    }
    assert!(given > 0, "the loop gave it time");
}

#[test]
fn e03_a_shutdown_flushes_the_recorder_to_its_last_record() {
    let session = Session::builder("test").private();
    let saved: Saved = Arc::new(Mutex::new((session.draining_reader(), Vec::new())));
    let hook = Arc::clone(&saved);
    session.on_full(Arc::new(move || {
        let (reader, out) = &mut *hook.lock().unwrap();
        reader.flush(out).unwrap();
    }));
    let builder = EventLoop::<Builtin>::builder().session(&session, "loop").workers(1);
    let mut event_loop = builder.build().unwrap();
    event_loop.spawn("job", |lp| async move {
        lp.work("recorded job", |_| ()).await.unwrap();
        lp.shutdown(Shutdown::within(Duration::from_secs(60)));
    });
    assert_eq!(event_loop.run().unwrap(), StopReason::Shutdown);
    // Read while the loop and the session still exist, without draining what is left.
    let (reader, events) = &*saved.lock().unwrap();
    assert_eq!(reader.lost_records(), 0);
    let events: Vec<_> = events.iter().map(|stamped| stamped.event).collect();
    assert_eq!(pick!(events, Event::WorkRan { .. } => ()).len(), 1, "its worker's ring too");
    assert_eq!(pick!(events, Event::ShutdownEnded { left, .. } => left), [0]);
    assert!(matches!(events.last(), Some(Event::LoopStopped { reason: StopReason::Shutdown })), "{events:?}");
}

#[test]
fn tags_errors_marks_and_spans_have_names() {
    let (recorder, capture) = Recorder::capture();
    let sim = Sim::new();
    let mut event_loop = sim.build(EventLoop::<Builtin>::builder().recorder(recorder));
    event_loop.post(Builtin::once("named task", |cx| {
        cx.mark("checkpoint");
        let doubled = cx.span("doubling", |_| 2 * 21);
        assert_eq!(doubled, 42);
        cx.fail("no such file");
    }));
    event_loop.run().unwrap();
    let events: Vec<_> = capture.take().into_iter().map(|(_, event)| event).collect();
    let text = |kind, id| capture.label(kind, id).unwrap_or_default();
    let tags = pick!(events, Event::TaskRan { tag, .. } => text(LabelKind::Tag, u32::from(tag.0)));
    assert_eq!(tags, ["named task"]);
    assert_eq!(pick!(events, Event::Mark { label } => text(LabelKind::Span, label.0)), ["checkpoint"]);
    assert_eq!(pick!(events, Event::Span { label, .. } => text(LabelKind::Span, label.0)), ["doubling"]);
    let errors = pick!(events, Event::Exception { message, .. } => text(LabelKind::Text, message.0));
    assert_eq!(errors, ["no such file"]);
}

#[test]
fn a_real_loop_records_its_workers_in_rings_of_their_own() {
    let session = Session::builder("test").private();
    let builder = EventLoop::<Builtin>::builder().session(&session, "loop").workers(1);
    let mut event_loop = builder.build().unwrap();
    let job = TagOf::Global(loop_core::tag::tag_of_label("recorded job"));
    event_loop
        .with(|cx| cx.work(job, |_| Builtin::remote("then", |_| ()), |reason| panic!("{reason}")))
        .unwrap();
    event_loop.run().unwrap();
    let mut reader = session.reader(Start::Oldest);
    let mut events = Vec::new();
    reader.flush(&mut events).unwrap();
    let of = |wanted: fn(&Event) -> bool| {
        events.iter().find(|stamped| wanted(&stamped.event)).map(|stamped| (stamped.source, stamped.event))
    };
    let (worker, ran) = of(|event| matches!(event, Event::WorkRan { .. })).unwrap();
    let (main, _) = of(|event| matches!(event, Event::WorkSettled { .. })).unwrap();
    assert_ne!(worker, main);
    assert!(matches!(ran, Event::WorkRan { tag, .. } if name(tag) == "recorded job"));
}

#[test]
fn a_loop_and_a_probe_in_one_session_do_not_share_a_tag_unless_they_share_its_name() {
    let session = Session::builder("test").private();
    let probe = LoopProbe::new(&session, "foreign loop");
    let (theirs, shared) = (probe.tag("the probe's own"), probe.tag("of both"));
    let mut event_loop = EventLoop::<Builtin>::builder().session(&session, "loop").build().unwrap();
    event_loop.with(|cx| {
        cx.post(Builtin::once("the loop's own", |_| ()));
        cx.post(Builtin::once("of both", |_| ()));
    });
    event_loop.run().unwrap();
    let mut reader = session.reader(Start::Oldest);
    let mut stamped = Vec::new();
    reader.flush(&mut stamped).unwrap();
    let events: Vec<_> = stamped.into_iter().map(|stamped| stamped.event).collect();
    let ran = pick!(events, Event::TaskRan { tag, .. } => tag);
    assert_eq!(ran[1], shared);
    assert!(ran[0] != theirs && ran[0] != shared);
    let labels = pick!(events, Event::Label { kind: LabelKind::Tag, id, text } => (id, text));
    for tag in [theirs, shared, ran[0]] {
        let of_tag = labels.iter().filter(|(id, _)| *id == u32::from(tag.0));
        let names: Vec<_> = of_tag.map(|(_, text)| text.get()).collect();
        assert_eq!(names, [InlineText::new(&name(tag))], "one name for {tag}");
    }
}

/// Counts the readings of each clock: the record clock, the monotonic clock.
#[derive(Clone)]
struct Counting(SimClock, Arc<[AtomicU64; 2]>);

impl Clock for Counting {
    fn now(&self) -> Timestamp {
        self.1[1].fetch_add(1, Ordering::Relaxed);
        self.0.now()
    }

    fn ticks(&self) -> Ticks {
        self.1[0].fetch_add(1, Ordering::Relaxed);
        self.0.ticks()
    }
}

/// The readings of both clocks in a turn that runs `tasks` tasks, of a loop that has turned before.
fn readings(tasks: u64, recorder: Recorder) -> [u64; 2] {
    let (sim, counts) = (Sim::new(), Arc::<[AtomicU64; 2]>::default());
    let clock = Counting(sim.clock().clone(), Arc::clone(&counts));
    let builder = EventLoop::<Builtin>::builder().recorder(recorder);
    let mut event_loop = builder.build_on(clock, sim.poller());
    event_loop.turn().unwrap();
    for _ in 0..tasks {
        event_loop.post(Builtin::once("task", |_| ()));
    }
    let before = [0, 1].map(|clock| counts[clock].load(Ordering::Relaxed));
    event_loop.turn().unwrap();
    assert_eq!(event_loop.metrics().tasks_run, tasks);
    [0, 1].map(|clock| counts[clock].load(Ordering::Relaxed) - before[clock])
}

#[test]
fn one_clock_reading_ends_a_task_and_starts_the_next_if_recording() {
    let capture = || Recorder::capture().0;
    let [[many, monotonic], [few, _]] = [readings(110, capture()), readings(10, capture())];
    assert_eq!(many - few, 100);
    let silent = readings(110, Recorder::disabled());
    assert_eq!(silent, [0, 2], "before and after the poll");
    assert_eq!(monotonic, silent[1], "recording reads the slow clock no more often");
}
