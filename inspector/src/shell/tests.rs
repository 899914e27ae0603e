//! Each key and each click, on a dashboard of a synthetic loop.

use loop_probes::event::Event;
use loop_probes::ids::{SourceId, Tag, TaskId, Timestamp};
use loop_probes::recorder::Running;
use loop_probes::stamped::Stamped;
use loop_traces::source::{NowRunning, SourceCounts};
use loop_traces::synthetic::Script;
use std::sync::Arc;

use super::app::App;
use super::fixture::{self, end};
use super::update;
use crate::app::figures::{Column, TagRow};
use crate::app::fold::TickKey;
use crate::app::layout;
use crate::app::message::{Effect, Message, Mouse, MouseKind, Process, Watched};
use crate::app::playback_info::PlaybackInfo;
use crate::keymap::Key;
use crate::pages::overview::layout::{Extras, Pane, Panes, panes};
use crate::pages::overview::tick_cells;
use crate::pages::overview::zoom::Zoom;
use crate::pages::page::PageName;

mod commands;
mod copy;
mod losses;
mod opening;
mod tick;
mod unfinished;

fn script() -> Script {
    Script { ticks: 1_000, stall_every: 100, ..Script::default() }
}

fn app() -> App {
    let mut app = fixture::app(&script());
    update(&mut app, Message::Resize { width: 100, height: 30 });
    app
}

#[test]
fn figures_refresh_a_few_times_a_second_and_at_every_replay_step() {
    let (mut app, rest) = live();
    let read_at = |app: &App| app.state.figures.at;
    let first = read_at(&app);
    update(&mut app, Message::Events(&rest));
    let now = end(&rest);
    update(&mut app, Message::Frame { now, elapsed_ns: 100_000_000 });
    assert_eq!(read_at(&app), first);
    update(&mut app, Message::Frame { now, elapsed_ns: 250_000_000 });
    assert_eq!(read_at(&app), Some(now));
    // No events follow the end of a process: its last figures appear at once.
    let (counts, process, running) = (SourceCounts::default(), Process::Ended, &[][..]);
    let now = now.plus_ns(1);
    update(&mut app, Message::Watched(Watched { at: now, running, counts, lost_elsewhere: 0, process }));
    update(&mut app, Message::Frame { now, elapsed_ns: 251_000_000 });
    assert_eq!(read_at(&app), Some(now));

    let mut app = replay(false);
    let mut playback = app.state.playback.clone().unwrap();
    playback.position = playback.position.plus_ns(1);
    let position = playback.position;
    update(&mut app, Message::Playback(playback));
    update(&mut app, Message::Frame { now: position, elapsed_ns: 1 });
    assert_eq!(read_at(&app), Some(position));
}

#[test]
fn a_jump_replaces_all_figures() {
    let (mut app, rest) = live();
    let start = app.state.live.fold.timeline.first_at().unwrap();
    let position = app.state.live.at;
    let at = |position, playing| PlaybackInfo {
        start,
        end: end(&rest),
        position,
        marked: None,
        playing,
        speed: 1.0,
        stalls: Arc::from([]),
        diagnosis: None,
    };
    update(&mut app, Message::Playback(at(position, true)));
    update(&mut app, Message::Frame { now: position, elapsed_ns: 1_000_000_000 });
    // A seek to the end while playing: the next step notices the end and stops.
    let to = end(&rest);
    update(&mut app, Message::Events(&rest));
    update(&mut app, Message::Sought(at(to, true)));
    let mut sought = app.clone();
    update(&mut sought, Message::Frame { now: to, elapsed_ns: 1_010_000_000 });
    assert_eq!(sought.state.figures.at, Some(to), "in the first frame after the jump");
    update(&mut app, Message::Playback(at(to, false)));
    update(&mut app, Message::Frame { now: to, elapsed_ns: 1_020_000_000 });
    assert_eq!(app.state.figures.at, Some(to), "and in the last frame, after which nothing is drawn");
    // The same after playing up to the end.
    let mut app = replay(true);
    update(&mut app, Message::Frame { now: position, elapsed_ns: 1_000_000_000 });
    update(&mut app, Message::Events(&rest));
    update(&mut app, Message::Playback(at(to, true)));
    update(&mut app, Message::Frame { now: to, elapsed_ns: 1_010_000_000 });
    update(&mut app, Message::Playback(at(to, false)));
    update(&mut app, Message::Frame { now: to, elapsed_ns: 1_020_000_000 });
    assert_eq!(app.state.figures.at, Some(to));
}

