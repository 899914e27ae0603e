//! Stalls that have not ended: their rows are selected and opened like all others.

use super::*;
use crate::app::attribution::{Attribution, Lead, Subject};
use crate::app::lists::{self, StallRow};
use loop_traces::analysis::attribution::What;

const TASK: TaskId = TaskId(99_999);

fn send(state: &mut AppState, events: &[(Timestamp, Event)]) {
    for &(at, event) in events {
        update(state, Message::Events(&[Stamped { at, source: SourceId(1), event }]));
    }
}

/// The loop has been in a task for 90 ms; returns its start, and the last time at which it was seen there.
fn hang(state: &mut AppState) -> (Timestamp, Timestamp) {
    let since = state.fold.timeline.last_at().unwrap().plus_ns(10);
    let at = since.plus_ns(90_000_000);
    let running = Running::Task { task: TASK, tag: Tag(1) };
    send(state, &[(since, Event::TickStart { tick: 9_999 }), (at, running.event(since))]);
    assert!(matches!(lists::stalls(&state.fold).next(), Some(StallRow::Unfinished(_))));
    (since, at)
}

/// The hanging tick ends.
fn extend_hang(state: &mut AppState, (since, at): (Timestamp, Timestamp)) {
    let (end, outcome) = (at.plus_ns(5), loop_probes::event::Outcome::Done);
    let ran = Event::TaskRan { task: TASK, tag: Tag(1), outcome, queued: since, start: since };
    send(state, &[(end, ran), (end.plus_ns(5), Event::TickEnd { tick: 9_999, tasks_run: 1, start: since })]);
    assert!(matches!(lists::stalls(&state.fold).next(), Some(StallRow::Ended(_))));
}

fn attribution(state: &AppState) -> &Attribution {
    state.attribution.as_ref().unwrap()
}

#[test]
fn an_unfinished_stall_opens_its_partial_breakdown() {
    let (mut state, _) = live();
    let (since, at) = hang(&mut state);
    press(&mut state, Key::BackTab);
    press(&mut state, Key::Enter);
    assert_eq!((state.view, state.frozen.is_some(), state.note.is_none()), (View::Breakdown, true, true));
    let Attribution { subject, breakdown, tick } = attribution(&state);
    assert!(matches!(subject, Subject::Unfinished(tick) if tick.tick == Some(9_999)));
    assert_eq!((subject.extent(), subject.lasted_ns()), ((since, at), at.ns_since(since)));
    assert_eq!(breakdown.shares.iter().map(|share| share.ns).sum::<u64>(), subject.lasted_ns());
    assert!(
        subject.is_open(&What::Task { task: TASK, tag: Tag(1) }) && !subject.is_open(&What::Unattributed)
    );
    assert_eq!((attribution(&state).lead(0), tick), (Lead::Tag(Tag(1)), &None));
    press(&mut state, Key::End);
    press(&mut state, Key::Enter);
    assert_eq!(state.note.as_ref().map(|note| note.text.as_str()), Some("tick still running"));
    assert_eq!(state.view, View::Breakdown);
    press(&mut state, Key::Esc);
    assert_eq!((state.view, state.focus), (View::Overview, Pane::Stalls));
}

#[test]
fn selection_stays_on_its_stall_when_another_begins_or_ends() {
    let (mut state, _) = live();
    press(&mut state, Key::BackTab);
    press(&mut state, Key::Down);
    let selected = |state: &AppState| match lists::stalls(&state.fold).nth(state.stall_row) {
        Some(StallRow::Ended(stall)) => Some(TickKey::of(&stall.tick)),
        _ => None,
    };
    let before = selected(&state);
    let hung = hang(&mut state);
    assert_eq!((state.stall_row, selected(&state)), (2, before));
    extend_hang(&mut state, hung);
    assert_eq!((state.stall_row, selected(&state)), (2, before));
}

#[test]
fn finished_and_unfinished_stall_rows_open_on_click() {
    let (mut state, _) = live();
    hang(&mut state);
    let panes = layout::overview(layout::page(100, 30, false).body, layout::Extras::default());
    let rows = layout::rows(panes.stalls, false);
    update(&mut state, at(MouseKind::Click, rows.x + 3, rows.y + 1));
    assert_eq!((state.focus, state.stall_row), (Pane::Stalls, 1));
    update(&mut state, at(MouseKind::Click, rows.x + 3, rows.y + 1));
    assert!(matches!(attribution(&state).subject, Subject::Tick(_)));
    press(&mut state, Key::Esc);
    update(&mut state, at(MouseKind::Click, rows.x + 3, rows.y));
    update(&mut state, at(MouseKind::Click, rows.x + 3, rows.y));
    assert!(matches!(attribution(&state).subject, Subject::Unfinished(_)));
}
