//! What the guards write, in what order, and what they leave behind.

use super::*;
use crate::process::ProcessReader;
use crate::ring::Start;

fn running(reader: &mut ProcessReader) -> Running {
    reader.poll(&mut Vec::new()).unwrap();
    reader.running().unwrap()[0].running
}

#[test]
fn a_tick_tells_its_story() {
    let (recorder, capture) = Recorder::capture();
    let probe = LoopProbe::with_recorder(recorder);
    let (echo, label) = (probe.tag("Echo"), probe.label("parse"));
    {
        let _tick = probe.tick();
        let ready = probe.poll(Some(5), || 2_usize);
        for _ in 0..ready {
            let mut task = probe.task(echo);
            let _span = probe.span(label);
            task.failed();
        }
        let _phase = probe.phase(Phase::Immediates);
        probe.mark(label);
    }
    let events = capture.take();
    let names: Vec<_> = events.iter().map(|(_, event)| event.name()).collect();
    let task = ["span", "task_ran"];
    assert_eq!(names, [&["tick_start", "poll"][..], &task, &task, &["mark", "phase", "tick_end"]].concat());
    assert!(matches!(
        events[1].1,
        Event::Poll { ready: 2, reason: PollReason::Timer, timeout_ns: Some(5), .. }
    ));
    assert!(matches!(events[3].1, Event::TaskRan { task: TaskId(1), outcome: Outcome::Failed, .. }));
    assert!(matches!(events[8].1, Event::TickEnd { tick: 1, tasks_run: 2, .. }));
    assert!(events.is_sorted_by_key(|(at, _)| *at));
}

#[test]
fn a_timers_task_tells_when_it_was_due() {
    let (recorder, capture) = Recorder::capture();
    let probe = LoopProbe::with_recorder(recorder);
    let due = Timestamp(1);
    drop(probe.timer_fired(probe.timer(), probe.tag("Beat"), due));
    let events = capture.take();
    let Event::TimerFired { due: told, fired, task, .. } = events[0].1 else { panic!("{events:?}") };
    assert!(told == due && fired > due);
    assert!(matches!(events[1].1, Event::TaskRan { task: ran, .. } if ran == task));
}

#[test]
fn now_running_follows_the_guards() {
    let session = Session::builder("test").private();
    let probe = LoopProbe::new(&session, "loop");
    let tag = probe.tag("Echo");
    let mut reader = session.reader(Start::Oldest);
    {
        let _phase = probe.phase(Phase::Io);
        assert_eq!(running(&mut reader), Running::Phase(Phase::Io));
        let task = probe.task(tag);
        assert_eq!(running(&mut reader), Running::Task { task: task.id(), tag });
        drop(task);
        assert_eq!(running(&mut reader), Running::Phase(Phase::Io));
    }
    assert_eq!(running(&mut reader), Running::Outside);
    probe.poll(None, || {
        assert_eq!(running(&mut reader), Running::Poll { deadline: None });
        0
    });
    assert_eq!(running(&mut reader), Running::Outside);
}

#[test]
fn a_task_that_panics_says_so() {
    let (recorder, capture) = Recorder::capture();
    let probe = LoopProbe::with_recorder(recorder);
    let tag = probe.tag("Bad");
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let _task = probe.task(tag);
        panic!("as tasks do");
    }));
    assert!(outcome.is_err());
    assert!(matches!(capture.take()[0].1, Event::TaskRan { outcome: Outcome::Panicked, .. }));
}

#[test]
fn a_disabled_probe_still_polls() {
    let probe = LoopProbe::new(&Session::disabled(), "loop");
    assert_eq!(probe.poll(Some(0), || Ok::<usize, ()>(3)), Ok(3));
    drop(probe.task(probe.tag("x")));
    assert_eq!(probe.now(), Ticks(0));
}

#[test]
fn probes_of_one_session_agree_on_tags_by_name() {
    let session = Session::builder("test").private();
    let (one, other) = (LoopProbe::new(&session, "one"), LoopProbe::new(&session, "other"));
    let (accept, read) = (one.tag("Accept"), one.tag("Read"));
    let (write, read_too) = (other.tag("Write"), other.tag("Read"));
    assert_eq!(read, read_too);
    assert!(write != accept && write != read);
    let mut reader = session.reader(Start::Oldest);
    let mut events = Vec::new();
    reader.flush(&mut events).unwrap();
    let named: Vec<_> = events
        .iter()
        .filter_map(|stamped| match stamped.event {
            Event::Label { kind: LabelKind::Tag, id, text } => Some((id, text.as_str().to_owned())),
            _ => None,
        })
        .collect();
    for (tag, name) in [(accept, "Accept"), (read, "Read"), (write, "Write")] {
        let names: Vec<_> = named.iter().filter(|(id, _)| *id == u32::from(tag.0)).collect();
        assert_eq!(names, [&(u32::from(tag.0), name.to_owned())], "{tag} means one thing");
    }
}