fn overview_panes(replay: bool) -> Panes {
    panes(layout::screen(100, 30, replay).body, Extras::default())
}

fn frame(app: &mut App, now: Timestamp) {
    update(app, Message::Frame { now, elapsed_ns: 0 });
}

/// A live dashboard that has seen the first half of the script, and the second half.
fn live() -> (App, Vec<Stamped>) {
    let mut events = script().events();
    let rest = events.split_off(events.len() / 2);
    let mut app = app();
    update(&mut app, Message::Events(&events));
    frame(&mut app, end(&events));
    (app, rest)
}

fn replay(playing: bool) -> App {
    let (mut app, rest) = live();
    let first = app.state.live.fold.timeline.first_at().unwrap();
    let playback = PlaybackInfo {
        start: first,
        end: end(&rest),
        position: app.state.live.at,
        marked: None,
        playing,
        speed: 1.0,
        stalls: Arc::from([]),
        diagnosis: None,
    };
    update(&mut app, Message::Playback(playback));
    app
}

fn press(app: &mut App, key: Key) -> Vec<Effect> {
    update(app, Message::Key(key))
}

fn press_all(app: &mut App, keys: &str) {
    for key in keys.chars() {
        assert_eq!(press(app, Key::Char(key)), [], "{key}");
    }
}

fn at(kind: MouseKind, x: u16, y: u16) -> Message<'static> {
    Message::Mouse(Mouse { kind, at: (x, y).into() })
}

#[test]
fn space_freezes_the_view_while_events_continue() {
    let (mut app, rest) = live();
    assert_eq!(press(&mut app, Key::Char(' ')), []);
    let before = app.state.picture().timeline.events;
    update(&mut app, Message::Events(&rest));
    frame(&mut app, end(&rest));
    assert_eq!(app.state.picture().timeline.events, before);
    assert!(app.state.live.fold.timeline.events > before);
    assert!(app.state.behind_ns().unwrap() > 0);
    press(&mut app, Key::Char('f'));
    assert_eq!(app.state.picture().timeline.events, before + rest.len() as u64);
    assert_eq!((app.state.behind_ns(), app.state.tick), (None, None));
}

#[test]
fn arrows_step_through_ticks_and_freeze() {
    let (mut app, _) = live();
    press(&mut app, Key::Left);
    assert!(app.state.frozen.is_some());
    let newest = TickKey::of(app.state.picture().timeline.ticks.recent.newest().unwrap());
    assert_eq!(app.state.tick, Some(newest));
    press(&mut app, Key::Char('h'));
    press(&mut app, Key::Left);
    assert_eq!(app.state.tick.map(|key| key.tick), Some(newest.tick - 2));
    press(&mut app, Key::Char('l'));
    assert_eq!(app.state.tick.map(|key| key.tick), Some(newest.tick - 1));
    press(&mut app, Key::Char('g'));
    let oldest = TickKey::of(app.state.picture().timeline.ticks.recent.oldest().unwrap());
    assert_eq!(app.state.tick, Some(oldest));
    press(&mut app, Key::Left);
    assert_eq!(app.state.tick, Some(oldest), "there is no older tick");
    press(&mut app, Key::PageDown);
    assert_eq!(app.state.tick.map(|key| key.tick), Some(oldest.tick + 10));
    press(&mut app, Key::Char('G'));
    assert_eq!(app.state.tick, Some(newest));
}

