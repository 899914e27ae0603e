//! What Enter opens, and the way back.

use super::*;
use crate::app::attribution::{Attribution, Lead, Subject};
use crate::app::fold::Fold;
use crate::app::lists;
use crate::app::overview::RunPlace;
use crate::app::state::Part;
use loop_traces::analysis::attribution::What;
use loop_traces::timeline::Cause;

fn attribution(state: &AppState) -> &Attribution {
    state.attribution.as_ref().unwrap()
}

fn opened_stall(row: usize) -> AppState {
    let (mut state, _) = live();
    press(&mut state, Key::BackTab);
    (0..row).for_each(|_| drop(press(&mut state, Key::Down)));
    press(&mut state, Key::Enter);
    state
}

#[test]
fn enter_opens_what_has_the_focus_and_esc_goes_back() {
    let (mut state, _) = live();
    press(&mut state, Key::Enter);
    assert_eq!((state.view, state.frozen.is_some(), state.tick.is_some()), (View::Tick, true, true));
    press(&mut state, Key::Esc);
    assert_eq!(state.view, View::Overview);
    for (tabs, view) in [(1, View::Tag), (1, View::Timers), (1, View::Log), (4, View::Breakdown)] {
        for _ in 0..tabs {
            press(&mut state, Key::Tab);
        }
        press(&mut state, Key::Enter);
        assert_eq!(state.view, view);
        press(&mut state, Key::Esc);
    }
    assert_eq!(state.focus, Pane::Stalls);
    press(&mut state, Key::BackTab);
    assert_eq!(state.focus, Pane::Signals);
}

#[test]
fn a_filtered_list_of_late_timers_opens_what_it_shows() {
    let (mut state, _) = live();
    press_all(&mut state, "4/no such tag");
    press(&mut state, Key::Enter);
    press(&mut state, Key::Enter);
    assert_eq!(state.view, View::Timers, "there is nothing to open");
    assert!(state.note.is_some());
}

#[test]
fn an_opened_tick_has_its_longest_run_selected() {
    let (mut state, _) = live();
    press_all(&mut state, "n");
    press(&mut state, Key::Enter);
    let tick = *state.shown_tick().unwrap();
    let opened = state.picture().timeline.opened(&tick).unwrap();
    let longest = opened.spans[state.row].span;
    assert_eq!(longest.run_ns(), tick.longest.unwrap().run_ns);
    assert!(state.row > 0, "phases come before it");
    press(&mut state, Key::Up);
    assert_eq!(opened.spans[state.row + 1].span, longest);
}

#[test]
fn a_stall_opens_into_its_breakdown() {
    let state = opened_stall(1);
    let second = state.picture().timeline.stalls.newest_first().nth(1).unwrap();
    assert_eq!((state.view, state.tick), (View::Breakdown, Some(TickKey::of(&second.tick))));
    let Attribution { subject, breakdown, .. } = attribution(&state);
    assert_eq!((subject.lasted_ns(), breakdown), (second.tick.busy_ns, &second.blame));
    assert_eq!(breakdown.shares.iter().map(|share| share.ns).sum::<u64>(), second.tick.busy_ns);
    assert_eq!(breakdown.shares.last().map(|share| share.what), Some(What::Unattributed));
}

#[test]
fn a_breakdown_line_opens_its_tag_and_the_total_opens_the_tick() {
    let mut state = opened_stall(0);
    let (key, longest) = (state.tick.unwrap(), attribution(&state).breakdown.shares[0].what);
    let What::Task { tag, .. } = longest else { panic!("a handler blocked: {longest:?}") };
    press(&mut state, Key::Enter);
    assert_eq!((state.view, state.tag), (View::Tag, Some(tag)));
    press(&mut state, Key::Esc);
    assert_eq!((state.view, state.row), (View::Breakdown, 0));
    press(&mut state, Key::End);
    assert_eq!(state.row, attribution(&state).rows() - 1);
    assert_eq!(attribution(&state).lead(state.row), Lead::Tick);
    press(&mut state, Key::Enter);
    assert_eq!((state.view, state.tick), (View::Tick, Some(key)));
    press(&mut state, Key::Esc);
    assert_eq!(
        (state.view, state.row),
        (View::Breakdown, attribution(&state).rows() - 1),
        "where it was left"
    );
    press(&mut state, Key::Esc);
    assert_eq!((state.view, state.focus), (View::Overview, Pane::Stalls));
}

