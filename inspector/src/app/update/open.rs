//! Opens items on Enter: the breakdown, the tag or the tick of the selected row.

use loop_probes::ids::{Tag, Timestamp};
use loop_traces::timeline::{OpenedSpan, SpanKind};

use super::{freeze, keys, note, pick};
use crate::app::attribution::{Attribution, Lead, Subject};
use crate::app::effect::Effect;
use crate::app::lists::{self, LateRow, StallRow};
use crate::app::overview;
use crate::app::state::{AppState, Part, TickKey, View};

/// Messages for when there is nothing to open.
const EVICTED: &str = "tick evicted from history";
const STILL_RUNNING: &str = "tick still running";
const NEVER_ENDED: &str = "tick did not end: the process is gone";

/// Opens the breakdown of the selected stall.
pub(super) fn stall(state: &mut AppState) -> Vec<Effect> {
    // The row is looked up before the view is frozen: it is the one that the user saw.
    let picture = state.picture();
    let attribution = lists::stalls(picture).nth(state.stall_row).map(|row| match row {
        StallRow::Ended(stall) => Attribution::new(Subject::Tick(stall.tick), stall.blame.clone(), picture),
        StallRow::Unfinished(tick) => {
            Attribution::new(Subject::Unfinished(tick), picture.timeline.blame_unfinished(&tick), picture)
        }
    });
    let Some(attribution) = attribution else {
        note(state, "no stall so far".to_owned(), false);
        return Vec::new();
    };
    breakdown(state, attribution)
}

/// On the breakdown page, opens the breakdown of the stall that was sought.
pub(super) fn marked_stall(state: &mut AppState) {
    let marked = state.marked_tick().map(TickKey::of);
    let mut stalls = state.picture().timeline.stalls.newest_first();
    let stall = stalls.find(|stall| Some(TickKey::of(&stall.tick)) == marked);
    let attribution =
        stall.map(|stall| Attribution::new(Subject::Tick(stall.tick), stall.blame.clone(), state.picture()));
    drop(stalls);
    if attribution.is_some() {
        (state.attribution, state.row) = (attribution, 0);
    }
}

/// Opens a breakdown; the view is frozen, on the tick in which its subject ended.
fn breakdown(state: &mut AppState, attribution: Attribution) -> Vec<Effect> {
    let effects = freeze(state);
    keys::show(state, View::Breakdown);
    if let Some((key, _)) = attribution.tick {
        state.tick = Some(key);
    }
    state.attribution = Some(attribution);
    effects
}

/// Opens the selected row of a page.
pub(super) fn row(state: &mut AppState) -> Vec<Effect> {
    match (state.view, state.part) {
        (View::Breakdown, _) => line(state),
        (View::Tag, Part::First) => worst_run(state),
        (View::Tag, Part::Second) => {
            let waiter = state.delayed.get(state.row).map(|waiter| waiter.row.clone());
            late(state, waiter)
        }
        (View::Timers, Part::First) => {
            let row = lists::late_shown(state).nth(state.row).cloned();
            late(state, row)
        }
        (View::Timers, Part::Second) => {
            let cause = lists::delay_caused_shown(state).nth(state.row).map(|impact| impact.cause);
            cause.and_then(lists::cause_tag).map_or_else(Vec::new, |tag| open_tag(state, tag))
        }
        (View::Tick, Part::First) => span(state),
        (View::Tick, Part::Second) => delayed(state),
        (View::Log, _) => event(state),
        _ => Vec::new(),
    }
}

fn late(state: &mut AppState, row: Option<LateRow>) -> Vec<Effect> {
    let Some(LateRow { subject, breakdown: shares }) = row else {
        note(state, "nothing was delayed".to_owned(), false);
        return Vec::new();
    };
    let attribution = Attribution::new(subject, shares, state.picture());
    breakdown(state, attribution)
}

/// Opens a span of a tick: its breakdown if it waited or was slow, else its tag.
fn span(state: &mut AppState) -> Vec<Effect> {
    let picture = state.picture();
    let tick = state.shown_tick();
    let opened = tick.and_then(|tick| picture.timeline.opened(tick));
    let selected =
        opened.as_ref().and_then(|opened| Some((opened.tick.source, opened.spans.get(state.row)?)));
    let Some((source, OpenedSpan { span, .. })) = selected else { return nothing(state) };
    if let Some(attribution) = Attribution::of_span(span, source, picture) {
        return breakdown(state, attribution);
    }
    match span.what {
        SpanKind::Task { tag, .. } | SpanKind::Io { tag, .. } => open_tag(state, tag),
        _ => Vec::new(),
    }
}

