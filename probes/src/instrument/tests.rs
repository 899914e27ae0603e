//! Tests the events of the guards, their order, and the state they leave.

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
        let ready = probe.poll(Some(Duration::from_nanos(5)), || 2_usize);
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
fn a_timers_task_knows_its_due_time() {
    let (recorder, capture) = Recorder::capture();
    let probe = LoopProbe::with_recorder(recorder);
    let due = Timestamp(1);
    drop(probe.timer_fired(probe.timer(), probe.tag("Beat"), due));
    let events = capture.take();
    let Event::TimerFired { due: recorded_due, fired, task, .. } = events[0].1 else { panic!("{events:?}") };
    assert!(recorded_due == due && fired > due);
    assert!(matches!(events[1].1, Event::TaskRan { task: ran, .. } if ran == task));
}

#[test]
fn a_probe_that_is_dropped_within_a_task_has_stopped() {
    for (leaks, last) in [(true, "loop_stopped"), (false, "tick_end")] {
        let (recorder, capture) = Recorder::capture();
        let probe = LoopProbe::with_recorder(recorder);
        let tick = probe.tick_begin();
        let task = probe.task_begin(probe.tag("Leak"));
        if !leaks {
            probe.task_end(task);
            probe.tick_end(tick);
        }
        drop(probe);
        let events = capture.take();
        assert_eq!(events.last().map(|(_, event)| event.name()), Some(last), "{events:?}");
    }
}

#[test]
fn what_is_begun_and_ended_by_calls_is_recorded_as_by_guards() {
    let (recorder, capture) = Recorder::capture();
    let probe = LoopProbe::with_recorder(recorder);
    let (outer, inner) = (probe.tag("Outer"), probe.tag("Inner"));
    let tick = probe.tick_begin();
    let around = probe.task_begin(outer);
    let mut within = probe.task_begin(inner);
    within.failed();
    probe.task_end(within);
    probe.task_end(around);
    probe.tick_end(tick);
    let events: Vec<_> = capture.take().into_iter().map(|(_, event)| event).collect();
    assert!(matches!(events[1], Event::TaskRan { tag, outcome: Outcome::Failed, .. } if tag == inner));
    assert!(matches!(events[2], Event::TaskRan { tag, outcome: Outcome::Done, .. } if tag == outer));
    assert!(matches!(events[3], Event::TickEnd { tick: 1, tasks_run: 2, .. }));
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
    let task = probe.task(tag);
    let polls = Running::Task { task: task.id(), tag };
    probe.poll(None, || {
        assert_eq!(running(&mut reader), polls, "the poll is a part of the task");
        0
    });
    assert_eq!(running(&mut reader), polls);
    drop(task);
    assert_eq!(running(&mut reader), Running::Outside);
}

#[test]
fn a_task_within_a_poll_divides_it() {
    let (recorder, capture) = Recorder::capture();
    let probe = LoopProbe::with_recorder(recorder);
    let tag = probe.tag("Callback");
    let timeout = Duration::from_secs(5);
    probe.poll_begin(Some(timeout));
    for _ in 0..2 {
        let _outer = probe.task(tag);
        drop(probe.task(tag));
    }
    probe.poll_end(&3_u32);
    let mut at = Ticks(0);
    let mut waits = Vec::new();
    for (end, event) in capture.take() {
        match event {
            Event::Poll { start, timeout_ns, ready, .. } => {
                assert!(at <= start && start <= end, "no task lies within a wait");
                waits.push((timeout_ns.unwrap(), ready));
            }
            Event::TaskRan { .. } => {}
            _ => continue,
        }
        at = end;
    }
    let [(first, 0), (second, 0), (last, 3)] = waits[..] else { panic!("{waits:?}") };
    assert_eq!(u128::from(first), timeout.as_nanos());
    assert!(last <= second && second < first, "the rest of the timeout: {waits:?}");
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
    assert_eq!(probe.poll(Some(Duration::ZERO), || Ok::<usize, ()>(3)), Ok(3));
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
            Event::Label { kind: LabelKind::Tag, id, text } => Some((id, text.get().as_str().to_owned())),
            _ => None,
        })
        .collect();
    for (tag, name) in [(accept, "Accept"), (read, "Read"), (write, "Write")] {
        let names: Vec<_> = named.iter().filter(|(id, _)| *id == u32::from(tag.0)).collect();
        assert_eq!(names, [&(u32::from(tag.0), name.to_owned())], "{tag} means one thing");
    }
}

