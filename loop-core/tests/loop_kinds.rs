//! Tests the loop's interfaces: the mini loop, the loop of either kind, and the handle that algorithms are
//! written against.

use std::cell::{Cell, RefCell};
use std::ffi::OsString;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use loop_core::environment::{CapturedOutput, Stream};
use loop_core::poller::{Interest, Readiness, Source};
use loop_core::sim::{Sim, SimSource};
use loop_core::tag::tag_of_label;
use loop_core::{
    Any, AnyEventLoop, AnyRemote, BuildError, Builder, Builtin, Context, Environment, EventLoop,
    EventLoopHandle, LoopKind, MiniEventLoop, NativeHost, Policy, TagOf, Task, WrongLoopKind,
};
use loop_probes::event::{Event, StopReason};
use loop_probes::recorder::Recorder;
use rustix::fs::inotify;

use crate::kit::{Cx, Log, ms, pick};

/// Both kinds of loop, with their output.
fn both() -> [(AnyEventLoop<Builtin>, CapturedOutput); 2] {
    let printing = || {
        let printed = CapturedOutput::default();
        let env = [("LABEL".into(), "copied".into())].into();
        let stdout = Stream::new(printed.clone());
        (EventLoop::builder().environment(Environment { env, stdout, ..Environment::default() }), printed)
    };
    let ((full, of_full), (mini, of_mini)) = (printing(), printing());
    [(full.build().unwrap().into(), of_full), (mini.build_mini().unwrap().into(), of_mini)]
}

#[test]
fn b24_the_mini_loop_polls_only_when_no_task_is_queued() {
    let polls_of = |policy: Policy, mini: bool| {
        let sim = Sim::new();
        let (recorder, capture) = Recorder::capture();
        let builder = || EventLoop::<Builtin>::builder().policy(policy).recorder(recorder);
        // More tasks than a tick runs: the rest waits in the queue while the turn continues.
        let task = || Builtin::once("task", |_| ());
        if mini {
            let mut event_loop = sim.build_mini(builder()).unwrap();
            for _ in 0..5 {
                event_loop.post(task());
            }
            event_loop.run().unwrap();
        } else {
            let mut event_loop = sim.build(builder());
            for _ in 0..5 {
                event_loop.post(task());
            }
            event_loop.run().unwrap();
        }
        let events: Vec<_> = capture.take().into_iter().map(|(_, event)| event).collect();
        pick!(events, Event::Poll { .. } => ()).len()
    };
    let two_a_tick = |mut policy: Policy| {
        policy.tasks_per_tick = 2;
        policy
    };
    assert_eq!(polls_of(two_a_tick(Policy::mini()), true), 1);
    assert_eq!(polls_of(two_a_tick(Policy::bun()), true), 1, "whatever policy it was given");
    assert_eq!(polls_of(two_a_tick(Policy::bun()), false), 3);
}

#[test]
fn b24_sources_timers_signals_and_the_pool_are_the_same_on_the_mini_loop() {
    let sim = Sim::new();
    let (log, source) = (Log::default(), SimSource::new());
    let mut mini = sim.build_mini(EventLoop::<Builtin>::builder()).unwrap();
    sim.job_durations([ms(4)]);
    sim.ready_at(ms(2), &source, Readiness::READABLE);
    sim.signal_at(ms(3), 10);
    mini.with(|cx| {
        cx.post(log.task("task"));
        cx.immediate(log.task("immediate"));
        cx.set_timeout(ms(1), log.task("timer"));
        let io = log.repeat("io", |cx: &mut Cx<'_>| {
            let own = cx.ready().unwrap().source;
            cx.remove(own).unwrap();
        });
        cx.register(source.clone(), Interest::READABLE, io).unwrap();
        cx.on_signal(10, log.repeat("signal", |_| ())).unwrap();
        let job = TagOf::Global(tag_of_label("job"));
        cx.work(job, |_| Builtin::remote("done", |_| ()), |reason| panic!("{reason}")).unwrap();
        cx.set_timeout(ms(5), log.task("last"));
    });
    assert_eq!(mini.run().unwrap(), StopReason::Drained);
    assert_eq!(log.take(), ["task", "immediate", "timer", "io", "signal", "last"]);
    assert_eq!(mini.metrics().tasks_run, 6, "with what the pool gave back, without the source");
}

