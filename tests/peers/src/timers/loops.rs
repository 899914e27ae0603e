//! The timers of callback-based loops: libuv's heap, and calloop's sources.

use std::time::Duration;

use anyhow::Result;
use calloop::timer::{TimeoutAction, Timer};
use calloop::{EventLoop, RegistrationToken};

use super::{MS, Timers};
use crate::tasks::add;
use crate::uv;

pub(super) struct Libuv {
    uv_loop: uv::Loop,
    /// Made once for the largest sample, and reused.
    handles: Vec<uv::Handle>,
}

impl Libuv {
    pub(super) fn new() -> Option<Self> {
        Some(Self { uv_loop: uv::Loop::new()?, handles: Vec::new() })
    }
}

impl Timers for Libuv {
    fn prepare(&mut self, count: usize) {
        if self.handles.len() < count {
            self.handles = self.uv_loop.handles(uv::Kind::Timer, count, uv::count);
        }
    }

    fn insert(&mut self, delays_ns: &[u64]) {
        self.uv_loop.update_time();
        for (handle, delay_ns) in self.handles.iter().zip(delays_ns) {
            handle.start_timer(uv::count, delay_ns.div_ceil(MS));
        }
    }

    fn cancel(&mut self, order: &[usize]) {
        order.iter().for_each(|&number| self.handles[number].stop_timer());
    }

    fn fire(&mut self, count: usize) {
        let before = uv::called();
        self.uv_loop.turn();
        assert_eq!(uv::called() - before, count as u64, "all are due");
    }
}

pub(super) struct Calloop {
    event_loop: EventLoop<'static, usize>,
    armed: Vec<RegistrationToken>,
}

impl Calloop {
    pub(super) fn new() -> Result<Self> {
        Ok(Self { event_loop: EventLoop::try_new()?, armed: Vec::new() })
    }
}

impl Timers for Calloop {
    fn prepare(&mut self, count: usize) {
        self.armed.clear();
        self.armed.reserve(count);
    }

    fn insert(&mut self, delays_ns: &[u64]) {
        let handle = self.event_loop.handle();
        for (number, delay_ns) in delays_ns.iter().enumerate() {
            let timer = Timer::from_duration(Duration::from_nanos(*delay_ns));
            let armed = handle.insert_source(timer, move |_due, (), fired| {
                add(number as u64);
                *fired += 1;
                TimeoutAction::Drop
            });
            self.armed.push(armed.expect("a timer can be inserted"));
        }
    }

    fn cancel(&mut self, order: &[usize]) {
        let handle = self.event_loop.handle();
        order.iter().for_each(|&number| handle.remove(self.armed[number]));
    }

    fn fire(&mut self, count: usize) {
        let mut fired = 0;
        while fired < count {
            self.event_loop.dispatch(Duration::ZERO, &mut fired).expect("a loop can poll");
        }
    }
}
