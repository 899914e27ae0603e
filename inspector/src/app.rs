//! The dashboard without a terminal: its state, its messages, and its effects.
//!
//! [`AppState`] is plain data, [`update`](update::update) is the only function that changes it, and nothing here knows
//! about colours, cells or a terminal, so that every key can be tested.

pub mod attribution;
pub mod columns;
pub mod delayed;
pub mod effect;
#[cfg(test)]
pub(crate) mod fixture;
pub mod fold;
pub mod hang;
pub mod history;
pub mod layout;
pub mod lists;
pub mod message;
pub mod overview;
pub mod playback_info;
pub mod state;
pub mod update;

pub use effect::Effect;
pub use message::{Message, Mouse, MouseKind, Process};
pub use state::AppState;
