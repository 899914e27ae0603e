//! Tests GLib's real main context: driven by our loop, and driving it.
//!
//! These tests fail without the library; `LOOPSCOPE_NO_GLIB=1` skips them explicitly.
#![expect(unsafe_code, reason = "a library by another name is vouched for by its caller")]

use std::cell::Cell;
use std::rc::Rc;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use loop_core::run_loop::{ForeignLoop, GlibLoop, PumpError, RunLoop};
use loop_core::{Builtin, EventLoop};
use loop_probes::clock::monotonic_now;

use crate::kit::{Cx, ms};

/// GLib, or `None` if the environment says to go without it.
fn glib() -> Option<GlibLoop> {
    let glib = GlibLoop::new();
    match glib.handle() {
        Ok(_) => Some(glib),
        Err(_) if std::env::var_os("LOOPSCOPE_NO_GLIB").is_some_and(|set| set == "1") => {
            eprintln!("LOOPSCOPE_NO_GLIB=1: a test of GLib's main context is left out");
            None
        }
        Err(missing) => panic!("{missing}; or set LOOPSCOPE_NO_GLIB=1 to leave its tests out"),
    }
}

/// Counts calls.
fn counter() -> (Rc<Cell<u32>>, impl Fn() + Clone) {
    let count = Rc::new(Cell::new(0));
    let counts = Rc::clone(&count);
    (count, move || counts.set(counts.get() + 1))
}

/// Turns `host` until `done`, for at most ten seconds, which is longer than any test takes.
fn turn_until(host: &mut EventLoop<Builtin>, done: impl FnMut() -> bool) {
    host.with(|cx| {
        cx.set_timeout(ms(10_000), Builtin::once("late", |cx| cx.stop()));
    });
    assert!(host.tick_until(done).unwrap());
}

#[test]
fn r04_a_glib_that_is_not_there_is_a_clear_error() {
    // SAFETY: there is no library with this name.
    let glib = unsafe { GlibLoop::from_library(&["libglib-of-no-one.so.0", "/nowhere/libglib.so"]) };
    let mut host = EventLoop::<Builtin>::new().unwrap();
    let missing = host.with(|cx| RunLoop::new(glib).run(cx, ms(1))).unwrap_err();
    assert!(matches!(&missing, PumpError::Missing { what: "GLib", looked_for, .. } if looked_for.len() == 2));
    let said = missing.to_string();
    assert!(said.starts_with("cannot find GLib: looked for libglib-of-no-one.so.0: "), "{said}");
    assert!(said.ends_with("install it (Debian: libglib2.0-0, Fedora: glib2, Homebrew: glib)"), "{said}");
    assert!(!host.is_alive());
}

#[test]
fn r01_a_pump_of_glib_waits_at_most_so_long_and_says_what_it_handled() {
    let Some(glib) = glib() else { return };
    let pump = RunLoop::new(glib.clone());
    let start = monotonic_now();
    assert!(!pump.pump(Duration::ZERO).unwrap());
    assert!(!pump.pump(Duration::from_micros(1500)).unwrap());
    let waited = monotonic_now().ns_since(start);
    assert!((1_500_000..5_000_000_000).contains(&waited), "{waited} ns");
    let (calls, call) = counter();
    glib.timeout(ms(20), move || {
        call();
        false
    })
    .unwrap();
    while !pump.pump(ms(10_000)).unwrap() {}
    assert_eq!(calls.get(), 1);
    assert!(monotonic_now().ns_since(start) >= 20_000_000, "GLib's own timer ends the wait");
    assert!(!pump.pump(Duration::ZERO).unwrap());
}

