//! An echo server on the loop, with its task enum: `cargo run -p loop-core --example echo -- 127.0.0.1:7007`.
//!
//! What a connection received in one callback goes back in one write, through the deferred queue.
#![expect(clippy::print_stderr, reason = "a program on a terminal says what it does")]

use std::collections::HashMap;
use std::error::Error;
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use loop_core::poller::{Interest, Readiness};
use loop_core::{Context, EventLoop, TagOf, Task};
use loop_probes::ids::IoSource;

/// Everything that this program does on its loop.
#[derive(Clone)]
enum App {
    Accept(Arc<TcpListener>),
    Echo,
    Report,
    Quit,
}

struct Connection {
    stream: Arc<TcpStream>,
    unsent: Vec<u8>,
}

thread_local! {
    static CONNECTIONS: std::cell::RefCell<HashMap<IoSource, Connection>> = std::cell::RefCell::default();
}

impl Task for App {
    type Remote = Self;
    const TAGS: &'static [&'static str] = &["Accept", "Echo", "Report", "Quit"];

    fn tag(&self) -> TagOf {
        TagOf::Own(match self {
            Self::Accept(_) => 0,
            Self::Echo => 1,
            Self::Report => 2,
            Self::Quit => 3,
        })
    }

    fn run(self, cx: &mut Context<'_, Self>) {
        match self {
            Self::Accept(listener) => accept(cx, &listener),
            Self::Echo => echo(cx),
            Self::Report => eprintln!("{} connections", CONNECTIONS.with_borrow(HashMap::len)),
            Self::Quit => cx.stop(),
        }
    }

    fn from_remote(remote: Self) -> Self {
        remote
    }

    fn again(&self) -> Option<Self> {
        Some(self.clone())
    }
}

fn accept(cx: &mut Context<'_, App>, listener: &TcpListener) {
    while let Ok((stream, _)) = listener.accept() {
        let registered = stream.set_nonblocking(true).map_err(Box::<dyn Error>::from).and_then(|()| {
            let stream = Arc::new(stream);
            let source = cx.register(Arc::<TcpStream>::clone(&stream), Interest::READABLE, App::Echo)?;
            Ok((source, Connection { stream, unsent: Vec::new() }))
        });
        match registered {
            Ok((source, connection)) => {
                CONNECTIONS.with_borrow_mut(|all| all.insert(source, connection));
            }
            Err(error) => cx.fail(error),
        }
    }
}

fn echo(cx: &mut Context<'_, App>) {
    let Some(ready) = cx.ready() else { return };
    let mut buffer = [0; 16 * 1024];
    let open = CONNECTIONS.with_borrow_mut(|all| {
        let Some(connection) = all.get_mut(&ready.source) else { return false };
        if ready.readiness == Readiness::WRITABLE {
            return true;
        }
        match (&*connection.stream).read(&mut buffer) {
            Ok(0) => return false,
            Ok(bytes) => connection.unsent.extend_from_slice(&buffer[..bytes]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(_) => return false,
        }
        true
    });
    if open {
        cx.defer(u64::from(ready.source.0), move |cx| flush(cx, ready.source));
    } else {
        close(cx, ready.source);
    }
}

/// Sends what is unsent. Where the peer reads slowly, reads nothing more until there is room again.
fn flush(cx: &mut Context<'_, App>, source: IoSource) -> bool {
    let sent = CONNECTIONS.with_borrow_mut(|all| {
        let Some(connection) = all.get_mut(&source) else { return Ok(true) };
        while !connection.unsent.is_empty() {
            match (&*connection.stream).write(&connection.unsent) {
                Ok(bytes) => connection.unsent.drain(..bytes),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            };
        }
        Ok(true)
    });
    let interest = match sent {
        Ok(true) => Interest::READABLE,
        Ok(false) => Interest::WRITABLE,
        Err(_) => {
            close(cx, source);
            return false;
        }
    };
    // One that was closed meanwhile needs no interest.
    let _ = cx.modify(source, interest);
    false
}

fn close(cx: &mut Context<'_, App>, source: IoSource) {
    CONNECTIONS.with_borrow_mut(|all| all.remove(&source));
    let _ = cx.remove(source);
}

fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:7007".to_owned());
    let listener = Arc::new(TcpListener::bind(address)?);
    listener.set_nonblocking(true)?;
    eprintln!("echo on {}; Ctrl-C ends it", listener.local_addr()?);

    let mut event_loop = EventLoop::<App>::new()?;
    event_loop.with(|cx| {
        cx.register(Arc::<TcpListener>::clone(&listener), Interest::READABLE, App::Accept(listener))?;
        let report = cx.set_interval(Duration::from_secs(10), App::Report)?;
        cx.set_timer_referenced(report, false)?;
        // SIGINT.
        cx.on_signal(2, App::Quit)?;
        Ok::<(), Box<dyn Error>>(())
    })?;
    event_loop.run()?;
    Ok(())
}
