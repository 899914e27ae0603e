//! Memory-pressure notices from the system.
#![expect(missing_docs, reason = "signatures first")]
use crate::poller::{Interest, Source};
use std::path::Path;

#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PressureError {
    #[error("cannot watch {path} for memory pressure")]
    Watch { path: String, source: std::io::Error },
}
/// A registered trigger; add `source()` with `interest()` to the poller, call `acknowledge` when it is ready.
pub struct PressureWatch {}
impl PressureWatch {
    /// The system's PSI file.
    pub fn system() -> Result<Self, PressureError> {
        unimplemented!()
    }
    /// A named file: a PSI file (`memory.pressure` of a cgroup), or a FIFO.
    pub fn open(_path: &Path) -> Result<Self, PressureError> {
        unimplemented!()
    }
    pub fn source(&self) -> Source {
        unimplemented!()
    }
    pub fn interest(&self) -> Interest {
        unimplemented!()
    }
    /// Takes the notice back; call `GcController::pressure` when it says true.
    pub fn acknowledge(&self) -> bool {
        unimplemented!()
    }
}
