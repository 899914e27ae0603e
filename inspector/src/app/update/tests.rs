//! Each key, each click, over a made-up loop.

use loop_probes::event::Event;
use loop_probes::ids::{SourceId, Tag, TaskId, Timestamp};
use loop_probes::recorder::Running;
use loop_probes::stamped::Stamped;
use loop_traces::source::{NowRunning, SourceCounts};
use loop_traces::synthetic::Script;
use std::sync::Arc;

use super::update;
use crate::app::fixture::{self, end};
use crate::app::layout::{self, Pane};
use crate::app::message::Watched;
use crate::app::overview::Column;
use crate::app::playback_info::PlaybackInfo;
use crate::app::state::{AppState, TickKey, View};
use crate::app::{Effect, Message, Mouse, MouseKind, Process};
use crate::keymap::Key;

mod losses;
mod opening;
mod unfinished;

fn script() -> Script {
    Script { ticks: 1_000, stall_every: 100, ..Script::default() }
}

fn state() -> AppState {
    let mut state = fixture::state(&script());
    update(&mut state, Message::Resize { width: 100, height: 30 });
    state
}

#[test]
fn figures_refresh_a_few_times_a_second_and_at_every_replay_step() {
    let (mut state, rest) = live();
    let read_at = |state: &AppState| state.overview.at;
    let first = read_at(&state);
    update(&mut state, Message::Events(&rest));
    let now = end(&rest);
    update(&mut state, Message::Frame { now, elapsed_ns: 100_000_000 });
    assert_eq!(read_at(&state), first);
    update(&mut state, Message::Frame { now, elapsed_ns: 250_000_000 });
    assert_eq!(read_at(&state), Some(now));
    // Nothing follows an end: its last moments are shown at once.
    let (counts, process, running) = (SourceCounts::default(), Process::Ended, &[][..]);
    let now = now.plus_ns(1);
    update(&mut state, Message::Watched(Watched { at: now, running, counts, lost_elsewhere: 0, process }));
    update(&mut state, Message::Frame { now, elapsed_ns: 251_000_000 });
    assert_eq!(read_at(&state), Some(now));

    let mut state = replay(false);
    let mut playback = state.playback.clone().unwrap();
    playback.position = playback.position.plus_ns(1);
    let position = playback.position;
    update(&mut state, Message::Playback(playback));
    update(&mut state, Message::Frame { now: position, elapsed_ns: 1 });
    assert_eq!(read_at(&state), Some(position));
}

#[test]
fn a_jump_replaces_all_figures() {
    let (mut state, rest) = live();
    let start = state.fold.timeline.first_at().unwrap();
    let position = state.now;
    let at = |position, playing| PlaybackInfo {
        start,
        end: end(&rest),
        position,
        marked: None,
        playing,
        speed: 1.0,
        stalls: Arc::from([]),
    };
    update(&mut state, Message::Playback(at(position, true)));
    update(&mut state, Message::Frame { now: position, elapsed_ns: 1_000_000_000 });
    // Seeks to the end while playing: the next check of the clock finds that it no longer plays.
    let to = end(&rest);
    update(&mut state, Message::Events(&rest));
    update(&mut state, Message::Sought(at(to, true)));
    let mut sought = state.clone();
    update(&mut sought, Message::Frame { now: to, elapsed_ns: 1_010_000_000 });
    assert_eq!(sought.overview.at, Some(to), "in the first frame after the jump");
    update(&mut state, Message::Playback(at(to, false)));
    update(&mut state, Message::Frame { now: to, elapsed_ns: 1_020_000_000 });
    assert_eq!(state.overview.at, Some(to), "and in the last before it stands still");
    // The same if it played up to there.
    let mut state = replay(true);
    update(&mut state, Message::Frame { now: position, elapsed_ns: 1_000_000_000 });
    update(&mut state, Message::Events(&rest));
    update(&mut state, Message::Playback(at(to, true)));
    update(&mut state, Message::Frame { now: to, elapsed_ns: 1_010_000_000 });
    update(&mut state, Message::Playback(at(to, false)));
    update(&mut state, Message::Frame { now: to, elapsed_ns: 1_020_000_000 });
    assert_eq!(state.overview.at, Some(to));
}

fn frame(state: &mut AppState, now: Timestamp) {
    update(state, Message::Frame { now, elapsed_ns: 0 });
}

