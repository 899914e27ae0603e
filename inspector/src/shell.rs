//! The dashboard around its pages: what is watched and shown, and [`update`], the one function that changes it. It takes
//! a message and returns effects.

pub mod app;
mod copy;
#[cfg(test)]
pub(crate) mod fixture;
mod input;
mod navigate;
mod seek;
#[cfg(test)]
mod tests;

use loop_probes::stamped::Stamped;
use loop_traces::source::SourceCounts;

use crate::app::figures::REFRESH_NS;
use crate::app::fold::TickKey;
use crate::app::message::{Effect, Message};
use crate::app::playback_info::PlaybackInfo;
use crate::app::state::AppState;
use crate::pages::overview::stalls;
use app::App;

/// How long a message stays in the bottom row, in nanoseconds.
const NOTE_NS: u64 = 5_000_000_000;

/// Processes a message; returns the effects to perform, in order.
pub fn update(app: &mut App, message: Message<'_>) -> Vec<Effect> {
    let state = &mut app.state;
    match message {
        Message::Key(key) => return app.pressed(key),
        Message::Mouse(mouse) => return app.pointed(mouse),
        Message::Resize { width, height } => {
            state.width = width;
            state.height = height;
        }
        Message::Events(events) => fold(app, events),
        Message::Watched(watched) => {
            state.live.running.clear();
            state.live.running.extend_from_slice(watched.running);
            state.live.running_at = watched.at;
            (state.counts, state.lost_elsewhere) = (watched.counts, watched.lost_elsewhere);
            leave_open(state);
            // No events follow the end of a process, so no later frame would refresh outdated figures.
            if std::mem::replace(&mut state.live.process, watched.process) != watched.process {
                app.figures_until_ns = 0;
            }
        }
        Message::Playback(playback) => played(app, playback),
        Message::Sought(playback) => {
            played(app, playback);
            app.figures_until_ns = 0;
        }
        Message::Expect(to) => state.live.fold.expect(to),
        Message::Rewound(fold) => {
            state.live.fold = *fold;
            leave_open(state);
            app.figures_until_ns = 0;
        }
        Message::Done(Ok(text)) => state.note(text, false),
        Message::Done(Err(text)) => state.note(text, true),
        Message::Recording(on) => state.recording = on,
        Message::Frame { now, elapsed_ns } => {
            state.live.at = now;
            age_note(state, elapsed_ns);
            if state.frozen.is_none() && elapsed_ns >= app.figures_until_ns {
                app.refresh();
                app.figures_until_ns = elapsed_ns.saturating_add(REFRESH_NS);
            }
        }
    }
    Vec::new()
}

/// Processes a new position of the replay.
fn played(app: &mut App, playback: PlaybackInfo) {
    let before = app.state.playback.as_ref();
    let moved =
        before.is_none_or(|before| (before.position, before.marked) != (playback.position, playback.marked));
    // No later frame refreshes the figures of a paused replay.
    if !playback.playing && (moved || before.is_some_and(|before| before.playing)) {
        app.figures_until_ns = 0;
    }
    let marked = playback.marked;
    app.state.playback = Some(playback);
    if moved {
        let tick = marked.and_then(|end| app.state.live.fold.tick_that_ended(end)).map(TickKey::of);
        match marked.is_some() && tick.is_none() {
            true => app.select_unfinished(),
            false => app.mark(tick),
        }
    }
}

fn fold(app: &mut App, events: &[Stamped]) {
    let App { state, pages, .. } = app;
    let row = &mut pages.overview.stall_row;
    // The list grows at the top, so a selection further down moves with its stall.
    let follows = state.frozen.is_none() && *row > 0;
    let before = if follows { stalls::seen(&state.live.fold) } else { 0 };
    if let Some(last) = events.last() {
        state.live.fold.expect(last.at);
    }
    for stamped in events {
        state.live.fold.fold(stamped);
    }
    leave_open(state);
    if follows {
        let more = stalls::seen(&state.live.fold).saturating_sub(before);
        let last = stalls::rows(state).saturating_sub(1);
        *row = row.saturating_add(usize::try_from(more).unwrap_or(last)).min(last);
    }
}

/// Passes losses without events in the stream to the fold. Their times are unknown, so they widen the bounds of all
/// figures.
fn leave_open(state: &mut AppState) {
    let SourceCounts { malformed, uncounted_gaps, clock_error_ns_max, .. } = state.counts;
    let timeline = &mut state.live.fold.timeline;
    let lost_records = match state.lost_elsewhere {
        0 => 0,
        elsewhere => timeline.lost_records.saturating_add(elsewhere),
    };
    timeline.counts =
        SourceCounts { lost_records, malformed, uncounted_gaps, clock_error_ns_max, ..timeline.counts };
}

fn age_note(state: &mut AppState, elapsed_ns: u64) {
    if let Some(note) = &mut state.note {
        let until_ns = *note.until_ns.get_or_insert(elapsed_ns.saturating_add(NOTE_NS));
        if elapsed_ns >= until_ns {
            state.note = None;
        }
    }
}
