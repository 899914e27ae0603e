//! What a process says about itself, once, at its start: the same text in a ring's header and in a trace's.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::clock::{Anchor, TickUnit};

/// Where a recording comes from: comparisons of traces refuse to mix what differs here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Metadata {
    /// The program's name.
    pub program: String,
    /// Its process id.
    pub pid: u32,
    /// The machine's host name.
    pub host: String,
    /// The command line.
    pub command: Vec<String>,
    /// Version and build profile of the program.
    pub build: String,
    /// The loop's policy, "unknown" where the loop is not ours.
    pub policy: String,
    /// Operating system, processor, cores.
    pub machine: String,
    /// What [`Ticks`](crate::ids::Ticks) count in this process.
    pub tick_unit: TickUnit,
    /// The moment at which recording began.
    pub started: Anchor,
    /// A tick busier than this is a stall, in nanoseconds.
    pub stall_limit_ns: u64,
    /// Limits, load, seed, environment variables: whatever else a comparison must know, by name.
    #[serde(default)]
    pub settings: BTreeMap<String, String>,
}

/// The stall limit where nobody set one: 10 ms.
pub const STALL_LIMIT_NS_DEFAULT: u64 = 10_000_000;
