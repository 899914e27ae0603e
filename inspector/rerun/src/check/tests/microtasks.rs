//! Microtasks: a recording shows how many a checkpoint ran, not which of them did what, nor which queued another.

use std::time::Duration;

use loop_core::sim::Sim;
use loop_core::{Builtin, Context, EventLoop};
use loop_probes::recorder::Recorder;

use super::{assert_agrees, policies, stamped};

type Cx<'a> = Context<'a, Builtin>;

fn microtask(cx: &mut Cx<'_>, act: impl FnOnce(&mut Cx<'_>) + 'static) {
    cx.microtask(Builtin::once("microtask", act));
}

fn held(cx: &mut Cx<'_>, label: &'static str) {
    cx.hold(label);
    cx.release_later(label);
}

/// Asserts that a loop with a task that does `act` decides again as it did, under every policy.
#[track_caller]
fn agrees(act: fn(&mut Cx<'_>)) {
    for policy in policies() {
        let (sim, (recorder, capture)) = (Sim::new(), Recorder::capture());
        let mut event_loop = sim.build(EventLoop::<Builtin>::builder().policy(policy).recorder(recorder));
        event_loop.with(|cx| {
            cx.set_timeout(Duration::from_millis(5), Builtin::once("end", |cx| cx.stop()));
            cx.post(Builtin::once("task", act));
        });
        event_loop.run().unwrap();
        assert_agrees(&stamped(&capture.take()));
    }
}

#[test]
fn a_microtask_may_queue_another_between_two_acts() {
    agrees(|cx| {
        microtask(cx, |cx| {
            held(cx, "first");
            microtask(cx, |_| ());
            held(cx, "second");
        });
    });
    agrees(|cx| {
        microtask(cx, |_| ());
        held(cx, "task");
        microtask(cx, |cx| {
            held(cx, "first");
            microtask(cx, |cx| {
                held(cx, "nested");
                microtask(cx, |_| ());
                microtask(cx, |cx| held(cx, "last"));
                held(cx, "nested");
            });
            held(cx, "second");
        });
        held(cx, "task");
    });
}

#[test]
fn a_microtask_that_panics_may_queue_others_before() {
    agrees(|cx| {
        microtask(cx, |cx| {
            held(cx, "first");
            microtask(cx, |cx| held(cx, "nested"));
            held(cx, "second");
            std::panic::resume_unwind(Box::new("on purpose"));
        });
        microtask(cx, |cx| {
            microtask(cx, |cx| held(cx, "nested"));
            held(cx, "other");
        });
    });
}

#[test]
fn a_deferred_callback_may_queue_microtasks_between_two_acts() {
    agrees(|cx| {
        for key in 0..3 {
            cx.defer(key, |cx| {
                held(cx, "first");
                microtask(cx, |cx| {
                    held(cx, "first");
                    microtask(cx, |_| ());
                    held(cx, "second");
                });
                held(cx, "second");
                false
            });
        }
    });
}
