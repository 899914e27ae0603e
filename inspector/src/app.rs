//! What the pages of the dashboard share: the state, the messages that change it, and the figures drawn from it.
//!
//! Plain data without colours, cells or pages, so that tests need no terminal.

pub mod attribution;
pub mod delayed;
pub mod figures;
pub mod filter;
pub mod fold;
pub mod hang;
pub mod layout;
pub mod message;
pub mod playback_info;
pub mod state;
pub mod window;
