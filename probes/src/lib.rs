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
//! | [`instrument`] | guards for a loop that is not ours |
//! | [`shared`] | the file that other processes read, offset by offset |
//! | [`discover`] | which loops there are on this machine |
//! | [`process`] | reading: all rings of a process as one stream of [`stamped`] events |
//! | [`clock`], [`clock_map`] | the clocks, and how one becomes the other |
//! | [`metadata`] | what a process says about itself |
//! | [`adapters`] | `tracing` spans and events in the same rings |
//!
//! This crate knows no other of loopscope's.

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
pub mod process;
pub mod record;
pub mod recorder;
pub mod ring;
pub mod session;
pub mod shared;
pub mod stamped;
pub mod text;
mod wiped;