#[test]
fn hooks_make_each_thread_a_loop_whose_waits_are_polls() {
    let session = Session::builder("runtime").private();
    let mut reader = session.reader(Start::Oldest);
    let hooks = LoopHooks::new(&session, "worker");
    let turns = |hooks: &LoopHooks| {
        hooks.poll_end(&3_u32);
        for _ in 0..3 {
            hooks.poll_begin(None);
            hooks.poll_end(&());
            hooks.with(|probe| drop(probe.task(probe.tag("Request"))));
        }
        hooks.poll_begin(Some(Duration::from_nanos(7)));
    };
    turns(&hooks);
    let mut events = Vec::new();
    reader.poll(&mut events).unwrap();
    let state = reader.running().unwrap()[0].running;
    assert!(matches!(state, Running::Poll { deadline: Some(_) }), "{state:?}");
    let other = hooks.clone();
    std::thread::spawn(move || turns(&other)).join().unwrap();
    hooks.finish();
    reader.flush(&mut events).unwrap();
    for source in [1, 2] {
        let of_it = events.iter().filter(|stamped| stamped.source.0 == source);
        let names: Vec<_> = of_it
            .map(|stamped| stamped.event.name())
            .filter(|name| !["label", "calibration"].contains(name))
            .collect();
        let turn = ["tick_start", "poll", "task_ran", "tick_end"];
        // It stopped while waiting: the wait is included in the tick.
        assert_eq!(names, [&turn[..], &turn, &turn, &["tick_start", "poll", "tick_end"]].concat());
    }
    let named = |name: &str| {
        events
            .iter()
            .any(|stamped| matches!(stamped.event, Event::Label { text, .. } if text.get().as_str() == name))
    };
    assert!(named("worker") && named("worker 2"));
    drop((session, hooks));
    reader.flush(&mut Vec::new()).unwrap();
    assert_eq!(reader.state(), crate::process::ProcessState::Ended, "nothing keeps the session going");
}

/// The events of a session's loops, without names and calibrations.
fn names(reader: &mut ProcessReader) -> Vec<&'static str> {
    let mut events = Vec::new();
    reader.flush(&mut events).unwrap();
    let names = events.iter().map(|stamped| stamped.event.name());
    names.filter(|name| !["label", "calibration"].contains(name)).collect()
}

#[test]
fn hooks_around_tasks_record_them_and_the_first_begins_a_tick() {
    let session = Session::builder("runtime").private();
    let mut reader = session.reader(Start::Oldest);
    let hooks = LoopHooks::new(&session, "worker");
    let request = hooks.tag("Request");
    assert_eq!(session.reader(Start::Oldest).running().unwrap().len(), 0, "naming a tag makes no loop");
    hooks.task_end();
    hooks.task_begin(request);
    hooks.task_end();
    hooks.poll_begin(None);
    hooks.poll_end(&());
    // The runtime did not report the end of the first.
    hooks.task_begin(request);
    hooks.task_begin(request);
    hooks.finish();
    let first = ["tick_start", "task_ran", "tick_end"];
    assert_eq!(
        names(&mut reader),
        [&first[..], &["tick_start", "poll", "task_ran", "task_ran", "tick_end"]].concat()
    );
}

#[test]
fn each_poll_of_an_instrumented_future_is_a_task_of_the_polling_thread() {
    fn is_send(future: impl Future<Output = u32> + Send) -> impl Future<Output = u32> + Send {
        future
    }
    let session = Session::builder("runtime").private();
    let mut reader = session.reader(Start::Oldest);
    let hooks = LoopHooks::new(&session, "worker");
    let mut polls = 0;
    let pending_once = std::future::poll_fn(move |_| {
        polls += 1;
        if polls == 2 { std::task::Poll::Ready(7_u32) } else { std::task::Poll::Pending }
    });
    let mut future = Box::pin(is_send(hooks.instrument(hooks.tag("Request"), pending_once)));
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(future.as_mut().poll(&mut cx).is_pending());
    let elsewhere = std::thread::spawn(move || {
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        future.as_mut().poll(&mut cx)
    });
    assert_eq!(elsewhere.join().unwrap(), std::task::Poll::Ready(7));
    hooks.finish();
    let tick = ["tick_start", "task_ran", "tick_end"];
    let mut names = names(&mut reader);
    names.sort_unstable();
    let mut both = [tick, tick].concat();
    both.sort_unstable();
    assert_eq!(names, both);
}

#[test]
fn a_poller_that_does_not_count_is_a_poller() {
    let (recorder, capture) = Recorder::capture();
    let probe = LoopProbe::with_recorder(recorder);
    probe.poll(None, || std::io::Result::Ok(())).unwrap();
    assert!(matches!(capture.take()[0].1, Event::Poll { ready: 0, reason: PollReason::Idle, .. }));
}
