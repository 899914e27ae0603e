//! The agenda: what waits in each priority and for how long, which one starves, what each worker is doing.

pub mod view;

use super::page::Page;
use crate::app::state::AppState;

/// The page has no state of its own.
#[derive(Clone, Copy, Debug, Default)]
pub struct AgendaPage;

impl Page for AgendaPage {
    fn rows(&self, state: &AppState) -> usize {
        state.figures.agenda.as_ref().map_or(0, |agenda| agenda.workers.len())
    }
}
