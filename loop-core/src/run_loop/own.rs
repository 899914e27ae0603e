//! One of our loops as a foreign loop, driven by another.

use std::time::Duration;

use loop_probes::clock::Clock;

use super::{ForeignLoop, PumpError};
use crate::event_loop::EventLoop;
use crate::poller::{Poller, Source};
use crate::task::Task;

/// A second loop of ours, on the same thread, with a policy, tasks and a pool of its own. It is turned while
/// something keeps it alive, and when other threads post to it. A request to stop ends the pump but not the run;
/// a shutdown ends both.
impl<T: Task, C: Clock + 'static, P: Poller + 'static> ForeignLoop for EventLoop<T, C, P> {
    fn name(&self) -> &str {
        "the second event loop"
    }

    fn iterate(&mut self, timeout: Duration) -> Result<bool, PumpError> {
        not_over(self)?;
        Ok(self.turn_within(timeout)?)
    }

    fn next_wait(&mut self) -> Result<Option<Duration>, PumpError> {
        not_over(self)?;
        Ok(EventLoop::next_wait(self))
    }

    fn wake(&mut self) {
        // Pumping by hand left it marked as awake, and a loop that is awake is not woken.
        let _ = EventLoop::next_wait(self);
        self.handle().wake();
    }

    fn readiness(&self) -> Option<Source> {
        EventLoop::readiness(self)
    }
}

fn not_over<T: Task, C: Clock + 'static, P: Poller + 'static>(
    event_loop: &EventLoop<T, C, P>,
) -> Result<(), PumpError> {
    match event_loop.shutdown_report() {
        Some(_) => Err(PumpError::Ended { name: event_loop.name().to_owned() }),
        None => Ok(()),
    }
}