#[test]
fn zooming_out_does_not_change_the_step() {
    let (mut app, _) = live();
    press_all(&mut app, " zzz");
    assert_eq!(app.pages.overview.zoom, Some(Zoom::Ticks(10)));
    press(&mut app, Key::Left);
    let newest = app.state.tick.unwrap();
    press(&mut app, Key::Left);
    assert_eq!(app.state.tick.map(|key| key.tick), Some(newest.tick - 1));
    press(&mut app, Key::PageUp);
    assert_eq!(app.state.tick.map(|key| key.tick), Some(newest.tick - 101), "ten columns of ten");
    press_all(&mut app, "ZZZZ");
    assert_eq!(app.pages.overview.zoom, Some(Zoom::Ticks(1)));
}

#[test]
fn a_click_on_a_column_of_several_ticks_takes_the_busiest() {
    let (mut app, _) = live();
    press_all(&mut app, " zzz");
    let panes = overview_panes(false);
    let strip = panes.strip();
    let recent = &app.state.live.fold.timeline.ticks.recent;
    // The column left of the last one is complete.
    let last = (recent.len() - 1) / 10 * 10;
    let busiest = (last - 10..last).map(|place| recent.at(place).unwrap()).max_by_key(|tick| tick.busy_ns);
    let busiest = busiest.map(TickKey::of);
    let x = strip.x + u16::try_from(tick_cells(&panes)).unwrap() - 2;
    assert_eq!(update(&mut app, at(MouseKind::Click, x, strip.y)), []);
    assert_eq!(app.state.tick, busiest);
    update(&mut app, at(MouseKind::Click, x, strip.y));
    assert_eq!(app.page, PageName::Tick, "a second click opens it");
}

#[test]
fn a_click_on_a_column_of_time_takes_its_longest_tick() {
    let (mut app, _) = live();
    let panes = overview_panes(false);
    let strip = panes.strip();
    let (columns, _) = app.pages.overview.through_time(&app.state, &panes);
    let longest = columns.iter().enumerate().filter_map(|(x, slot)| Some((x, slot.as_ref()?.longest_end?)));
    let picture = app.state.picture();
    let kept: Vec<(usize, TickKey)> =
        longest.filter_map(|(x, end)| Some((x, TickKey::of(picture.tick_that_ended(end)?)))).collect();
    assert!(kept.len() > 2, "{kept:?}");
    for (x, key) in [kept[0], kept[kept.len() - 1]] {
        let column = strip.x + u16::try_from(x).unwrap();
        update(&mut app, at(MouseKind::Click, column, strip.y));
        assert_eq!(
            (app.state.tick, app.state.frozen.is_some(), app.page),
            (Some(key), true, PageName::Overview)
        );
        update(&mut app, at(MouseKind::Click, column, strip.y));
        assert_eq!(app.page, PageName::Tick, "a second click opens it");
        press(&mut app, Key::Esc);
    }
}

#[test]
fn in_replay_steps_continue_from_the_clicked_tick() {
    let mut app = replay(false);
    let panes = overview_panes(true);
    let strip = panes.strip();
    let x = strip.x + u16::try_from(tick_cells(&panes)).unwrap() - 6;
    assert_eq!(update(&mut app, at(MouseKind::Click, x, strip.y)), [Effect::Pause]);
    assert_eq!(press(&mut app, Key::Left), [Effect::StepTicks(-6)]);
}

#[test]
fn a_selected_stall_stays_selected_when_newer_ones_arrive() {
    let (mut app, rest) = live();
    press(&mut app, Key::BackTab);
    press(&mut app, Key::Down);
    let selected = |app: &App| {
        let mut stalls = app.state.live.fold.timeline.stalls.newest_first();
        stalls.nth(app.pages.overview.stall_row).map(|stall| TickKey::of(&stall.tick))
    };
    let before = (selected(&app), app.pages.overview.stall_row);
    update(&mut app, Message::Events(&rest));
    assert_eq!(selected(&app), before.0);
    assert!(app.pages.overview.stall_row > before.1);
}

