//! GLib's main context, pumped by our loop: `cargo run -p loop-core --example pump`, with `loopscope attach`
//! beside it (key 6).
//!
//! GLib's context has a timer, and another thread sends it work. It gets a turn only when it is ready.
#![expect(clippy::print_stderr, reason = "a program on a terminal says what it does")]

use std::process::ExitCode;
use std::time::Duration;
use std::{error::Error, thread};

use loop_core::run_loop::{GlibLoop, PumpError, RunLoop};
use loop_core::{Builtin, EventLoop, Shutdown};
use loop_probes::session::Session;

fn run() -> Result<(), Box<dyn Error>> {
    let session = Session::builder("pump").policy("bun").shared()?;
    let mut event_loop = EventLoop::<Builtin>::builder().session(&session, "loop").build()?;

    let glib = GlibLoop::of_process();
    glib.timeout(Duration::from_millis(40), || true)?;
    let sender = glib.handle()?;
    // Never joined: the thread ends with the process.
    thread::spawn(move || {
        loop {
            thread::sleep(Duration::from_millis(15));
            sender.invoke(|| thread::sleep(Duration::from_micros(200)));
        }
    });

    let pump = RunLoop::new(glib);
    event_loop.with(|cx| pump.run_ready(cx))?;
    event_loop.with(|cx| {
        // The pump's driver does not keep the loop alive.
        cx.hold("GLib");
        cx.set_interval(Duration::from_millis(100), Builtin::repeat("ours", |_| ()))
    })?;
    for signo in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        let shutdown =
            Builtin::repeat("shutdown", |cx| cx.shutdown(Shutdown::within(Duration::from_secs(1))));
        event_loop.with(|cx| cx.on_signal(signo, shutdown))?;
    }
    eprintln!("process {}; Ctrl-C ends it", std::process::id());
    event_loop.run()?;
    session.finish();
    Ok(())
}

fn main() -> ExitCode {
    let Err(error) = run() else { return ExitCode::SUCCESS };
    eprintln!("pump: {error}");
    match error.downcast_ref() {
        // The error says which library was looked for and how to get it.
        Some(PumpError::Missing { .. }) => ExitCode::from(2),
        _ => ExitCode::FAILURE,
    }
}
