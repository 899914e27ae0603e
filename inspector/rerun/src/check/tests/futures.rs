//! Futures: what they ask of their loop is done after the callback in which they asked for it.

use std::future::{Future, pending};
use std::panic::resume_unwind;
use std::pin::Pin;
use std::time::Duration;

use fastrand::Rng;
use loop_core::sim::Sim;
use loop_core::{Builtin, EventLoop, LocalHandle, Policy};
use loop_probes::recorder::Recorder;

use super::{check, policies, stamped};

type Local = LocalHandle<Builtin>;

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// Asserts that the loop decides again as it did with a future that does `first` and then sleeps five times.
#[track_caller]
fn agrees<F: Future<Output = ()> + 'static>(what: &str, first: impl Fn(Local) -> F) {
    for policy in policies() {
        agrees_under(policy, what, &first);
    }
}

#[track_caller]
fn agrees_under<F: Future<Output = ()> + 'static>(policy: Policy, what: &str, first: impl Fn(Local) -> F) {
    let name = policy.name.clone();
    let (sim, (recorder, capture)) = (Sim::new(), Recorder::capture());
    sim.job_durations([1, 300, 90].repeat(50).into_iter().map(Duration::from_micros));
    let mut event_loop = sim.build(EventLoop::<Builtin>::builder().policy(policy).recorder(recorder));
    let mut root = event_loop.spawn("root", |lp| {
        let first = first(lp.clone());
        async move {
            first.await;
            for _ in 0..5 {
                lp.sleep(ms(2)).await;
            }
            // One of the policies ends a run only if asked to.
            lp.stop();
        }
    });
    event_loop.run().unwrap();
    assert_eq!(root.take(), Some(Ok(())), "{what} ends under {name}");
    let checked = check(&stamped(&capture.take())).unwrap();
    assert!(checked.agrees(), "{what} under {name}: {:#?}", checked.divergence);
    assert!(checked.seen.timers >= 5, "{what} under {name}: {:?}", checked.seen);
}

fn napping(lp: &Local) -> loop_core::JoinHandle<()> {
    lp.spawn("nap", |lp| async move { lp.sleep(ms(100_000)).await })
}

#[test]
fn a_cancelled_future_clears_its_timer_and_wakes_whatever_awaits_it() {
    agrees("an await in the poll that cancels", |lp| async move {
        let nap = napping(&lp);
        lp.sleep(ms(5)).await;
        nap.cancel();
        nap.await.unwrap_err();
    });
    agrees("an await in a later poll", |lp| async move {
        let nap = napping(&lp);
        lp.sleep(ms(5)).await;
        nap.cancel();
        lp.sleep(ms(5)).await;
        nap.await.unwrap_err();
    });
    agrees("no await", |lp| async move {
        let nap = napping(&lp);
        lp.sleep(ms(5)).await;
        nap.cancel();
    });
    agrees("two at once", |lp| async move {
        let nap = napping(&lp);
        let second = lp.spawn("second nap", |lp| async move {
            lp.sleep(ms(5)).await;
            lp.sleep(ms(100_000)).await;
        });
        lp.sleep(ms(10)).await;
        nap.cancel();
        second.cancel();
        nap.await.unwrap_err();
        second.await.unwrap_err();
    });
    agrees("limits that pass later", |lp| async move {
        let nap = napping(&lp);
        lp.sleep(ms(5)).await;
        nap.cancel();
        nap.await.unwrap_err();
        for _ in 0..10 {
            lp.timeout(ms(3), pending::<()>()).await.unwrap_err();
        }
    });
    agrees("two that wait for jobs", |lp| async move {
        let jobs = ["job", "second job"]
            .map(|name| lp.spawn(name, |lp| async move { drop(lp.work(name, |_| ()).await) }));
        lp.yield_now().await;
        for job in jobs {
            job.cancel();
            let _ = job.await;
        }
    });
    agrees("one that waits for nothing before", |lp| async move {
        let nap = napping(&lp);
        let never = lp.spawn("never", |_| pending::<()>());
        never.cancel();
        never.await.unwrap_err();
        lp.sleep(ms(5)).await;
        nap.cancel();
        nap.await.unwrap_err();
    });
}

/// What is done when a future is dropped.
#[derive(Clone, Copy, Debug)]
enum Last {
    Post,
    Immediate,
    AfterLoop,
    Timer,
    Timers,
    Spawn,
    Work,
    Microtask,
    Microtasks,
    Panic,
}

const LAST: [Last; 10] = [
    Last::Post,
    Last::Immediate,
    Last::AfterLoop,
    Last::Timer,
    Last::Timers,
    Last::Spawn,
    Last::Work,
    Last::Microtask,
    Last::Microtasks,
    Last::Panic,
];

struct OnDrop(Local, Last);

