//! A tokio runtime with two workers, each a loop that `loopscope attach` watches: only the lines marked `probe` were added.
//!
//! Four tasks alternate between 50 ms of sleep and 5 ms of computing, and one blocks its worker for 40 ms once a second:
//! about 20% busy on average, and a stall a second, caused by `Block`.

use std::time::Duration;

use loop_probes::clock::monotonic_now;
use loop_probes::instrument::LoopHooks;
use loop_probes::session::Session;

fn main() -> anyhow::Result<()> {
    let session = Session::builder("tokio_multi_thread").policy("tokio").shared()?; //   probe
    run(&session, Duration::from_secs(30))
}

pub(crate) fn run(session: &Session, duration: Duration) -> anyhow::Result<()> {
    let hooks = LoopHooks::new(session, "worker"); //                                    probe
    let (before, after) = (hooks.clone(), hooks.clone()); //                             probe
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .on_thread_park(move || before.poll_begin(None)) //                              probe
        .on_thread_unpark(move || after.poll_end(&())) //                                probe
        .build()?;
    let (computing, blocking) = (hooks.tag("Compute"), hooks.tag("Block")); //           probe
    for _ in 0..4 {
        runtime.spawn(hooks.instrument(computing, every(Duration::from_millis(50), compute))); // probe
    }
    runtime.spawn(hooks.instrument(blocking, every(Duration::from_secs(1), block))); //  probe
    std::thread::sleep(duration);
    Ok(()) // Dropping the runtime ends its threads, and with them their loops.
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
