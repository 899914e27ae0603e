//! The tabs: the pages with the keys that show them.

use unicode_width::UnicodeWidthStr as _;

use crate::pages::page::PageName;

/// The pages that have a key, in the order of their keys.
const TABS: [(char, PageName, &str); 7] = [
    ('1', PageName::Overview, "Overview"),
    ('2', PageName::Tick, "Tick"),
    ('3', PageName::Tags, "Tags"),
    ('4', PageName::Timers, "Timers"),
    ('5', PageName::Log, "Log"),
    ('6', PageName::Handles, "Handles"),
    ('7', PageName::Agenda, "Agenda"),
];

/// The key that shows a page.
pub(super) fn key_of(page: PageName) -> Option<char> {
    TABS.iter().find(|(_, of, _)| *of == page).map(|(key, ..)| *key)
}

/// How much of the tabs there is room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Detail {
    /// Keys and names.
    Names,
    /// The name of the page that is shown, and the keys of the others.
    Name,
    /// Keys.
    Keys,
}

/// One tab, and whether its page is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tab {
    pub(super) key: char,
    pub(super) text: String,
    pub(super) is_shown: bool,
}

/// The tabs while `page` is shown. The agenda's has a place only if there is one, or if it is shown.
pub(super) fn tabs(page: PageName, has_agenda: bool, detail: Detail) -> Vec<Tab> {
    // A tag and a breakdown have no key: they are opened from these pages.
    let shown = match page {
        PageName::Tag => Some(PageName::Tags),
        PageName::Breakdown => None,
        page => Some(page),
    };
    let wanted = TABS.iter().filter(|(_, of, _)| has_agenda || *of != PageName::Agenda || shown == Some(*of));
    wanted
        .map(|(key, of, name)| {
            let is_shown = shown == Some(*of);
            let text = match detail {
                Detail::Keys => key.to_string(),
                Detail::Name if !is_shown => key.to_string(),
                _ => format!("{key} {name}"),
            };
            Tab { key: *key, text: if is_shown { format!("[{text}]") } else { text }, is_shown }
        })
        .collect()
}

/// The width of the tabs, with a blank between them.
pub(super) fn width(tabs: &[Tab]) -> usize {
    tabs.iter().map(|tab| tab.text.width() + 1).sum::<usize>().saturating_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keymap::{Action, Key, action};

    fn text(page: PageName, has_agenda: bool, detail: Detail) -> String {
        tabs(page, has_agenda, detail).iter().map(|tab| tab.text.as_str()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn the_shown_page_is_in_brackets() {
        let names = "[1 Overview] 2 Tick 3 Tags 4 Timers 5 Log 6 Handles";
        assert_eq!(text(PageName::Overview, false, Detail::Names), names);
        assert_eq!(width(&tabs(PageName::Overview, false, Detail::Names)), names.len());
        assert_eq!(text(PageName::Agenda, false, Detail::Name), "1 2 3 4 5 6 [7 Agenda]");
        assert_eq!(text(PageName::Tag, true, Detail::Keys), "1 2 [3] 4 5 6 7");
        assert_eq!(text(PageName::Breakdown, true, Detail::Name), "1 2 3 4 5 6 7");
    }

    #[test]
    fn the_keys_of_the_tabs_are_bound_to_their_pages() {
        let bound = TABS.map(|(key, page, _)| (action(Key::Char(key), false), page));
        let expected = [
            (Action::ViewOverview, PageName::Overview),
            (Action::ViewTick, PageName::Tick),
            (Action::ViewTasks, PageName::Tags),
            (Action::ViewTimers, PageName::Timers),
            (Action::ViewLog, PageName::Log),
            (Action::ViewLoop, PageName::Handles),
            (Action::ViewAgenda, PageName::Agenda),
        ];
        assert_eq!(bound, expected.map(|(action, page)| (Some(action), page)));
    }
}