#[test]
fn a_hanging_loop_is_busy_and_completes_no_ticks() {
    let (mut app, _) = live();
    let since = app.state.live.at;
    let now = since.plus_ns(2_000_000_000);
    let running =
        [NowRunning { source: SourceId(1), running: Running::Task { task: TaskId(7), tag: Tag(1) }, since }];
    let (counts, process) = (SourceCounts::default(), Process::Running);
    let watched = Watched { at: now, running: &running, counts, lost_elsewhere: 0, process };
    update(&mut app, Message::Watched(watched));
    let tick = app.state.live.fold.timeline.ticks.recent.newest().unwrap().tick + 1;
    let events = [(since, Event::TickStart { tick }), (now, running[0].running.event(since))];
    update(&mut app, Message::Events(&events.map(|(at, event)| Stamped { at, source: SourceId(1), event })));
    update(&mut app, Message::Frame { now, elapsed_ns: 1_000_000_000 });
    let rate = app.state.figures.rate;
    assert!(rate.ticks == 0.0 && (rate.utilization - 1.0).abs() < 1e-9, "{rate:?}");
}

#[test]
fn digits_choose_the_page() {
    let (mut app, _) = live();
    for (key, view) in [
        ('2', PageName::Tick),
        ('3', PageName::Tags),
        ('4', PageName::Timers),
        ('5', PageName::Log),
        ('1', PageName::Overview),
    ] {
        press(&mut app, Key::Char(key));
        assert_eq!(app.page, view);
    }
}

#[test]
fn stall_navigation_follows_time_order_and_wraps() {
    let (mut app, _) = live();
    let newest_first: Vec<TickKey> =
        app.state.live.fold.timeline.stalls.newest_first().map(|stall| TickKey::of(&stall.tick)).collect();
    assert!(newest_first.len() >= 3);
    press(&mut app, Key::Char('n'));
    assert_eq!(app.state.tick, Some(newest_first[0]));
    press(&mut app, Key::Char('N'));
    assert_eq!((app.state.tick, app.pages.overview.stall_row), (Some(newest_first[1]), 1));
    press(&mut app, Key::Char('n'));
    press(&mut app, Key::Char('n'));
    assert_eq!(app.state.tick, newest_first.last().copied());
    assert!(app.state.note.is_some(), "reports that it wrapped around");
    press(&mut app, Key::Enter);
    assert_eq!(app.page, PageName::Tick);
    assert!(app.state.shown_tick().unwrap().stall);
}

#[test]
fn the_filter_applies_while_typed_and_can_be_undone() {
    let (mut app, _) = live();
    let all = app.state.figures.tags.len();
    press_all(&mut app, "/ECHo");
    assert_eq!((app.state.figures.tags.len(), app.state.filter.text()), (1, "ECHo"));
    assert_eq!(app.state.figures.tags[0].name, "Echo");
    press_all(&mut app, "q");
    assert_eq!(app.state.figures.tags.len(), 0, "q is text here");
    press(&mut app, Key::Backspace);
    press(&mut app, Key::Enter);
    assert_eq!((app.typing.is_none(), app.state.figures.tags.len()), (true, 1));
    press_all(&mut app, "/x");
    press(&mut app, Key::Esc);
    assert_eq!(app.state.filter.text(), "ECHo");
    press(&mut app, Key::Esc);
    assert_eq!((app.state.filter.text(), app.state.figures.tags.len()), ("", all));
    press_all(&mut app, "/");
    assert_eq!(press(&mut app, Key::Ctrl('c')), [Effect::Quit]);
}

