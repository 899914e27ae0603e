//! An echo server: `cargo run -p loop-core --example echo -- 127.0.0.1:7007`, watched by `loopscope attach`.
#![expect(clippy::print_stderr, reason = "a program on a terminal says what it does")]

use std::net::{TcpListener, TcpStream};
use std::time::Duration;
use std::{error::Error, io};

use loop_core::future::Watched;
use loop_core::prelude::*;
use loop_core::signal::number::{SIGINT, SIGTERM};

/// A connection that sends or accepts nothing for this long is closed.
const IDLE: Duration = Duration::from_secs(10);
/// The time that a shutdown gives to replies in progress.
const GRACE: Duration = Duration::from_secs(5);

// ANCHOR: listen
/// Accepts connections until the loop shuts down; dropping the listener then closes it.
async fn listen(lp: LocalHandle<Builtin>, listener: TcpListener) -> io::Result<()> {
    let listener = lp.watch(listener);
    while let Some((stream, _peer)) = listener.accept().await? {
        lp.spawn_checked("connection", |lp| echo(lp, stream));
    }
    Ok(())
}
// ANCHOR_END: listen

// ANCHOR: echo
/// Serves one connection. An error closes this connection only. A shutdown ends it between two replies.
async fn echo(lp: LocalHandle<Builtin>, stream: Watched<TcpStream>) -> io::Result<()> {
    let mut buffer = [0; 16 * 1024];
    while let Some(Ok(read)) = lp.until_shutdown(lp.timeout(IDLE, stream.read(&mut buffer))).await {
        match read? {
            0 => break,
            bytes => lp.timeout(IDLE, stream.write_all(&buffer[..bytes])).await??,
        }
    }
    Ok(())
}
// ANCHOR_END: echo

// ANCHOR: main
fn main() -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind(std::env::args().nth(1).as_deref().unwrap_or("127.0.0.1:7007"))?;
    eprintln!("echo on {}; Ctrl-C ends it", listener.local_addr()?);
    let session = Session::builder("echo").policy("bun").shared()?;
    let mut event_loop = EventLoop::builder().session(&session, "echo").build()?;
    let options = Options::new("listener").on_error(OnError::Stop);
    event_loop.spawn_checked(options, |lp| listen(lp, listener));
    for signo in [SIGINT, SIGTERM] {
        let shutdown = Builtin::repeat("shutdown", |cx| cx.shutdown(Shutdown::within(GRACE)));
        event_loop.with(|cx| cx.on_signal(signo, shutdown))?;
    }
    event_loop.run()?;
    event_loop.shutdown_report().inspect(|report| eprintln!("{report}"));
    session.finish();
    Ok(())
}
// ANCHOR_END: main
