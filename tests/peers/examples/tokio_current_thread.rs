//! A current-thread tokio runtime that `loopscope attach` watches: only the lines marked `probe` were added.
//!
//! It alternates between 50 ms of sleep and 5 ms of computing, and blocks its thread for 40 ms once a second: about 13%
//! busy, and a stall a second, caused by `Block`.

use std::time::Duration;

use loop_probes::clock::monotonic_now;
use loop_probes::instrument::LoopHooks;
use loop_probes::session::Session;

fn main() -> anyhow::Result<()> {
    let session = Session::builder("tokio_current_thread").policy("tokio").shared()?; // probe
    run(&session, Duration::from_secs(30))
}

pub(crate) fn run(session: &Session, duration: Duration) -> anyhow::Result<()> {
    let hooks = LoopHooks::new(session, "runtime"); //                                   probe
    let (before, after) = (hooks.clone(), hooks.clone()); //                             probe
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .on_thread_park(move || before.poll_begin(None)) //                              probe
        .on_thread_unpark(move || after.poll_end(&())) //                                probe
        .build()?;
    let (computing, blocking) = (hooks.tag("Compute"), hooks.tag("Block")); //           probe
    runtime.spawn(hooks.instrument(computing, every(Duration::from_millis(50), compute))); // probe
    runtime.spawn(hooks.instrument(blocking, every(Duration::from_secs(1), block))); //  probe
    runtime.block_on(async { tokio::time::sleep(duration).await });
    hooks.finish(); //                                                                   probe
    Ok(())
}

async fn every(pause: Duration, work: fn()) {
    loop {
        tokio::time::sleep(pause).await;
        work();
    }
}

fn compute() {
    let end = monotonic_now().plus_ns(5_000_000);
    while monotonic_now() < end {}
}

fn block() {
    std::thread::sleep(Duration::from_millis(40));
}
