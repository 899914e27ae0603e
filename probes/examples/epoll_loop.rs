//! A hand-written epoll loop, not built on loop-core, made visible: only the lines marked `probe` were added.
//!
//! `cargo run -p loop-probes --example epoll_loop -- 30` runs it for 30 seconds; without a number it runs until
//! Ctrl-C. While it runs, `loopscope ps` lists it and `loopscope attach` watches it.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use loop_probes::clock::monotonic_now;
use loop_probes::instrument::LoopProbe;
use loop_probes::session::Session;
use rustix::event::epoll;
use rustix::fd::OwnedFd;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};

const ECHO: u64 = 1;
const TIMER: u64 = 2;
const PERIOD: Duration = Duration::from_millis(10);

fn main() -> io::Result<()> {
    let stop = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(signal_hook::consts::SIGINT, Arc::clone(&stop))?;
    let seconds = std::env::args().nth(1).and_then(|seconds| seconds.parse().ok());
    let end = seconds.map(|seconds: u64| monotonic_now().plus_ns(seconds.saturating_mul(1_000_000_000)));
    let (mut client, mut server) = UnixStream::pair()?;
    server.set_nonblocking(true)?;
    client.set_nonblocking(true)?;
    let timer = ticking(PERIOD)?;
    let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    epoll::add(&epoll, &server, epoll::EventData::new_u64(ECHO), epoll::EventFlags::IN)?;
    epoll::add(&epoll, &timer, epoll::EventData::new_u64(TIMER), epoll::EventFlags::IN)?;

    let session = Session::builder("epoll_loop").shared().map_err(io::Error::other)?; // probe
    let probe = LoopProbe::new(&session, "epoll loop"); //                               probe
    let (echo, beat) = (probe.tag("Echo"), probe.tag("Heartbeat")); //                   probe
    let heartbeat = probe.timer(); //                                                    probe

    let mut due = monotonic_now();
    let mut events = Vec::with_capacity(16);
    while !stop.load(Ordering::Relaxed) && end.is_none_or(|end| monotonic_now() < end) {
        let _tick = probe.tick(); //                                                     probe
        events.clear();
        let wait = || epoll::wait(&epoll, rustix::buffer::spare_capacity(&mut events), None);
        match probe.poll(None, wait) {
            //                                                probe
            Err(rustix::io::Errno::INTR) => continue,
            found => found?,
        };
        for event in &events {
            match event.data.u64() {
                ECHO => {
                    let _task = probe.task(echo); //                                     probe
                    let mut bytes = [0; 64];
                    let read = server.read(&mut bytes)?;
                    server.write_all(&bytes[..read])?;
                }
                _ => {
                    let _task = probe.timer_fired(heartbeat, beat, due); //              probe
                    rustix::io::read(&timer, &mut [0; 8])?;
                    due = monotonic_now().plus_ns(PERIOD.as_nanos() as u64);
                    // The reply to the last request, if it has arrived.
                    let _answered = client.read(&mut [0; 64]).is_ok();
                    client.write_all(b"are you there?")?;
                }
            }
        }
    }
    Ok(())
}

/// A timer that is readable every `period`.
fn ticking(period: Duration) -> io::Result<OwnedFd> {
    let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::CLOEXEC)?;
    let every = Timespec { tv_sec: period.as_secs() as i64, tv_nsec: i64::from(period.subsec_nanos()) };
    timerfd_settime(&timer, TimerfdTimerFlags::empty(), &Itimerspec { it_interval: every, it_value: every })?;
    Ok(timer)
}
