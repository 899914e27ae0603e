//! A tokio runtime that `loopscope ps` lists and `loopscope attach` watches: only the lines marked `probe` were added.
//!
//! It alternates between 50 ms of sleep and 5 ms of computing: 9% busy, and no stall.
//!
//! ```sh
//! cargo run --manifest-path tests/peers/Cargo.toml --example tokio -- 30   # seconds
//! ```

use std::time::Duration;

use loop_probes::clock::monotonic_now;
use loop_probes::instrument::LoopHooks;
use loop_probes::session::Session;

fn main() -> anyhow::Result<()> {
    let seconds = std::env::args().nth(1).map_or(Ok(10), |seconds| seconds.parse())?;
    let session = Session::builder("tokio").policy("tokio").shared()?; //                probe
    run(&session, Duration::from_secs(seconds))
}

/// Runs for `duration`, recorded in `session`.
pub(crate) fn run(session: &Session, duration: Duration) -> anyhow::Result<()> {
    let hooks = LoopHooks::new(session, "runtime"); //                                   probe
    let (before, after) = (hooks.clone(), hooks.clone()); //                             probe
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .on_thread_park(move || before.poll_begin(None)) //                              probe
        .on_thread_unpark(move || after.poll_end(&())) //                                probe
        .build()?;
    let compute = hooks.with(|probe| probe.tag("Compute")); //                           probe
    let end = monotonic_now().plus_ns(u64::try_from(duration.as_nanos())?);
    runtime.block_on(async {
        while monotonic_now() < end {
            tokio::time::sleep(Duration::from_millis(50)).await;
            hooks.with(|probe| {
                let _task = probe.task(compute); //                                      probe
                spin(5_000_000);
            });
        }
    });
    hooks.finish(); //                                                                   probe
    Ok(())
}

fn spin(ns: u64) {
    let end = monotonic_now().plus_ns(ns);
    while monotonic_now() < end {
        std::hint::spin_loop();
    }
}
