//! One timer on each loop, waited for in the way that its users do.

use std::cell::Cell;
use std::ffi::c_void;
use std::time::Duration;

use anyhow::{Result, anyhow};
use calloop::timer::{TimeoutAction, Timer};
use loop_core::{Context, EventLoop, Task};
use loop_probes::clock::monotonic_now;
use loop_probes::ids::Timestamp;

use super::Alarm;
use crate::os::TimerFd;
use crate::uv;

pub(super) struct Bare(TimerFd);

impl Bare {
    pub(super) fn new() -> Result<Self> {
        Ok(Self(TimerFd::new()?))
    }
}

impl Alarm for Bare {
    fn ring(&mut self, delay: Duration) -> Result<Timestamp> {
        self.0.wait(delay)?;
        Ok(monotonic_now())
    }
}

pub(super) struct Sleeping;

impl Alarm for Sleeping {
    fn ring(&mut self, delay: Duration) -> Result<Timestamp> {
        std::thread::sleep(delay);
        Ok(monotonic_now())
    }
}

thread_local! {
    static RANG: Cell<Timestamp> = const { Cell::new(Timestamp(0)) };
}

struct Ring;

impl Task for Ring {
    type Remote = Self;
    loop_core::tags!("Ring");

    fn run(self, _cx: &mut Context<'_, Self>) {
        RANG.set(monotonic_now());
    }
}

pub(super) struct Ours(EventLoop<Ring>);

impl Ours {
    pub(super) fn new() -> Result<Self> {
        Ok(Self(EventLoop::new()?))
    }
}

impl Alarm for Ours {
    fn ring(&mut self, delay: Duration) -> Result<Timestamp> {
        self.0.with(|cx| cx.set_timeout(delay, Ring));
        self.0.run()?;
        Ok(RANG.get())
    }
}

pub(super) struct Polling(polling::Poller, polling::Events);

impl Polling {
    pub(super) fn new() -> Result<Self> {
        Ok(Self(polling::Poller::new()?, polling::Events::new()))
    }
}

impl Alarm for Polling {
    fn ring(&mut self, delay: Duration) -> Result<Timestamp> {
        self.1.clear();
        self.0.wait(&mut self.1, Some(delay))?;
        Ok(monotonic_now())
    }
}

pub(super) struct Calloop(calloop::EventLoop<'static, Option<Timestamp>>);

impl Calloop {
    pub(super) fn new() -> Result<Self> {
        Ok(Self(calloop::EventLoop::try_new()?))
    }
}

impl Alarm for Calloop {
    fn ring(&mut self, delay: Duration) -> Result<Timestamp> {
        let timer = Timer::from_duration(delay);
        let armed = self.0.handle().insert_source(timer, |_due, (), rang| {
            *rang = Some(monotonic_now());
            TimeoutAction::Drop
        });
        armed.map_err(|_| anyhow!("calloop refuses a timer"))?;
        let mut rang = None;
        loop {
            self.0.dispatch(None, &mut rang)?;
            if let Some(rang) = rang {
                return Ok(rang);
            }
        }
    }
}

pub(super) struct Smol;

impl Alarm for Smol {
    fn ring(&mut self, delay: Duration) -> Result<Timestamp> {
        async_io::block_on(async_io::Timer::after(delay));
        Ok(monotonic_now())
    }
}

/// mio has no timers, only a wait with a timeout.
pub(super) struct Mio(mio::Poll, mio::Events);

impl Mio {
    pub(super) fn new() -> Result<Self> {
        Ok(Self(mio::Poll::new()?, mio::Events::with_capacity(8)))
    }
}

impl Alarm for Mio {
    fn ring(&mut self, delay: Duration) -> Result<Timestamp> {
        self.0.poll(&mut self.1, Some(delay))?;
        Ok(monotonic_now())
    }
}

pub(super) struct Tokio(tokio::runtime::Runtime);

impl Tokio {
    pub(super) fn new() -> Result<Self> {
        Ok(Self(tokio::runtime::Builder::new_current_thread().enable_all().build()?))
    }
}

impl Alarm for Tokio {
    fn ring(&mut self, delay: Duration) -> Result<Timestamp> {
        self.0.block_on(async { tokio::time::sleep(delay).await });
        Ok(monotonic_now())
    }
}

pub(super) struct Libuv {
    uv_loop: uv::Loop,
    timers: Vec<uv::Handle>,
}

impl Libuv {
    pub(super) fn new() -> Option<Self> {
        let uv_loop = uv::Loop::new()?;
        let timers = uv_loop.handles(uv::Kind::Timer, 1, rang);
        Some(Self { uv_loop, timers })
    }
}

extern "C" fn rang(_timer: *mut c_void) {
    RANG.set(monotonic_now());
}

impl Alarm for Libuv {
    fn ring(&mut self, delay: Duration) -> Result<Timestamp> {
        self.uv_loop.update_time();
        self.timers.iter().for_each(|timer| timer.start_timer(rang, delay.as_millis() as u64));
        // Returns once no timer is active.
        self.uv_loop.run();
        Ok(RANG.get())
    }
}
