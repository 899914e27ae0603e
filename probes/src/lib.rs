//! Records what an event loop does, into a lock-free ring that this process or another one reads while the loop runs, or
//! after it crashed. The foundation of loopscope. Linux only.
//!
//! A [`Session`](session::Session) is the recording of a process. Each thread writes its events through a
//! [`Recorder`](recorder::Recorder) into a ring of its own, at a few nanoseconds per event; the newest events overwrite
//! the oldest. A [`ProcessReader`](process::ProcessReader) merges all rings into one stream, with an exact count of the
//! records it lost.
//!
//! ```text
//!  recorded process                                       reader
//!  ┌───────────────────────────────┐                      ┌────────────────────────────────┐
//!  │ loop ─► Recorder ─► ring ─────┼── file, pread ──────►│ ProcessReader ─► merge ─► Stamped
//!  │ worker ► Recorder ─► ring ────┤   or the same memory │        ▲                       │
//!  │ Session: header, labels ──────┼──────────────────────┤ clock map, labels, liveness    │
//!  └───────────────────────────────┘      discover ──────►└────────────────────────────────┘
//! ```
//!
//! To make a loop of your own visible, start with [`instrument`]: guards for its ticks, polls and tasks.
//!
//! ```
//! use std::time::Duration;
//!
//! use loop_probes::instrument::LoopProbe;
//! use loop_probes::ring::Start;
//! use loop_probes::session::Session;
//!
//! let session = Session::builder("my-server").private(); // `shared()`: other processes can read it, too
//! let probe = LoopProbe::new(&session, "main");
//! let request = probe.tag("Request");
//! {
//!     let _tick = probe.tick();
//!     probe.poll(Some(Duration::ZERO), || 1);
//!     let _task = probe.task(request);
//!     // … the callback …
//! }
//!
//! let mut events = Vec::new();
//! session.reader(Start::Oldest).flush(&mut events)?;
//! assert!(events.iter().any(|stamped| stamped.event.name() == "task_ran"));
//! # Ok::<(), loop_probes::process::ReadError>(())
//! ```
//!
//! | to | see |
//! |---|---|
//! | instrument a loop | [`instrument`], [`tags`]; [`adapters`] for `tracing` spans and events |
//! | write events | [`session`], [`recorder`], [`clock`] |
//! | read them | [`process`], [`discover`], [`stamped`], [`metadata`] |
//! | know what they mean | [`event`], [`ids`], [`text`], [`chronology`] |
//! | decode the bytes | [`record`], [`ring`], [`shared`] |
//!
//! # Features
//!
//! `tracing` (on by default): a `tracing_subscriber` layer that writes spans and events into the rings.

// Besides `cargo test`, three tools check the parts that are unsafe (`memory`, `fork_guard`, `truncation`) or concurrent:
//
// RUSTFLAGS="--cfg loom" cargo test -p loop-probes --release --lib loom
// RUSTC_BOOTSTRAP=1 RUSTFLAGS=-Zsanitizer=address LOOPSCOPE_TEST_SCALE=10 \
//     cargo test -p loop-probes --target x86_64-unknown-linux-gnu --lib
// RUSTFLAGS="--cfg rustix_use_libc" cargo test -p loop-probes --lib --no-run   # valgrind has no vDSO
// LOOPSCOPE_TEST_SCALE=1 valgrind -q --error-exitcode=9 --fair-sched=yes --leak-check=full \
//     --show-leak-kinds=definite --errors-for-leak-kinds=definite \
//     THAT_BINARY --test-threads=1 ring:: recorder:: clock_map::

pub mod adapters;
pub mod chronology;
pub mod clock;
mod clock_map;
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
