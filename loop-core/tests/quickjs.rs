//! Tests the poll of QuickJS as a policy.

use std::cell::RefCell;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use loop_core::poller::{Interest, Readiness};
use loop_core::sim::SimSource;
use loop_core::tag::tag_of_label;
use loop_core::{Builtin, EventLoop, Policy, TagOf};
use loop_probes::clock::{Clock, SystemClock};
use loop_probes::event::{ClockPoint, Event, Phase, PollReason, RefKind, StopReason};

use crate::kit::{Cx, Log, World, ms, name, pick, rust_sources};

fn world() -> World {
    World::with_policy(Policy::quickjs())
}

fn job() -> TagOf {
    TagOf::Global(tag_of_label("worker done"))
}

/// Adds one of everything to the world, all ready at once.
fn one_of_everything(world: &mut World, source: &Arc<SimSource>) {
    let log = world.log.clone();
    world.sim.signal_at(ms(0), 10);
    world.sim.ready_at(ms(0), source, Readiness::READABLE);
    let handle = world.lp.handle();
    world.sim.at(ms(0), move || handle.post(Builtin::remote("port", |_| ())).unwrap());
    world.lp.with(|cx| {
        cx.on_signal(10, log.repeat("signal", |_| ())).unwrap();
        let io = log.repeat("fd", |cx| {
            let ready = cx.ready().unwrap();
            cx.remove(ready.source).unwrap();
        });
        cx.register(source.clone(), Interest::READABLE, io).unwrap();
        cx.set_timeout(ms(0), log.task("timer"));
        let done = |_: &loop_core::work_pool::Worker<'_>| Builtin::remote("worker", |_| ());
        cx.work(job(), done, |reason| panic!("{reason}")).unwrap();
    });
}

/// The callbacks that ran, according to the events.
fn ran(events: &[Event<loop_probes::ids::Ticks>]) -> Vec<String> {
    let tags = events.iter().filter_map(|event| match *event {
        Event::TaskRan { tag, .. } | Event::IoReady { tag, .. } => Some(name(tag)),
        _ => None,
    });
    tags.collect()
}

#[test]
fn q01_a_turn_is_signal_exit_check_timers_fds_ports_workers() {
    let mut world = world();
    let source = SimSource::new();
    one_of_everything(&mut world, &source);
    // The script acts while the loop polls, so in the first turn everything arrives too late for the steps before the
    // poll.
    world.turn();
    assert_eq!(ran(&world.events()), ["timer", "fd", "port", "worker done"]);
    one_of_everything(&mut world, &source);
    world.turn();
    let events = world.events();
    assert_eq!(ran(&events), ["signal", "timer", "fd", "port", "worker done"]);
    let phases = pick!(events, Event::Phase { phase, .. } => phase);
    let order = [
        Phase::Signals,
        Phase::Tasks,
        Phase::Timers,
        Phase::Io,
        Phase::Concurrent,
        Phase::Tasks,
        Phase::Concurrent,
        Phase::Tasks,
    ];
    assert_eq!(phases, order);
}

#[test]
fn q01_one_signal_a_turn_and_what_its_handler_arms_keeps_the_loop_alive() {
    let mut world = world();
    let log = world.log.clone();
    let late = log.clone();
    world.lp.with(|cx| {
        cx.on_signal(10, log.repeat("first", |_| ())).unwrap();
        let arms = log.repeat("second", move |cx| {
            cx.set_timeout(ms(5), late.task("timer"));
        });
        cx.on_signal(12, arms).unwrap();
        cx.hold("until the signals came");
    });
    world.sim.signal_at(ms(1), 10);
    world.sim.signal_at(ms(1), 12);
    assert_eq!(world.turn(), Vec::<String>::new(), "they came while it polled");
    world.lp.with(|cx| cx.release("until the signals came"));
    assert_eq!(world.turn(), ["first"]);
    assert_eq!(world.lp.run().unwrap(), StopReason::Drained);
    assert_eq!(world.log.take(), ["second", "timer"], "the exit check comes after the handler");
    assert_eq!(world.sim.elapsed(), ms(6));
}

#[test]
fn q02_five_due_timers_take_five_turns_and_jobs_drain_before_the_next() {
    let mut world = world();
    let log = world.log.clone();
    world.lp.with(|cx| {
        for (timer, job) in [("a", "job a"), ("b", "job b"), ("c", "job c"), ("d", "job d"), ("e", "job e")] {
            let job = log.task(job);
            cx.set_timeout(ms(1), log.then(timer, move |cx| cx.microtask(job)));
        }
    });
    world.sim.advance(ms(2));
    let turns: Vec<Vec<String>> = (0..5).map(|_| world.turn()).collect();
    let expected = [["a", "job a"], ["b", "job b"], ["c", "job c"], ["d", "job d"], ["e", "job e"]];
    assert_eq!(turns, expected);
    assert_eq!(world.lp.run().unwrap(), StopReason::Drained);
}

