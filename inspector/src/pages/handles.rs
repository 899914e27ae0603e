//! The active handles by name, and what reaches the loop from outside: commands, pumps, futures, the shutdown.

pub mod view;

use super::page::Page;
use crate::app::state::AppState;

/// The page has no state of its own.
#[derive(Clone, Copy, Debug, Default)]
pub struct HandlesPage;

impl Page for HandlesPage {
    fn rows(&self, state: &AppState) -> usize {
        state.figures.keep_alive.held.len()
    }
}
