//! The one function that changes the state: it takes a message and returns effects.

mod keys;
mod mouse;
mod open;
mod pick;
#[cfg(test)]
mod tests;

use loop_probes::stamped::Stamped;
use loop_traces::source::SourceCounts;

use super::effect::Effect;
use super::hang::hang;
use super::lists;
use super::message::Message;
use super::overview::{GLANCE_NS, OverviewFigures};
use super::playback_info::PlaybackInfo;
use super::state::{AppState, Frozen, Note, TickKey, View};

/// How long a message stays in the bottom row, in nanoseconds.
const NOTE_NS: u64 = 5_000_000_000;

/// Processes a message; returns the effects to perform, in order.
pub fn update(state: &mut AppState, message: Message<'_>) -> Vec<Effect> {
    match message {
        Message::Key(key) => return keys::pressed(state, key),
        Message::Mouse(mouse) => return mouse::moved(state, mouse),
        Message::Resize { width, height } => {
            state.width = width;
            state.height = height;
        }
        Message::Events(events) => fold(state, events),
        Message::Watched(watched) => {
            state.running.clear();
            state.running.extend_from_slice(watched.running);
            state.running_at = watched.at;
            (state.counts, state.lost_elsewhere) = (watched.counts, watched.lost_elsewhere);
            leave_open(state);
            // Nothing follows an end, so no later frame would refresh outdated figures.
            if std::mem::replace(&mut state.process, watched.process) != watched.process {
                state.overview_until_ns = 0;
            }
        }
        Message::Playback(playback) => played(state, playback),
        Message::Sought(playback) => {
            played(state, playback);
            state.overview_until_ns = 0;
        }
        Message::Rewound(fold) => {
            state.fold = *fold;
            leave_open(state);
            state.overview_until_ns = 0;
        }
        Message::Done(Ok(text)) => note(state, text, false),
        Message::Done(Err(text)) => note(state, text, true),
        Message::Recording(on) => state.recording = on,
        Message::Frame { now, elapsed_ns } => {
            state.now = now;
            age_note(state, elapsed_ns);
            if state.frozen.is_none() && elapsed_ns >= state.overview_until_ns {
                read_overview(state);
                state.overview_until_ns = elapsed_ns.saturating_add(GLANCE_NS);
            }
        }
    }
    Vec::new()
}

/// Processes a new position of the replay.
fn played(state: &mut AppState, playback: PlaybackInfo) {
    let before = state.playback.as_ref();
    let moved =
        before.is_none_or(|before| (before.position, before.marked) != (playback.position, playback.marked));
    // No later frame refreshes the figures of a paused replay.
    if !playback.playing && (moved || before.is_some_and(|before| before.playing)) {
        state.overview_until_ns = 0;
    }
    let marked = playback.marked;
    state.playback = Some(playback);
    if moved {
        state.tick = marked.and_then(|end| state.fold.tick_that_ended(end)).map(TickKey::of);
        pick::aim(state);
        pick::marked_stall(state);
    }
}

fn fold(state: &mut AppState, events: &[Stamped]) {
    // The list grows at its top: a selection further down stays on its stall.
    let follows = state.frozen.is_none() && state.stall_row > 0;
    let before = if follows { lists::stalls_seen(&state.fold) } else { 0 };
    for stamped in events {
        state.fold.fold(stamped);
    }
    leave_open(state);
    if follows {
        let more = lists::stalls_seen(&state.fold).saturating_sub(before);
        let last = lists::stall_rows(&state.fold).saturating_sub(1);
        state.stall_row = state.stall_row.saturating_add(usize::try_from(more).unwrap_or(last)).min(last);
    }
}

/// Tells the figures what the source could not deliver. Where it is missing is unknown, so it leaves the figures of any
/// moment open. Other losses are in the stream.
fn leave_open(state: &mut AppState) {
    let SourceCounts { malformed, uncounted_gaps, clock_error_ns_max, .. } = state.counts;
    let timeline = &mut state.fold.timeline;
    let lost_records = match state.lost_elsewhere {
        0 => 0,
        elsewhere => timeline.lost_records.saturating_add(elsewhere),
    };
    timeline.counts =
        SourceCounts { lost_records, malformed, uncounted_gaps, clock_error_ns_max, ..timeline.counts };
}

/// Shows a message in the bottom row.
fn note(state: &mut AppState, text: String, failed: bool) {
    state.note = Some(Note { text, failed, until_ns: None });
}

fn age_note(state: &mut AppState, elapsed_ns: u64) {
    if let Some(note) = &mut state.note {
        let until_ns = *note.until_ns.get_or_insert(elapsed_ns.saturating_add(NOTE_NS));
        if elapsed_ns >= until_ns {
            state.note = None;
        }
    }
}

/// Refreshes the figures.
fn read_overview(state: &mut AppState) {
    let hangs = hang(state).is_some();
    state.overview =
        OverviewFigures::read(state.picture(), state.picture_at(), hangs, state.order, &state.filter);
    read_page(state);
    let known = |tag| state.overview.tags.iter().any(|row| row.tag == tag);
    if state.tag.is_some_and(|tag| !known(tag)) {
        state.tag = None;
    }
}

/// Refreshes what only the current page needs.
fn read_page(state: &mut AppState) {
    state.late = if state.view == View::Timers { lists::late(state.picture()) } else { Vec::new() };
    state.delayed = match (state.view, state.tag) {
        (View::Tag, Some(tag)) => lists::delayed_by_tag(state.picture(), tag),
        _ => Vec::new(),
    };
    state.queued_by = match (state.view, state.tag) {
        (View::Tag, Some(tag)) => lists::queued_by(state.picture(), tag),
        _ => Vec::new(),
    };
}

/// Freezes the view; pauses a replay.
fn freeze(state: &mut AppState) -> Vec<Effect> {
    if state.is_replay() {
        return vec![Effect::Pause];
    }
    if state.frozen.is_none() {
        let AppState { running_at, process, now: at, .. } = *state;
        let (fold, running) = (state.fold.clone(), state.running.clone());
        state.frozen = Some(Box::new(Frozen { fold, at, running, running_at, process }));
        read_overview(state);
    }
    Vec::new()
}

/// Catches up with the loop.
fn catch_up(state: &mut AppState) {
    state.frozen = None;
    state.tick = None;
    state.row = 0;
    state.stall_row = 0;
    read_overview(state);
}