#[test]
fn q02_the_first_expired_in_insertion_order_though_another_was_due_earlier() {
    let mut world = world();
    let log = world.log.clone();
    world.lp.with(|cx| {
        cx.set_timeout(ms(9), log.task("set first, due last"));
        cx.set_timeout(ms(3), log.task("set second, due first"));
        cx.set_timeout(ms(6), log.task("set third"));
    });
    world.sim.advance(ms(10));
    let order = ["set first, due last", "set second, due first", "set third"];
    assert_eq!(world.run(), order);
}

#[test]
fn q03_without_a_timer_the_poll_waits_ten_seconds_with_one_until_it_is_due() {
    let mut world = world();
    world.lp.with(|cx| cx.hold("a handler"));
    world.turn();
    assert_eq!(world.sim.elapsed(), Duration::from_secs(10));
    world.lp.with(|cx| cx.set_timeout(ms(60_000), Builtin::once("far", |_| ())));
    world.turn();
    world.lp.with(|cx| cx.set_timeout(ms(3), Builtin::once("near", |_| ())));
    world.turn();
    let polls = pick!(world.events(), Event::Poll { reason, timeout_ns, .. } => (reason, timeout_ns));
    let waits = [
        (PollReason::Default, Some(10_000_000_000)),
        (PollReason::Timer, Some(60_000_000_000)),
        // The later timer comes due and fires in this turn, before its poll.
        (PollReason::Timer, Some(3_000_000)),
    ];
    assert_eq!(polls, waits);
}

/// Registers `source` with a callback that logs what the source is ready for.
fn note(cx: &mut Cx<'_>, log: &Log, label: &'static str, source: &Arc<SimSource>, interest: Interest) {
    let log = log.clone();
    let io = Builtin::repeat("io", move |cx| {
        log.add(format!("{label} {:?}", cx.ready().unwrap().readiness).replace('"', ""));
    });
    cx.register(source.clone(), interest, io).unwrap();
}

#[test]
fn q04_one_ready_handler_a_turn_read_before_write_and_none_is_forgotten() {
    let mut world = world();
    let (one, two) = (SimSource::new(), SimSource::new());
    let both = Interest::READABLE | Interest::WRITABLE;
    let log = world.log.clone();
    world.lp.with(|cx| {
        note(cx, &log, "one", &one, both);
        note(cx, &log, "two", &two, both);
    });
    for source in [&one, &two] {
        world.sim.ready_at(ms(0), source, Readiness::READABLE | Readiness::WRITABLE);
    }
    let turns: Vec<Vec<String>> = (0..4).map(|_| world.turn()).collect();
    assert_eq!(turns, [["one {readable}"], ["one {writable}"], ["two {readable}"], ["two {writable}"]]);
}

#[test]
fn q04_errors_and_hang_ups_count_as_ready_for_both() {
    let mut world = world();
    let (failed, read_only) = (SimSource::new(), SimSource::new());
    let log = world.log.clone();
    world.lp.with(|cx| note(cx, &log, "failed", &failed, Interest::READABLE | Interest::WRITABLE));
    world.sim.ready_at(ms(0), &failed, Readiness::ERROR);
    assert_eq!(
        (world.turn(), world.turn()),
        (vec!["failed {readable, error}".into()], vec!["failed {writable}".into()])
    );
    world.lp.with(|cx| note(cx, &log, "closed", &read_only, Interest::READABLE));
    world.sim.ready_at(world.sim.elapsed(), &read_only, Readiness::HANG_UP);
    assert_eq!(world.turn(), ["closed {readable, hang-up}"]);
}

#[test]
fn q04_on_real_sockets_a_source_that_is_always_ready_starves_no_other() {
    let mut event_loop = EventLoop::<Builtin>::builder().policy(Policy::quickjs()).build().unwrap();
    let pairs = [UnixStream::pair().unwrap(), UnixStream::pair().unwrap(), UnixStream::pair().unwrap()];
    let calls: Rc<RefCell<Vec<usize>>> = Rc::default();
    event_loop.with(|cx| {
        for (index, (mine, theirs)) in pairs.iter().enumerate() {
            (&*theirs).write_all(b"never read").unwrap();
            let noted = Rc::clone(&calls);
            let io = Builtin::repeat("io", move |_| noted.borrow_mut().push(index));
            cx.register(Arc::new(mine.try_clone().unwrap()), Interest::READABLE, io).unwrap();
        }
    });
    for turn in 1..=9 {
        event_loop.turn().unwrap();
        assert_eq!(calls.borrow().len(), turn, "one a turn");
    }
    for index in 0..3 {
        assert_eq!(
            calls.borrow().iter().filter(|called| **called == index).count(),
            3,
            "{:?}",
            calls.borrow()
        );
    }
}

