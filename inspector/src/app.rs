//! The dashboard without a terminal: its state, its messages, and its effects.
//!
//! [`State`] is plain data, [`update`](update::update) is the only function that changes it, and nothing here knows
//! about colours, cells or a terminal, so that every key can be tested.

pub mod account;
pub mod columns;
pub mod effect;
#[cfg(test)]
pub(crate) mod fixture;
pub mod fold;
pub mod glance;
pub mod hang;
pub mod hurt;
pub mod layout;
pub mod lists;
pub mod message;
pub mod playback_info;
pub mod state;
pub mod trail;
pub mod update;

pub use effect::Effect;
pub use message::{Message, Mouse, MouseKind, Process};
pub use state::State;
