//! The active handles by name, and what reaches the loop from outside: commands, pumps, futures, the shutdown.

pub mod view;

use super::page::Page;
use crate::app::state::AppState;
use crate::units;

/// The page has no state of its own.
#[derive(Clone, Copy, Debug, Default)]
pub struct HandlesPage;

impl Page for HandlesPage {
    fn rows(&self, state: &AppState) -> usize {
        state.figures.keep_alive.held.len()
    }

    fn copied(&self, state: &AppState) -> Option<String> {
        let held = state.figures.keep_alive.held.get(state.row)?;
        let name = &*held.name;
        Some(format!("{} {name}\n", units::count(held.count)))
    }
}
