//! Runs that stop, fail or shut down, where several of these come together, and what a loop does in and after them.

use std::cell::{Cell, RefCell};
use std::panic::resume_unwind;
use std::rc::Rc;
use std::time::Duration;

use loop_core::policy::PanicRule;
use loop_core::sim::{Sim, SimLoop};
use loop_core::{Builtin, Context, EventLoop, OnShutdown, Shutdown};
use loop_probes::event::{Event, LoopCall, StopReason};
use loop_probes::recorder::Recorder;

use super::{assert_agrees, policies, stamped};

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn panic() -> ! {
    resume_unwind(Box::new("on purpose"))
}

/// Asserts that a loop that `program` drives decides again as recorded, under each policy; returns the events of all.
#[track_caller]
fn agrees(program: impl Fn(&Sim, &mut SimLoop<Builtin>)) -> Vec<Event> {
    let mut events = Vec::new();
    for mut policy in policies() {
        (policy.panics, policy.snapshot_interval) = (PanicRule::Stop, ms(3));
        let (sim, (recorder, capture)) = (Sim::new(), Recorder::capture());
        let mut event_loop = sim.build(EventLoop::<Builtin>::builder().policy(policy).recorder(recorder));
        program(&sim, &mut event_loop);
        drop(event_loop);
        let recorded = stamped(&capture.take());
        assert_agrees(&recorded);
        events.extend(recorded.into_iter().map(|stamped| stamped.event));
    }
    events
}

