//! Memory limits of the harnesses.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Address space for the test itself: its threads, and its initial inputs.
const OWN_BYTES: u64 = 1 << 29;

/// Limits the address space of this process to `bytes` for the code under test. Does nothing under a fuzzing engine,
/// which needs much memory besides and has a limit of its own.
pub(crate) fn limit(bytes: u64) {
    if cfg!(fuzzing) {
        return;
    }
    let limits = getrlimit(Resource::As);
    setrlimit(Resource::As, Rlimit { current: Some(OWN_BYTES + bytes), ..limits })
        .expect("the limit is above what is used");
}