#[test]
fn a_new_order_is_shown_from_its_top() {
    let (mut app, _) = live();
    press_all(&mut app, "3jj");
    for keys in ["s", "s", "i"] {
        press_all(&mut app, keys);
        assert_eq!(app.state.tag, app.state.figures.tags.first().map(|row| row.tag), "after {keys}");
    }
}

#[test]
fn tasks_sort_by_any_column_in_either_direction() {
    let (mut app, _) = live();
    assert_eq!(app.state.order.column, Column::Caused);
    let by_caused = |row: &TagRow| (row.caused_ns, row.run_ns.max);
    assert!(app.state.figures.tags.is_sorted_by_key(|row| std::cmp::Reverse(by_caused(row))));
    assert!(app.state.figures.tags[0].caused_ns > 0, "a tag delayed others");
    press_all(&mut app, "i");
    assert!(app.state.figures.tags.is_sorted_by_key(by_caused));
    press_all(&mut app, "isssss");
    assert!(app.state.figures.tags.is_sorted_by_key(|row| std::cmp::Reverse(row.run_ns.max)));
    press_all(&mut app, "s");
    assert!(app.state.figures.tags.is_sorted_by_key(|row| std::cmp::Reverse(row.wait_ns.p99)));
    press_all(&mut app, "ss");
    assert!(app.state.figures.tags.is_sorted_by_key(|row| row.name.to_lowercase()));
    press_all(&mut app, "s");
    assert!(app.state.figures.tags.is_sorted_by_key(|row| std::cmp::Reverse(row.run_ns.count)));
}

#[test]
fn lists_move_by_rows_and_pages() {
    let (mut app, _) = live();
    press(&mut app, Key::Down);
    let tag = |app: &App, place: usize| Some(app.state.figures.tags[place].tag);
    assert_eq!((app.pages.overview.focus, app.state.tag), (Pane::Tasks, tag(&app, 0)));
    press(&mut app, Key::Char('j'));
    assert_eq!(app.state.tag, tag(&app, 1));
    press(&mut app, Key::Char('k'));
    press(&mut app, Key::Up);
    assert_eq!(app.state.tag, tag(&app, 0));
    press(&mut app, Key::Char('G'));
    assert_eq!(app.state.tag, tag(&app, app.state.figures.tags.len() - 1));
    for _ in 0..3 {
        press(&mut app, Key::Ctrl('u'));
    }
    assert_eq!(app.state.tag, tag(&app, 0));
    press_all(&mut app, "5");
    press(&mut app, Key::Up);
    assert!(app.state.frozen.is_some() && app.state.row == 1, "selecting a past event freezes the view");
    press(&mut app, Key::End);
    assert_eq!(app.state.row, 0);
}

#[test]
fn help_ignores_every_key_except_close() {
    let (mut app, _) = live();
    press_all(&mut app, "?");
    assert!(app.help);
    press(&mut app, Key::Left);
    assert!(app.state.frozen.is_none());
    assert_eq!(press(&mut app, Key::Char('q')), [Effect::Quit]);
    press_all(&mut app, "?");
    assert!(!app.help);
}

#[test]
fn keys_request_their_effects() {
    let (mut app, _) = live();
    let (from, to) =
        (app.state.live.fold.timeline.first_at().unwrap(), app.state.live.fold.timeline.last_at().unwrap());
    for (key, effect) in [
        (Key::Char('q'), Effect::Quit),
        (Key::Ctrl('c'), Effect::Quit),
        (Key::Ctrl('z'), Effect::Suspend),
        (Key::Ctrl('l'), Effect::Redraw),
        (Key::Char('r'), Effect::ToggleRecording),
        (Key::Char('w'), Effect::SaveLast),
        (Key::Char('e'), Effect::Export { from, to }),
    ] {
        assert_eq!(press(&mut app, key), [effect]);
    }
    update(&mut app, Message::Done(Ok("saved a.looptrace".to_owned())));
    assert_eq!(app.state.note.as_ref().map(|note| note.failed), Some(false));
    for elapsed_ns in [1, 6_000_000_000] {
        update(&mut app, Message::Frame { now: to, elapsed_ns });
    }
    assert_eq!(app.state.note, None);
}