#[test]
fn q04_on_a_real_socket_whose_other_end_hung_up_both_directions_hear_of_it() {
    let mut event_loop = EventLoop::<Builtin>::builder().policy(Policy::quickjs()).build().unwrap();
    let (mine, theirs) = UnixStream::pair().unwrap();
    drop(theirs);
    let reported: Rc<RefCell<Vec<Readiness>>> = Rc::default();
    let noted = Rc::clone(&reported);
    let mut reader = mine.try_clone().unwrap();
    event_loop.with(|cx| {
        let io = Builtin::repeat("io", move |cx| {
            let ready = cx.ready().unwrap();
            noted.borrow_mut().push(ready.readiness);
            if ready.readiness.contains(Readiness::WRITABLE) {
                cx.remove(ready.source).unwrap();
            } else {
                assert_eq!(reader.read(&mut [0; 8]).unwrap(), 0);
            }
        });
        cx.register(Arc::new(mine), Interest::READABLE | Interest::WRITABLE, io).unwrap();
    });
    assert_eq!(event_loop.run().unwrap(), StopReason::Drained);
    let reported = reported.borrow();
    assert_eq!(reported.len(), 2, "{reported:?}");
    assert!(
        reported[0].contains(Readiness::READABLE) && !reported[0].contains(Readiness::WRITABLE),
        "{reported:?}"
    );
    assert!(
        reported[1].contains(Readiness::WRITABLE) && !reported[1].contains(Readiness::READABLE),
        "{reported:?}"
    );
}

#[test]
fn q05_seventeen_finished_workers_take_two_reads_and_each_lowers_the_count() {
    let mut world = world();
    world.sim.workers(17);
    world.lp.with(|cx| {
        for _ in 0..17 {
            let done = |_: &loop_core::work_pool::Worker<'_>| Builtin::remote("then", |_| ());
            cx.work(job(), done, |reason| panic!("{reason}")).unwrap();
        }
    });
    let active = |world: &World| {
        let work = world.lp.pending().into_iter().find(|pending| pending.what == RefKind::Work);
        work.map_or(0, |work| work.count)
    };
    let _ = world.events();
    world.turn();
    let events = world.events();
    assert_eq!(pick!(events, Event::WorkSettled { .. } => ()).len(), 16);
    let alive = pick!(events, Event::RefChanged { what: RefKind::Work, delta: -1, .. } => ()).len();
    assert_eq!((alive, active(&world)), (16, 1), "one each");
    world.turn();
    let events = world.events();
    assert_eq!(pick!(events, Event::WorkSettled { .. } => ()).len(), 1);
    let waits = pick!(events, Event::Poll { timeout_ns, .. } => timeout_ns);
    assert_eq!((waits, active(&world)), (vec![Some(0)], 0), "what was read stays no longer than a turn");
    assert_eq!(world.lp.run().unwrap(), StopReason::Drained);
}

#[test]
fn q06_ends_when_no_handler_timer_port_or_worker_remains() {
    let mut world = world();
    let log = world.log.clone();
    world.lp.with(|cx| cx.on_signal(10, log.repeat("signal", |_| ()))).unwrap();
    assert_eq!(world.lp.run().unwrap(), StopReason::Drained, "a signal handler keeps nothing alive");
    assert_eq!(world.sim.elapsed(), ms(0));
    assert_eq!(
        pick!(world.events(), Event::Poll { .. } => ()).len(),
        0,
        "the exit check comes before the poll"
    );

    let source = SimSource::new();
    world.lp.with(|cx| {
        let io = log.repeat("fd", |cx| {
            let ready = cx.ready().unwrap();
            cx.remove(ready.source).unwrap();
        });
        cx.register(source.clone(), Interest::READABLE, io).unwrap();
        cx.set_timeout(ms(2), log.task("timer"));
        cx.work(job(), |_| Builtin::remote("then", |_| ()), |reason| panic!("{reason}")).unwrap();
    });
    world.sim.job_durations([ms(1)]);
    let handle = world.lp.handle();
    handle.hold();
    let closes = handle.clone();
    world.sim.at(ms(3), move || closes.post(Builtin::remote("message", |_| ())).unwrap());
    world.sim.at(ms(4), move || handle.release());
    world.sim.ready_at(ms(5), &source, Readiness::READABLE);
    assert_eq!(world.lp.run().unwrap(), StopReason::Drained);
    let ran = ran(&world.events());
    assert_eq!(ran, ["worker done", "timer", "message", "fd"]);
    assert_eq!(world.sim.elapsed(), ms(5));
}