#[test]
fn r07_timers_and_idle_callbacks_of_glib_run_from_a_timer_of_ours() {
    let Some(glib) = glib() else { return };
    let (timeouts, timeout) = counter();
    let (idles, idle) = counter();
    glib.timeout(ms(2), move || {
        timeout();
        true
    })
    .unwrap();
    let source = glib.idle(move || {
        idle();
        true
    });
    let source = source.unwrap();
    let mut host = EventLoop::<Builtin>::new().unwrap();
    let stop = host.with(|cx| RunLoop::new(glib).run(cx, ms(1))).unwrap();
    turn_until(&mut host, || timeouts.get() >= 3 && idles.get() >= 3);
    source.remove();
    let seen = idles.get();
    let more = timeouts.get() + 2;
    turn_until(&mut host, || timeouts.get() >= more);
    assert_eq!(idles.get(), seen, "a source that was removed is not called");
    host.with(|cx| assert!(stop.stop(cx)));
}

#[test]
fn r06_glib_drives_our_loop_by_events_its_timers_and_its_other_threads() {
    let Some(glib) = glib() else { return };
    let (timeouts, timeout) = counter();
    let mut host = EventLoop::<Builtin>::new().unwrap();
    let pump = RunLoop::new(glib.clone());
    host.with(|cx| pump.run_ready(cx)).unwrap();
    // Attached on the same thread after the timer was armed.
    glib.timeout(ms(15), move || {
        timeout();
        true
    })
    .unwrap();
    turn_until(&mut host, || timeouts.get() >= 2);
    let (invoked, invoke) = (host.handle(), glib.handle().unwrap());
    host.with(|cx| cx.hold("until invoked"));
    let other = thread::spawn(move || {
        thread::sleep(ms(20));
        invoke.invoke(move || invoked.post(Builtin::remote("invoked", |cx| cx.stop())).unwrap());
    });
    host.run().unwrap();
    other.join().unwrap();
    let polls = host.metrics().polls;
    assert!(polls < 60, "driven by events, not by asking: {polls} polls");
}

#[test]
fn r06_what_the_pumping_thread_sends_to_glib_itself_is_noticed() {
    let Some(glib) = glib() else { return };
    let mut host = EventLoop::<Builtin>::new().unwrap();
    host.with(|cx| RunLoop::new(glib.clone()).run_ready(cx)).unwrap();
    let invoke = glib.handle().unwrap();
    let (sender, receiver) = mpsc::channel();
    host.with(|cx| {
        let sends = Builtin::once("sends", move |_| invoke.invoke(move || sender.send(()).unwrap()));
        cx.set_timeout(ms(5), sends);
    });
    turn_until(&mut host, || receiver.try_recv().is_ok());
}

#[test]
fn r06_no_wake_up_of_glib_is_lost() {
    let Some(glib) = glib() else { return };
    let mut host = EventLoop::<Builtin>::new().unwrap();
    host.with(|cx| {
        cx.hold("the other thread");
        RunLoop::new(glib.clone()).run_ready(cx)
    })
    .unwrap();
    let handle = glib.handle().unwrap();
    super::answer_one_at_a_time(&mut host, move |answer| handle.invoke(answer));
}

#[test]
fn r06_a_context_that_goes_silent_costs_no_pump() {
    let Some(glib) = glib() else { return };
    let mut host = EventLoop::<Builtin>::new().unwrap();
    let (calls, call) = counter();
    glib.idle(move || {
        call();
        false
    })
    .unwrap();
    host.with(|cx| {
        RunLoop::new(glib).run_ready(cx).unwrap();
        cx.set_timeout(ms(300), Builtin::once("end", |_| ()));
    });
    host.run().unwrap();
    assert_eq!(calls.get(), 1);
    assert!(host.metrics().polls < 20, "{:?}", host.metrics());
}

