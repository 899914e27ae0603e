//! A signal handler, installed until it is dropped.

use std::io;
use std::sync::Arc;

use loop_probes::clock::{Clock, SystemClock};
use signal_hook::SigId;
use signal_hook::low_level;

use super::ring::{Arrival, SignalRing};
use crate::poller::SignalWaker;

#[derive(Debug)]
pub(super) struct Installed(SigId);

impl Installed {
    pub(super) fn new(
        signo: u8,
        ring: &Arc<SignalRing>,
        clock: SystemClock,
        waker: &SignalWaker,
    ) -> io::Result<Self> {
        let (ring, waker) = (Arc::clone(ring), waker.clone());
        let handler = move || {
            ring.push(Arrival { signo, arrived: clock.ticks() });
            waker.wake();
        };
        // SAFETY: the handler stores atomics, reads a clock (an instruction, or a call that needs no lock) and writes
        // to a pipe (the only action of a `SignalWaker`). So it takes no lock, allocates nothing and cannot panic. All
        // three are our own types, so no foreign code runs in the handler. `unregister` frees the captures, on an
        // ordinary thread. `signal-hook` preserves `errno`.
        let id = unsafe { low_level::register(signo.into(), handler) };
        id.map(Self)
    }
}

impl Drop for Installed {
    fn drop(&mut self) {
        low_level::unregister(self.0);
    }
}
