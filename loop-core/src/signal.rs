//! Signals, from the handler to the loop.
#![expect(missing_docs, reason = "signatures first")]

use crate::poller::Waker;
use loop_probes::clock::SystemClock;
use loop_probes::ids::Ticks;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    pub signo: u8,
    pub arrived: Ticks,
}
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SignalError {
    #[error("signal {signo} cannot be caught")]
    Forbidden { signo: i32 },
    #[error("cannot catch signal {signo}")]
    System { signo: i32, source: std::io::Error },
}
/// Where a loop gets its signals from: the real `Signals`, or a scripted one.
pub trait SignalSource {
    /// Signals in the ring, this very moment.
    fn pending(&self) -> u32;
    /// The oldest arrival.
    fn take(&mut self) -> Option<Arrival>;
    /// Refused by a full ring, since the beginning.
    fn dropped(&self) -> u64;
    fn install(&mut self, signo: i32) -> Result<(), SignalError>;
    fn uninstall(&mut self, signo: i32) -> bool;
}
pub struct Signals {}
impl Signals {
    pub fn new(_clock: SystemClock, _waker: Waker) -> Self {
        unimplemented!()
    }
}
impl SignalSource for Signals {
    fn pending(&self) -> u32 {
        unimplemented!()
    }
    fn take(&mut self) -> Option<Arrival> {
        unimplemented!()
    }
    fn dropped(&self) -> u64 {
        unimplemented!()
    }
    fn install(&mut self, _signo: i32) -> Result<(), SignalError> {
        unimplemented!()
    }
    fn uninstall(&mut self, _signo: i32) -> bool {
        unimplemented!()
    }
}