/// A live dashboard that has seen the first half of the script, and the second half.
fn live() -> (AppState, Vec<Stamped>) {
    let mut events = script().events();
    let rest = events.split_off(events.len() / 2);
    let mut state = state();
    update(&mut state, Message::Events(&events));
    frame(&mut state, end(&events));
    (state, rest)
}

fn replay(playing: bool) -> AppState {
    let (mut state, rest) = live();
    let first = state.fold.timeline.first_at().unwrap();
    let playback = PlaybackInfo {
        start: first,
        end: end(&rest),
        position: state.now,
        marked: None,
        playing,
        speed: 1.0,
        stalls: Arc::from([]),
    };
    update(&mut state, Message::Playback(playback));
    state
}

fn press(state: &mut AppState, key: Key) -> Vec<Effect> {
    update(state, Message::Key(key))
}

fn press_all(state: &mut AppState, keys: &str) {
    for key in keys.chars() {
        assert_eq!(press(state, Key::Char(key)), [], "{key}");
    }
}

fn at(kind: MouseKind, x: u16, y: u16) -> Message<'static> {
    Message::Mouse(Mouse { kind, x, y })
}

#[test]
fn space_freezes_the_view_while_events_continue() {
    let (mut state, rest) = live();
    assert_eq!(press(&mut state, Key::Char(' ')), []);
    let before = state.picture().timeline.events;
    update(&mut state, Message::Events(&rest));
    frame(&mut state, end(&rest));
    assert_eq!(state.picture().timeline.events, before);
    assert!(state.fold.timeline.events > before);
    assert!(state.behind_ns().unwrap() > 0);
    press(&mut state, Key::Char('f'));
    assert_eq!(state.picture().timeline.events, before + rest.len() as u64);
    assert_eq!((state.behind_ns(), state.tick), (None, None));
}

#[test]
fn arrows_step_through_ticks_and_freeze() {
    let (mut state, _) = live();
    press(&mut state, Key::Left);
    assert!(state.frozen.is_some());
    let newest = TickKey::of(state.picture().timeline.ticks.recent.newest().unwrap());
    assert_eq!(state.tick, Some(newest));
    press(&mut state, Key::Char('h'));
    press(&mut state, Key::Left);
    assert_eq!(state.tick.map(|key| key.tick), Some(newest.tick - 2));
    press(&mut state, Key::Char('l'));
    assert_eq!(state.tick.map(|key| key.tick), Some(newest.tick - 1));
    press(&mut state, Key::Char('g'));
    let oldest = TickKey::of(state.picture().timeline.ticks.recent.oldest().unwrap());
    assert_eq!(state.tick, Some(oldest));
    press(&mut state, Key::Left);
    assert_eq!(state.tick, Some(oldest), "there is none before");
    press(&mut state, Key::PageDown);
    assert_eq!(state.tick.map(|key| key.tick), Some(oldest.tick + 10));
    press(&mut state, Key::Char('G'));
    assert_eq!(state.tick, Some(newest));
}

#[test]
fn a_column_stands_for_more_ticks_and_steps_stay_ticks() {
    let (mut state, _) = live();
    press_all(&mut state, "zzz");
    assert_eq!(state.column_ticks, 10);
    press(&mut state, Key::Left);
    let newest = state.tick.unwrap();
    press(&mut state, Key::Left);
    assert_eq!(state.tick.map(|key| key.tick), Some(newest.tick - 1));
    press(&mut state, Key::PageUp);
    assert_eq!(state.tick.map(|key| key.tick), Some(newest.tick - 101), "ten columns of ten");
    press_all(&mut state, "ZZZZ");
    assert_eq!(state.column_ticks, 1);
}

#[test]
fn a_click_on_a_column_of_several_ticks_takes_the_busiest() {
    let (mut state, _) = live();
    press_all(&mut state, "zzz");
    let strip =
        layout::strip(layout::overview(layout::page(100, 30, false).body, layout::Extras::default()).ticks);
    let recent = &state.fold.timeline.ticks.recent;
    // The last column but one is complete, and the one before the gap is the last.
    let last = (recent.len() - 1) / 10 * 10;
    let busiest = (last - 10..last).map(|place| recent.at(place).unwrap()).max_by_key(|tick| tick.busy_ns);
    let busiest = busiest.map(TickKey::of);
    let x = strip.x + u16::try_from(layout::tick_columns(strip)).unwrap() - 2;
    assert_eq!(update(&mut state, at(MouseKind::Click, x, strip.y)), []);
    assert_eq!(state.tick, busiest);
    update(&mut state, at(MouseKind::Click, x, strip.y));
    assert_eq!(state.view, View::Tick, "a second click opens it");
}

