//! The environment of the re-executed loop: each part answers from the recorded stream.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use loop_core::gc::Heap;
use loop_core::poller::{Interest, Poller, PollerError, Ready, Source, Wake, Waker};
use loop_core::signal::{Arrival, SignalError, SignalSource};
use loop_core::sim::SimSource;
use loop_core::work_pool::{Job, Pending, Pool, Shutdown};
use loop_probes::clock::Clock;
use loop_probes::ids::{TaskId, Ticks, Timestamp};

use super::replay_session;

/// The clock. Durations are not compared, so the record clock stands still.
#[derive(Clone, Copy, Debug)]
pub(super) struct RecordedClock;

impl Clock for RecordedClock {
    fn now(&self) -> Timestamp {
        replay_session::with(|stage| stage.now()).unwrap_or_default()
    }

    fn ticks(&self) -> Ticks {
        Ticks(1)
    }
}

/// The poller: it never waits.
#[derive(Debug)]
pub(super) struct RecordedPoller;

struct NoWake;

impl Wake for NoWake {
    fn wake(&self) {}
}

impl Poller for RecordedPoller {
    fn add(&mut self, _source: Source, _interest: Interest, _key: usize) -> Result<(), PollerError> {
        Ok(())
    }

    fn modify(&mut self, _key: usize, _interest: Interest) -> Result<(), PollerError> {
        Ok(())
    }

    fn delete(&mut self, _key: usize) -> Result<Source, PollerError> {
        Ok(SimSource::new())
    }

    /// # Errors
    ///
    /// When nothing more is compared, to end the run.
    fn wait(&mut self, _timeout: Option<Duration>, out: &mut Vec<Ready>) -> io::Result<()> {
        out.clear();
        let continues = replay_session::with(|stage| {
            if !stage.is_over() {
                stage.ready(out);
            }
            !stage.is_over()
        });
        if continues == Some(true) { Ok(()) } else { Err(io::Error::other("the record is over")) }
    }

    fn waker(&self) -> Waker {
        Waker::new(Arc::new(NoWake))
    }
}

/// The source of signals.
#[derive(Debug)]
pub(super) struct RecordedSignals;

impl SignalSource for RecordedSignals {
    fn pending(&self) -> u32 {
        replay_session::with(|stage| stage.signals()).unwrap_or(0)
    }

    fn take(&mut self) -> Option<Arrival> {
        let signo = replay_session::with(|stage| stage.next_signal()).flatten()?;
        Some(Arrival { signo, arrived: Ticks(1) })
    }

    fn dropped(&self) -> u64 {
        replay_session::with(|stage| stage.signals_dropped()).unwrap_or(0)
    }

    fn install(&mut self, _signo: i32) -> Result<(), SignalError> {
        Ok(())
    }

    fn uninstall(&mut self, _signo: i32) -> bool {
        true
    }
}

/// The pool: drops what is submitted; results arrive when the recording has them.
#[derive(Debug)]
pub(super) struct RecordedPool;

impl<R: 'static> Pool<R> for RecordedPool {
    fn submit(&mut self, _job: Job<R>) -> Result<u32, Job<R>> {
        Ok(replay_session::with(|stage| stage.jobs()).unwrap_or(0))
    }

    fn take_back(&mut self, _task: TaskId) -> Option<Job<R>> {
        None
    }

    fn depth(&self) -> u32 {
        replay_session::with(|stage| stage.jobs()).unwrap_or(0)
    }

    fn workers(&self) -> u16 {
        1
    }

    fn shutdown(&mut self, _pending: Pending, _timeout: Option<Duration>) -> Shutdown<R> {
        Shutdown { handed_back: Vec::new(), unjoined: 0 }
    }

    fn detach(&mut self) {}
}

/// The heap.
#[derive(Debug)]
pub(super) struct RecordedHeap;

impl Heap for RecordedHeap {
    fn bytes(&self) -> u64 {
        replay_session::with(|stage| stage.heap_bytes()).unwrap_or(0)
    }

    fn collect(&mut self) {}
}
