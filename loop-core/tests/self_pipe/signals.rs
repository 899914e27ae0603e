//! Tests an agenda loop with commands and child processes under real signals. Signals affect a whole process, so each
//! test starts this test program again to run a single helper.

use std::cell::RefCell;
use std::io::{BufRead, BufReader, Lines, Write};
use std::process::{Child, ChildStdout, Command as Process, Stdio};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use loop_core::agenda::{AgendaLoop, Tasklet};
use loop_core::self_pipe::Command;
use loop_core::sim::Sim;
use loop_core::work_pool::PendingWork;
use loop_core::{Builtin, EventLoop, Policy};
use loop_probes::event::{ClockPoint, Event, StopReason};
use loop_probes::ids::Timestamp;
use loop_probes::recorder::Recorder;
use rustix::process::{Pid, Signal, kill_process};
use signal_hook::consts::{SIGHUP, SIGUSR1};

use crate::agenda::kit::{Done, FOREVER};
use crate::kit::pick;

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "said {line}").unwrap();
    out.flush().unwrap();
}

/// Runs the test named `test` in a process of its own, because it catches signals that the other tests need.
fn alone(name: &str, test: impl FnOnce()) {
    const ALONE: &str = "LOOP_CORE_TEST_ALONE";
    if std::env::var_os(ALONE).is_some() {
        return test();
    }
    let own = Process::new(std::env::current_exe().unwrap())
        .args(["--exact", &format!("self_pipe::signals::{name}"), "--nocapture"])
        .env(ALONE, "1")
        .output()
        .unwrap();
    let (out, errors) = (String::from_utf8_lossy(&own.stdout), String::from_utf8_lossy(&own.stderr));
    assert!(own.status.success() && out.contains("1 passed"), "{out}{errors}");
}

/// The program under test, which prints what happens to it.
#[test]
#[ignore = "the child process that the other tests of this file start"]
fn helper() {
    let mut main = AgendaLoop::builder(Builtin::Any)
        .workers(2)
        .processes(1, |_, end| {
            let status = end.status.as_ref().unwrap();
            say(&format!("process {} {} {:?}", end.program, end.pid.is_some(), status.code()));
        })
        .on_dump(|_, report| say(&format!("commands {}", report.commands)))
        .build()
        .unwrap();
    for (signo, label) in [(SIGUSR1, "signal USR1"), (SIGHUP, "signal HUP")] {
        main.on_signal(signo, label, |cx| {
            let signo = cx.signal().unwrap().signo;
            say(&format!("signal {signo}"));
        })
        .unwrap();
    }
    let mut process = Process::new("sh");
    process.args(["-c", "exit 5"]);
    main.processes().add(process);
    let commands = main.commands().clone();
    main.on_signal(signal_hook::consts::SIGUSR2, "signal USR2", move |_| {
        commands.send(Command::StartProcess).unwrap();
    })
    .unwrap();
    let commands = main.commands().clone();
    let tasklet = Tasklet::once("dumps", move |_| -> Done {
        commands.send(Command::Dump)?;
        Ok(())
    });
    main.agenda().add(tasklet).unwrap();
    let reason = main.run().unwrap();
    let end = main.shutdown(PendingWork::Finish, Some(FOREVER));
    say(&format!("{reason} {} {}", end.handed_back.len(), end.unjoined.len()));
}

struct Helper {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Helper {
    fn start() -> Self {
        let mut child = Process::new(std::env::current_exe().unwrap())
            .args([
                "--ignored",
                "--exact",
                "self_pipe::signals::helper",
                "--nocapture",
                "--test-threads",
                "1",
            ])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut helper = Self { child, lines };
        assert_eq!(helper.next(), "commands 1", "it runs, and its handlers are in place");
        helper
    }

