//! Tests real processes that a command starts.

use std::cell::RefCell;
use std::io::ErrorKind;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command as Process, ExitStatus};
use std::rc::Rc;

use loop_core::self_pipe::ProcessQueue;
use loop_probes::event::{Event, RefKind, StopReason};

use super::{Commanded, commanded};
use crate::kit::{name, pick};

fn shell(script: &str) -> Process {
    let mut process = Process::new("sh");
    process.args(["-c", script]);
    process
}

#[derive(Clone, Debug)]
struct Ended {
    program: String,
    pid: Option<u32>,
    status: Result<ExitStatus, ErrorKind>,
}

type Ends = Rc<RefCell<Vec<Ended>>>;

/// A loop that runs at most `at_once` processes of `queue` at a time, and stops after this many have ended.
fn starting(queue: &ProcessQueue, at_once: usize, ends: usize) -> (Commanded, Ends) {
    let ended = Ends::default();
    let (seen, queue) = (Rc::clone(&ended), queue.clone());
    let world = commanded(move |pipe| {
        pipe.processes(queue, at_once, move |cx, end| {
            let status = end.status.as_ref().map(|status| *status).map_err(|error| error.kind());
            seen.borrow_mut().push(Ended { program: end.program.clone(), pid: end.pid, status });
            if seen.borrow().len() == ends {
                cx.stop();
            }
        })
    });
    (world, ended)
}

#[test]
fn a02_p_starts_the_next_process_and_its_end_is_reported_on_the_loop() {
    let queue = ProcessQueue::new();
    queue.add(shell("exit 3"));
    queue.add(shell("kill -9 $$"));
    let (mut world, ended) = starting(&queue, 1, 2);
    world.send(b"PP");
    assert_eq!(world.event_loop.run().unwrap(), StopReason::Stopped);
    assert!(queue.is_empty());
    let ended = ended.borrow();
    assert!(
        ended.iter().all(|end| end.program == "sh" && end.pid.is_some_and(|pid| pid != std::process::id()))
    );
    let statuses: Vec<_> = ended.iter().map(|end| end.status.unwrap()).collect();
    assert_eq!((statuses[0].code(), statuses[1].signal()), (Some(3), Some(9)));
    let events = world.events();
    let ran = pick!(events, Event::TaskRan { tag, .. } => name(tag));
    assert_eq!(ran.iter().filter(|name| *name == "process ended").count(), 2);
    assert!(ran.iter().any(|name| name == "signal CHLD"), "{ran:?}");
    let holds = pick!(events, Event::RefChanged { what: RefKind::Handle, delta, .. } => delta);
    assert_eq!(holds, [1, 1, -1, 1, -1], "the test's own, then one for each process while it runs");
}

#[test]
fn a02_so_many_at_once_and_the_others_wait_their_turn() {
    let folder = tempfile::tempdir().unwrap();
    let fifo = folder.path().join("meet");
    assert!(Process::new("mkfifo").arg(&fifo).status().unwrap().success());
    let fifo = fifo.display();
    let queue = ProcessQueue::new();
    // These two can only end if both run at the same time.
    queue.add(shell(&format!("read line < '{fifo}'; exit 1")));
    queue.add(shell(&format!("echo line > '{fifo}'; exit 2")));
    queue.add(shell("exit 7"));
    let (mut world, ended) = starting(&queue, 2, 3);
    world.send(b"PPP");
    assert_eq!(world.event_loop.run().unwrap(), StopReason::Stopped);
    let codes = ended.borrow().iter().map(|end| end.status.unwrap().code().unwrap()).collect::<Vec<_>>();
    // The third starts once one of them has ended.
    assert_ne!(codes[0], 7);
    let mut all = codes;
    all.sort_unstable();
    assert_eq!(all, [1, 2, 7]);
}

#[test]
fn a02_one_at_a_time_keeps_the_order_of_the_queue() {
    let queue = ProcessQueue::new();
    for code in 1..=4 {
        queue.add(shell(&format!("exit {code}")));
    }
    let (mut world, ended) = starting(&queue, 1, 4);
    world.send(b"PPPP");
    assert_eq!(world.event_loop.run().unwrap(), StopReason::Stopped);
    let codes: Vec<_> = ended.borrow().iter().map(|end| end.status.unwrap().code().unwrap()).collect();
    assert_eq!(codes, [1, 2, 3, 4]);
}

#[test]
fn a02_a_process_that_cannot_start_is_reported_and_an_empty_queue_is_a_command_error() {
    let queue = ProcessQueue::new();
    queue.add(Process::new("/nonexistent/program"));
    let (mut world, ended) = starting(&queue, 1, 1);
    world.send(b"PP");
    assert_eq!(world.event_loop.run().unwrap(), StopReason::Stopped);
    let ended = ended.borrow();
    assert_eq!((ended[0].program.as_str(), ended[0].pid), ("/nonexistent/program", None));
    assert_eq!(ended[0].status, Err(ErrorKind::NotFound));
    assert_eq!(pick!(world.events(), Event::Exception { .. } => ()).len(), 1);
}

#[test]
fn a02_a_process_that_runs_keeps_the_loop_alive_and_is_in_the_report() {
    let queue = ProcessQueue::new();
    // Its input ends when the test releases it.
    let (input, feed) = std::io::pipe().unwrap();
    let mut cat = Process::new("cat");
    cat.stdin(input);
    queue.add(cat);
    queue.add(shell("exit 0"));
    let mut feed = Some(feed);
    let seen = Rc::new(RefCell::new(None));
    let (report, processes) = (Rc::clone(&seen), queue.clone());
    let mut world = commanded(move |pipe| {
        pipe.processes(processes, 1, |_, _| ()).on_dump(move |cx, dump| {
            let kept = dump.pending.iter().any(|pending| pending.name == "process" && pending.count == 1);
            *report.borrow_mut() = Some((dump.running.clone(), dump.waiting, kept));
            drop(feed.take());
            cx.release("test");
        })
    });
    world.send(b"PD");
    assert_eq!(world.event_loop.run().unwrap(), StopReason::Drained);
    let (running, waiting, kept) = seen.take().unwrap();
    assert_eq!((running[0].0.as_str(), running.len(), waiting, kept), ("cat", 1, 1, true));
}
