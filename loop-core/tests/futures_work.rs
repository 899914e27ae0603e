//! Tests futures that wait for the work pool and for sources.

use std::cell::RefCell;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::rc::Rc;

use loop_core::future::JoinError;
use loop_core::poller::{Interest, Readiness};
use loop_core::sim::SimSource;
use loop_core::work_pool::Rejected;
use loop_core::{Builtin, EventLoop, Policy};
use loop_probes::event::{Event, Outcome, RefKind};
use loop_probes::ids::NonMax;

use crate::kit::{World, ms, name, pick};

#[test]
fn e04_a_job_on_the_pool_is_awaited_for_its_result() {
    let mut world = World::new();
    world.sim.job_durations([ms(30), ms(10)]);
    world.sim.workers(2);
    let mut handle = world.lp.spawn("both", |lp| async move {
        // Both run at once: a job starts when it is requested.
        let (slow, quick) = (lp.work("slow", |_| 30_u8), lp.work("quick", |_| String::from("10")));
        (slow.await, quick.await)
    });
    world.lp.run().unwrap();
    assert_eq!(handle.take(), Some(Ok((Ok(30), Ok("10".to_owned())))));
    assert_eq!(world.sim.elapsed(), ms(30));
    let events = world.events();
    let settled = pick!(events, Event::WorkSettled { tag, .. } => name(tag));
    assert_eq!(settled, ["quick", "slow"]);
    let parents = pick!(events, Event::WorkQueued { parent, .. } => parent.map(NonMax::get));
    let polled = pick!(events, Event::TaskRan { task, outcome: Outcome::Pending, .. } => Some(task));
    assert_eq!(parents, [polled[0]; 2], "the poll that asked for them");
}

#[test]
fn e04_a_job_that_panics_is_an_error_for_who_awaits_it() {
    let mut world = World::new();
    let mut handle =
        world.lp.spawn("asks", |lp| async move { lp.work("bad", |_| -> u8 { panic!("no") }).await });
    world.lp.run().unwrap();
    assert_eq!(handle.take(), Some(Ok(Err(Rejected::Panicked { message: "no".to_owned() }))));
    assert!(!world.lp.is_alive());
}

#[test]
fn e04_dropping_a_job_takes_it_back_where_no_worker_has_begun_it() {
    let mut world = World::new();
    world.sim.job_durations([ms(10), ms(10)]);
    let ran: std::sync::Arc<std::sync::Mutex<Vec<&str>>> = std::sync::Arc::default();
    let inside = std::sync::Arc::clone(&ran);
    world.lp.spawn("drops", |lp| async move {
        let log = |entry: &'static str| {
            let ran = std::sync::Arc::clone(&inside);
            move |_: &loop_core::work_pool::Worker<'_>| ran.lock().unwrap().push(entry)
        };
        let (begun, waits) = (lp.work("begun", log("begun")), lp.work("waits", log("waits")));
        lp.sleep(ms(5)).await;
        drop((begun, waits));
    });
    world.lp.run().unwrap();
    assert_eq!(*ran.lock().unwrap(), ["begun"]);
    assert_eq!(world.sim.elapsed(), ms(10), "what runs is waited for");
}

#[test]
fn e04_the_same_on_real_workers() {
    let mut event_loop = EventLoop::<Builtin>::builder().workers(2).build().unwrap();
    let mut sum = event_loop.spawn("sum", |lp| async move {
        let jobs: Vec<_> = (0..100_u64).map(|n| lp.work("square", move |_| n * n)).collect();
        let mut sum = 0;
        for job in jobs {
            sum += job.await.unwrap();
        }
        sum
    });
    event_loop.run().unwrap();
    assert_eq!(sum.take(), Some(Ok(328_350)));
}