#[test]
fn r05_a_context_of_another_thread_is_refused() {
    let Some(_) = glib() else { return };
    let (owned, is_owned) = mpsc::channel();
    let (done, is_done) = mpsc::channel::<()>();
    let owner = thread::spawn(move || {
        let pump = RunLoop::new(GlibLoop::of_process());
        owned.send(pump.pump(Duration::ZERO).is_ok()).unwrap();
        let _ = is_done.recv();
    });
    assert!(is_owned.recv().unwrap());
    let mut host = EventLoop::<Builtin>::new().unwrap();
    let pump = RunLoop::new(GlibLoop::of_process());
    let refused = host.with(|cx| pump.run_ready(cx)).unwrap_err();
    assert!(matches!(&refused, PumpError::WrongThread { name } if name == "GLib's main context"));
    done.send(()).unwrap();
    owner.join().unwrap();
    assert!(!pump.pump(Duration::ZERO).unwrap(), "its owner is gone: it is ours now");
}

#[test]
fn r05_reentering_from_a_callback_of_glib_is_refused() {
    let Some(glib) = glib() else { return };
    let pump = RunLoop::new(glib.clone());
    let (refusals, refusal) = counter();
    let inner = pump.clone();
    glib.idle(move || {
        if matches!(inner.pump(Duration::ZERO), Err(PumpError::Reentered { .. })) {
            refusal();
        }
        false
    })
    .unwrap();
    let mut host = EventLoop::<Builtin>::new().unwrap();
    host.with(|cx| pump.run(cx, ms(1))).unwrap();
    turn_until(&mut host, || refusals.get() == 1);
}

#[test]
fn a_panic_in_a_callback_of_glib_is_a_panic_of_ours() {
    let Some(glib) = glib() else { return };
    let ((before, count), (after, call)) = (counter(), counter());
    glib.idle(move || {
        count();
        panic!("in GLib")
    })
    .unwrap();
    let mut host = EventLoop::<Builtin>::new().unwrap();
    host.with(|cx| RunLoop::new(glib.clone()).run_ready(cx)).unwrap();
    turn_until(&mut host, || before.get() == 1);
    assert_eq!(host.metrics().panics, 1);
    glib.idle(move || {
        call();
        false
    })
    .unwrap();
    turn_until(&mut host, || after.get() == 1);
}

#[test]
fn closures_go_with_the_context_that_they_were_attached_to() {
    let Some(glib) = glib() else { return };
    let (kept, _) = counter();
    let held = Rc::clone(&kept);
    glib.timeout(ms(10_000), move || held.get() == 0).unwrap();
    let handle = glib.handle().unwrap();
    assert_eq!(Rc::strong_count(&kept), 2);
    drop(glib);
    assert_eq!(Rc::strong_count(&kept), 1, "before another thread could have the last of it");
    thread::spawn(move || drop(handle)).join().unwrap();
}

#[test]
fn r07_our_loop_runs_inside_glib() {
    let Some(glib) = glib() else { return };
    let mut ours = EventLoop::<Builtin>::new().unwrap();
    let (ran, run) = counter();
    let task = |name| {
        let run = run.clone();
        Builtin::once(name, move |_: &mut Cx<'_>| run())
    };
    ours.post(task("task"));
    let ours = glib.embed(ours).unwrap();
    ours.with(|ours| ours.with(|cx| cx.set_timeout(ms(5), task("timer")))).unwrap();
    let handle = ours.with(|ours| ours.handle()).unwrap();
    let poster = thread::spawn(move || {
        thread::sleep(ms(20));
        handle.post(Builtin::remote("remote", |cx| cx.hold("posted"))).unwrap();
    });
    let mut driver = glib.clone();
    let start = monotonic_now();
    let mut iterations = 0;
    while ran.get() < 2 || !ours.with(|ours| ours.is_alive()).unwrap() {
        driver.iterate(ms(10_000)).unwrap();
        iterations += 1;
    }
    poster.join().unwrap();
    assert!(monotonic_now().ns_since(start) < 9_000_000_000, "nothing waited for a timeout");
    assert!(iterations < 30, "{iterations} iterations: it is driven by events");
    assert!(ours.take_error().is_none());
    drop(ours);
    assert!(!driver.iterate(Duration::ZERO).unwrap(), "nothing is left of it");
}