#[test]
fn in_replay_steps_go_on_from_the_tick_that_was_clicked() {
    let mut state = replay(false);
    let strip =
        layout::strip(layout::overview(layout::page(100, 30, true).body, layout::Extras::default()).ticks);
    let x = strip.x + u16::try_from(layout::tick_columns(strip)).unwrap() - 6;
    assert_eq!(update(&mut state, at(MouseKind::Click, x, strip.y)), [Effect::Pause]);
    assert_eq!(press(&mut state, Key::Left), [Effect::StepTicks(-6)]);
}

#[test]
fn a_selected_stall_stays_selected_when_newer_ones_come() {
    let (mut state, rest) = live();
    press(&mut state, Key::BackTab);
    press(&mut state, Key::Down);
    let selected = |state: &AppState| {
        let mut stalls = state.fold.timeline.stalls.newest_first();
        stalls.nth(state.stall_row).map(|stall| TickKey::of(&stall.tick))
    };
    let before = (selected(&state), state.stall_row);
    update(&mut state, Message::Events(&rest));
    assert_eq!(selected(&state), before.0);
    assert!(state.stall_row > before.1);
}

#[test]
fn a_hanging_loop_is_busy_and_completes_no_ticks() {
    let (mut state, _) = live();
    let since = state.now;
    let now = since.plus_ns(2_000_000_000);
    let running =
        [NowRunning { source: SourceId(1), running: Running::Task { task: TaskId(7), tag: Tag(1) }, since }];
    let (counts, process) = (SourceCounts::default(), Process::Running);
    let watched = Watched { at: now, running: &running, counts, lost_elsewhere: 0, process };
    update(&mut state, Message::Watched(watched));
    let tick = state.fold.timeline.ticks.recent.newest().unwrap().tick + 1;
    let events = [(since, Event::TickStart { tick }), (now, running[0].running.event(since))];
    update(
        &mut state,
        Message::Events(&events.map(|(at, event)| Stamped { at, source: SourceId(1), event })),
    );
    update(&mut state, Message::Frame { now, elapsed_ns: 1_000_000_000 });
    let rate = state.overview.rate;
    assert!(rate.ticks == 0.0 && (rate.utilization - 1.0).abs() < 1e-9, "{rate:?}");
}

#[test]
fn digits_choose_the_page() {
    let (mut state, _) = live();
    for (key, view) in
        [('2', View::Tick), ('3', View::Tasks), ('4', View::Timers), ('5', View::Log), ('1', View::Overview)]
    {
        press(&mut state, Key::Char(key));
        assert_eq!(state.view, view);
    }
}

#[test]
fn stall_navigation_follows_time_order_and_wraps() {
    let (mut state, _) = live();
    let newest_first: Vec<TickKey> =
        state.fold.timeline.stalls.newest_first().map(|stall| TickKey::of(&stall.tick)).collect();
    assert!(newest_first.len() >= 3);
    press(&mut state, Key::Char('n'));
    assert_eq!(state.tick, Some(newest_first[0]));
    press(&mut state, Key::Char('N'));
    assert_eq!((state.tick, state.stall_row), (Some(newest_first[1]), 1));
    press(&mut state, Key::Char('n'));
    press(&mut state, Key::Char('n'));
    assert_eq!(state.tick, newest_first.last().copied());
    assert!(state.note.is_some(), "says that it went round");
    press(&mut state, Key::Enter);
    assert_eq!(state.view, View::Tick);
    assert!(state.shown_tick().unwrap().stall);
}

#[test]
fn the_filter_applies_while_typed_and_can_be_undone() {
    let (mut state, _) = live();
    let all = state.overview.tags.len();
    press_all(&mut state, "/ECHo");
    assert_eq!((state.overview.tags.len(), state.filter.as_str()), (1, "ECHo"));
    assert_eq!(state.overview.tags[0].name, "Echo");
    press_all(&mut state, "q");
    assert_eq!(state.overview.tags.len(), 0, "q is a letter here");
    press(&mut state, Key::Backspace);
    press(&mut state, Key::Enter);
    assert_eq!((state.typing.is_none(), state.overview.tags.len()), (true, 1));
    press_all(&mut state, "/x");
    press(&mut state, Key::Esc);
    assert_eq!(state.filter, "ECHo");
    press(&mut state, Key::Esc);
    assert_eq!((state.filter.as_str(), state.overview.tags.len()), ("", all));
    press_all(&mut state, "/");
    assert_eq!(press(&mut state, Key::Ctrl('c')), [Effect::Quit]);
}