#[test]
fn e04_two_futures_wait_for_one_source_one_to_read_one_to_write() {
    let mut world = World::new();
    let (source, log) = (SimSource::new(), world.log.clone());
    let shared = source.clone();
    world.lp.spawn("both ways", |lp| async move {
        let watched = Rc::new(lp.watch_shared(shared));
        let (reader, writer) = (Rc::clone(&watched), watched);
        let log_read = log.clone();
        let read = lp.spawn("reader", |_| async move {
            reader.readable().await.unwrap();
            log_read.add("readable");
        });
        writer.writable().await.unwrap();
        log.add("writable");
        read.await.unwrap();
    });
    world.sim.ready_at(ms(1), &source, Readiness::WRITABLE);
    world.sim.ready_at(ms(2), &source, Readiness::READABLE);
    assert_eq!(world.run(), ["writable", "readable"]);
    let events = world.events();
    assert_eq!(pick!(events, Event::IoRegistered { tag, .. } => name(tag)).len(), 1, "registered once");
    let asked = pick!(events, Event::IoModified { interest, .. } => interest);
    let both = Interest::READABLE | Interest::WRITABLE;
    assert_eq!(asked, [both.bits(), Interest::READABLE.bits()], "asked for what is waited for");
    assert_eq!(pick!(events, Event::IoRemoved { .. } => ()).len(), 1);
}

#[test]
fn e04_an_error_or_a_hang_up_wakes_everybody() {
    let mut world = World::new();
    let (source, log) = (SimSource::new(), world.log.clone());
    let shared = source.clone();
    world.lp.spawn("waits to write", |lp| async move {
        let watched = lp.watch_shared(shared);
        watched.writable().await.unwrap();
        log.add("woken");
    });
    world.sim.ready_at(ms(1), &source, Readiness::HANG_UP);
    assert_eq!(world.run(), ["woken"]);
}

#[test]
fn e04_dropping_a_wait_is_asked_about_no_more_and_dropping_the_source_removes_it() {
    let mut world = World::new();
    let source = SimSource::new();
    let shared = source.clone();
    world.lp.spawn("gives up", |lp| async move {
        let watched = lp.watch_shared(shared);
        assert!(lp.timeout(ms(5), watched.readable()).await.is_err());
        lp.sleep(ms(5)).await;
        drop(watched);
        lp.sleep(ms(5)).await;
    });
    // By then nothing waits for the source, so its readiness is not reported.
    world.sim.ready_at(ms(7), &source, Readiness::READABLE);
    world.lp.run().unwrap();
    let events = world.events();
    let asked = pick!(events, Event::IoModified { interest, .. } => interest);
    assert_eq!(asked, [Interest::READABLE.bits(), Interest::NONE.bits()]);
    assert_eq!(pick!(events, Event::IoReady { .. } => ()).len(), 0);
    assert_eq!(pick!(events, Event::IoRemoved { .. } => ()).len(), 1);
    assert_eq!(world.sim.elapsed(), ms(15));
}

#[test]
fn e04_a_source_that_cannot_be_waited_for_is_an_error_of_its_waiter() {
    let mut policy = Policy::bun();
    policy.sources_max = Some(1);
    let mut world = World::with_policy(policy);
    let (first, second) = (SimSource::new(), SimSource::new());
    let ready = first.clone();
    let refused = Rc::new(RefCell::new(String::new()));
    let message = Rc::clone(&refused);
    world.lp.spawn("first", |lp| async move { lp.watch_shared(first).readable().await.unwrap() });
    world.lp.spawn("second", |lp| async move {
        *message.borrow_mut() = lp.watch_shared(second).readable().await.unwrap_err().to_string();
    });
    world.sim.ready_at(ms(1), &ready, Readiness::READABLE);
    world.lp.run().unwrap();
    assert!(refused.borrow().contains("limit of its policy"), "{}", refused.borrow());
}

