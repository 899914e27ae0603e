//! The meeting of all workers: who comes waits, the last one to come gets the job, then all go on.
//!
//! Only the protocol is here, about a job of any kind. Each meeting has a number, and a worker that comes late
//! finds that the number it would come to is over: it goes on and belongs to the next one from its beginning,
//! like everybody else.

#[cfg(test)]
#[cfg(loom)]
mod loom_tests;
#[cfg(test)]
#[cfg(not(loom))]
mod tests;

use std::sync::PoisonError;
use std::time::Duration;

use crate::sync::{AtomicU32, Condvar, Mutex, MutexGuard, Ordering, locked};

/// The number of a meeting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Round(pub(crate) u64);

/// What a worker finds that comes to a safe point.
#[derive(Debug)]
pub(crate) enum Joined<J> {
    /// Nobody asked for a meeting, or it is over.
    Nothing,
    /// Others are still to come: [`wait`](Rendezvous::wait) for them and for the end of the job.
    Wait(Round),
    /// It was the last: the job is its own. [`finish`](Rendezvous::finish) lets the others go.
    Last(Round, J),
}

/// Why nobody is asked to meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// There is a meeting already.
    Busy,
    /// There will be no more.
    Closed,
}

/// Who was late: the job goes back to who asked.
#[derive(Debug)]
pub(crate) struct GivenUp<J> {
    pub(crate) job: J,
    pub(crate) missing: Vec<u16>,
}

/// Where workers meet. See the [module](self).
#[derive(Debug)]
pub(crate) struct Rendezvous<J> {
    state: Mutex<State<J>>,
    /// A meeting is over.
    over: Condvar,
    /// 1 while somebody asks workers to come: looked at between two tasklets without the lock.
    asked: AtomicU32,
    expected: u16,
}

#[derive(Debug)]
struct State<J> {
    /// Meetings that began.
    round: u64,
    meeting: Option<Meeting<J>>,
    is_closed: bool,
}

#[derive(Debug)]
struct Meeting<J> {
    /// By worker.
    arrived: Vec<bool>,
    /// Taken by the last to come.
    job: Option<J>,
}

impl<J> Rendezvous<J> {
    /// A place for `expected` workers, which all come or none.
    pub(crate) fn new(expected: u16) -> Self {
        Self {
            state: Mutex::new(State { round: 0, meeting: None, is_closed: false }),
            over: Condvar::new(),
            asked: AtomicU32::new(0),
            expected,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<J>> {
        locked(&self.state)
    }

    /// Asks all workers to come. Those that sleep must be woken by the caller then.
    pub(crate) fn ask(&self, job: J) -> Result<Round, (Refusal, J)> {
        let mut state = self.lock();
        if state.is_closed {
            return Err((Refusal::Closed, job));
        }
        if state.meeting.is_some() {
            return Err((Refusal::Busy, job));
        }
        state.round += 1;
        state.meeting = Some(Meeting { arrived: vec![false; usize::from(self.expected)], job: Some(job) });
        self.asked.store(1, Ordering::Release);
        Ok(Round(state.round))
    }

    /// Whether workers are asked to come.
    #[inline]
    pub(crate) fn is_asked(&self) -> bool {
        self.asked.load(Ordering::Acquire) != 0
    }

    /// Worker `worker` is at a safe point.
    pub(crate) fn join(&self, worker: u16) -> Joined<J> {
        let mut state = self.lock();
        let round = Round(state.round);
        let Some(meeting) = &mut state.meeting else { return Joined::Nothing };
        if let Some(arrived) = meeting.arrived.get_mut(usize::from(worker)) {
            *arrived = true;
        }
        if !meeting.arrived.iter().all(|arrived| *arrived) {
            return Joined::Wait(round);
        }
        match meeting.job.take() {
            Some(job) => Joined::Last(round, job),
            None => Joined::Wait(round),
        }
    }

    /// Waits for the end of a meeting, at most for `limit` where that is given. False: it goes on.
    pub(crate) fn wait(&self, round: Round, limit: Option<Duration>) -> bool {
        let mut state = self.lock();
        let goes_on = |state: &mut State<J>| state.round == round.0 && state.meeting.is_some();
        let Some(limit) = limit else {
            while goes_on(&mut state) {
                state = self.over.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            return true;
        };
        if goes_on(&mut state) {
            state = self.over.wait_timeout(state, limit).unwrap_or_else(PoisonError::into_inner).0;
        }
        !goes_on(&mut state)
    }

    /// The job is done: all go on.
    pub(crate) fn finish(&self, round: Round) {
        let mut state = self.lock();
        if state.round == round.0 {
            self.end(&mut state);
        }
    }

    /// Whoever asked waits no longer: those that came go on. `None` where the meeting is over, or all came and the
    /// job is being done.
    pub(crate) fn give_up(&self, round: Round) -> Option<GivenUp<J>> {
        let mut state = self.lock();
        if state.round != round.0 {
            return None;
        }
        self.cancel(&mut state)
    }

    /// From now on there are no meetings. One that waits for workers is given up.
    pub(crate) fn close(&self) -> Option<GivenUp<J>> {
        let mut state = self.lock();
        state.is_closed = true;
        self.cancel(&mut state)
    }

    fn cancel(&self, state: &mut State<J>) -> Option<GivenUp<J>> {
        let meeting = state.meeting.as_mut()?;
        let job = meeting.job.take()?;
        let missing = (0..self.expected).filter(|worker| !meeting.arrived[usize::from(*worker)]).collect();
        self.end(state);
        Some(GivenUp { job, missing })
    }

    fn end(&self, state: &mut State<J>) {
        state.meeting = None;
        self.asked.store(0, Ordering::Relaxed);
        self.over.notify_all();
    }

    pub(crate) const fn expected(&self) -> u16 {
        self.expected
    }
}