#[test]
fn b24_a_file_watcher_is_a_source_of_the_mini_loop() {
    let folder = tempfile::tempdir().unwrap();
    let watcher = Arc::new(inotify::init(inotify::CreateFlags::NONBLOCK).unwrap());
    inotify::add_watch(&*watcher, folder.path(), inotify::WatchFlags::CREATE).unwrap();
    let mut mini = MiniEventLoop::<Builtin>::new().unwrap();
    let created = Rc::new(RefCell::new(None));
    let (seen, events) = (Rc::clone(&created), Arc::clone(&watcher));
    mini.with(|cx| {
        let io = Builtin::repeat("watcher", move |_| {
            let mut buffer = [std::mem::MaybeUninit::uninit(); 512];
            let mut reader = inotify::Reader::new(&*events, &mut buffer);
            let name = reader.next().unwrap().file_name().map(|name| name.to_string_lossy().into_owned());
            *seen.borrow_mut() = name;
        });
        cx.register(watcher, Interest::READABLE, io).unwrap();
        let file = folder.path().join("new.txt");
        cx.set_timeout(ms(1), Builtin::once("creates", move |_| fs::write(file, "!").unwrap()));
    });
    assert!(mini.tick_until(|| created.borrow().is_some()).unwrap());
    assert_eq!(created.borrow().as_deref(), Some("new.txt"));
}

#[test]
fn b24_tick_until_ends_when_it_is_done_stopped_or_has_nothing_to_wait_for() {
    let sim = Sim::new();
    let mut mini = sim.build_mini(EventLoop::<Builtin>::builder()).unwrap();
    let count = Rc::new(Cell::new(0));
    let counts = Rc::clone(&count);
    mini.with(|cx| {
        cx.set_interval(ms(10), Builtin::repeat("count", move |_| counts.set(counts.get() + 1))).unwrap();
    });
    assert!(mini.tick_until(|| true).unwrap(), "asked before the first turn");
    assert_eq!(sim.elapsed(), ms(0));
    assert!(mini.tick_until(|| count.get() == 3).unwrap());
    assert_eq!(sim.elapsed(), ms(30));
    mini.stop();
    assert!(!mini.tick_until(|| count.get() == 5).unwrap());
    assert!(mini.tick_until(|| count.get() == 5).unwrap(), "nothing is lost");
    let mut mini = sim.build_mini(EventLoop::<Builtin>::builder()).unwrap();
    mini.post(Builtin::once("one", |_| ()));
    assert!(!mini.tick_until(|| false).unwrap());
    assert_eq!(mini.metrics().tasks_run, 1);
}

/// Regardless of what sets the condition, and also if only a source keeps the loop alive, for which a poll
/// would wait for ever.
#[test]
fn b24_tick_until_asks_after_the_tasks_and_before_the_poll() {
    for name in Policy::NAMES {
        let sim = Sim::new();
        let mut event_loop =
            sim.build(EventLoop::<Builtin>::builder().policy(Policy::by_name(name).unwrap()));
        let done = Rc::new(Cell::new(false));
        let (by_task, by_immediate) = (Rc::clone(&done), Rc::clone(&done));
        event_loop.with(|cx| {
            cx.set_timeout(ms(2_000), Builtin::once("far", |_| ()));
            cx.post(Builtin::once("sets it", move |_| by_task.set(true)));
        });
        assert!(event_loop.tick_until(|| done.get()).unwrap());
        assert_eq!(sim.elapsed(), ms(0), "policy {name}");
        done.set(false);
        event_loop.with(|cx| cx.immediate(Builtin::once("sets it", move |_| by_immediate.set(true))));
        assert!(event_loop.tick_until(|| done.get()).unwrap());
        assert_eq!(sim.elapsed(), ms(0), "policy {name}");
        // The rest of that turn is not skipped: the timer fires when it is due.
        event_loop.with(|cx| cx.set_timeout(ms(2_000), Builtin::once("stop", |cx| cx.stop())));
        event_loop.run().unwrap();
        assert_eq!((sim.elapsed(), event_loop.metrics().tasks_run), (ms(2_000), 4), "policy {name}");
    }
}

