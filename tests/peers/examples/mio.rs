//! A loop on mio that `loopscope ps` lists and `loopscope attach` watches: only the lines marked `probe` were added.
//!
//! ```sh
//! cargo run --manifest-path tests/peers/Cargo.toml --example mio -- 30   # seconds
//! ```

use std::io::Read as _;
use std::time::Duration;

use loop_probes::clock::monotonic_now;
use loop_probes::instrument::LoopProbe;
use loop_probes::session::Session;
use mio::unix::pipe;
use mio::{Events, Interest, Poll, Token};

fn main() -> anyhow::Result<()> {
    let seconds: u64 = std::env::args().nth(1).map_or(Ok(10), |seconds| seconds.parse())?;
    let session = Session::builder("mio").policy("mio").shared()?; //                    probe
    run(&session, Duration::from_secs(seconds))
}

/// Runs for `duration`, recorded in `session`.
pub(crate) fn run(session: &Session, duration: Duration) -> anyhow::Result<()> {
    let probe = LoopProbe::new(session, "main"); //                                      probe
    let message = probe.tag("Message"); //                                               probe
    let (mut poll, mut events) = (Poll::new()?, Events::with_capacity(16));
    let (sender, mut receiver) = pipe::new()?;
    poll.registry().register(&mut receiver, Token(0), Interest::READABLE)?;
    let sending = std::thread::spawn(move || send(sender, duration));
    loop {
        let _tick = probe.tick(); //                                                     probe
        // mio returns `io::Result<()>`, so the closure counts the events.
        probe.poll(None, || poll.poll(&mut events, None).map(|()| events.iter().count()))?; // probe
        for _event in &events {
            let _task = probe.task(message); //                                          probe
            let mut bytes = [0; 64];
            match receiver.read(&mut bytes) {
                Ok(0) => return sending.join().map_err(|_| anyhow::anyhow!("the sender panicked"))?,
                Err(error) if error.kind() != std::io::ErrorKind::WouldBlock => return Err(error.into()),
                _ => {}
            }
        }
    }
}

/// Sends a byte every 10 ms, and closes the connection after `duration`.
fn send(mut sender: pipe::Sender, duration: Duration) -> anyhow::Result<()> {
    let end = monotonic_now().plus_ns(u64::try_from(duration.as_nanos())?);
    while monotonic_now() < end {
        std::io::Write::write_all(&mut sender, b"x")?;
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}
