//! What a harness may take.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Address space for the test itself: its threads, and the inputs it starts from.
const OWN_BYTES: u64 = 1 << 29;

/// Limits the address space of this process to `bytes` for the code under test. Does nothing under an engine, which has a
/// limit of its own because it needs much memory besides.
pub(crate) fn limit(bytes: u64) {
    if cfg!(fuzzing) {
        return;
    }
    let limits = getrlimit(Resource::As);
    setrlimit(Resource::As, Rlimit { current: Some(OWN_BYTES + bytes), ..limits })
        .expect("the limit is above what is used");
}
