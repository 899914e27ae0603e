//! Waiting without a loop: the system calls, and the two thin layers over them.

use std::sync::Arc;

use anyhow::Result;

use super::{Ready, Woken};
use crate::os::{Epoll, EventFd};

pub(super) fn eventfd(woken: Arc<Woken>, ready: Ready) -> Result<()> {
    let (epoll, eventfd) = (Epoll::new()?, Arc::new(EventFd::new()?));
    epoll.add(&*eventfd)?;
    let sender = Arc::clone(&eventfd);
    ready.give(move || sender.signal());
    while !woken.has_ended() {
        if epoll.wait(-1)? > 0 {
            eventfd.take();
            woken.mark();
        }
    }
    Ok(())
}

pub(super) fn mio(woken: Arc<Woken>, ready: Ready) -> Result<()> {
    let mut poll = mio::Poll::new()?;
    let waker = mio::Waker::new(poll.registry(), mio::Token(0))?;
    let mut events = mio::Events::with_capacity(8);
    ready.give(move || waker.wake().expect("mio wakes"));
    while !woken.has_ended() {
        poll.poll(&mut events, None)?;
        if !events.is_empty() {
            woken.mark();
        }
    }
    Ok(())
}

/// A notification is not an event: a wait that ends without events was notified.
pub(super) fn polling(woken: Arc<Woken>, ready: Ready) -> Result<()> {
    let poller = Arc::new(polling::Poller::new()?);
    let sender = Arc::clone(&poller);
    let mut events = polling::Events::new();
    ready.give(move || sender.notify().expect("polling notifies"));
    while !woken.has_ended() {
        events.clear();
        poller.wait(&mut events, None)?;
        woken.mark();
    }
    Ok(())
}
