//! The pages of the dashboard, one module each: its state, its lists, what Enter and the mouse do on it, and in its
//! `view` how it is drawn. The shell knows a page only as a [`Page`].

pub mod agenda;
pub mod breakdown;
pub mod handles;
pub mod log;
pub mod overview;
pub mod page;
pub mod tag;
pub mod tag_table;
pub mod tags;
pub mod tick;
pub mod timers;

use page::{Page, PageName};

/// All pages, each with its state.
#[derive(Clone, Debug, Default)]
pub struct Pages {
    /// State of the overview.
    pub overview: overview::OverviewPage,
    /// One tick in detail.
    pub tick: tick::TickPage,
    /// State of the list of tags.
    pub tags: tags::TagsPage,
    /// One tag in detail.
    pub tag: tag::TagPage,
    /// State of the list of late timers.
    pub timers: timers::TimersPage,
    /// A breakdown.
    pub breakdown: breakdown::BreakdownPage,
    /// State of the event log.
    pub log: log::LogPage,
    /// State of the list of active handles.
    pub handles: handles::HandlesPage,
    /// State of the page about the agenda.
    pub agenda: agenda::AgendaPage,
}

impl Pages {
    /// The page of this name.
    pub fn get_mut(&mut self, name: PageName) -> &mut dyn Page {
        match name {
            PageName::Overview => &mut self.overview,
            PageName::Tick => &mut self.tick,
            PageName::Tags => &mut self.tags,
            PageName::Tag => &mut self.tag,
            PageName::Timers => &mut self.timers,
            PageName::Breakdown => &mut self.breakdown,
            PageName::Log => &mut self.log,
            PageName::Handles => &mut self.handles,
            PageName::Agenda => &mut self.agenda,
        }
    }
}
