//! Timers as futures: a delay, a limit, an interval. Dropping one clears its timer.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use super::inbox::{Inbox, Plain};
use super::wait::Wait;
use crate::timer::Delay;

/// Completes when its delay has passed. See [`LocalHandle::sleep`](super::LocalHandle::sleep).
#[must_use = "a future does nothing unless it is awaited"]
pub struct Sleep {
    inbox: Rc<dyn Inbox>,
    delay: Duration,
    armed: Option<Rc<Wait>>,
    is_done: bool,
}

impl Sleep {
    pub(crate) fn new(inbox: Rc<dyn Inbox>, delay: Duration) -> Self {
        Self { inbox, delay, armed: None, is_done: false }
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.is_done {
            return Poll::Ready(());
        }
        let wait = match &self.armed {
            Some(wait) => wait,
            None => {
                let wait = Wait::new();
                self.inbox.push(Plain::Arm(Delay::Once(self.delay), Rc::clone(&wait)));
                self.armed.insert(wait)
            }
        };
        ready!(wait.poll(cx));
        self.is_done = true;
        Poll::Ready(())
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(wait) = self.armed.take().filter(|_| !self.is_done) {
            self.inbox.push(Plain::Clear(wait));
        }
    }
}

/// The future of a [`timeout`](super::LocalHandle::timeout) did not complete within the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not done within {limit:?}")]
#[non_exhaustive]
pub struct Elapsed {
    /// The limit.
    pub limit: Duration,
}

/// Lets `?` convert a timeout to an I/O error ([`TimedOut`](std::io::ErrorKind::TimedOut)).
impl From<Elapsed> for std::io::Error {
    fn from(elapsed: Elapsed) -> Self {
        Self::new(std::io::ErrorKind::TimedOut, elapsed)
    }
}

pub(crate) async fn with_limit<F: Future>(
    sleep: Sleep,
    limit: Duration,
    future: F,
) -> Result<F::Output, Elapsed> {
    let (mut sleep, mut future) = (pin!(sleep), pin!(future));
    poll_fn(|cx| {
        // A future that completes at the last moment counts as completed.
        if let Poll::Ready(output) = future.as_mut().poll(cx) {
            return Poll::Ready(Ok(output));
        }
        sleep.as_mut().poll(cx).map(|()| Err(Elapsed { limit }))
    })
    .await
}

/// Ticks periodically. See [`LocalHandle::interval`](super::LocalHandle::interval).
pub struct Interval {
    inbox: Rc<dyn Inbox>,
    period: Duration,
    armed: Option<Rc<Wait>>,
}

impl Interval {
    pub(crate) fn new(inbox: Rc<dyn Inbox>, period: Duration) -> Self {
        Self { inbox, period, armed: None }
    }

    /// Waits for the next tick and returns true, or returns false as soon as the loop shuts down, so that
    /// `while interval.tick().await { … }` ends with its loop. Ticks that were not awaited are merged into one.
    pub async fn tick(&mut self) -> bool {
        let wait = self.armed.get_or_insert_with(|| {
            let wait = Wait::new();
            self.inbox.push(Plain::Arm(Delay::Every(self.period), Rc::clone(&wait)));
            self.inbox.state().at_shutdown(&wait);
            wait
        });
        poll_fn(|cx| wait.poll(cx)).await;
        !self.inbox.state().is_shutting_down()
    }
}

impl Drop for Interval {
    fn drop(&mut self) {
        if let Some(wait) = self.armed.take() {
            self.inbox.state().forget(&wait);
            self.inbox.push(Plain::Clear(wait));
        }
    }
}

impl fmt::Debug for Sleep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sleep")
            .field("delay", &self.delay)
            .field("is_done", &self.is_done)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Interval").field("period", &self.period).finish_non_exhaustive()
    }
}
