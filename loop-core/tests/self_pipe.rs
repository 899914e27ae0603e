//! Tests commands through the self-pipe, the processes that they start, and an agenda loop that has both, under real
//! signals.

mod processes;
mod signals;

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::mpsc::channel;
use std::time::Duration;

use loop_core::agenda::{Agenda, CollectError};
use loop_core::self_pipe::{Command, CommandSender, SelfPipe, SendError};
use loop_core::{Builtin, EventLoop};
use loop_probes::event::{Event, GcReason, StopReason};
use loop_probes::recorder::{Capture, Recorder};

use crate::agenda::kit::{FOREVER, finish, hold, next};
use crate::kit::{Log, name, pick};

/// A loop with a self-pipe, which logs what it does.
struct Commanded {
    event_loop: EventLoop<Builtin>,
    commands: CommandSender,
    log: Log,
    capture: Capture,
}

fn commanded(set_up: impl FnOnce(SelfPipe<Builtin>) -> SelfPipe<Builtin>) -> Commanded {
    let (recorder, capture) = Recorder::capture();
    let mut event_loop = EventLoop::builder().recorder(recorder).build().unwrap();
    let log = Log::default();
    let (dumps, warnings) = (log.clone(), log.clone());
    let self_pipe = SelfPipe::new(Builtin::Any)
        .on_dump(move |_, _| dumps.add("dump"))
        .on_unknown(move |_, byte| warnings.add(format!("unknown {byte}")));
    let commands = event_loop.with(|cx| {
        cx.hold("test");
        set_up(self_pipe).open(cx).unwrap()
    });
    Commanded { event_loop, commands, log, capture }
}

impl Commanded {
    fn send(&self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.commands.send_byte(*byte).unwrap());
    }

    fn events(&self) -> Vec<Event<loop_probes::ids::Ticks>> {
        self.capture.take().into_iter().map(|(_, event)| event).collect()
    }
}

#[test]
fn a02_each_command_is_an_event_and_a_task_with_a_tag_of_its_own() {
    let mut world = commanded(|pipe| pipe);
    world.send(b"DG?PX");
    assert_eq!(world.event_loop.run().unwrap(), StopReason::Stopped);
    let events = world.events();
    let commands = pick!(events, Event::Command { byte, known } => (byte, known));
    assert_eq!(commands, [(b'D', true), (b'G', true), (b'?', false), (b'P', true), (b'X', true)]);
    let ran = pick!(events, Event::TaskRan { tag, .. } => name(tag));
    let expected = [
        "command dump",
        "command collect",
        "command unknown",
        "command start process",
        "command dump and quit",
    ];
    assert_eq!(ran, expected);
    assert_eq!(pick!(events, Event::IoRegistered { tag, .. } => name(tag)), ["self-pipe"]);
    assert_eq!(pick!(events, Event::IoReady { .. } => ()).len(), 1, "all in one read");
    assert_eq!(pick!(events, Event::InputGc { reason } => reason), [GcReason::Requested]);
    assert_eq!(pick!(events, Event::Exception { .. } => ()).len(), 1, "it has no queue of processes");
}

#[test]
fn a02_x_dumps_before_it_quits_and_q_only_quits() {
    for (byte, expected) in [(b"X", vec!["dump"]), (b"Q", vec![])] {
        let mut world = commanded(|pipe| pipe);
        world.send(byte);
        assert_eq!(world.event_loop.run().unwrap(), StopReason::Stopped);
        assert_eq!(world.log.take(), expected);
    }
}

#[test]
fn a02_many_bytes_in_one_read_are_handled_in_order() {
    let mut world = commanded(|pipe| pipe);
    world.send(b"D1D2DD3Q");
    assert_eq!(world.event_loop.run().unwrap(), StopReason::Stopped);
    let expected = ["dump", "unknown 49", "dump", "unknown 50", "dump", "dump", "unknown 51"];
    assert_eq!(world.log.take(), expected);
}

#[test]
fn a02_an_unknown_byte_is_reported_and_counted_and_the_loop_continues() {
    let unknown = Rc::new(RefCell::new(Vec::new()));
    let seen = Rc::clone(&unknown);
    let mut world = commanded(move |pipe| {
        pipe.on_dump(move |_, report| {
            seen.borrow_mut().push((report.commands, report.commands_unknown));
        })
    });
    world.send(b"d\0\xffDQ");
    assert_eq!(world.event_loop.run().unwrap(), StopReason::Stopped);
    assert_eq!(world.log.take(), ["unknown 100", "unknown 0", "unknown 255"]);
    assert_eq!(*unknown.borrow(), [(5, 3)], "all bytes of a read are taken before their tasks run");
    assert_eq!(world.event_loop.metrics().panics, 0);
    world.send(b"Q");
    assert_eq!(world.event_loop.run().unwrap(), StopReason::Stopped);
}

#[test]
fn a02_the_self_pipe_keeps_no_loop_alive() {
    let mut world = commanded(|pipe| pipe);
    world.event_loop.with(|cx| cx.release("test"));
    assert!(world.event_loop.pending().is_empty());
    assert_eq!(world.event_loop.run().unwrap(), StopReason::Drained);
}