    /// The next line of its report.
    fn next(&mut self) -> String {
        loop {
            let line = self.lines.next().expect("it says something before it ends").unwrap();
            if let Some((_, said)) = line.split_once("said ") {
                return said.to_owned();
            }
        }
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    fn ends(mut self) {
        assert_eq!(self.next(), "stopped 0 0");
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        // A failing test leaves no program behind.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a03_term_and_int_stop_the_loop_and_its_agenda_ends_in_order() {
    for signal in [Signal::TERM, Signal::INT] {
        let helper = Helper::start();
        helper.signal(signal);
        helper.ends();
    }
}

#[test]
fn a03_other_signals_are_dispatched_to_their_handlers_and_the_loop_goes_on() {
    let mut helper = Helper::start();
    for (signal, number) in [(Signal::USR1, 10), (Signal::HUP, 1), (Signal::USR1, 10)] {
        helper.signal(signal);
        assert_eq!(helper.next(), format!("signal {number}"));
    }
    helper.signal(Signal::TERM);
    helper.ends();
}

#[test]
fn a03_chld_tells_of_the_process_that_a_command_started() {
    let mut helper = Helper::start();
    helper.signal(Signal::USR2);
    assert_eq!(helper.next(), "process sh true Some(5)");
    helper.signal(Signal::INT);
    helper.ends();
}

#[test]
fn a02_a_command_may_be_sent_in_a_signal_handler() {
    alone("a02_a_command_may_be_sent_in_a_signal_handler", || {
        let main = RefCell::new(AgendaLoop::builder(Builtin::Any).workers(1).build().unwrap());
        let commands = main.borrow().commands().clone();
        #[expect(unsafe_code, reason = "a handler of one's own, beside the loop's")]
        // SAFETY: the handler sends a command, which is async-signal-safe: one write and an atomic addition.
        let handler = unsafe {
            signal_hook::low_level::register(signal_hook::consts::SIGWINCH, move || {
                let _ = commands.send(Command::Quit);
            })
        };
        signal_hook::low_level::raise(signal_hook::consts::SIGWINCH).unwrap();
        assert_eq!(main.borrow_mut().run().unwrap(), StopReason::Stopped);
        assert!(signal_hook::low_level::unregister(handler.unwrap()));
    });
}

#[test]
fn a03_timers_have_nanoseconds_on_a_real_clock_too() {
    let (recorder, capture) = Recorder::capture();
    let builder = EventLoop::<Builtin>::builder().policy(Policy::agenda()).recorder(recorder);
    let mut event_loop = builder.build().unwrap();
    let delay = Duration::from_nanos(40_000_007);
    event_loop.with(|cx| cx.set_timeout(delay, Builtin::once("fired", |cx| cx.stop())));
    assert_eq!(event_loop.run().unwrap(), StopReason::Stopped);
    let events: Vec<_> = capture.take().into_iter().map(|(_, event)| event).collect();
    let armed = pick!(events, Event::InputClock { point: ClockPoint::Arm, now } => now);
    let fired = pick!(events, Event::TimerFired { due, fired, .. } => (due, fired));
    let [(due, fired)] = fired[..] else { panic!("{fired:?}") };
    assert_eq!((armed.len(), due.ns_since(armed[0])), (1, 40_000_007));
    assert!(fired >= due, "never early");
    // The poller's timeout ends at the requested nanosecond, not at the following millisecond.
    let before = pick!(events, Event::InputClock { point: ClockPoint::BeforePoll, now } => now);
    let polls = pick!(events, Event::Poll { timeout_ns: Some(timeout_ns), .. } => timeout_ns);
    for (before, timeout_ns) in before.iter().zip(polls) {
        assert_eq!(timeout_ns, due.ns_since(*before));
    }
}

#[test]
fn a03_timers_have_nanoseconds() {
    let sim = Sim::new();
    let (recorder, capture) = Recorder::capture();
    let mut event_loop =
        sim.build(EventLoop::<Builtin>::builder().policy(Policy::agenda()).recorder(recorder));
    let delay = Duration::from_nanos(1_500_007);
    let seen = Rc::new(RefCell::new(None));
    let (found, clock) = (Rc::clone(&seen), sim.clone());
    event_loop.with(|cx| {
        let fired = Builtin::once("fired", move |cx| {
            *found.borrow_mut() = Some(clock.elapsed());
            cx.stop();
        });
        cx.set_timeout(delay, fired);
    });
    let now = loop_probes::clock::Clock::now(event_loop.clock());
    assert_eq!(event_loop.run().unwrap(), StopReason::Stopped);
    assert_eq!(seen.take(), Some(delay));
    let events: Vec<_> = capture.take().into_iter().map(|(_, event)| event).collect();
    let due = Timestamp(now.0 + 1_500_007);
    assert_eq!(pick!(events, Event::TimerFired { due, fired, .. } => (due, fired)), [(due, due)]);
}

#[test]
fn a03_one_call_sets_up_loop_agenda_commands_and_policy() {
    alone("a03_one_call_sets_up_loop_agenda_commands_and_policy", || {
        let main = AgendaLoop::builder(Builtin::Any).workers(3).build();
        let mut main = main.unwrap();
        assert_eq!(main.event_loop().policy().name, "agenda");
        assert_eq!(main.agenda().workers(), 3);
        let (reporter, heard) = std::sync::mpsc::channel();
        let handle = main.event_loop().handle();
        let commands = Arc::new(main.commands().clone());
        let tasklet = Tasklet::once("posts", move |_| {
            let done = Builtin::remote("done", move |_| {
                reporter.send(()).unwrap();
                commands.send(Command::Quit).unwrap();
            });
            handle.post(done).map_err(|closed| closed.to_string())
        });
        main.agenda().add(tasklet).unwrap();
        assert_eq!(main.run().unwrap(), StopReason::Stopped);
        assert!(heard.try_recv().is_ok());
    });
}
