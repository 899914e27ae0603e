//! Futures: their polls are queued by whatever wakes them, and recur together with it.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::Duration;

use loop_core::future::LocalHandle;
use loop_core::poller::Readiness;
use loop_core::sim::{Sim, SimSource};
use loop_core::{Builtin, EventLoop};
use loop_probes::recorder::Recorder;
use loop_traces::source::MemorySource;

use super::recorded::stamped;
use super::{Changes, Recorded};
use crate::check::check_source;

type Local = LocalHandle<Builtin>;

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// Records a future that awaits what `first` returns, and then sleeps and computes ten times.
fn recorded<F: Future<Output = ()> + 'static>(first: impl FnOnce(Local, Sim) -> F) -> MemorySource {
    let sim = Sim::new();
    let (recorder, capture) = Recorder::capture();
    let (workers, jobs) = Recorder::capture();
    sim.worker_recorder(workers);
    sim.job_durations([ms(3); 64]);
    let mut event_loop = sim.build(EventLoop::<Builtin>::builder().recorder(recorder));
    let world = sim.clone();
    event_loop.spawn("parent", |lp| {
        let awaited = first(lp.clone(), world.clone());
        async move {
            awaited.await;
            for _ in 0..10 {
                lp.sleep(ms(10)).await;
                world.advance(ms(1));
            }
        }
    });
    event_loop.run().unwrap();
    drop(event_loop);
    stamped(capture.take(), jobs.take())
}

/// Spawns a child that sleeps and computes.
fn child(lp: &Local, sim: &Sim, sleeps: Duration) -> loop_core::JoinHandle<()> {
    let sim = sim.clone();
    lp.spawn("child", move |lp| async move {
        if !sleeps.is_zero() {
            lp.sleep(sleeps).await;
        }
        sim.advance(ms(1));
    })
}

