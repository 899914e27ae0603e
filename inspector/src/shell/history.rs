//! History for Esc: the pages that were left, each with its selection.
//!
//! After following a stall to its breakdown, from there to a tag, and from its worst run to a tick, Esc leads back the
//! same way, page by page.

use loop_probes::ids::{Tag, Timestamp};

use crate::app::attribution::Attribution;
use crate::app::fold::TickKey;
use crate::app::state::Part;
use crate::pages::page::PageName;

/// Maximum number of pages remembered; beyond that the oldest are dropped.
const PAGES_MAX: usize = 32;

/// A page that was left.
#[derive(Clone, Debug)]
pub(super) struct Visited {
    pub(super) page: PageName,
    pub(super) part: Part,
    pub(super) row: usize,
    pub(super) tag: Option<Tag>,
    pub(super) tick: Option<TickKey>,
    pub(super) attribution: Option<Attribution>,
    /// The time that it showed: at another time its rows are different.
    pub(super) at: Timestamp,
}

/// The pages that Esc goes back through.
#[derive(Clone, Debug, Default)]
pub(super) struct History(Vec<Visited>);

impl History {
    /// Clears the history.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// Remembers a page that is left.
    pub(super) fn push(&mut self, visited: Visited) {
        if self.0.len() == PAGES_MAX {
            self.0.remove(0);
        }
        self.0.push(visited);
    }

    /// The page that was left last.
    pub(super) fn pop(&mut self) -> Option<Visited> {
        self.0.pop()
    }
}