/// Sets an interval of a millisecond that goes on in a shutdown; `f` is given how often it fired before.
fn pulse(event_loop: &mut SimLoop<Builtin>, f: impl Fn(&mut Context<'_, Builtin>, u32) + 'static) {
    let (f, fired) = (Rc::new(f), Rc::new(Cell::new(0)));
    let task = Builtin::repeat("pulse", move |cx| {
        fired.set(fired.get() + 1);
        f(cx, fired.get() - 1);
    });
    event_loop.with(|cx| {
        let timer = cx.set_interval(ms(1), task).unwrap();
        cx.set_timer_on_shutdown(timer, OnShutdown::Finish).unwrap();
    });
}

fn run(event_loop: &mut SimLoop<Builtin>, times: u32) {
    for _ in 0..times {
        // It may fail.
        let _ = event_loop.run_for(ms(4));
    }
}

fn stops(events: &[Event], wanted: StopReason) -> usize {
    events.iter().filter(|event| matches!(event, Event::LoopStopped { reason } if *reason == wanted)).count()
}

#[test]
fn a_release_put_off_is_not_of_the_next_callback_where_a_poll_is_skipped() {
    let events = agrees(|_, event_loop| {
        event_loop.with(|cx| {
            cx.hold("program");
            cx.immediate(Builtin::once("immediate", |cx| {
                cx.release_later("program");
                cx.post(Builtin::once("queued", |_| ()));
                cx.after_loop(Builtin::once("after loop", |_| ()));
            }));
        });
        run(event_loop, 1);
    });
    let released = Event::InputCall { call: LoopCall::Released };
    assert_eq!(events.iter().filter(|event| **event == released).count(), policies().len());
}

#[test]
fn a_stop_and_a_shutdown_come_together() {
    let events = agrees(|_, event_loop| {
        let handle = event_loop.handle();
        pulse(event_loop, move |cx, fired| {
            if fired == 1 {
                cx.stop();
                handle.shutdown(Shutdown::within(ms(6)));
            }
        });
        run(event_loop, 4);
    });
    assert_eq!(
        [StopReason::Stopped, StopReason::Shutdown].map(|reason| stops(&events, reason) > 0),
        [true; 2]
    );
}

#[test]
fn a_callback_and_another_thread_ask_for_a_shutdown() {
    let events = agrees(|_, event_loop| {
        let handle = event_loop.handle();
        pulse(event_loop, move |cx, fired| {
            if fired == 1 {
                cx.shutdown(Shutdown::within(ms(6)));
                handle.shutdown(Shutdown::within(ms(5)));
            }
        });
        run(event_loop, 4);
    });
    assert!(stops(&events, StopReason::Shutdown) >= policies().len());
}

#[test]
fn a_shutdown_begins_long_after_it_was_asked_for() {
    agrees(|_, event_loop| {
        pulse(event_loop, |cx, _| {
            cx.set_timeout(ms(50), Builtin::once("cancelled", |_| ()));
        });
        event_loop.turn().unwrap();
        event_loop.with(|cx| cx.shutdown(Shutdown::within(ms(6))));
        for _ in 0..8 {
            event_loop.turn().unwrap();
        }
        run(event_loop, 3);
    });
}

/// The end of a shutdown drops what is left of the futures.
#[test]
fn a_run_fails_where_a_shutdown_ends() {
    struct Panics;
    impl Drop for Panics {
        fn drop(&mut self) {
            panic();
        }
    }
    let events = agrees(|_, event_loop| {
        drop(event_loop.spawn("stubborn", |lp| async move {
            let _guard = Panics;
            lp.sleep(ms(1_000)).await;
        }));
        run(event_loop, 1);
        event_loop.shutdown(Shutdown::within(ms(2)));
        run(event_loop, 3);
    });
    assert!(stops(&events, StopReason::Failed) > 0);
}

#[test]
fn a_callback_from_outside_fails_the_next_run() {
    let events = agrees(|_, event_loop| {
        pulse(event_loop, |_, _| ());
        run(event_loop, 1);
        event_loop.run_callback("panics", |_| panic());
        event_loop.turn().unwrap();
        run(event_loop, 2);
    });
    assert_eq!(stops(&events, StopReason::Failed), policies().len());
}

#[test]
fn a_timer_that_a_handle_keeps_is_armed_again_in_a_shutdown() {
    agrees(|_, event_loop| {
        let kept = RefCell::new(None);
        pulse(event_loop, move |cx, fired| match fired {
            1 => cx.shutdown(Shutdown::within(ms(20))),
            3 => {
                let timer = cx.set_timeout(ms(1), Builtin::repeat("kept", |_| ()));
                *kept.borrow_mut() = cx.timer_handle(timer).ok();
            }
            7 => {
                let timer = kept.borrow().as_ref().map(|kept| kept.timer());
                let _ = timer.map(|timer| cx.refresh_timer(timer));
            }
            _ => {}
        });
        run(event_loop, 8);
    });
}

/// What the end of a shutdown leaves of the loop is not known.
#[test]
fn a_check_ends_where_a_shutdown_does() {
    agrees(|_, event_loop| {
        drop(event_loop.spawn("stubborn", |lp| async move { lp.sleep(ms(1_000)).await }));
        run(event_loop, 1);
        event_loop.shutdown(Shutdown::within(ms(2)));
        run(event_loop, 1);
        event_loop.post(Builtin::once("posted", |_| ()));
        for _ in 0..3 {
            let _ = event_loop.turn_within(ms(5));
            event_loop.turn().unwrap();
            run(event_loop, 1);
        }
    });
}

#[test]
fn a_check_says_whether_the_loop_went_on_after_its_shutdown() {
    type After = fn(&mut SimLoop<Builtin>);
    let afters: [(&str, After, bool); 5] = [
        ("nothing", |_| (), false),
        ("an empty turn", |event_loop| drop(event_loop.turn()), true),
        ("a run", |event_loop| run(event_loop, 1), true),
        ("a hold", |event_loop| event_loop.with(|cx| cx.hold("late")), true),
        (
            "a task that is never run",
            |event_loop| {
                event_loop.with(|cx| cx.post(Builtin::once("late", |_| ())));
            },
            true,
        ),
    ];
    for (name, after, expected) in afters {
        for policy in policies() {
            let (sim, (recorder, capture)) = (Sim::new(), Recorder::capture());
            let mut event_loop = sim.build(EventLoop::<Builtin>::builder().policy(policy).recorder(recorder));
            pulse(&mut event_loop, |cx, _| {
                cx.after_loop(Builtin::once("close", |_| ()));
            });
            drop(event_loop.spawn("long", |lp| async move { lp.sleep(ms(1_000)).await }));
            run(&mut event_loop, 2);
            event_loop.with(|cx| cx.shutdown(Shutdown::within(ms(2))));
            run(&mut event_loop, 1);
            after(&mut event_loop);
            drop(event_loop);
            let checked = assert_agrees(&stamped(&capture.take()));
            assert_eq!(checked.goes_on, expected, "{name}");
        }
    }
}