/// Completes when a timer of the program itself wakes it.
async fn woken_by_a_timer(lp: Local) {
    let shared: Rc<RefCell<(bool, Option<Waker>)>> = Rc::default();
    let timer = Rc::clone(&shared);
    lp.with(move |cx| {
        let waker = Builtin::once("waker", move |_| {
            let mut shared = timer.borrow_mut();
            shared.0 = true;
            shared.1.take().into_iter().for_each(Waker::wake);
        });
        cx.set_timeout(ms(7), waker);
    });
    poll_fn(move |cx| {
        let mut shared = shared.borrow_mut();
        shared.1 = Some(cx.waker().clone());
        if shared.0 { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

#[track_caller]
fn recurs(what: &str, mut program: MemorySource) {
    let answer = Recorded::read(&mut program).unwrap().what_if(&Changes::default(), None).unwrap();
    let (before, after) = (&answer.before.summary, &answer.after.summary);
    let counts = |side: &loop_traces::summary::Summary| {
        let tags = side.tasks.by_tag.iter().map(|tag| (tag.tag.clone(), tag.count));
        (side.tasks.count, side.timers.fired, tags.collect::<std::collections::BTreeMap<_, _>>())
    };
    assert!(before.timers.fired >= Some(10), "{what}: it was recorded to its end");
    assert_eq!(counts(before), counts(after), "{what}");
    let futures = |side: &loop_traces::summary::Summary| {
        let futures = side.futures.expect("it has a future");
        (futures.refs_taken, futures.refs_released, futures.woken, futures.pending)
    };
    // A wakeup by another thread is an arrival: the poll is a post.
    let (mut then, now) = (futures(before), futures(after));
    then.2 -= u64::from(what == "another thread");
    assert_eq!(then, now, "{what}: references taken and released, polls queued and pending");
    // The first poll, one for each sleep, and at most as many for what it awaits first; its timers are no tasks.
    let polls = before.tasks.by_tag.iter().find(|tag| tag.tag == "parent").map(|tag| tag.count);
    assert!((11..=31).contains(&polls.unwrap_or(0)), "{what}: {polls:?}");
    let (then, now) = (before.span_ns, after.span_ns);
    assert!(then.abs_diff(now) < 10_000, "{what}: {then} ns became {now} ns");
    let synthesized = answer.assumptions.iter().find(|line| line.starts_with("invented"));
    assert_eq!(synthesized, None, "{what}");
}

#[test]
fn a_future_goes_on_after_everything_that_can_wake_it() {
    recurs("nothing", recorded(|_, _| async {}));
    recurs("yield_now", recorded(|lp, _| async move { lp.yield_now().await }));
    recurs("a child that is ready at once", {
        recorded(|lp, sim| async move { child(&lp, &sim, ms(0)).await.unwrap() })
    });
    recurs("a child that sleeps", {
        recorded(|lp, sim| async move { child(&lp, &sim, ms(5)).await.unwrap() })
    });
    recurs("three children", {
        recorded(|lp, sim| async move {
            let children = [4, 5, 5].map(|sleeps| child(&lp, &sim, ms(sleeps)));
            for child in children {
                child.await.unwrap();
            }
        })
    });
    recurs("a job", recorded(|lp, _| async move { lp.work("job", |_| ()).await.unwrap() }));
    recurs("a limit that passes", {
        recorded(|lp, _| async move {
            lp.timeout(ms(5), std::future::pending::<()>()).await.unwrap_err();
        })
    });
    recurs("an interval", {
        recorded(|lp, _| async move {
            let mut interval = lp.interval(ms(5));
            for _ in 0..3 {
                interval.tick().await;
            }
        })
    });
    recurs("a timer of the program", recorded(|lp, _| woken_by_a_timer(lp)));
    recurs("a cancelled child", {
        recorded(|lp, _| async move {
            let mut child = lp.spawn("child", |_| std::future::pending::<()>());
            lp.sleep(ms(2)).await;
            child.cancel();
            (&mut child).await.unwrap_err();
        })
    });
    recurs("a cancelled child that sleeps", {
        recorded(|lp, sim| async move {
            let child = child(&lp, &sim, ms(100_000));
            lp.sleep(ms(2)).await;
            child.cancel();
            child.await.unwrap_err();
        })
    });
    recurs("jobs and turns in between", {
        recorded(|lp, sim| async move {
            for _ in 0..5 {
                lp.sleep(ms(3)).await;
                lp.yield_now().await;
                sim.advance(Duration::from_micros(200));
                lp.work("job", |_| ()).await.unwrap();
                lp.yield_now().await;
            }
        })
    });
    recurs("another thread", {
        recorded(|_, sim| {
            let shared = std::sync::Arc::new(std::sync::Mutex::new((false, None::<Waker>)));
            let other = std::sync::Arc::clone(&shared);
            sim.at(ms(7), move || {
                let mut shared = other.lock().unwrap();
                shared.0 = true;
                shared.1.take().into_iter().for_each(Waker::wake);
            });
            poll_fn(move |cx| {
                let mut shared = shared.lock().unwrap();
                shared.1 = Some(cx.waker().clone());
                if shared.0 { Poll::Ready(()) } else { Poll::Pending }
            })
        })
    });
    recurs("a source", {
        recorded(|lp, sim| {
            let source = SimSource::new();
            sim.ready_at(ms(7), &source, Readiness::READABLE);
            async move { lp.watch_shared(source).readable().await.unwrap() }
        })
    });
}

#[test]
fn the_timers_of_a_future_are_no_tasks() {
    let program = recorded(|_, _| async {});
    let answer = Recorded::read(&mut program.clone()).unwrap().what_if(&Changes::default(), None).unwrap();
    for side in [&answer.before.summary, &answer.after.summary] {
        let parent = side.tasks.by_tag.iter().find(|tag| tag.tag == "parent").unwrap();
        assert_eq!((side.tasks.count, parent.count, side.timers.fired), (11, 11, Some(10)));
        assert_eq!(
            parent.run_ns.p50,
            Some(1_000_000),
            "the median poll computes, the median wake-up does not"
        );
    }
    let checked = check_source(|| Ok(Box::new(program.clone())), None).unwrap();
    assert!(checked.agrees(), "{:#?}", checked.divergence);
    assert_eq!(checked.seen.tasks, 11);
}