#[test]
fn e04_a_connection_that_always_has_something_to_read_starves_no_other() {
    let (near, mut far) = UnixStream::pair().unwrap();
    far.write_all(&[7; 4096]).unwrap();
    let mut event_loop = EventLoop::<Builtin>::new().unwrap();
    let order = Rc::new(RefCell::new(Vec::new()));
    let (reads, other) = (Rc::clone(&order), Rc::clone(&order));
    event_loop.spawn("greedy", |lp| async move {
        let near = lp.watch(near);
        for _ in 0..4096 {
            near.read(&mut [0]).await.unwrap();
        }
        reads.borrow_mut().push("greedy");
    });
    event_loop.spawn("other", |_| async move { other.borrow_mut().push("other") });
    event_loop.run().unwrap();
    assert_eq!(*order.borrow(), ["other", "greedy"]);
}

#[test]
fn e04_an_echo_server_over_real_sockets() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let mut event_loop = EventLoop::<Builtin>::new().unwrap();
    event_loop.spawn_checked("listen", |lp| async move {
        let listener = lp.watch(listener);
        for _ in 0..3 {
            let Some((stream, _peer)) = listener.accept().await? else { break };
            lp.spawn_checked("connection", |_| async move {
                let mut buffer = [0; 1000];
                loop {
                    match stream.read(&mut buffer).await? {
                        0 => return Ok::<_, std::io::Error>(()),
                        bytes => stream.write_all(&buffer[..bytes]).await?,
                    }
                }
            });
        }
        Ok::<_, std::io::Error>(())
    });
    let clients: Vec<_> = (0..3_u8)
        .map(|client| {
            std::thread::spawn(move || {
                let mut stream = TcpStream::connect(address).unwrap();
                let sent: Vec<u8> = (0..200_000_u32).map(|byte| (byte as u8) ^ client).collect();
                let mut out = stream.try_clone().unwrap();
                let bytes = sent.clone();
                let writer = std::thread::spawn(move || {
                    out.write_all(&bytes).unwrap();
                    out.shutdown(std::net::Shutdown::Write).unwrap();
                });
                let mut got = Vec::new();
                stream.read_to_end(&mut got).unwrap();
                writer.join().unwrap();
                got == sent
            })
        })
        .collect();
    event_loop.run().unwrap();
    assert!(clients.into_iter().all(|client| client.join().unwrap()));
    assert!(!event_loop.is_alive());
}

#[test]
fn e04_while_shutting_down_a_spawn_is_refused() {
    let mut world = World::new();
    let refused = Rc::new(RefCell::new(None));
    let outcome = Rc::clone(&refused);
    world.lp.spawn("spawns late", |lp| async move {
        lp.shutting_down().await;
        *outcome.borrow_mut() = Some(lp.spawn("late", |_| async {}).await);
    });
    world.lp.shutdown(loop_core::Shutdown::within(ms(100)));
    world.lp.run().unwrap();
    assert_eq!(*refused.borrow(), Some(Err(JoinError::Refused)));
    assert_eq!(world.lp.scheduler().count(RefKind::Future), 0);
}

#[test]
fn e04_the_echo_example_is_under_sixty_lines() {
    let lines = include_str!("../examples/echo.rs").lines().count();
    assert!(lines < 60, "the book promises it: {lines}");
}

#[test]
fn e05_the_output_of_a_child_is_read_and_its_input_written() {
    let mut event_loop = EventLoop::<Builtin>::new().unwrap();
    let mut child = std::process::Command::new("cat")
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let (input, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let mut read = event_loop.spawn("cat", |lp| async move {
        lp.watch(input).write_all(b"hello").await?;
        let (output, mut all, mut buffer) = (lp.watch(output), Vec::new(), [0; 3]);
        loop {
            match output.read(&mut buffer).await? {
                0 => return Ok::<_, std::io::Error>(all),
                bytes => all.extend_from_slice(&buffer[..bytes]),
            }
        }
    });
    event_loop.run().unwrap();
    assert!(matches!(read.take(), Some(Ok(Ok(all))) if all == b"hello"));
    assert!(child.wait().unwrap().success());
}
