//! External input: posts from other threads, signals, readiness, pool jobs.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use loop_core::Builtin;
use loop_core::poller::{Interest, Readiness};
use loop_core::sim::{SIGNALS_MAX, SimSource};
use loop_core::work_pool::{Rejected, Worker};
use loop_probes::ids::{IoSource, SourceId};

use super::stage::{Stage, job, ms, us};

/// Three threads post 200 tasks each within a millisecond, while a 4 ms task runs and a timer is due.
pub(crate) fn concurrent_burst() -> Stage {
    let mut stage = Stage::new();
    let (handle, sim) = (stage.lp.handle(), stage.sim.clone());
    let posters = [(11, "Alpha"), (12, "Beta"), (13, "Gamma")];
    let posters = posters.map(|(source, name)| (handle.clone().posting_as(SourceId(source)), name));
    // Plays the other threads while the task runs, because virtual time has a single thread.
    let busy = Builtin::once("Busy", move |_| {
        for _ in 0..200 {
            sim.advance(us(5));
            for (poster, name) in &posters {
                let clock = sim.clock().clone();
                let posted = poster.post(Builtin::remote(name, move |_| clock.advance(us(15))));
                posted.expect("the loop takes posts until it ends");
            }
        }
        sim.advance(ms(3));
    });
    let timer = stage.task("Timer", us(50));
    stage.lp.with(|cx| {
        cx.set_timeout(ms(10), busy);
        cx.set_timeout(ms(12), timer);
    });
    stage.run();
    stage
}

/// A thousand more signals at once than their ring holds, and one afterwards, which finds room again.
pub(crate) fn signal_storm() -> Stage {
    let mut stage = Stage::new();
    let child = stage.repeat("ChildExited", us(1), |_| ());
    let timer = stage.task("Timer", us(10));
    for _ in 0..SIGNALS_MAX + 1000 {
        stage.sim.signal_at(ms(5), 17);
    }
    stage.sim.signal_at(ms(40), 17);
    stage.lp.with(|cx| {
        cx.on_signal(17, child).expect("a virtual signal can be handled");
        cx.set_timeout(ms(6), timer);
        let end = Builtin::once("End", |cx| {
            cx.remove_signal(17);
        });
        cx.set_timeout(ms(50), end);
    });
    stage.run();
    stage
}

/// Three sources are ready in the same poll. The first removes itself and the second, which must then not be
/// called; the third adds a fourth, which waits for the next poll.
pub(crate) fn source_removes_itself() -> Stage {
    let mut stage = Stage::new();
    let sources: [Arc<SimSource>; 4] = std::array::from_fn(|_| SimSource::new());
    let ids: Rc<RefCell<Vec<IoSource>>> = Rc::default();
    for source in &sources {
        stage.sim.ready_at(ms(5), source, Readiness::READABLE);
    }
    let all = Rc::clone(&ids);
    let first = stage.repeat("First", us(50), move |cx| {
        for id in all.borrow().iter().take(2) {
            cx.remove(*id).expect("both are registered until now");
        }
    });
    let second = stage.repeat("Second", us(50), |_| ());
    let mut fourth = Some((Arc::clone(&sources[3]), stage.repeat("Fourth", us(50), remove_own)));
    let third = stage.repeat("Third", us(50), move |cx| {
        remove_own(cx);
        if let Some((source, task)) = fourth.take() {
            cx.register(source, Interest::READABLE, task).expect("a virtual poller takes every source");
        }
    });
    stage.lp.with(|cx| {
        for (source, task) in sources.iter().zip([first, second, third]) {
            let source: Arc<SimSource> = Arc::clone(source);
            let id =
                cx.register(source, Interest::READABLE, task).expect("a virtual poller takes every source");
            ids.borrow_mut().push(id);
        }
    });
    stage.run();
    stage
}

fn remove_own(cx: &mut super::stage::Cx<'_>) {
    if let Some(ready) = cx.ready() {
        cx.remove(ready.source).expect("a source that is ready is registered");
    }
}

/// Twelve jobs of 10 ms on two workers, during which the loop stays free for its interval.
pub(crate) fn busy_pool() -> Stage {
    let mut stage = Stage::new();
    stage.sim.workers(2);
    stage.sim.job_durations([ms(10); 12]);
    let beat = stage.repeat("Heartbeat", us(100), |_| ());
    let clock = stage.sim.clock().clone();
    let submit = stage.then("Submit", us(200), move |cx| {
        for _ in 0..12 {
            let clock = clock.clone();
            let run = move |_: &Worker<'_>| Builtin::remote("Compressed", move |_| clock.advance(us(300)));
            cx.work(job("Compress"), run, rejected).expect("the pool is open");
        }
    });
    stage.lp.with(|cx| {
        let beat = cx.set_interval(ms(7), beat).expect("a repeating closure runs again");
        cx.set_timer_referenced(beat, false).expect("it was just armed");
        cx.set_timeout(ms(3), submit);
    });
    stage.run();
    stage
}

fn rejected(_reason: Rejected) -> Builtin {
    Builtin::once("Rejected", |_| ())
}