#[test]
fn a_new_order_is_shown_from_its_top() {
    let (mut state, _) = live();
    press_all(&mut state, "3jj");
    for keys in ["s", "s", "i"] {
        press_all(&mut state, keys);
        assert_eq!(state.tag, state.overview.tags.first().map(|row| row.tag), "after {keys}");
    }
}

#[test]
fn tasks_sort_by_any_column_in_either_direction() {
    let (mut state, _) = live();
    assert_eq!(state.order.column, Column::RunMax);
    assert!(state.overview.tags.is_sorted_by_key(|row| std::cmp::Reverse(row.run_ns.max)));
    press_all(&mut state, "i");
    assert!(state.overview.tags.is_sorted_by_key(|row| row.run_ns.max));
    press_all(&mut state, "is");
    assert!(state.overview.tags.is_sorted_by_key(|row| std::cmp::Reverse(row.wait_ns.p99)));
    press_all(&mut state, "s");
    assert!(state.overview.tags.is_sorted_by_key(|row| std::cmp::Reverse(row.caused_ns)));
    assert!(state.overview.tags[0].caused_ns > 0, "a tag delayed others");
    press_all(&mut state, "s");
    assert!(state.overview.tags.is_sorted_by_key(|row| row.name.to_lowercase()));
    press_all(&mut state, "s");
    assert!(state.overview.tags.is_sorted_by_key(|row| std::cmp::Reverse(row.run_ns.count)));
}

#[test]
fn lists_move_by_rows_and_pages() {
    let (mut state, _) = live();
    press(&mut state, Key::Down);
    let tag = |state: &AppState, place: usize| Some(state.overview.tags[place].tag);
    assert_eq!((state.focus, state.tag), (Pane::Tasks, tag(&state, 0)));
    press(&mut state, Key::Char('j'));
    assert_eq!(state.tag, tag(&state, 1));
    press(&mut state, Key::Char('k'));
    press(&mut state, Key::Up);
    assert_eq!(state.tag, tag(&state, 0));
    press(&mut state, Key::Char('G'));
    assert_eq!(state.tag, tag(&state, state.overview.tags.len() - 1));
    press(&mut state, Key::Ctrl('u'));
    assert_eq!(state.tag, tag(&state, 0));
    press_all(&mut state, "5");
    press(&mut state, Key::Up);
    assert!(state.frozen.is_some() && state.row == 1, "the past stands still");
    press(&mut state, Key::End);
    assert_eq!(state.row, 0);
}

#[test]
fn help_ignores_every_key_except_close() {
    let (mut state, _) = live();
    press_all(&mut state, "?");
    assert!(state.help);
    press(&mut state, Key::Left);
    assert!(state.frozen.is_none());
    assert_eq!(press(&mut state, Key::Char('q')), [Effect::Quit]);
    press_all(&mut state, "?");
    assert!(!state.help);
}

#[test]
fn effects_are_asked_for() {
    let (mut state, _) = live();
    let (from, to) = (state.fold.timeline.first_at().unwrap(), state.fold.timeline.last_at().unwrap());
    for (key, effect) in [
        (Key::Char('q'), Effect::Quit),
        (Key::Ctrl('c'), Effect::Quit),
        (Key::Ctrl('z'), Effect::Suspend),
        (Key::Ctrl('l'), Effect::Redraw),
        (Key::Char('r'), Effect::ToggleRecording),
        (Key::Char('w'), Effect::SaveLast),
        (Key::Char('e'), Effect::Export { from, to }),
    ] {
        assert_eq!(press(&mut state, key), [effect]);
    }
    update(&mut state, Message::Done(Ok("saved a.looptrace".to_owned())));
    assert_eq!(state.note.as_ref().map(|note| note.failed), Some(false));
    for elapsed_ns in [1, 6_000_000_000] {
        update(&mut state, Message::Frame { now: to, elapsed_ns });
    }
    assert_eq!(state.note, None);
}

