//! Copies the selected row, its breakdown, or the command that shows what is watched.

use super::app::App;
use crate::app::attribution::{Attribution, Subject};
use crate::app::message::Effect;
use crate::pages::page::Request;

/// Maximum length of a copy, in bytes: terminals ignore longer ones.
const COPY_BYTES_MAX: usize = 64 << 10;

impl App {
    /// Copies the selected row as the page words it, else what Enter would open.
    pub(super) fn copy(&mut self) -> Vec<Effect> {
        let (page, state) = self.parts();
        let (row, opened) = (page.copied(state), page.open(state));
        match row.or_else(|| self.text_of(&opened)) {
            Some(text) => self.copy_text(text),
            None => {
                self.state.note("nothing here to copy", false);
                Vec::new()
            }
        }
    }

    /// Copies the shell command that shows what is watched, a replay from its position on.
    pub(super) fn copy_command(&mut self) -> Vec<Effect> {
        let state = &self.state;
        let Some(command) = &state.about.command else {
            self.state.note("no command shows this", false);
            return Vec::new();
        };
        let at_ms =
            state.playback.as_ref().map(|playback| playback.position.ns_since(playback.start) / 1_000_000);
        let at = at_ms.map_or_else(String::new, |ms| format!(" --at {ms}ms"));
        let text = format!("{command}{at}");
        self.copy_text(text)
    }

    fn copy_text(&mut self, mut text: String) -> Vec<Effect> {
        let is_cut = text.len() > COPY_BYTES_MAX;
        while text.len() > COPY_BYTES_MAX {
            text.pop();
        }
        let lines = text.lines().count();
        let what = match (text.lines().next().unwrap_or_default(), lines) {
            (first, 0 | 1) => format!("copied: {first}"),
            (first, lines) => format!("copied {lines} lines: {first}"),
        };
        self.state.note(if is_cut { format!("{what}, cut at 64 KiB") } else { what }, false);
        vec![Effect::Copy(text)]
    }

    /// What a request would open, as text.
    fn text_of(&self, request: &Request) -> Option<String> {
        let state = &self.state;
        let picture = state.picture();
        let tick = match request {
            Request::Breakdown(attribution) => return Some(state.text_of(attribution)),
            Request::Tag(_) | Request::SelectedTag => {
                let tag = match request {
                    Request::Tag(tag) => Some(*tag),
                    _ => state.tag,
                };
                let row = state.figures.tags.iter().find(|row| Some(row.tag) == tag)?;
                return Some(row.text(state.shown_window().name()));
            }
            Request::ShownTick => state.shown_tick(),
            Request::Tick(key, _) => picture.tick(*key),
            Request::TickAt(at) => picture.tick_at(*at),
            _ => None,
        }?;
        let breakdown = picture.timeline.blame_tick(tick, usize::MAX)?;
        Some(state.text_of(&Attribution::new(Subject::Tick(*tick), breakdown, picture)))
    }
}
