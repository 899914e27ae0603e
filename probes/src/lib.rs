//! The foundation of loopscope: defines events, records them, and finds and reads the records.
//!
//! ```text
//!  watched process                                        whoever looks
//!  ┌───────────────────────────────┐                      ┌────────────────────────────────┐
//!  │ loop ─► Recorder ─► ring ─────┼── file, pread ──────►│ ProcessReader ─► merge ─► Stamped
//!  │ worker ► Recorder ─► ring ────┤   or the same memory │        ▲                       │
//!  │ Session: header, labels ──────┼──────────────────────┤ ClockMap, labels, liveness     │
//!  └───────────────────────────────┘      discover ──────►└────────────────────────────────┘
//! ```
//!
//! | file | what |
//! |---|---|
//! | [`event`], [`ids`], [`text`] | the closed vocabulary and its building blocks |
//! | [`record`] | an event as 32-byte records |
//! | [`ring`] | the flight recorder: one writer, any number of readers, exact counts of lost records |
//! | [`session`], [`recorder`] | recording: a session per process, a recorder per thread |
//! | [`instrument`], [`tags`] | guards for a foreign loop; one number for each kind of task |
//! | [`shared`] | the file that other processes read, offset by offset |
//! | [`discover`] | the loops recorded on this machine |
//! | [`process`] | reading: all rings of a process as one stream of [`stamped`] events |
//! | [`clock`], [`clock_map`] | the clocks, and the mapping between them |
//! | `memory`, `wiped`, `truncation` | the unsafe parts: shared atomic words, pages wiped on fork, truncated mappings |
//! | `merge` | the order of events across rings |
//! | [`metadata`] | a process's description of itself |
//! | [`adapters`] | `tracing` spans and events in the same rings |
//!
//! This crate depends on no other loopscope crate.
//!
//! Besides `cargo test`, three tools check the parts that are unsafe or concurrent:
//!
//! ```text
//! RUSTFLAGS="--cfg loom" cargo test -p loop-probes --release --lib loom
//! RUSTC_BOOTSTRAP=1 RUSTFLAGS=-Zsanitizer=address LOOPSCOPE_TEST_SCALE=10 \
//!     cargo test -p loop-probes --target x86_64-unknown-linux-gnu --lib
//! RUSTFLAGS="--cfg rustix_use_libc" cargo test -p loop-probes --lib --no-run   # valgrind has no vDSO
//! LOOPSCOPE_TEST_SCALE=1 valgrind -q --error-exitcode=9 --fair-sched=yes --leak-check=full \
//!     --show-leak-kinds=definite --errors-for-leak-kinds=definite \
//!     THAT_BINARY --test-threads=1 ring:: recorder:: clock_map::
//! ```

pub mod adapters;
pub mod chronology;
pub mod clock;
pub mod clock_map;
pub mod discover;
pub mod event;
mod fork_guard;
pub mod ids;
pub mod instrument;
mod memory;
mod merge;
pub mod metadata;
mod pressure;
pub mod process;
pub mod record;
pub mod ring;
pub mod session;
pub mod shared;
pub mod stamped;
pub mod tags;
pub mod text;
mod truncation;

/// The handle through which an instrumented loop writes its events.
pub mod recorder {
    pub use crate::session::recorder::{Capture, Recorder, Running};
}
