//! loopscope: the inspector for event loops.
//!
//! The dashboard is built so that each of its parts can be tested without the others:
//!
//! ```text
//! source ──events──┐                 ┌──> AppState ──┐
//! terminal ──keys──┼─> shell::update ┼──> pages ─────┴──> screen
//! clock ──frames───┘                 └──> effects
//! ```
//!
//! | file | what |
//! |---|---|
//! | `cli`, `commands` | the command line: the arguments of its verbs, and what they do |
//! | `config` | the config file: where it is, its keys |
//! | `io` | inputs, output, exit codes, gate files; lossless recording of this process |
//! | `verdict` | a comparison and its gates as text, Markdown, JUnit XML |
//! | `app` | the state that all pages share: no terminal, no colours |
//! | `pages` | the pages, each with its state, its lists, what Enter and the mouse do, and its view |
//! | `shell` | the dashboard around its pages: keys, mouse, movement in time, the way back |
//! | `view` | what several pages draw |
//! | `screen` | draws the whole screen: the header, the page shown, the footer, the help |
//! | `keymap` | the key bindings, for the input and for the help |
//! | `describe` | events, emitters and blame in words |
//! | `theme`, `text`, `units` | colours and glyphs, text cut to cells, numbers: for panes and printed pages |
//! | `playback` | a saved trace as a source that plays, pauses and seeks |
//! | `terminal` | the terminal, always restored |
//! | `dashboard` | the run loop that connects them |

pub mod app;
pub mod cli;
pub mod commands;
pub mod config;
pub mod dashboard;
pub mod describe;
pub mod io;
pub mod keymap;
pub mod pages;
pub mod playback;
pub mod screen;
pub mod shell;
pub mod terminal;
pub mod text;
pub mod theme;
pub mod units;
pub mod verdict;
mod view;

/// The Rust examples of the book, compiled and run.
#[cfg(doctest)]
mod book {
    #[doc = include_str!("../../docs/src/loop-kinds.md")]
    struct LoopKinds;
    #[doc = include_str!("../../docs/src/instrumenting.md")]
    struct Instrumenting;
}
