//! A process's description of itself, written once at its start: the same text in a ring's header and in a
//! trace's.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::clock::{Anchor, TickUnit};
use crate::ids::{Ticks, Timestamp};

/// The origin of a recording: trace comparisons reject recordings that differ here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Metadata {
    /// The program's name.
    pub program: String,
    /// The process id of the program.
    pub pid: u32,
    /// The machine's host name.
    pub host: String,
    /// The command line: the program and its arguments.
    pub command: Vec<String>,
    /// Version and build profile of the program.
    pub build: String,
    /// The loop's policy, "unknown" for foreign loops.
    pub policy: String,
    /// Operating system, processor, cores.
    pub machine: String,
    /// Unit of this process's [`Ticks`].
    pub tick_unit: TickUnit,
    /// The moment recording began.
    pub started: Anchor,
    /// A tick busier than this is a stall, in nanoseconds.
    pub stall_limit_ns: u64,
    /// Other settings that comparisons check, by name: limits, load, seed, environment variables.
    #[serde(default)]
    pub settings: BTreeMap<String, String>,
}

impl Metadata {
    /// Metadata with only the program's name: a base for sources that know little about themselves, such as
    /// imported traces. All other fields are empty, zero or "unknown".
    #[must_use]
    pub fn new(program: impl Into<String>) -> Self {
        Self {
            program: program.into(),
            pid: 0,
            host: String::new(),
            command: Vec::new(),
            build: String::new(),
            policy: "unknown".to_owned(),
            machine: String::new(),
            tick_unit: TickUnit::Monotonic,
            started: Anchor { ticks: Ticks(0), monotonic: Timestamp(0), wall_ns: 0 },
            stall_limit_ns: STALL_LIMIT_NS_DEFAULT,
            settings: BTreeMap::new(),
        }
    }
}

/// The default stall limit: 10 ms.
pub const STALL_LIMIT_NS_DEFAULT: u64 = 10_000_000;