#[test]
fn in_replay_a_breakdown_stays_open_while_seeking_its_tick() {
    let mut state = replay(false);
    press(&mut state, Key::BackTab);
    assert_eq!(press(&mut state, Key::Enter), [Effect::Pause]);
    let ((key, end), before) = (attribution(&state).tick.unwrap(), state.attribution.clone());
    press(&mut state, Key::End);
    let events = state.fold.timeline.events;
    assert_eq!(
        press(&mut state, Key::Enter),
        [Effect::Pause],
        "the picture has it, and knows what came of it"
    );
    assert_eq!((state.view, state.tick, state.fold.timeline.events), (View::Tick, Some(key), events));
    press(&mut state, Key::Esc);
    // With a different fold.
    let config = state.fold.timeline.config().clone();
    update(&mut state, Message::Rewound(Box::new(Fold::new(config))));
    assert_eq!(press(&mut state, Key::Enter), [Effect::Pause, Effect::SeekTick(end)]);
    let mut playback = state.playback.clone().unwrap();
    playback.position = end;
    update(&mut state, Message::Sought(playback));
    press(&mut state, Key::Esc);
    assert_eq!((state.view, &state.attribution), (View::Breakdown, &before));
}

#[test]
fn a_late_timer_opens_its_breakdown_and_then_its_tick() {
    let (mut state, _) = live();
    press_all(&mut state, "4");
    let worst = state.late.first().cloned().unwrap();
    assert!(state.late.is_sorted_by_key(|row| std::cmp::Reverse(row.subject.lasted_ns())));
    press(&mut state, Key::Enter);
    assert_eq!((state.view, attribution(&state).subject), (View::Breakdown, worst.subject));
    let sum: u64 = attribution(&state).breakdown.shares.iter().map(|share| share.ns).sum();
    assert_eq!(sum, worst.subject.lasted_ns());
    press(&mut state, Key::End);
    press(&mut state, Key::Enter);
    let (tick, at) = (state.shown_tick().unwrap(), worst.subject.extent().1);
    assert!(state.view == View::Tick && tick.start <= at && at <= tick.end);
    press(&mut state, Key::Esc);
    press(&mut state, Key::Esc);
    assert_eq!(state.view, View::Timers);
}

#[test]
fn a_cause_of_late_timers_opens_its_tag() {
    let (mut state, _) = live();
    press_all(&mut state, "4");
    press(&mut state, Key::Tab);
    assert_eq!(state.part, Part::Second);
    let worst = lists::delay_caused_shown(&state).next().unwrap();
    let tag = lists::cause_tag(worst.cause);
    assert!(tag.is_some(), "a handler blocks: {worst:?}");
    press(&mut state, Key::Enter);
    assert_eq!((state.view, state.tag), (View::Tag, tag));
    assert!(!state.delayed.is_empty(), "it delayed something");
    press(&mut state, Key::Tab);
    press(&mut state, Key::Enter);
    assert_eq!(state.view, View::Breakdown);
    let breakdown = &attribution(&state).breakdown;
    assert!(
        breakdown
            .shares
            .iter()
            .any(|share| matches!(share.what, What::Task { tag: its, .. } if Some(its) == tag))
    );
    for view in [View::Tag, View::Timers, View::Overview] {
        press(&mut state, Key::Esc);
        assert_eq!(state.view, view);
    }
}

