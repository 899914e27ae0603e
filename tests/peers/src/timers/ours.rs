//! Our timers: the bare queue with the time as an argument, and the whole loop with its clock.

use std::time::Duration;

use anyhow::Result;
use loop_core::low_level::timer::{Finished, Timer, TimerQueue};
use loop_core::{Context, EventLoop, Task};
use loop_probes::clock::monotonic_now;

use super::Timers;

pub(super) struct Alone {
    timers: TimerQueue<u64>,
    armed: Vec<Timer>,
}

impl Alone {
    pub(super) fn new() -> Self {
        Self { timers: TimerQueue::new(), armed: Vec::new() }
    }
}

impl Timers for Alone {
    fn prepare(&mut self, count: usize) {
        self.armed.clear();
        self.armed.reserve(count);
    }

    fn insert(&mut self, delays_ns: &[u64]) {
        let now = monotonic_now();
        for (delay_ns, number) in delays_ns.iter().zip(0..) {
            self.armed.push(self.timers.arm(now.plus_ns(*delay_ns), None, number));
        }
    }

    fn cancel(&mut self, order: &[usize]) {
        for &number in order {
            assert_eq!(self.timers.clear(self.armed[number]), Some(number as u64), "it is armed");
        }
    }

    fn fire(&mut self, count: usize) {
        let now = monotonic_now();
        let (mut fired, mut sum) = (0, 0_u64);
        let pass = self.timers.begin_pass(now);
        while let Some(due) = self.timers.pop_due(&pass) {
            if let Finished::Done(number) = self.timers.finish(due.timer, now) {
                sum = sum.wrapping_add(number);
                fired += 1;
            }
        }
        std::hint::black_box(sum);
        assert_eq!(fired, count, "all are due");
    }
}

struct Add(u64);

impl Task for Add {
    type Remote = Self;
    loop_core::tags!("Add");

    fn run(self, _cx: &mut Context<'_, Self>) {
        crate::tasks::add(self.0);
    }
}

pub(super) struct OnLoop {
    event_loop: EventLoop<Add>,
    armed: Vec<Timer>,
}

impl OnLoop {
    pub(super) fn new() -> Result<Self> {
        Ok(Self { event_loop: EventLoop::new()?, armed: Vec::new() })
    }
}

impl Timers for OnLoop {
    fn prepare(&mut self, count: usize) {
        self.armed.clear();
        self.armed.reserve(count);
    }

    fn insert(&mut self, delays_ns: &[u64]) {
        let armed = &mut self.armed;
        self.event_loop.with(|cx| {
            for (delay_ns, number) in delays_ns.iter().zip(0..) {
                armed.push(cx.set_timeout(Duration::from_nanos(*delay_ns), Add(number)));
            }
        });
    }

    fn cancel(&mut self, order: &[usize]) {
        let armed = &self.armed;
        self.event_loop.with(|cx| {
            for &number in order {
                assert!(cx.clear_timer(armed[number]), "it is armed");
            }
        });
    }

    fn fire(&mut self, count: usize) {
        let before = self.event_loop.metrics().tasks_run;
        // Returns once nothing is armed.
        self.event_loop.run().expect("a loop can poll");
        assert_eq!(self.event_loop.metrics().tasks_run - before, count as u64, "all are due");
    }
}
