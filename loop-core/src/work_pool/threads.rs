//! The pool of real threads.
#![expect(missing_docs, reason = "signatures first")]
use super::{Job, Pending, Pool, Shutdown, Sink};
use loop_probes::clock::SystemClock;
use loop_probes::recorder::Recorder;
use std::marker::PhantomData;
use std::time::Duration;

#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PoolError {
    #[error("cannot start worker {worker} of the work pool")]
    Spawn { worker: u16, source: std::io::Error },
}
/// Makes the recorder of worker N, on its thread.
pub type RecorderFactory = Box<dyn Fn(u16) -> Recorder + Send + Sync>;

pub struct WorkPool<R> {
    _r: PhantomData<R>,
}
impl<R: Send + 'static> WorkPool<R> {
    /// `workers`: `None` is one a core.
    pub fn new(
        _workers: Option<u16>,
        _clock: SystemClock,
        _recorders: RecorderFactory,
        _sink: Sink<R>,
    ) -> Result<Self, PoolError> {
        unimplemented!()
    }
}
impl<R: Send + 'static> Pool<R> for WorkPool<R> {
    fn submit(&mut self, _job: Job<R>) -> Result<u32, Job<R>> {
        unimplemented!()
    }
    fn depth(&self) -> u32 {
        unimplemented!()
    }
    fn workers(&self) -> u16 {
        unimplemented!()
    }
    fn shutdown(&mut self, _pending: Pending, _timeout: Option<Duration>) -> Shutdown<R> {
        unimplemented!()
    }
}