/// Opens the breakdown of a wait that a tick delayed.
fn delayed(state: &mut AppState) -> Vec<Effect> {
    let delayed = lists::delayed_by_tick(state).all.get(state.row).copied();
    match delayed.and_then(|delayed| Attribution::of_wait(&delayed.stamped, state.picture())) {
        Some(attribution) => breakdown(state, attribution),
        None => {
            note(state, "nothing was delayed".to_owned(), false);
            Vec::new()
        }
    }
}

/// Opens an event: its breakdown if it shows that something was late or slow, else its tick.
fn event(state: &mut AppState) -> Vec<Effect> {
    let Some(event) = lists::log_from_newest(state).nth(state.row).copied() else { return nothing(state) };
    match Attribution::of_event(&event, state.picture()) {
        Some(attribution) => breakdown(state, attribution),
        None => tick_at(state, event.at),
    }
}

fn open_tag(state: &mut AppState, tag: Tag) -> Vec<Effect> {
    if state.picture().timeline.tags.is_beyond_limit(tag) {
        note(state, "this tag is beyond the limit: it has no figures of its own".to_owned(), false);
        return Vec::new();
    }
    state.tag = Some(tag);
    keys::open_tag(state, View::Tag);
    Vec::new()
}

fn nothing(state: &mut AppState) -> Vec<Effect> {
    note(state, EVICTED.to_owned(), false);
    Vec::new()
}

/// Says why there is no page: a tick has one only after it ended.
fn not_ended(state: &mut AppState) -> Vec<Effect> {
    let is_gone = state.picture_running().2.is_gone();
    note(state, if is_gone { NEVER_ENDED } else { STILL_RUNNING }.to_owned(), false);
    Vec::new()
}

/// Follows a line of the open breakdown.
fn line(state: &mut AppState) -> Vec<Effect> {
    let Some(attribution) = &state.attribution else { return Vec::new() };
    match (attribution.lead(state.row), attribution.tick) {
        (Lead::Tag(tag), _) => open_tag(state, tag),
        (Lead::Tick, Some((key, end))) => tick(state, key, end),
        (Lead::Tick, None) if matches!(attribution.subject, Subject::Unfinished(_)) => not_ended(state),
        (Lead::Tick, None) => nothing(state),
    }
}

fn worst_run(state: &mut AppState) -> Vec<Effect> {
    let stats = state.tag.and_then(|tag| state.picture().timeline.tags.tag(tag));
    let run = stats.and_then(overview::runs).and_then(|(_, runs)| runs.worst().get(state.row));
    match run.map(|run| run.at) {
        Some(at) => tick_at(state, at),
        None => nothing(state),
    }
}

/// Opens the tick that contains `at`.
fn tick_at(state: &mut AppState, at: Timestamp) -> Vec<Effect> {
    match state.picture().tick_at(at).copied() {
        Some(found) => tick(state, TickKey::of(&found), found.end),
        None if state.is_replay() => seek_tick(state, at),
        None if state.picture().timeline.unfinished_ticks().iter().any(|tick| tick.start <= at) => {
            not_ended(state)
        }
        None => nothing(state),
    }
}

fn tick(state: &mut AppState, key: TickKey, end: Timestamp) -> Vec<Effect> {
    let picture = state.picture();
    let kept = picture.tick(key);
    // If the tick is still kept completely, stay here: after a seek, less would be known than on the page that was
    // left.
    let whole = kept.is_some_and(|tick| {
        picture.timeline.opened(tick).is_some()
            && picture.log().front().is_some_and(|oldest| oldest.at <= tick.start)
    });
    if state.is_replay() && !whole {
        return seek_tick(state, end);
    }
    if kept.is_none() {
        return nothing(state);
    }
    let effects = freeze(state);
    state.tick = Some(key);
    keys::show(state, View::Tick);
    pick::aim(state);
    effects
}

/// A replay has all ticks, even those evicted from the history.
fn seek_tick(state: &mut AppState, at: Timestamp) -> Vec<Effect> {
    let mut effects = freeze(state);
    effects.push(Effect::SeekTick(at));
    keys::show(state, View::Tick);
    pick::aim(state);
    effects
}
