//! What the virtual world answers: waiting advances the clock to the next recorded arrival.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use loop_core::low_level::oracle::{Oracle, PendingJob, RecordClock, Watched, reported_for};
use loop_core::poller::{Readiness, Ready, Waker};
use loop_core::signal::{Arrival, SignalError};
use loop_probes::event::ClockPoint;
use loop_probes::ids::{IoSource, TaskId, Ticks, Timestamp};

use super::{Cursor, Overhead, STOPPED, SourceState, World};

/// The recording is drained after this many polls, while it is still in the processor's caches.
const DRAINED: u64 = 16;

impl Oracle for World {
    fn now(&self) -> Timestamp {
        Timestamp(self.now_ns())
    }

    fn now_at(&self, point: ClockPoint) -> Timestamp {
        if point == ClockPoint::BeforePoll {
            self.pay_up_to_reading();
        }
        self.now()
    }

    fn ticks(&self) -> Ticks {
        self.spend_overhead();
        Ticks(self.now_ns())
    }

    fn stamps(&self) -> RecordClock {
        let now = Arc::clone(&self.now);
        Box::new(move || Ticks(now.load(Ordering::Relaxed)))
    }

    fn waker(&self) -> Waker {
        self.wake_flag.waker()
    }

    fn wait(&self, watched: &Watched, timeout: Option<Duration>, out: &mut Vec<Ready>) -> io::Result<()> {
        self.polls.set(self.polls.get() + 1);
        if self.polls.get().is_multiple_of(DRAINED) {
            self.drain();
            if self.stop.as_ref().is_some_and(|stop| stop()) {
                self.cut.set(Some(STOPPED));
            }
        }
        if !self.spend(1) {
            return Err(io::Error::other("it is over"));
        }
        if self.polls.get() > self.polls_max {
            self.cut.set(Some("it turned 64 times as often as recorded"));
            return Err(io::Error::other("the loop turns without end"));
        }
        let costs = &self.script.costs;
        let timeout_ns = timeout.map(|timeout| u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX));
        let begin_ns = self.now_ns();
        self.report(watched, out);
        if timeout_ns == Some(0) || !out.is_empty() || self.wake_flag.is_set() {
            self.advance_to(begin_ns.saturating_add(self.cursors.look.near(&costs.look, begin_ns)));
        } else {
            let deadline_ns = timeout_ns.map(|timeout_ns| begin_ns.saturating_add(timeout_ns));
            self.sleep(watched, deadline_ns, out)?;
        }
        self.wake_flag.take();
        self.report(watched, out);
        self.overhead.set(Overhead::AfterPoll);
        self.is_accounted.set(true);
        Ok(())
    }

    fn unwatched(&self, key: usize) {
        if let Some(place) = self.keys.borrow_mut().remove(&key) {
            self.sources.borrow_mut()[place as usize] = SourceState::default();
            self.ready.borrow_mut().retain(|ready| *ready != place);
        }
    }

    fn signals(&self) -> u32 {
        self.signals.borrow().len() as u32
    }

    fn take_signal(&self) -> Option<Arrival> {
        self.signals.borrow_mut().pop_front()
    }

    fn signals_dropped(&self) -> u64 {
        0
    }

    fn install(&self, signo: i32) -> Result<(), SignalError> {
        self.handled.borrow_mut().extend(u8::try_from(signo));
        Ok(())
    }

    fn uninstall(&self, signo: i32) -> bool {
        u8::try_from(signo).is_ok_and(|signo| self.handled.borrow_mut().remove(&signo))
    }

    fn submit(&self, job: PendingJob) -> u32 {
        self.jobs.submit(job, self.now_ns())
    }

    fn take_back(&self, task: TaskId) -> Option<PendingJob> {
        self.jobs.take_back(task, self.now_ns())
    }

    fn jobs(&self) -> u32 {
        self.jobs.depth(self.now_ns())
    }

    fn workers(&self) -> u16 {
        self.plan.workers.max(1)
    }

    fn heap_bytes(&self) -> u64 {
        self.heap_size()
    }

    fn collect(&self) {
        self.collect_heap();
    }
}

impl World {
    /// Waits until something arrives or the time is up.
    fn sleep(&self, watched: &Watched, deadline_ns: Option<u64>, out: &mut Vec<Ready>) -> io::Result<()> {
        let costs = &self.script.costs;
        self.pass_outside();
        loop {
            // The end of a run ends its poll.
            if let Some(at_ns) = self.outside_at()
                && [self.next_at(), deadline_ns].into_iter().flatten().all(|next_ns| at_ns < next_ns)
            {
                self.advance_to(at_ns);
                return Ok(());
            }
            let late = |cursor: &Cursor, samples, at_ns: u64| {
                self.advance_to(at_ns.saturating_add(cursor.near(samples, at_ns)));
            };
            match (self.next_at(), deadline_ns) {
                (Some(at_ns), deadline_ns) if deadline_ns.is_none_or(|deadline_ns| at_ns <= deadline_ns) => {
                    self.advance_to(at_ns);
                    if self.wake_flag.is_set() {
                        late(&self.cursors.wake, &costs.wake, at_ns);
                        return Ok(());
                    }
                    self.report(watched, out);
                    if !out.is_empty() {
                        return Ok(());
                    }
                }
                (_, Some(deadline_ns)) => {
                    late(&self.cursors.oversleep, &costs.oversleep, deadline_ns);
                    return Ok(());
                }
                (_, None) => {
                    return Err(io::Error::new(io::ErrorKind::TimedOut, "nothing will ever end this wait"));
                }
            }
            if self.cut.get().is_some() {
                return Err(io::Error::other("time ran out"));
            }
        }
    }

    fn report(&self, watched: &Watched, out: &mut Vec<Ready>) {
        out.clear();
        let sources = self.sources.borrow();
        for place in self.ready.borrow().iter() {
            let source = &sources[*place as usize];
            let Some(IoSource(key)) = source.id else { continue };
            let Some((_, interest)) = watched.get(key as usize) else { continue };
            if !self.spend(source.pending.len() as u64) {
                return;
            }
            let reported = source.pending.iter().fold(0, |bits, (readiness, _)| bits | readiness)
                & reported_for(interest).bits();
            if reported != 0 {
                out.push(Ready { key: key as usize, readiness: Readiness::from_bits_truncate(reported) });
            }
        }
    }
}
