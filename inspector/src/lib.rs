//! loopscope: the inspector for event loops.
//!
//! The dashboard is built so that each of its parts can be tried without the others:
//!
//! ```text
//! source ──events──┐                      ┌──> view ──> screen
//! terminal ──keys──┼─> update ──> State ──┤
//! clock ──frames───┘      └──> effects    └──> (nothing else reads it)
//! ```
//!
//! | file | what |
//! |---|---|
//! | `app` | the state, and what changes it: no terminal, no colours |
//! | `view` | how the state looks |
//! | `keymap` | the keys, for the input and for the help |
//! | `theme` | the colours and what stands for them without |
//! | `playback` | a saved trace as a source that plays, pauses and seeks |
//! | `terminal` | the terminal, always given back as it was found |
//! | `dashboard` | the run loop that connects them |

pub mod app;
pub mod dashboard;
pub mod keymap;
pub mod playback;
pub mod terminal;
pub mod theme;
pub mod units;
pub mod view;