#[test]
fn each_of_the_worst_runs_opens_its_tick() {
    let mut state = opened_stall(0);
    press(&mut state, Key::Enter);
    let runs = |state: &AppState| {
        let stats = state.picture().timeline.tags.tag(state.tag.unwrap()).unwrap();
        stats.tasks.worst().to_vec()
    };
    assert!(runs(&state).len() > 1);
    press(&mut state, Key::Down);
    let at = runs(&state)[1].at;
    press(&mut state, Key::Enter);
    let tick = state.shown_tick().unwrap();
    assert!(state.view == View::Tick && tick.start <= at && at <= tick.end);
    press(&mut state, Key::Esc);
    assert_eq!((state.view, state.row), (View::Tag, 1));
}

#[test]
fn late_and_slow_entries_open_from_the_tick_and_the_log() {
    let mut state = opened_stall(0);
    press_all(&mut state, "2");
    press(&mut state, Key::Enter);
    let slow = attribution(&state).subject;
    assert!(matches!(slow, Subject::Slow { .. }), "the longest run is selected: {slow:?}");
    press(&mut state, Key::Esc);
    press(&mut state, Key::Home);
    assert_eq!(press(&mut state, Key::Enter), []);
    assert_eq!(state.view, View::Tick, "of a phase there is nothing more");
    press_all(&mut state, "5");
    let rows = lists::log_rows(&state);
    let is_late = |state: &AppState| {
        let event = lists::log_from_newest(state).nth(state.row).unwrap().event;
        matches!(event, Event::TimerFired { .. })
    };
    let fired = (0..rows).find(|_| {
        press(&mut state, Key::Up);
        is_late(&state)
    });
    assert!(fired.is_some());
    press(&mut state, Key::Enter);
    assert!(matches!(attribution(&state).subject, Subject::Timer(_)));
}

#[test]
fn a_slow_task_opens_its_tag() {
    let mut state = opened_stall(0);
    press_all(&mut state, "2");
    press(&mut state, Key::Enter);
    let Subject::Slow { tag, .. } = attribution(&state).subject else {
        panic!("the longest run is selected")
    };
    for row in 0..attribution(&state).rows() - 1 {
        assert_eq!(attribution(&state).lead(row), Lead::Tag(tag), "whatever is labelled in it is the task's");
    }
    assert_eq!(attribution(&state).lead(attribution(&state).rows() - 1), Lead::Tick);
    press(&mut state, Key::Enter);
    assert_eq!((state.view, state.tag), (View::Tag, Some(tag)));
    assert!(!state.delayed.is_empty());
    // The key for the tags goes there, too, from the tick and from any breakdown of the task.
    press(&mut state, Key::Esc);
    state.tag = None;
    press_all(&mut state, "3");
    assert_eq!((state.view, state.tag), (View::Tasks, Some(tag)));
    press(&mut state, Key::Esc);
    press(&mut state, Key::Esc);
    state.tag = None;
    assert_eq!(state.view, View::Tick);
    press_all(&mut state, "3");
    assert_eq!((state.view, state.tag), (View::Tasks, Some(tag)));
}

#[test]
fn a_tick_lists_what_it_delayed() {
    let mut state = opened_stall(0);
    press_all(&mut state, "2");
    press(&mut state, Key::Tab);
    assert_eq!((state.view, state.part, state.row), (View::Tick, Part::Second, 0));
    let tick = *state.shown_tick().unwrap();
    let delayed = lists::delayed_by_tick(&state).all;
    assert!(delayed.len() > 1 && delayed.is_sorted_by_key(|delayed| std::cmp::Reverse(delayed.ns)));
    for delayed in &delayed {
        assert!(delayed.ns <= delayed.waited_ns() && delayed.ns <= tick.end.ns_since(tick.start));
    }
    press(&mut state, Key::Down);
    press(&mut state, Key::Enter);
    let (from, to) = attribution(&state).subject.extent();
    assert_eq!((state.view, from, to), (View::Breakdown, delayed[1].from, delayed[1].to));
    press(&mut state, Key::Esc);
    assert_eq!((state.view, state.part, state.row), (View::Tick, Part::Second, 1));
    press(&mut state, Key::BackTab);
    assert_eq!((state.view, state.part), (View::Tick, Part::First));
    press(&mut state, Key::Enter);
    assert!(matches!(attribution(&state).subject, Subject::Slow { .. }), "its longest run is selected again");
}

