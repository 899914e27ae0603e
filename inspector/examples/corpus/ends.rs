//! Futures, and the end of a loop with work pending.

use std::future::pending;

use loop_core::poller::Interest;
use loop_core::sim::SimSource;
use loop_core::{Builtin, OnShutdown, Shutdown};

use super::stage::{Stage, job, ms, us};

/// A shutdown with a 50 ms deadline, requested at 20 ms, finds queued tasks, a job, an upload that may finish,
/// timers that are cancelled, one timer that may finish, and a future that never ends.
pub(crate) fn shutdown_pending() -> Stage {
    let mut stage = Stage::new();
    stage.sim.job_durations([ms(30)]);
    let clock = stage.sim.clock().clone();
    let interval = stage.repeat("Heartbeat", us(100), |_| ());
    let (session, flush) = (stage.task("SessionTimeout", us(100)), stage.task("Flush", us(200)));
    let queued: Vec<_> = (0..10).map(|_| stage.task("Request", us(400))).collect();
    stage.lp.spawn("Upload", |lp| async move {
        lp.sleep(ms(45)).await;
        lp.post(Builtin::once("Uploaded", |_| ()));
    });
    stage.lp.spawn("Polite", |lp| async move { lp.until_shutdown(pending::<()>()).await });
    stage.lp.spawn("Stubborn", |_| pending::<()>());
    let stop = stage.then("Stop", us(100), move |cx| {
        for task in queued {
            cx.post(task);
        }
        cx.shutdown(Shutdown::within(ms(50)));
    });
    stage.lp.with(|cx| {
        cx.set_interval(ms(6), interval).expect("a repeating closure runs again");
        cx.set_timeout(ms(600), session);
        let flush = cx.set_timeout(ms(35), flush);
        cx.set_timer_on_shutdown(flush, OnShutdown::Finish).expect("it was just armed");
        let listener = Builtin::repeat("Listener", |_| ());
        cx.register(SimSource::new(), Interest::READABLE, listener)
            .expect("a virtual poller takes every source");
        cx.work(
            job("Compress"),
            move |_| Builtin::remote("Compressed", move |_| clock.advance(us(300))),
            |_| Builtin::once("Rejected", |_| ()),
        )
        .expect("the pool is open");
        cx.set_timeout(ms(20), stop);
    });
    stage.run();
    stage
}

/// Four futures: one sleeps in steps, one awaits a job, one times out on a job, one is cancelled.
pub(crate) fn futures() -> Stage {
    let mut stage = Stage::new();
    stage.sim.workers(2);
    stage.sim.job_durations([ms(12), ms(80)]);
    stage.lp.spawn("Steps", |lp| async move {
        for _ in 0..5 {
            lp.sleep(ms(7)).await;
        }
    });
    stage.lp.spawn("Hash", |lp| async move { lp.work("Hash", |_| 1).await });
    stage.lp.spawn("Impatient", |lp| async move {
        let local = lp.clone();
        lp.timeout(ms(20), async move { local.work("Search", |_| 2).await }).await
    });
    let forgotten = stage.lp.spawn("Forgotten", |lp| async move { lp.sleep(ms(500)).await });
    let cancel = stage.then("Cancel", us(100), move |_| forgotten.cancel());
    stage.lp.with(|cx| {
        cx.set_timeout(ms(25), cancel);
    });
    stage.run();
    stage
}