#[test]
fn in_replay_arrow_keys_seek_instead_of_freezing() {
    let mut app = replay(true);
    let position = app.state.playback.as_ref().unwrap().position;
    let (start, end) = app.state.playback.as_ref().map(|it| (it.start, it.end)).unwrap();
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
        assert_eq!(press(&mut app, key), [effect], "{key:?}");
    }
    assert!(app.state.frozen.is_none());
    assert_eq!(press(&mut app, Key::Enter), [Effect::Pause]);
    assert_eq!(app.page, PageName::Tick);
    assert_eq!(press(&mut app, Key::Char('r')), [], "a replay cannot be recorded");
}

#[test]
fn a_paused_replay_marks_its_last_tick() {
    let app = replay(false);
    let newest = app.state.picture().timeline.ticks.recent.newest().map(TickKey::of);
    assert_eq!(app.state.marked_tick().map(TickKey::of), newest);
    assert!(replay(true).state.marked_tick().is_none());
}

#[test]
fn a_click_selects_and_a_second_one_opens() {
    let (mut app, _) = live();
    app.pages.overview.zoom = Some(Zoom::Ticks(1));
    let panes = overview_panes(false);
    let strip = panes.strip();
    let column = strip.x + 40;
    update(&mut app, at(MouseKind::Click, column, strip.y));
    let ticks = &app.state.picture().timeline.ticks.recent;
    let expected = ticks.at(ticks.len() - tick_cells(&panes) + 40).map(TickKey::of);
    assert_eq!((app.state.tick, app.state.frozen.is_some()), (expected, true));
    update(&mut app, at(MouseKind::Click, column, strip.y));
    assert_eq!(app.page, PageName::Tick);
    press(&mut app, Key::Esc);

    let rows = layout::rows(panes.area(Pane::Tasks), true);
    update(&mut app, at(MouseKind::Click, rows.x + 2, rows.y + 1));
    assert_eq!(app.state.tag, Some(app.state.figures.tags[1].tag));
    update(&mut app, at(MouseKind::Click, rows.x + 2, rows.y - 1));
    assert_eq!(app.state.order.column, Column::Tag);
    update(&mut app, at(MouseKind::WheelDown, rows.x + 2, rows.y + 1));
    assert_eq!(app.pages.overview.focus, Pane::Tasks);
    update(&mut app, at(MouseKind::Click, 9_999, 9_999));
}

#[test]
fn the_scrubber_seeks_where_it_is_clicked() {
    let mut app = replay(true);
    let scrubber = layout::screen(100, 30, true).scrubber;
    let track = layout::track(scrubber);
    let (start, end) = app.state.playback.as_ref().map(|it| (it.start, it.end)).unwrap();
    for (x, to) in [(track.x, start), (track.x + track.width - 1, end)] {
        assert_eq!(update(&mut app, at(MouseKind::Click, x, track.y)), [Effect::Seek(to)]);
    }
    assert_eq!(update(&mut app, at(MouseKind::Drag, track.x, track.y)), [Effect::Seek(start)]);
}

#[test]
fn no_key_panics_before_the_first_event() {
    let keys = "fhljkgGnN12345siewr?qq/ \u{1b}";
    for size in [(100, 30), (0, 0)] {
        let mut app = app();
        update(&mut app, Message::Resize { width: size.0, height: size.1 });
        for key in keys.chars().map(Key::Char).chain([Key::Enter, Key::Esc, Key::Tab, Key::PageUp, Key::End])
        {
            press(&mut app, key);
            frame(&mut app, Timestamp(5));
        }
        update(&mut app, at(MouseKind::Click, 20, 4));
        update(&mut app, at(MouseKind::WheelUp, 20, 4));
    }
}
