//! The subjects: names and versions, from the lock file and the installed libraries.

use crate::uv;

/// The note in a section without libuv's rows.
pub(crate) const NO_LIBUV: &str =
    "libuv is not installed here (Debian: `apt install libuv1`): its rows are missing.";

const LOCK: &str = include_str!("../Cargo.lock");

/// The measured crates, in the order in which they are listed.
const CRATES: [&str; 13] = [
    "tokio",
    "async-executor",
    "async-io",
    "calloop",
    "mio",
    "polling",
    "crossbeam-queue",
    "flume",
    "hierarchical_hash_wheel_timer",
    "tracing",
    "tracing-chrome",
    "fastrace",
    "puffin",
];

/// All of them with their versions, as a list in one sentence.
pub(crate) fn versions() -> String {
    let libuv =
        uv::version().map_or_else(|| "libuv not installed".to_owned(), |version| format!("libuv {version}"));
    let crates = CRATES.into_iter().map(|name| format!("{name} {}", version(name).unwrap_or("?")));
    crates.chain([libuv]).collect::<Vec<_>>().join(", ")
}

fn version(name: &str) -> Option<&'static str> {
    let entry = LOCK.split("[[package]]").find(|entry| entry.contains(&format!("\nname = \"{name}\"\n")))?;
    entry.lines().find_map(|line| line.strip_prefix("version = \"")?.strip_suffix('"'))
}
