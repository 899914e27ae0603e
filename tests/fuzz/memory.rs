//! What a harness may take.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// What the address space of this process may grow to: 1 GB for what is tried, the rest for the test itself.
const ADDRESSES: u64 = (1 << 30) + (1 << 29);

/// Ends the process where it takes more. An engine has a limit of its own, since it takes much besides.
pub(crate) fn limit() {
    if cfg!(fuzzing) {
        return;
    }
    let limits = getrlimit(Resource::As);
    setrlimit(Resource::As, Rlimit { current: Some(ADDRESSES), ..limits })
        .expect("the limit is above what is used");
}