/// On the machine's own clock and poller: the timer shows whether the poll took place and waited.
#[test]
fn b24_tick_until_waits_for_nothing_once_it_is_done_on_a_real_clock() {
    for with_timer in [true, false] {
        let mut event_loop = EventLoop::<Builtin>::new().unwrap();
        let mut mini = MiniEventLoop::<Builtin>::new().unwrap();
        let (done, fired) = (Rc::new(Cell::new(false)), Rc::new(Cell::new(false)));
        let (quiet, _other_end) = UnixStream::pair().unwrap();
        let source: Source = Arc::new(quiet);
        let set_up = |cx: &mut Context<'_, Builtin>| {
            let (sets, fires) = (Rc::clone(&done), Rc::clone(&fired));
            if with_timer {
                cx.set_timeout(ms(10_000), Builtin::once("far", move |_| fires.set(true)));
            }
            let readable = Builtin::repeat("readable", |_| ());
            cx.register(Arc::clone(&source), Interest::READABLE, readable).unwrap();
            cx.post(Builtin::once("sets it", move |_| sets.set(true)));
        };
        event_loop.with(set_up);
        assert!(event_loop.tick_until(|| done.get()).unwrap());
        assert_eq!((fired.get(), event_loop.metrics().polls), (false, 0));
        drop(event_loop);
        done.set(false);
        mini.with(set_up);
        assert!(mini.tick_until(|| done.get()).unwrap());
        assert_eq!((fired.get(), mini.metrics().polls), (false, 0));
    }
}

#[test]
fn b24_it_carries_environment_and_streams_for_its_tools() {
    let (out, err) = (CapturedOutput::default(), CapturedOutput::default());
    let environment = Environment {
        env: [(OsString::from("GREETING"), OsString::from("hello"))].into(),
        stdout: Stream::new(out.clone()),
        stderr: Stream::new(err.clone()),
    };
    let mut mini = EventLoop::<Builtin>::builder().environment(environment).build_mini().unwrap();
    mini.post(Builtin::once("tool", |cx| {
        let loop_env = cx.environment();
        let greeting = loop_env.env("GREETING").unwrap().to_str().unwrap();
        write!(loop_env.stdout.clone(), "{greeting}").unwrap();
        write!(loop_env.stderr.clone(), "{:?}", loop_env.env("HOME")).unwrap();
    }));
    mini.run().unwrap();
    assert_eq!((out.text().as_str(), err.text().as_str()), ("hello", "None"));
    let process = MiniEventLoop::<Builtin>::new().unwrap();
    assert_eq!(process.environment().env, std::env::vars_os().collect(), "the process's own by default");
}