#[test]
fn a02_a_full_pipe_is_counted_and_never_blocks_its_sender() {
    let mut world = commanded(|pipe| pipe);
    let mut sent = 0;
    while world.commands.send(Command::Dump).is_ok() {
        sent += 1;
    }
    assert_eq!(world.commands.send(Command::Quit), Err(SendError::Full));
    assert_eq!((world.commands.sent(), world.commands.refused()), (sent, 2));
    while world.event_loop.metrics().tasks_run < sent {
        // The last turn has nothing to wait for.
        world.event_loop.handle().wake();
        world.event_loop.turn().unwrap();
    }
    assert_eq!(world.log.take().len() as u64, sent);
    world.send(b"Q");
    assert_eq!(world.event_loop.run().unwrap(), StopReason::Stopped);
}

#[test]
fn a02_a_sender_outlives_its_loop() {
    let world = commanded(|pipe| pipe);
    let commands = world.commands.clone();
    assert!(!commands.is_closed());
    drop(world);
    assert_eq!(commands.send(Command::Quit), Err(SendError::Closed));
    assert!(commands.is_closed());
}

#[test]
fn a02_any_thread_sends_and_a_loop_that_waits_hears_it() {
    let mut world = commanded(|pipe| pipe);
    let senders: Vec<_> = (0..4)
        .map(|_| {
            let commands = world.commands.clone();
            std::thread::spawn(move || (0..50).for_each(|_| commands.send(Command::Dump).unwrap()))
        })
        .collect();
    let commands = world.commands.clone();
    let last = std::thread::spawn(move || {
        senders.into_iter().for_each(|sender| sender.join().unwrap());
        commands.send(Command::Quit).unwrap();
    });
    assert_eq!(world.event_loop.run().unwrap(), StopReason::Stopped);
    last.join().unwrap();
    assert_eq!(world.log.take().len(), 200);
}

#[test]
fn a02_collect_brings_all_workers_together_and_the_loop_does_not_wait_for_them() {
    let mut agenda = Agenda::builder().workers(2).build().unwrap();
    let (expected, results) = channel();
    let (collected, collections) = channel();
    let handle = agenda.handle();
    let mut world = commanded(move |pipe| {
        pipe.agenda(handle)
            .collector(move || collected.send(()).unwrap())
            .collect_within(FOREVER)
            .on_collected(move |result| expected.send(result.clone()).unwrap())
    });
    let held = hold(&agenda.handle());
    // The second request joins the first, whose collection has not taken place yet.
    world.send(b"GGQ");
    assert_eq!(world.event_loop.run().unwrap(), StopReason::Stopped);
    assert!(collections.try_recv().is_err(), "one worker is held");
    held.release();
    assert_eq!(next(&results), Ok(()));
    next(&collections);
    world.send(b"GQ");
    assert_eq!(world.event_loop.run().unwrap(), StopReason::Stopped);
    assert_eq!(next(&results), Ok(()));
    finish(&mut agenda);
}

#[test]
fn a02_a_collection_that_waits_for_too_long_is_given_up_by_the_loop() {
    let mut agenda = Agenda::builder().workers(2).build().unwrap();
    let (expected, results) = channel();
    let handle = agenda.handle();
    let mut world = commanded(move |pipe| {
        pipe.agenda(handle)
            .collect_within(Duration::from_millis(2))
            .on_collected(move |result| expected.send(result.clone()).unwrap())
    });
    let held = hold(&agenda.handle());
    world.send(b"G");
    while world.events().iter().all(|event| !matches!(event, Event::TimerFired { .. })) {
        world.event_loop.turn().unwrap();
    }
    let Err(CollectError::Late { missing, .. }) = next(&results) else { panic!("one is held") };
    assert!(missing.iter().any(|missing| missing.worker == held.worker));
    held.release();
    finish(&mut agenda);
}

#[test]
fn a02_dump_tells_of_the_loop_the_agenda_what_is_pending_and_what_was_counted() {
    let mut agenda = Agenda::builder().workers(1).name("pages").build().unwrap();
    let held = hold(&agenda.handle());
    let text = Rc::new(RefCell::new(String::new()));
    let (written, handle) = (Rc::clone(&text), agenda.handle());
    let mut world = commanded(move |pipe| {
        pipe.agenda(handle).on_dump(move |_, report| *written.borrow_mut() = report.to_string())
    });
    world.event_loop.with(|cx| {
        cx.set_timeout(FOREVER, Builtin::once("in a minute", |_| ()));
    });
    world.send(b"?X");
    assert_eq!(world.event_loop.run().unwrap(), StopReason::Stopped);
    let text = text.borrow();
    for line in [
        "loop: policy bun, tick 2",
        "  active handle: timer in a minute 1",
        "  active handle: handle test 1",
        "commands: 2 taken, 1 unknown, 0 refused by a full pipe",
        "collections: 0 done, 0 failed, 0 joined another",
        "processes: 0 running, 0 waiting, 0 ended",
        "agenda pages: 1 added, 0 run, 0 failed, waited 0.0ns",
        "  high   1 added, 0 waiting, 0 run, 0 failed, waited 0.0ns",
        "  worker 0 run: 0 run, 0 failed, busy 0.0ns, in held #1",
        "  pending held 1",
    ] {
        assert!(text.lines().any(|found| found == line), "no line {line:?} in\n{text}");
    }
    held.release();
    finish(&mut agenda);
}
