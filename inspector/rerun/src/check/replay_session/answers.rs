//! Answers the loop's questions to its environment from the recorded stream.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use loop_core::low_level::oracle::{Oracle, PendingJob, RecordClock, WakeFlag, Watched};
use loop_core::poller::{Readiness, Ready, Waker};
use loop_core::signal::Arrival;
use loop_probes::event::{Event, Queue};
use loop_probes::ids::{IoSource, TaskId, Ticks, Timestamp};

use super::{MOST, Mode, Replay, ReplaySession};

impl Oracle for Replay {
    fn now(&self) -> Timestamp {
        self.with(|session| session.now())
    }

    /// Durations are not compared, so the record clock stands still.
    fn ticks(&self) -> Ticks {
        Ticks(1)
    }

    fn stamps(&self) -> RecordClock {
        Box::new(|| Ticks(1))
    }

    /// The poller never waits.
    fn waker(&self) -> Waker {
        Arc::<WakeFlag>::default().waker()
    }

    /// # Errors
    ///
    /// When nothing more is compared, to end the run.
    fn wait(&self, _watched: &Watched, _timeout: Option<Duration>, out: &mut Vec<Ready>) -> io::Result<()> {
        self.with(|session| {
            if !session.is_over() {
                session.ready(out);
            }
            if session.is_over() { Err(io::Error::other("the record is over")) } else { Ok(()) }
        })
    }

    fn signals(&self) -> u32 {
        self.with(ReplaySession::signals)
    }

    fn take_signal(&self) -> Option<Arrival> {
        let signo = self.with(|session| session.next_signal())?;
        Some(Arrival { signo, arrived: Ticks(1) })
    }

    fn signals_dropped(&self) -> u64 {
        self.with(ReplaySession::signals_dropped)
    }

    /// Results arrive when the recording has them, so the job is dropped.
    fn submit(&self, _job: PendingJob) -> u32 {
        self.with(ReplaySession::jobs)
    }

    fn take_back(&self, _task: TaskId) -> Option<PendingJob> {
        None
    }

    fn jobs(&self) -> u32 {
        self.with(ReplaySession::jobs)
    }

    fn workers(&self) -> u16 {
        1
    }

    fn heap_bytes(&self) -> u64 {
        self.with(|session| session.heap_bytes())
    }
}

impl ReplaySession {
    /// The clock reading that the loop is given.
    fn now(&self) -> Timestamp {
        if self.mode == Mode::Starting {
            return self.latest;
        }
        if self.is_over() {
            return Timestamp(u64::MAX);
        }
        let reading = self.recorded.ahead().find_map(|entry| match entry.event {
            Event::InputClock { now, .. } => Some(now),
            _ => None,
        });
        reading.unwrap_or(self.latest)
    }

    fn heap_bytes(&self) -> u64 {
        let bytes = self.recorded.ahead().find_map(|entry| match entry.event {
            Event::InputHeap { heap_bytes } => Some(heap_bytes),
            _ => None,
        });
        bytes.unwrap_or(0)
    }

    fn next(&self) -> Option<Event<()>> {
        self.recorded.front().map(|entry| entry.event)
    }

    /// The number of pending signals that the recorded loop saw.
    fn signals(&mut self) -> u32 {
        if self.mode == Mode::Starting {
            // Nonzero, so that the loop goes on to its next tick.
            return 1;
        }
        let samples = std::mem::take(&mut self.samples[0]);
        match self.next() {
            Some(Event::QueueDepth { queue: Queue::Signals, depth }) if samples => depth,
            _ if samples => self.depths[0],
            Some(Event::SnapshotQueue { queue: Queue::Signals, depth }) => depth,
            Some(Event::SignalArrived { depth, .. }) => depth.min(MOST),
            Some(Event::InputNews { .. }) => 1,
            _ => 0,
        }
    }

    fn next_signal(&self) -> Option<u8> {
        match self.next() {
            Some(Event::SignalArrived { signo, .. }) => Some(signo),
            _ => None,
        }
    }

    fn signals_dropped(&mut self) -> u64 {
        if let Some(Event::SignalDropped { total }) = self.next() {
            self.signals_dropped = total;
        }
        self.signals_dropped
    }

    /// The number of jobs waiting for a worker that the recorded loop saw.
    fn jobs(&mut self) -> u32 {
        let samples = std::mem::take(&mut self.samples[1]);
        match self.next() {
            Some(Event::QueueDepth { queue: Queue::Work, depth }) if samples => depth,
            _ if samples => self.depths[1],
            Some(Event::SnapshotQueue { queue: Queue::Work, depth } | Event::WorkQueued { depth, .. }) => {
                depth
            }
            _ => 0,
        }
    }

    /// The sources that the poll found ready.
    fn ready(&mut self, out: &mut Vec<Ready>) {
        let mut found = 0;
        for entry in self.recorded.ahead() {
            match entry.event {
                Event::Poll { ready, .. } => found = ready,
                Event::InputReady { source, readiness } => out.push(readied(source, readiness)),
                Event::TickEnd { .. } => break,
                _ => {}
            }
        }
        if out.is_empty() && found > 0 {
            let after =
                self.recorded.ahead().take_while(|entry| !matches!(entry.event, Event::TickEnd { .. }));
            out.extend(after.filter_map(|entry| match entry.event {
                Event::IoReady { source, readiness, .. } => Some(readied(source, readiness)),
                _ => None,
            }));
        }
        // Sources that were ready and removed before their turn.
        let found = usize::try_from(self.afford(found.into())).unwrap_or(0);
        out.resize(found.max(out.len()), Ready { key: usize::MAX - 1, readiness: Readiness::NONE });
    }
}

fn readied(source: IoSource, readiness: u8) -> Ready {
    Ready { key: source.0 as usize, readiness: Readiness::from_bits_truncate(readiness) }
}