#[test]
fn b24_a_stream_that_writes_to_itself_is_an_error() {
    struct Loops(Rc<RefCell<Option<Stream>>>);
    impl Write for Loops {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.borrow().clone().unwrap().write(bytes)
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let itself = Rc::default();
    let mut stream = Stream::new(Loops(Rc::clone(&itself)));
    *itself.borrow_mut() = Some(stream.clone());
    assert_eq!(stream.write(b"!").unwrap_err().to_string(), "the stream writes to itself");
    itself.borrow_mut().take();
}

#[test]
fn b24_a_mini_loop_with_a_host_is_refused() {
    let refused = EventLoop::<Builtin>::builder().host(NativeHost).build_mini().unwrap_err();
    let BuildError::WrongLoopKind(only) = refused else { panic!("{refused}") };
    assert_eq!(
        only.to_string(),
        "this mini event loop does not support a script host: build the loop with `Builder::build`"
    );
}

/// The result of a copy.
#[derive(Debug, Default)]
struct Copied {
    files: u32,
    bytes: u64,
    left: u32,
}

/// Copies files on the pool, prints one line on stdout for each and a last line when all are done, and gives up
/// after a time limit. It is written once, for either loop and any task type.
fn copy_files<T>(on: &mut EventLoopHandle<'_, T>, files: Vec<(PathBuf, PathBuf)>, patience: Duration)
where
    T: Task + From<Any<T>>,
    T::Remote: From<AnyRemote<T>>,
{
    let late = Any::once("copy timeout", |cx| {
        let mut on = cx.event_loop();
        on.fail("the copy takes too long");
        on.stop();
    });
    let timeout = on.set_timeout(patience, late.into());
    let copied = Rc::new(RefCell::new(Copied { left: files.len() as u32, ..Copied::default() }));
    for (from, to) in files {
        let job = TagOf::Global(tag_of_label("copy"));
        let name = from.file_name().unwrap_or_default().display().to_string();
        let (sender, receiver) = std::sync::mpsc::channel();
        let run = move |_: &loop_core::work_pool::Worker<'_>| {
            let _ = sender.send(fs::copy(&from, &to));
            AnyRemote::new("copied", |cx| cx.event_loop().release("copies")).into()
        };
        on.hold("copies");
        on.work(job, run, |reason| panic!("{reason}")).unwrap();
        // Watches the job, as a tool with a progress display does.
        let copied = Rc::clone(&copied);
        let look = Any::repeat("progress", move |cx| {
            let Ok(result) = receiver.try_recv() else { return };
            let own = cx.timer();
            let mut on = cx.event_loop();
            let mut copied = copied.borrow_mut();
            copied.left -= 1;
            match result {
                Ok(bytes) => {
                    copied.files += 1;
                    copied.bytes += bytes;
                    let label = on.environment().env("LABEL").unwrap_or_default().display().to_string();
                    writeln!(on.stdout(), "{label} {name}").unwrap();
                }
                Err(error) => on.fail(format_args!("{name}: {error}")),
            }
            own.map(|own| on.clear_timer(own));
            if copied.left == 0 {
                writeln!(on.stdout(), "{} files, {} bytes", copied.files, copied.bytes).unwrap();
                on.clear_timer(timeout);
            }
        });
        on.set_interval(ms(1), look.into()).unwrap();
    }
}

#[test]
fn b25_one_algorithm_runs_on_both() {
    for (mut event_loop, printed) in both() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::write(path("a"), "aaa").unwrap();
        fs::write(path("b"), "bbbb").unwrap();
        let files = vec![(path("a"), path("a.copy")), (path("b"), path("b.copy"))];
        // From the owner, and from a running task.
        event_loop.with(|on| {
            let task = Builtin::once("copy", |cx| copy_files(&mut cx.event_loop(), files, ms(60_000)));
            on.post(task);
        });
        assert_eq!(event_loop.run().unwrap(), StopReason::Drained);
        let text = printed.text();
        let mut lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.pop(), Some("2 files, 7 bytes"), "{text}");
        lines.sort_unstable();
        assert_eq!(lines, ["copied a", "copied b"], "on the {}", event_loop.kind());
        assert_eq!(fs::read(path("b.copy")).unwrap(), b"bbbb");
        assert_eq!(event_loop.metrics().panics, 0);
    }
}

