//! The operating system's poller.
#![expect(missing_docs, reason = "signatures first")]
use super::{Interest, Poller, PollerError, Ready, Source, Waker};
use std::io;
use std::time::Duration;
pub struct OsPoller {}
impl OsPoller {
    pub fn new() -> io::Result<Self> {
        unimplemented!()
    }
}
impl Poller for OsPoller {
    fn add(&mut self, _source: Source, _interest: Interest, _key: usize) -> Result<(), PollerError> {
        unimplemented!()
    }
    fn modify(&mut self, _key: usize, _interest: Interest) -> Result<(), PollerError> {
        unimplemented!()
    }
    fn delete(&mut self, _key: usize) -> Result<Source, PollerError> {
        unimplemented!()
    }
    fn wait(&mut self, _timeout: Option<Duration>, _out: &mut Vec<Ready>) -> io::Result<()> {
        unimplemented!()
    }
    fn waker(&self) -> Waker {
        unimplemented!()
    }
}
