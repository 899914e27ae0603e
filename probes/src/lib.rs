//! The bottom of loopscope: what an event is, how it is recorded, and how a record is found again.
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
//! | [`event`], [`ids`], [`text`] | the closed vocabulary and what it is made of |
//! | [`record`] | an event as 32-byte records |
//! | [`ring`] | the flight recorder: one writer, any number of readers, exact accounting |
//! | [`session`], [`recorder`] | recording: a session per process, a recorder per thread |
//! | [`instrument`], [`tags`] | guards for a loop that is not ours; one number for each kind of task |
//! | [`shared`] | the file that other processes read, offset by offset |
//! | [`discover`] | which loops there are on this machine |
//! | [`process`] | reading: all rings of a process as one stream of [`stamped`] events |
//! | [`clock`], [`clock_map`] | the clocks, and how one becomes the other |
//! | `memory`, `wiped`, `truncation` | the unsafe ground: atomic words on the heap or mapped, a page that a fork empties, a file that is cut while it is mapped |
//! | `merge` | the order of several rings |
//! | [`metadata`] | what a process says about itself |
//! | [`adapters`] | `tracing` spans and events in the same rings |
//!
//! This crate knows no other of loopscope's.
//!
//! Beside `cargo test`, three tools look at the parts that are unsafe or concurrent:
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
pub mod clock;
pub mod clock_map;
pub mod discover;
pub mod event;
pub mod ids;
pub mod instrument;
mod memory;
mod merge;
pub mod metadata;
mod pressure;
pub mod process;
pub mod record;
pub mod recorder;
pub mod ring;
pub mod session;
pub mod shared;
pub mod stamped;
pub mod tags;
pub mod text;
mod truncation;
mod wiped;