#[test]
fn b25_the_handle_reaches_sources_timers_and_other_threads() {
    for (mut event_loop, printed) in both() {
        let (mut near, far) = UnixStream::pair().unwrap();
        event_loop.with(|on| {
            let far = Arc::new(far);
            let stream = Arc::clone(&far);
            let io = Builtin::repeat("io", move |cx| {
                let mut text = [0; 4];
                (&*stream).read_exact(&mut text).unwrap();
                let own = cx.ready().unwrap().source;
                let mut on = cx.event_loop();
                on.modify(own, Interest::NONE).unwrap();
                on.remove(own).unwrap();
                on.stdout().write_all(&text).unwrap();
                on.release("the other thread");
            });
            on.register(far, Interest::READABLE, io).unwrap();
            on.hold("the other thread");
            let never = on.set_timeout(ms(1), Builtin::once("never", |_| panic!("cleared")));
            assert!(on.clear_timer(never) && !on.clear_timer(never));
            assert!(on.refresh_timer(never).is_err() && on.set_timer_referenced(never, true).is_err());
            on.immediate(Builtin::once("immediate", |_| ()));
            on.on_signal(12, Builtin::repeat("signal", |_| ())).unwrap();
            let remote = on.handle();
            std::thread::spawn(move || {
                let writes = Builtin::remote("writes", move |_| near.write_all(b"ping").unwrap());
                remote.post(writes).unwrap();
            });
        });
        assert_eq!(event_loop.run().unwrap(), StopReason::Drained);
        assert_eq!(printed.text(), "ping");
    }
}

#[test]
fn b25_a_future_spawned_on_the_handle_runs_on_both() {
    for (mut event_loop, printed) in both() {
        event_loop.with(|on| {
            let mut stdout = on.stdout();
            on.spawn("future", |local| async move {
                local.sleep(ms(1)).await;
                stdout.write_all(b"awaited").unwrap();
            });
        });
        assert_eq!(event_loop.run().unwrap(), StopReason::Drained);
        assert_eq!(printed.text(), "awaited");
    }
}

#[test]
fn b25_what_needs_a_host_is_a_typed_error_on_the_mini_loop() {
    let ask = |on: &mut EventLoopHandle<'_, Builtin>| {
        [on.microtask(Builtin::once("microtask", |_| ())), on.request_gc(), on.memory_pressure(), on.reload()]
    };
    let [(mut full, _), (mut mini, _)] = both();
    assert_eq!((full.kind(), mini.kind()), (LoopKind::EventLoop, LoopKind::Mini));
    assert!(full.with(ask).iter().all(Result::is_ok));
    let refused = mini.with(ask).map(Result::unwrap_err);
    assert!(refused.iter().all(|only| (only.needs, only.got) == (LoopKind::EventLoop, LoopKind::Mini)));
    assert_eq!(
        refused[1].to_string(),
        "this mini event loop does not support a collection: build the loop with `Builder::build`"
    );
    assert_eq!(mini.run().unwrap(), StopReason::Drained);
    assert_eq!(mini.metrics().tasks_run, 0, "nothing was done");
}

#[test]
fn b25_each_face_is_had_back_and_the_other_refused() {
    let [(mut full, _), (mut mini, _)] = both();
    assert!(full.as_event_loop().is_ok() && mini.as_mini().is_ok());
    let WrongLoopKind { what, needs, got, .. } = full.as_mini().unwrap_err();
    assert_eq!((what, needs, got), ("the mini interface", LoopKind::Mini, LoopKind::EventLoop));
    assert_eq!(
        mini.as_event_loop().unwrap_err().to_string(),
        "this mini event loop does not support the whole interface: build the loop with `Builder::build`"
    );
}

#[test]
fn b25_either_loop_ticks_until_done() {
    for (mut event_loop, _) in both() {
        let done = Rc::new(Cell::new(false));
        let sets = Rc::clone(&done);
        event_loop.with(|on| {
            on.hold("for ever");
            on.set_timeout(ms(1), Builtin::once("done", move |_| sets.set(true)));
        });
        assert!(event_loop.tick_until(|| done.get()).unwrap());
        event_loop.with(|on| on.release("for ever"));
        event_loop.turn().unwrap();
        assert_eq!(event_loop.run().unwrap(), StopReason::Drained);
    }
}

/// A mini loop keeps every setting of its builder.
#[test]
fn b24_a_builder_makes_either() {
    let made: fn(Builder<Builtin>) -> AnyEventLoop<Builtin> = |builder| builder.build_mini().unwrap().into();
    let mut event_loop = made(EventLoop::builder().workers(1));
    assert_eq!(event_loop.as_mini().unwrap().policy().name, "mini");
    assert!(!event_loop.handle().is_closed());
}
