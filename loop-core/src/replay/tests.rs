//! Tests that a restored loop continues like one that reached that state by running.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use loop_probes::event::{Event, Origin, Queue, RefKind};
use loop_probes::ids::{TaskId, TimerId, Timestamp};
use loop_probes::recorder::Recorder;

use super::{Flags, LoopState, QueuedState, TimerState};
use crate::sim::{Sim, SimClock};
use crate::{Builtin, EventLoop, OnShutdown};

type Log = Rc<RefCell<Vec<&'static str>>>;

fn says(log: &Log, what: &'static str) -> Builtin {
    let log = Rc::clone(log);
    Builtin::repeat(what, move |_| log.borrow_mut().push(what))
}

fn queued(id: u64, task: Builtin) -> QueuedState<Builtin> {
    QueuedState { id: TaskId(id), task, origin: Origin::Local, signo: 0 }
}

#[test]
fn waiting_work_continues_in_order_and_ids_and_ticks_keep_counting() {
    let log = Log::default();
    let (recorder, capture) = Recorder::capture();
    let sim = Sim::new();
    let mut event_loop = sim.build(EventLoop::<Builtin>::builder().recorder(recorder));
    let now = SimClock::START;
    let mut state = LoopState::new(now);
    (state.tick, state.next_task, state.next_timer) = (70, TaskId(900), TimerId(31));
    let timer = |id, what, due_ms: u64| TimerState {
        timer: TimerId(id),
        task: says(&log, what),
        due: now.plus_ns(due_ms * 1_000_000),
        period_ns: None,
        referenced: true,
        on_shutdown: OnShutdown::Cancel,
    };
    // Armed in this order; the last two are due at the same time.
    state.timers = vec![timer(20, "late", 9), timer(7, "first of two", 4), timer(30, "second of two", 4)];
    state.tasks = vec![queued(850, says(&log, "task")), queued(840, says(&log, "next task"))];
    state.immediates = vec![(queued(860, says(&log, "immediate")), true)];
    state.microtasks = vec![says(&log, "microtask")];
    state.refs = vec![(RefKind::Future, 1)];
    state.depths = vec![(Queue::Tasks, 99)];
    let restored = event_loop.low_level().restore(state).unwrap();
    assert_eq!(restored.timers.len(), 3);
    let _ = capture.take();
    assert_eq!(event_loop.scheduler().alive_count(), 2 + 1 + 3 + 1 + 1);
    event_loop.run_for(Duration::from_millis(20)).unwrap();
    assert_eq!(
        *log.borrow(),
        ["task", "microtask", "next task", "immediate", "first of two", "second of two", "late"]
    );
    let events: Vec<_> = capture.take().into_iter().map(|(_, event)| event).collect();
    let first = |wanted: fn(&Event<_>) -> Option<u64>| events.iter().find_map(wanted);
    let tick = first(|event| match event {
        Event::TickStart { tick } => Some(*tick),
        _ => None,
    });
    let fired = first(|event| match event {
        Event::TimerFired { task, .. } => Some(task.0),
        _ => None,
    });
    assert_eq!((tick, fired), (Some(70), Some(900)));
    assert!(events.contains(&Event::QueueDepth { queue: Queue::Tasks, depth: 2 }), "it was reported as 99");
    assert_eq!(event_loop.with(|cx| cx.set_timeout(Duration::ZERO, says(&log, "new")).id()), TimerId(31));
}

#[test]
fn external_events_are_seen_when_injected() {
    let sim = Sim::new();
    let mut event_loop = sim.build(EventLoop::<Builtin>::builder());
    event_loop.low_level().restore(LoopState::new(Timestamp(1))).unwrap();
    let outside = event_loop.low_level().external_events();
    outside.hold(2);
    outside.agenda(3);
    outside.post(Builtin::remote("post", |cx| cx.stop()), None);
    event_loop.run().unwrap();
    assert_eq!(event_loop.scheduler().count(RefKind::Handle), 2);
    assert_eq!(event_loop.scheduler().count(RefKind::Agenda), 3);
    assert_eq!(event_loop.metrics().tasks_run, 1);
}

#[test]
fn flags_are_bits() {
    let mut flags = Flags::WOKEN;
    flags |= Flags::HEAP;
    assert!(flags.contains(Flags::HEAP) && !flags.contains(Flags::RUNNING));
    assert_eq!(Flags::from_bits(0xff).bits(), 0xff);
}