#[test]
fn q06_each_of_them_alone_keeps_it_and_its_end_ends_it() {
    type Alone = fn(&mut World);
    let alone: [(&str, Alone); 4] = [
        ("handler", |world| {
            let source = SimSource::new();
            let io = Builtin::repeat("fd", |cx| {
                let ready = cx.ready().unwrap();
                cx.remove(ready.source).unwrap();
            });
            world.lp.with(|cx| cx.register(source.clone(), Interest::READABLE, io)).unwrap();
            world.sim.ready_at(ms(7), &source, Readiness::READABLE);
        }),
        ("timer", |world| {
            world.lp.with(|cx| cx.set_timeout(ms(7), Builtin::once("timer", |_| ())));
        }),
        ("port", |world| {
            let port = world.lp.handle();
            port.hold();
            world.sim.at(ms(7), move || port.release());
        }),
        ("worker", |world| {
            world.sim.job_durations([ms(7)]);
            let done = |_: &loop_core::work_pool::Worker<'_>| Builtin::remote("then", |_| ());
            world.lp.with(|cx| cx.work(job(), done, |reason| panic!("{reason}"))).unwrap();
        }),
    ];
    for (what, set_up) in alone {
        let mut world = world();
        set_up(&mut world);
        assert_eq!(world.lp.run().unwrap(), StopReason::Drained, "{what}");
        assert_eq!(world.sim.elapsed(), ms(7), "{what}");
    }
}

#[test]
fn a_turn_goes_through_all_its_steps_so_that_timers_starve_no_source() {
    let mut world = world();
    let (log, source) = (world.log.clone(), SimSource::new());
    world.lp.with(|cx| {
        note(cx, &log, "fd", &source, Interest::READABLE);
        for _ in 0..3 {
            cx.set_timeout(ms(0), log.task("timer"));
        }
    });
    world.sim.ready_at(ms(0), &source, Readiness::READABLE);
    assert_eq!(world.turn(), ["timer", "fd {readable}"], "the original would fire all timers first");
}

#[test]
fn timers_that_fired_nothing_and_the_poll_go_by_one_reading() {
    let mut world = world();
    world.lp.with(|cx| cx.set_timeout(ms(7), Builtin::once("later", |_| ())));
    let _ = world.events();
    world.turn();
    let points = pick!(world.events(), Event::InputClock { point, .. } => point);
    assert_eq!(points, [ClockPoint::Timers, ClockPoint::AfterPoll]);
}

#[test]
fn q08_the_clock_is_monotonic() {
    let clock = SystemClock::new();
    let mut event_loop =
        EventLoop::<Builtin>::builder().policy(Policy::quickjs()).clock(clock).build().unwrap();
    let readings: Rc<RefCell<Vec<_>>> = Rc::default();
    let noted = Rc::clone(&readings);
    event_loop.with(|cx| {
        let beat = Builtin::repeat("beat", move |cx| {
            noted.borrow_mut().push(cx.now());
            if noted.borrow().len() == 100 {
                cx.stop();
            }
        });
        cx.set_interval(Duration::from_micros(10), beat).unwrap();
    });
    let before = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    event_loop.run().unwrap();
    let after = clock.now();
    let readings = readings.borrow();
    let before_ns = before.tv_sec as u64 * 1_000_000_000 + before.tv_nsec as u64;
    assert!(readings[0].as_ns() >= before_ns, "it is the kernel's own monotonic clock");
    assert!(readings.windows(2).all(|pair| pair[0] < pair[1]) && readings[99] <= after);
}

#[test]
fn q08_the_clock_is_read_in_one_place() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let lints = std::fs::read_to_string(root.join("clippy.toml")).unwrap();
    let manifest = std::fs::read_to_string(root.join("Cargo.toml")).unwrap();
    assert!(manifest.contains("disallowed_methods = \"deny\""));
    let mut files = Vec::new();
    rust_sources(&root.join("loop-core/src"), &mut files);
    rust_sources(&root.join("probes/src"), &mut files);
    assert!(files.len() > 50, "{} files", files.len());
    let place = root.join("probes/src/clock.rs");
    assert!(files.contains(&place));
    for (reading, in_lints) in [
        ("Instant::now", "std::time::Instant::now"),
        ("SystemTime::now", "std::time::SystemTime::now"),
        ("clock_gettime(", ""),
        ("_rdtsc", ""),
        ("_rdtscp", ""),
    ] {
        assert!(lints.contains(in_lints), "the lint names {in_lints}");
        for file in files.iter().filter(|file| **file != place) {
            let text = std::fs::read_to_string(file).unwrap();
            let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
            let found = code.filter(|line| line.contains(reading)).collect::<Vec<_>>();
            assert!(found.is_empty(), "{} reads a clock: {found:?}", file.display());
        }
    }
}
