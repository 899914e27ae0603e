//! The clock and the poller of the virtual world: waiting advances the clock to the next recorded arrival.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use loop_core::poller::{Interest, Poller, PollerError, Readiness, Ready, Source, Wake, Waker};
use loop_probes::clock::Clock;
use loop_probes::event::ClockPoint;
use loop_probes::ids::{IoSource, Ticks, Timestamp};

use super::{Cursor, NONE, Overhead, STOPPED, SourceState, WORLD, WakeFlag, World, world};

/// The recording is drained after this many polls, while it is still in the processor's caches.
const DRAINED: u64 = 16;

impl World {
    pub(super) fn wait(&self, timeout: Option<Duration>, out: &mut Vec<Ready>) -> io::Result<()> {
        out.clear();
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
        let begin_ns = self.now.get();
        self.report(out);
        if timeout_ns == Some(0) || !out.is_empty() || self.wake_flag.0.load(Ordering::Acquire) {
            self.advance_to(begin_ns.saturating_add(self.cursors.look.near(&costs.look, begin_ns)));
        } else {
            let deadline_ns = timeout_ns.map(|timeout_ns| begin_ns.saturating_add(timeout_ns));
            self.sleep(deadline_ns, out)?;
        }
        self.wake_flag.0.store(false, Ordering::Release);
        self.report(out);
        self.overhead.set(Overhead::AfterPoll);
        self.is_accounted.set(true);
        Ok(())
    }

    /// Waits until something arrives or the time is up.
    fn sleep(&self, deadline_ns: Option<u64>, out: &mut Vec<Ready>) -> io::Result<()> {
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
                    if self.wake_flag.0.load(Ordering::Acquire) {
                        late(&self.cursors.wake, &costs.wake, at_ns);
                        return Ok(());
                    }
                    self.report(out);
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

    fn report(&self, out: &mut Vec<Ready>) {
        out.clear();
        let sources = self.sources.borrow();
        for place in self.ready.borrow().iter() {
            let source = &sources[*place as usize];
            let Some(key) = source.id else { continue };
            if !self.spend(source.pending.len() as u64) {
                return;
            }
            let reported = source.pending.iter().fold(0, |bits, (readiness, _)| bits | readiness)
                & asked(source.interest);
            if reported != 0 {
                out.push(Ready { key: key.0 as usize, readiness: Readiness::from_bits_truncate(reported) });
            }
        }
    }
}

/// The readiness reported for an interest set: errors and hang-ups always, priority as readable.
const fn asked(interest: u8) -> u8 {
    let read = if interest & (Interest::READABLE.bits() | Interest::PRIORITY.bits()) != 0 { 1 } else { 0 };
    (Readiness::ERROR.bits() | Readiness::HANG_UP.bits()) | read | (interest & Interest::WRITABLE.bits())
}

/// The clock of this thread's world.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct WorldClock;

impl Clock for WorldClock {
    fn now(&self) -> Timestamp {
        WORLD.with_borrow(|world| Timestamp(world.as_ref().map_or(0, |world| world.now.get())))
    }

    fn now_at(&self, point: ClockPoint) -> Timestamp {
        if point == ClockPoint::BeforePoll {
            WORLD.with_borrow(|world| world.iter().for_each(|world| world.pay_up_to_reading()));
        }
        self.now()
    }

    fn ticks(&self) -> Ticks {
        WORLD.with_borrow(|world| {
            let Some(world) = world else { return Ticks(0) };
            world.spend_overhead();
            Ticks(world.now.get())
        })
    }
}

/// The poller of this thread's world.
#[derive(Clone, Debug)]
pub(in super::super) struct WorldPoller(Arc<WakeFlag>);

impl WorldPoller {
    pub(in super::super) fn new(world: &World) -> Self {
        Self(Arc::clone(&world.wake_flag))
    }
}

fn gone() -> io::Error {
    io::Error::other("the virtual world is gone")
}

impl Poller for WorldPoller {
    fn add(&mut self, source: Source, interest: Interest, key: usize) -> Result<(), PollerError> {
        let Some(world) = world() else { return Ok(()) };
        let place = world.registering.replace(NONE);
        if let Some(state) = world.sources.borrow_mut().get_mut(place as usize) {
            (state.id, state.interest) = (Some(IoSource(key as u32)), interest.bits());
            world.keys.borrow_mut().insert(key, (place, source));
        }
        Ok(())
    }

    fn modify(&mut self, key: usize, interest: Interest) -> Result<(), PollerError> {
        let Some(world) = world() else { return Ok(()) };
        let place = world.keys.borrow().get(&key).map(|(place, _)| *place);
        let place = place.ok_or(PollerError::UnknownKey { key })?;
        world.sources.borrow_mut()[place as usize].interest = interest.bits();
        Ok(())
    }

    fn delete(&mut self, key: usize) -> Result<Source, PollerError> {
        let unknown = PollerError::UnknownKey { key };
        let Some(world) = world() else { return Err(unknown) };
        let (place, source) = world.keys.borrow_mut().remove(&key).ok_or(unknown)?;
        let state = &mut world.sources.borrow_mut()[place as usize];
        *state = SourceState::default();
        world.ready.borrow_mut().retain(|ready| *ready != place);
        Ok(source)
    }

    fn wait(&mut self, timeout: Option<Duration>, out: &mut Vec<Ready>) -> io::Result<()> {
        world().ok_or_else(gone)?.wait(timeout, out)
    }

    fn waker(&self) -> Waker {
        let wake_flag: Arc<dyn Wake> = Arc::<WakeFlag>::clone(&self.0);
        Waker::new(wake_flag)
    }
}