impl Drop for OnDrop {
    fn drop(&mut self) {
        let task = || Builtin::once("last", |_| ());
        match self.1 {
            Last::Post => self.0.post(task()),
            Last::Immediate => self.0.with(move |cx| _ = cx.immediate(task())),
            Last::AfterLoop => self.0.with(move |cx| _ = cx.after_loop(task())),
            Last::Timer => self.0.with(move |cx| _ = cx.set_timeout(ms(1), task())),
            Last::Timers => self.0.with(move |cx| drop(cx.set_timeouts([3, 1].map(|due| (ms(due), task()))))),
            Last::Spawn => drop(self.0.spawn("last", |lp| async move { lp.yield_now().await })),
            Last::Work => drop(self.0.work("last", |_| ())),
            Last::Microtask => self.0.microtask(task()),
            Last::Microtasks => self.0.microtask(Builtin::once("outer", |cx| {
                cx.microtask(Builtin::once("inner", |_| ()));
                cx.local().microtask(Builtin::once("asked for", |cx| {
                    cx.post(Builtin::once("last", |_| ()));
                }));
            })),
            Last::Panic => {
                self.0.with(|_| resume_unwind(Box::new("on purpose")));
                self.0.post(task());
                self.0.microtask(task());
            }
        }
    }
}

#[test]
fn what_the_drop_of_a_future_asks_for_is_done_after_its_task() {
    for last in LAST {
        for joins in [true, false] {
            agrees(&format!("{last:?}, awaited: {joins}"), |lp| async move {
                let guarded = lp.spawn("guarded", move |lp| {
                    let guard = OnDrop(lp.clone(), last);
                    async move {
                        let _guard = guard;
                        lp.sleep(ms(100_000)).await;
                    }
                });
                lp.sleep(ms(5)).await;
                guarded.cancel();
                if joins {
                    guarded.await.unwrap_err();
                }
            });
        }
    }
}

#[test]
fn what_a_future_that_panics_asked_for_is_done() {
    for last in LAST {
        for joins in [true, false] {
            agrees(&format!("{last:?}, awaited: {joins}"), |lp| async move {
                let panics = lp.spawn("panics", move |lp| async move {
                    lp.sleep(ms(1)).await;
                    drop(OnDrop(lp, last));
                    resume_unwind(Box::new("on purpose"))
                });
                lp.sleep(ms(5)).await;
                if joins {
                    assert!(panics.await.is_err());
                }
            });
        }
    }
}

#[test]
fn what_a_callback_asks_for_as_a_future_does_is_done_after_it() {
    for last in LAST {
        for panics in [false, true] {
            let asks = move |lp: &Local| {
                drop(OnDrop(lp.clone(), last));
                if panics {
                    resume_unwind(Box::new("on purpose"));
                }
            };
            agrees(&format!("{last:?}, panics: {panics}"), |lp| async move {
                let (asker, again) = (lp.clone(), lp.clone());
                lp.post(Builtin::once("asks", move |_| asks(&asker)));
                lp.sleep(ms(5)).await;
                lp.microtask(Builtin::once("asks in a microtask", {
                    let lp = lp.clone();
                    move |_| asks(&lp)
                }));
                lp.with(move |cx| {
                    let lp = again.clone();
                    cx.defer(1, move |_| {
                        asks(&again);
                        false
                    });
                    cx.set_timeout(ms(1), Builtin::once("asks in a timer", move |_| asks(&lp)));
                });
                lp.sleep(ms(5)).await;
            });
        }
    }
}

/// A future that picks what it does at random.
fn any(lp: Local, mut dice: Rng, depth: u32) -> Pin<Box<dyn Future<Output = ()>>> {
    Box::pin(async move {
        for _ in 0..dice.u64(2..6) {
            let (short, inner) = (Duration::from_micros(dice.u64(200..3000)), dice.fork());
            match dice.u32(0..12) {
                0 => lp.sleep(short).await,
                1 => lp.yield_now().await,
                2 if depth > 0 => {
                    let child = lp.spawn("child", move |lp| any(lp, inner, depth - 1));
                    lp.sleep(short).await;
                    child.cancel();
                    let _ = child.await;
                }
                3 if depth > 0 => {
                    let _ = lp.spawn("child", move |lp| any(lp, inner, depth - 1)).await;
                }
                4 if depth > 0 => {
                    let _ = lp.timeout(short, any(lp.clone(), inner, depth - 1)).await;
                }
                5 => drop(lp.work("job", |_| ()).await),
                6 => lp.post(Builtin::once("posted", |_| ())),
                7 => {
                    let guard = OnDrop(lp.clone(), LAST[dice.usize(..LAST.len())]);
                    lp.sleep(short).await;
                    drop(guard);
                }
                8 if depth > 0 => {
                    let guard = OnDrop(lp.clone(), LAST[dice.usize(..LAST.len())]);
                    let child = lp.spawn("guarded", move |lp| async move {
                        let _guard = guard;
                        any(lp, inner, depth - 1).await;
                    });
                    if dice.bool() {
                        lp.sleep(short).await;
                    }
                    child.cancel();
                    if dice.bool() {
                        let _ = child.await;
                    }
                }
                9 => {
                    let mut interval = lp.interval(short);
                    for _ in 0..3 {
                        interval.tick().await;
                    }
                }
                10 => drop(OnDrop(lp.clone(), LAST[dice.usize(..LAST.len())])),
                11 if depth > 0 => {
                    let child = lp.spawn("panics", move |lp| async move {
                        any(lp, inner, depth - 1).await;
                        resume_unwind(Box::new("on purpose"))
                    });
                    if dice.bool() {
                        assert!(child.await.is_err());
                    }
                }
                _ => {}
            }
        }
    })
}

#[test]
fn futures_that_do_anything_are_decided_again() {
    for seed in 0..30 {
        agrees(&format!("seed {seed}"), |lp| any(lp, Rng::with_seed(seed), 3));
    }
}
