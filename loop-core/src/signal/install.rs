//! A signal handler, installed until it is dropped.

use std::sync::Arc;

use loop_probes::clock::{Clock, SystemClock};
use signal_hook::SigId;
use signal_hook::consts::FORBIDDEN;
use signal_hook::low_level;

use super::{Arrival, SignalError, SignalRing};
use crate::poller::SignalWaker;

#[derive(Debug)]
pub(super) struct Installed(SigId);

impl Installed {
    pub(super) fn new(
        signo: i32,
        ring: &Arc<SignalRing>,
        clock: SystemClock,
        waker: &SignalWaker,
    ) -> Result<Self, SignalError> {
        let Ok(number) = u8::try_from(signo) else { return Err(SignalError::Forbidden { signo }) };
        if FORBIDDEN.contains(&signo) {
            return Err(SignalError::Forbidden { signo });
        }
        let (ring, waker) = (Arc::clone(ring), waker.clone());
        let handler = move || {
            ring.push(Arrival { signo: number, arrived: clock.ticks() });
            waker.wake();
        };
        // SAFETY: the handler stores atomics, reads a clock (an instruction, or a call that needs no lock) and writes
        // to a pipe, which is all that a `SignalWaker` does: it takes no lock, allocates nothing and cannot panic. All
        // three are our own types, so that no foreign code runs here. Its captures are freed by `unregister`, on an
        // ordinary thread. errno is preserved by signal-hook.
        let id = unsafe { low_level::register(signo, handler) };
        id.map(Self).map_err(|source| SignalError::System { signo, source })
    }
}

impl Drop for Installed {
    fn drop(&mut self) {
        low_level::unregister(self.0);
    }
}