#[test]
fn in_replay_arrow_keys_seek_instead_of_freezing() {
    let mut state = replay(true);
    let position = state.playback.as_ref().unwrap().position;
    let (start, end) = state.playback.as_ref().map(|it| (it.start, it.end)).unwrap();
    let back = Timestamp(position.as_ns() - 1_000_000_000);
    for (key, effect) in [
        (Key::Char(' '), Effect::TogglePlay),
        (Key::Left, Effect::StepTicks(-1)),
        (Key::Right, Effect::StepTicks(1)),
        (Key::Char('+'), Effect::SetSpeed(2.0)),
        (Key::Char('-'), Effect::SetSpeed(0.5)),
        (Key::Char('<'), Effect::Seek(back)),
        (Key::Char('>'), Effect::Seek(position.plus_ns(1_000_000_000))),
        (Key::Char('g'), Effect::Seek(start)),
        (Key::Char('G'), Effect::Seek(end)),
        (Key::Char('n'), Effect::SeekStall { forward: true }),
        (Key::Char('N'), Effect::SeekStall { forward: false }),
    ] {
        assert_eq!(press(&mut state, key), [effect], "{key:?}");
    }
    assert!(state.frozen.is_none());
    assert_eq!(press(&mut state, Key::Enter), [Effect::Pause]);
    assert_eq!(state.view, View::Tick);
    assert_eq!(press(&mut state, Key::Char('r')), [], "nothing to record in a recording");
}

#[test]
fn a_paused_replay_marks_its_last_tick() {
    let state = replay(false);
    let newest = state.picture().timeline.ticks.recent.newest().map(TickKey::of);
    assert_eq!(state.marked_tick().map(TickKey::of), newest);
    assert!(replay(true).marked_tick().is_none());
}

#[test]
fn a_click_selects_and_a_second_one_opens() {
    let (mut state, _) = live();
    let panes = layout::overview(layout::page(100, 30, false).body, layout::Extras::default());
    let strip = layout::strip(panes.ticks);
    let column = strip.x + 40;
    update(&mut state, at(MouseKind::Click, column, strip.y));
    let ticks = &state.picture().timeline.ticks.recent;
    let expected = ticks.at(ticks.len() - layout::tick_columns(strip) + 40).map(TickKey::of);
    assert_eq!((state.tick, state.frozen.is_some()), (expected, true));
    update(&mut state, at(MouseKind::Click, column, strip.y));
    assert_eq!(state.view, View::Tick);
    press(&mut state, Key::Esc);

    let rows = layout::rows(panes.tasks, true);
    update(&mut state, at(MouseKind::Click, rows.x + 2, rows.y + 1));
    assert_eq!(state.tag, Some(state.overview.tags[1].tag));
    update(&mut state, at(MouseKind::Click, rows.x + 2, rows.y - 1));
    assert_eq!(state.order.column, Column::Tag);
    update(&mut state, at(MouseKind::WheelDown, rows.x + 2, rows.y + 1));
    assert_eq!(state.focus, Pane::Tasks);
    update(&mut state, at(MouseKind::Click, 9_999, 9_999));
}

#[test]
fn the_scrubber_seeks_where_it_is_clicked() {
    let mut state = replay(true);
    let scrubber = layout::page(100, 30, true).scrubber.unwrap();
    let track = layout::track(scrubber);
    let (start, end) = state.playback.as_ref().map(|it| (it.start, it.end)).unwrap();
    for (x, to) in [(track.x, start), (track.x + track.width - 1, end)] {
        assert_eq!(update(&mut state, at(MouseKind::Click, x, track.y)), [Effect::Seek(to)]);
    }
    assert_eq!(update(&mut state, at(MouseKind::Drag, track.x, track.y)), [Effect::Seek(start)]);
}

#[test]
fn nothing_breaks_before_the_first_event() {
    let keys = "fhljkgGnN12345siewr?qq/ \u{1b}";
    for size in [(100, 30), (0, 0)] {
        let mut state = state();
        update(&mut state, Message::Resize { width: size.0, height: size.1 });
        for key in keys.chars().map(Key::Char).chain([Key::Enter, Key::Esc, Key::Tab, Key::PageUp, Key::End])
        {
            press(&mut state, key);
            frame(&mut state, Timestamp(5));
        }
        update(&mut state, at(MouseKind::Click, 20, 4));
        update(&mut state, at(MouseKind::WheelUp, 20, 4));
    }
}
