//! A meeting of all workers: each worker that arrives waits, the last one runs the job, then all continue.
//!
//! This module is only the protocol, generic over the job. Each meeting has a number, so a worker that arrives late sees
//! that its meeting is over. It continues, and takes part in the next meeting from the start.

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

/// Outcome for a worker that reaches a safe point.
#[derive(Debug)]
pub(crate) enum Joined<J> {
    /// No meeting was requested, or it is over.
    Nothing,
    /// Other workers have yet to arrive: [`wait`](Rendezvous::wait) for them and for the end of the job.
    Wait(Round),
    /// This worker was the last and gets the job. [`finish`](Rendezvous::finish) lets the others continue.
    Last(Round, J),
}

/// Why no meeting can be requested.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// A meeting is already in progress.
    Busy,
    /// Meetings were closed.
    Closed,
}

/// An abandoned meeting: the workers that did not arrive, and the job, which goes back to the requester.
#[derive(Debug)]
pub(crate) struct Abandoned<J> {
    pub(crate) job: J,
    pub(crate) missing: Vec<u16>,
}

/// Meeting point of the workers. See the [module](self).
#[derive(Debug)]
pub(crate) struct Rendezvous<J> {
    state: Mutex<Meetings<J>>,
    /// Signalled when a meeting is over.
    over: Condvar,
    /// 1 while a meeting is requested. Workers read it between two tasklets without the lock.
    asked: AtomicU32,
    expected: u16,
}

#[derive(Debug)]
struct Meetings<J> {
    /// Number of meetings begun so far.
    round: u64,
    meeting: Option<Meeting<J>>,
    is_closed: bool,
}

#[derive(Debug)]
struct Meeting<J> {
    /// Whether each worker arrived.
    arrived: Vec<bool>,
    /// Taken by the last worker to arrive.
    job: Option<J>,
}

impl<J> Rendezvous<J> {
    /// A meeting point for `expected` workers. A meeting takes place only if all of them arrive.
    pub(crate) fn new(expected: u16) -> Self {
        Self {
            state: Mutex::new(Meetings { round: 0, meeting: None, is_closed: false }),
            over: Condvar::new(),
            asked: AtomicU32::new(0),
            expected,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Meetings<J>> {
        locked(&self.state)
    }

    /// Requests a meeting. The caller must then wake the sleeping workers.
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

    /// Whether a meeting is requested.
    #[inline]
    pub(crate) fn is_asked(&self) -> bool {
        self.asked.load(Ordering::Acquire) != 0
    }

    /// Called by worker `worker` at a safe point.
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

    /// Waits for the end of a meeting, at most for `limit` if given. Returns false if the meeting is still in progress.
    pub(crate) fn wait(&self, round: Round, limit: Option<Duration>) -> bool {
        let mut state = self.lock();
        let is_pending = |state: &mut Meetings<J>| state.round == round.0 && state.meeting.is_some();
        let Some(limit) = limit else {
            while is_pending(&mut state) {
                state = self.over.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            return true;
        };
        if is_pending(&mut state) {
            state = self.over.wait_timeout(state, limit).unwrap_or_else(PoisonError::into_inner).0;
        }
        !is_pending(&mut state)
    }

    /// Ends the meeting after the job is done: all workers continue.
    pub(crate) fn finish(&self, round: Round) {
        let mut state = self.lock();
        if state.round == round.0 {
            self.end(&mut state);
        }
    }

    /// Abandons a meeting: workers that arrived continue. `None` if the meeting is over, or all workers have arrived and
    /// the job is running.
    pub(crate) fn give_up(&self, round: Round) -> Option<Abandoned<J>> {
        let mut state = self.lock();
        if state.round != round.0 {
            return None;
        }
        self.cancel(&mut state)
    }

    /// Refuses further meetings, and abandons a meeting that waits for workers.
    pub(crate) fn close(&self) -> Option<Abandoned<J>> {
        let mut state = self.lock();
        state.is_closed = true;
        self.cancel(&mut state)
    }

    fn cancel(&self, state: &mut Meetings<J>) -> Option<Abandoned<J>> {
        let meeting = state.meeting.as_mut()?;
        let job = meeting.job.take()?;
        let missing = (0..self.expected).filter(|worker| !meeting.arrived[usize::from(*worker)]).collect();
        self.end(state);
        Some(Abandoned { job, missing })
    }

    fn end(&self, state: &mut Meetings<J>) {
        state.meeting = None;
        self.asked.store(0, Ordering::Relaxed);
        self.over.notify_all();
    }

    pub(crate) const fn expected(&self) -> u16 {
        self.expected
    }
}
