//! An echo server on mio that `loopscope attach` watches: only the lines marked `probe` were added.
//!
//! A client sends the time that its answer takes: usually 0 ms, and one time in a hundred 40 ms, a stall caused by `Echo`.

use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use loop_probes::clock::monotonic_now;
use loop_probes::instrument::LoopProbe;
use loop_probes::session::Session;
use mio::{Events, Interest, Poll, Token};

fn main() -> anyhow::Result<()> {
    let session = Session::builder("mio_echo").policy("mio").shared()?; //               probe
    run(&session, Duration::from_secs(30))
}

pub(crate) fn run(session: &Session, duration: Duration) -> anyhow::Result<()> {
    let (client, server) = UnixStream::pair()?;
    server.set_nonblocking(true)?;
    let (mut server, mut millis) = (mio::net::UnixStream::from_std(server), [0]);
    let (mut poll, mut events) = (Poll::new()?, Events::with_capacity(16));
    poll.registry().register(&mut server, Token(0), Interest::READABLE)?;
    std::thread::spawn(move || talk(client, duration));
    let probe = LoopProbe::new(session, "main"); //                                      probe
    let echo = probe.tag("Echo"); //                                                     probe
    loop {
        let _tick = probe.tick(); //                                                     probe
        probe.poll(None, || poll.poll(&mut events, None).map(|()| events.iter().count()))?; // probe
        let _task = probe.task(echo); //                                                 probe
        match server.read(&mut millis) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => continue,
            Ok(1) => std::thread::sleep(Duration::from_millis(millis[0].into())),
            end => return Ok(end.map(drop)?),
        }
        server.write_all(&millis)?;
    }
}

fn talk(mut server: UnixStream, duration: Duration) -> std::io::Result<()> {
    let end = monotonic_now().plus_ns(duration.as_nanos() as u64);
    for millis in [0; 99].into_iter().chain([40]).cycle().take_while(|_| monotonic_now() < end) {
        server.write_all(&[millis])?;
        server.read_exact(&mut [0])?;
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}
