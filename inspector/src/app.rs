//! What the pages of the dashboard share: the state, the messages that change it, and the figures drawn from it.
//!
//! Plain data that knows no colours, no cells and no page, so that all of it can be tested.

pub mod attribution;
pub mod delayed;
pub mod figures;
pub mod fold;
pub mod hang;
pub mod layout;
pub mod message;
pub mod playback_info;
pub mod state;