#[test]
fn delay_caused_by_a_tag_is_the_same_everywhere() {
    let (mut state, _) = live();
    let caused = |state: &AppState, tag| {
        state.overview.tags.iter().find(|row| row.tag == tag).map(|row| row.caused_ns)
    };
    let timeline = &state.picture().timeline;
    let mut opened = 0;
    for impact in timeline.delay_caused() {
        let row = |tag| state.overview.tags.iter().find(|row| row.tag == tag);
        let tag = match impact.cause {
            Cause::Tasks(tag) => tag,
            Cause::Io(tag) if row(tag).is_some_and(|row| row.ran == RunPlace::Io) => tag,
            _ => continue,
        };
        assert_eq!(caused(&state, tag), Some(impact.total_ns()));
        opened += 1;
    }
    assert!(opened > 2);
    let micro =
        timeline.delay_caused().iter().any(|impact| matches!(impact.cause, Cause::Microtasks(Some(_))));
    assert!(micro, "or there was nothing to mistake for it");
    press_all(&mut state, "4");
}

#[test]
fn a_click_selects_a_row_and_a_second_click_opens_it() {
    let (mut state, _) = live();
    press_all(&mut state, "4");
    let page = layout::timers(layout::page(100, 30, false).body);
    let late = layout::rows(page.late, false);
    update(&mut state, at(MouseKind::Click, late.x + 3, late.y + 1));
    assert_eq!((state.part, state.row, state.view), (Part::First, 1, View::Timers));
    let delay_caused = layout::rows(page.delay_caused, true);
    update(&mut state, at(MouseKind::Click, delay_caused.x + 3, delay_caused.y));
    assert_eq!((state.part, state.row, state.view), (Part::Second, 0, View::Timers));
    update(&mut state, at(MouseKind::Click, delay_caused.x + 3, delay_caused.y));
    assert_eq!(state.view, View::Tag, "a second click opens it");
}

#[test]
fn the_next_stall_opens_its_breakdown() {
    let mut state = opened_stall(0);
    let first = attribution(&state).subject;
    press_all(&mut state, "N");
    let second = state.picture().timeline.stalls.newest_first().nth(1).unwrap().tick;
    assert_eq!((state.view, attribution(&state).subject), (View::Breakdown, Subject::Tick(second)));
    assert_ne!(first, Subject::Tick(second));
    press(&mut state, Key::Left);
    assert_eq!(state.view, View::Tick);
    assert_eq!(state.tick.map(|key| key.tick), Some(second.tick - 1));
}

#[test]
fn in_replay_the_breakdown_follows_the_sought_stall() {
    let mut state = replay(false);
    press(&mut state, Key::BackTab);
    press(&mut state, Key::Down);
    press(&mut state, Key::Enter);
    assert_eq!(press(&mut state, Key::Char('n')), [Effect::SeekStall { forward: true }]);
    // The player plays up to the end of the next stall.
    let events = script().events();
    let seen = usize::try_from(state.fold.timeline.events).unwrap();
    let before = state.fold.timeline.stalls.count;
    for event in &events[seen..] {
        update(&mut state, Message::Events(std::slice::from_ref(event)));
        if state.fold.timeline.stalls.count > before {
            break;
        }
    }
    let newest = state.fold.timeline.stalls.newest_first().next().unwrap().tick;
    let mut playback = state.playback.clone().unwrap();
    playback.position = newest.end;
    update(&mut state, Message::Playback(playback));
    assert_eq!((state.view, attribution(&state).subject), (View::Breakdown, Subject::Tick(newest)));
}
