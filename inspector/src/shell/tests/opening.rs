//! What Enter opens, and where Esc goes back to.

use super::*;
use crate::app::attribution::{Attribution, Lead, Subject};
use crate::app::figures::{self, RunPlace};
use crate::app::fold::Fold;
use crate::app::state::Part;
use crate::pages::page::Page as _;
use crate::pages::{tick, timers};
use loop_traces::attribution::What;
use loop_traces::timeline::Cause;

fn attribution(app: &App) -> &Attribution {
    app.pages.breakdown.attribution.as_ref().unwrap()
}

fn opened_stall(row: usize) -> App {
    let (mut app, _) = live();
    press(&mut app, Key::BackTab);
    (0..row).for_each(|_| drop(press(&mut app, Key::Down)));
    press(&mut app, Key::Enter);
    app
}

#[test]
fn enter_opens_what_has_the_focus_and_esc_goes_back() {
    let (mut app, _) = live();
    press(&mut app, Key::Enter);
    assert_eq!(
        (app.page, app.state.frozen.is_some(), app.state.tick.is_some()),
        (PageName::Tick, true, true)
    );
    press(&mut app, Key::Esc);
    assert_eq!(app.page, PageName::Overview);
    for (tabs, view) in [
        (1, PageName::Timers),
        (1, PageName::Tag),
        (1, PageName::Breakdown),
        (1, PageName::Log),
        (4, PageName::Breakdown),
    ] {
        for _ in 0..tabs {
            press(&mut app, Key::Tab);
        }
        press(&mut app, Key::Enter);
        assert_eq!(app.page, view);
        press(&mut app, Key::Esc);
    }
    assert_eq!(app.pages.overview.focus, Pane::Stalls);
    press(&mut app, Key::BackTab);
    assert_eq!(app.pages.overview.focus, Pane::Signals);
}

#[test]
fn a_filtered_list_of_late_timers_opens_what_it_shows() {
    let (mut app, _) = live();
    press_all(&mut app, "4/no such tag");
    press(&mut app, Key::Enter);
    press(&mut app, Key::Enter);
    assert_eq!(app.page, PageName::Timers, "there is nothing to open");
    assert!(app.state.note.is_some());
}

#[test]
fn an_opened_tick_has_its_longest_run_selected() {
    let (mut app, _) = live();
    press_all(&mut app, "n");
    press(&mut app, Key::Enter);
    let tick = *app.state.shown_tick().unwrap();
    let opened = app.state.picture().timeline.opened(&tick).unwrap();
    let longest = opened.spans[app.state.row].span;
    assert_eq!(longest.run_ns(), tick.longest.unwrap().run_ns);
    assert!(app.state.row > 0, "phases come before it");
    press(&mut app, Key::Up);
    assert_eq!(opened.spans[app.state.row + 1].span, longest);
}

#[test]
fn a_stall_opens_into_its_breakdown() {
    let app = opened_stall(1);
    let second = app.state.picture().timeline.stalls.newest_first().nth(1).unwrap();
    assert_eq!((app.page, app.state.tick), (PageName::Breakdown, Some(TickKey::of(&second.tick))));
    let Attribution { subject, breakdown, .. } = attribution(&app);
    assert_eq!((subject.lasted_ns(), breakdown), (second.tick.busy_ns, &second.blame));
    assert_eq!(breakdown.shares.iter().map(|share| share.ns).sum::<u64>(), second.tick.busy_ns);
    assert_eq!(breakdown.shares.last().map(|share| share.what), Some(What::Unattributed));
}

#[test]
fn a_breakdown_line_opens_its_tag_and_the_total_opens_the_tick() {
    let mut app = opened_stall(0);
    let (key, longest) = (app.state.tick.unwrap(), attribution(&app).breakdown.shares[0].what);
    let What::Task { tag, .. } = longest else { panic!("a handler blocked: {longest:?}") };
    press(&mut app, Key::Enter);
    assert_eq!((app.page, app.state.tag), (PageName::Tag, Some(tag)));
    press(&mut app, Key::Esc);
    assert_eq!((app.page, app.state.row), (PageName::Breakdown, 0));
    press(&mut app, Key::End);
    assert_eq!(app.state.row, attribution(&app).rows() - 1);
    assert_eq!(attribution(&app).lead(app.state.row), Lead::Tick);
    press(&mut app, Key::Enter);
    assert_eq!((app.page, app.state.tick), (PageName::Tick, Some(key)));
    press(&mut app, Key::Esc);
    assert_eq!(
        (app.page, app.state.row),
        (PageName::Breakdown, attribution(&app).rows() - 1),
        "where it was left"
    );
    press(&mut app, Key::Esc);
    assert_eq!((app.page, app.pages.overview.focus), (PageName::Overview, Pane::Stalls));
}

#[test]
fn in_replay_a_breakdown_stays_open_while_seeking_its_tick() {
    let mut app = replay(false);
    press(&mut app, Key::BackTab);
    assert_eq!(press(&mut app, Key::Enter), [Effect::Pause]);
    let ((key, end), before) = (attribution(&app).tick.unwrap(), app.pages.breakdown.attribution.clone());
    press(&mut app, Key::End);
    let events = app.state.live.fold.timeline.events;
    assert_eq!(
        press(&mut app, Key::Enter),
        [Effect::Pause],
        "without a seek: the fold has the tick and its effects"
    );
    assert_eq!(
        (app.page, app.state.tick, app.state.live.fold.timeline.events),
        (PageName::Tick, Some(key), events)
    );
    press(&mut app, Key::Esc);
    // After a seek to another position.
    let config = app.state.live.fold.timeline.config().clone();
    update(&mut app, Message::Rewound(Box::new(Fold::new(config))));
    assert_eq!(press(&mut app, Key::Enter), [Effect::Pause, Effect::SeekTick(end)]);
    let mut playback = app.state.playback.clone().unwrap();
    playback.position = end;
    update(&mut app, Message::Sought(playback));
    press(&mut app, Key::Esc);
    assert_eq!((app.page, &app.pages.breakdown.attribution), (PageName::Breakdown, &before));
}

#[test]
fn a_late_timer_opens_its_breakdown_and_then_its_tick() {
    let (mut app, _) = live();
    press_all(&mut app, "4");
    let worst = app.pages.timers.late.first().cloned().unwrap();
    assert!(app.pages.timers.late.is_sorted_by_key(|row| std::cmp::Reverse(row.subject.lasted_ns())));
    press(&mut app, Key::Enter);
    assert_eq!((app.page, attribution(&app).subject), (PageName::Breakdown, worst.subject));
    let sum: u64 = attribution(&app).breakdown.shares.iter().map(|share| share.ns).sum();
    assert_eq!(sum, worst.subject.lasted_ns());
    press(&mut app, Key::End);
    press(&mut app, Key::Enter);
    let (tick, at) = (app.state.shown_tick().unwrap(), worst.subject.extent().1);
    assert!(app.page == PageName::Tick && tick.start <= at && at <= tick.end);
    press(&mut app, Key::Esc);
    press(&mut app, Key::Esc);
    assert_eq!(app.page, PageName::Timers);
}

#[test]
fn a_cause_of_late_timers_opens_its_tag() {
    let (mut app, _) = live();
    press_all(&mut app, "4");
    press(&mut app, Key::Tab);
    assert_eq!(app.state.part, Part::Second);
    let worst = timers::delay_caused_shown(&app.state).next().unwrap();
    let tag = figures::cause_tag(worst.cause);
    assert!(tag.is_some(), "a handler blocks: {worst:?}");
    press(&mut app, Key::Enter);
    assert_eq!((app.page, app.state.tag), (PageName::Tag, tag));
    assert!(!app.pages.tag.delayed.is_empty(), "it delayed something");
    press(&mut app, Key::Tab);
    press(&mut app, Key::Enter);
    assert_eq!(app.page, PageName::Breakdown);
    let breakdown = &attribution(&app).breakdown;
    assert!(
        breakdown
            .shares
            .iter()
            .any(|share| matches!(share.what, What::Task { tag: its, .. } if Some(its) == tag))
    );
    for view in [PageName::Tag, PageName::Timers, PageName::Overview] {
        press(&mut app, Key::Esc);
        assert_eq!(app.page, view);
    }
}

#[test]
fn each_of_the_worst_runs_opens_its_tick() {
    let mut app = opened_stall(0);
    press(&mut app, Key::Enter);
    let runs = |app: &App| {
        let stats = app.state.picture().timeline.tags.tag(app.state.tag.unwrap()).unwrap();
        stats.tasks.worst().to_vec()
    };
    assert!(runs(&app).len() > 1);
    press(&mut app, Key::Down);
    let at = runs(&app)[1].at;
    press(&mut app, Key::Enter);
    let tick = app.state.shown_tick().unwrap();
    assert!(app.page == PageName::Tick && tick.start <= at && at <= tick.end);
    press(&mut app, Key::Esc);
    assert_eq!((app.page, app.state.row), (PageName::Tag, 1));
}

#[test]
fn late_and_slow_entries_open_from_the_tick_and_the_log() {
    let mut app = opened_stall(0);
    press_all(&mut app, "2");
    press(&mut app, Key::Enter);
    let slow = attribution(&app).subject;
    assert!(matches!(slow, Subject::Slow { .. }), "the longest run is selected: {slow:?}");
    press(&mut app, Key::Esc);
    press(&mut app, Key::Home);
    assert_eq!(press(&mut app, Key::Enter), []);
    assert_eq!(app.page, PageName::Tick, "a phase has no page");
    press_all(&mut app, "5");
    let rows = app.pages.log.rows(&app.state);
    let is_late = |app: &App| {
        let event = app.pages.log.from_newest(&app.state).nth(app.state.row).unwrap().event;
        matches!(event, Event::TimerFired { .. })
    };
    let fired = (0..rows).find(|_| {
        press(&mut app, Key::Up);
        is_late(&app)
    });
    assert!(fired.is_some());
    press(&mut app, Key::Enter);
    assert!(matches!(attribution(&app).subject, Subject::Timer(_)));
}

#[test]
fn a_slow_task_opens_its_tag() {
    let mut app = opened_stall(0);
    press_all(&mut app, "2");
    press(&mut app, Key::Enter);
    let Subject::Slow { tag, .. } = attribution(&app).subject else { panic!("the longest run is selected") };
    for row in 0..attribution(&app).rows() - 1 {
        assert_eq!(attribution(&app).lead(row), Lead::Tag(tag), "all lines open the task's tag");
    }
    assert_eq!(attribution(&app).lead(attribution(&app).rows() - 1), Lead::Tick);
    press(&mut app, Key::Enter);
    assert_eq!((app.page, app.state.tag), (PageName::Tag, Some(tag)));
    assert!(!app.pages.tag.delayed.is_empty());
    // Key 3 selects the same tag from the tick and from every breakdown of the task.
    press(&mut app, Key::Esc);
    app.state.tag = None;
    press_all(&mut app, "3");
    assert_eq!((app.page, app.state.tag), (PageName::Tags, Some(tag)));
    press(&mut app, Key::Esc);
    press(&mut app, Key::Esc);
    app.state.tag = None;
    assert_eq!(app.page, PageName::Tick);
    press_all(&mut app, "3");
    assert_eq!((app.page, app.state.tag), (PageName::Tags, Some(tag)));
}

#[test]
fn a_tick_lists_what_it_delayed() {
    let mut app = opened_stall(0);
    press_all(&mut app, "2");
    press(&mut app, Key::Tab);
    assert_eq!((app.page, app.state.part, app.state.row), (PageName::Tick, Part::Second, 0));
    let tick = *app.state.shown_tick().unwrap();
    let delayed = tick::delayed(&app.state).all;
    assert!(delayed.len() > 1 && delayed.is_sorted_by_key(|delayed| std::cmp::Reverse(delayed.ns)));
    for delayed in &delayed {
        assert!(delayed.ns <= delayed.waited_ns() && delayed.ns <= tick.end.ns_since(tick.start));
    }
    press(&mut app, Key::Down);
    press(&mut app, Key::Enter);
    let (from, to) = attribution(&app).subject.extent();
    assert_eq!((app.page, from, to), (PageName::Breakdown, delayed[1].from, delayed[1].to));
    press(&mut app, Key::Esc);
    assert_eq!((app.page, app.state.part, app.state.row), (PageName::Tick, Part::Second, 1));
    press(&mut app, Key::BackTab);
    assert_eq!((app.page, app.state.part), (PageName::Tick, Part::First));
    press(&mut app, Key::Enter);
    assert!(matches!(attribution(&app).subject, Subject::Slow { .. }), "its longest run is selected again");
}

#[test]
fn delay_caused_by_a_tag_is_the_same_everywhere() {
    let (mut app, _) = live();
    let caused =
        |app: &App, tag| app.state.figures.tags.iter().find(|row| row.tag == tag).map(|row| row.caused_ns);
    let timeline = &app.state.picture().timeline;
    let mut opened = 0;
    for impact in timeline.delay_caused() {
        let row = |tag| app.state.figures.tags.iter().find(|row| row.tag == tag);
        let tag = match impact.cause {
            Cause::Tasks(tag) => tag,
            Cause::Io(tag) if row(tag).is_some_and(|row| row.ran == RunPlace::Io) => tag,
            _ => continue,
        };
        assert_eq!(caused(&app, tag), Some(impact.total_ns()));
        opened += 1;
    }
    assert!(opened > 2);
    let micro =
        timeline.delay_caused().iter().any(|impact| matches!(impact.cause, Cause::Microtasks(Some(_))));
    assert!(micro, "the script must have a cause with the tag's name");
    press_all(&mut app, "4");
}

#[test]
fn a_click_selects_a_row_and_a_second_click_opens_it() {
    let (mut app, _) = live();
    press_all(&mut app, "4");
    let page = timers::panes(layout::screen(100, 30, false).body);
    let late = layout::rows(page.late, false);
    update(&mut app, at(MouseKind::Click, late.x + 3, late.y + 1));
    assert_eq!((app.state.part, app.state.row, app.page), (Part::First, 1, PageName::Timers));
    let delay_caused = layout::rows(page.delay_caused, true);
    update(&mut app, at(MouseKind::Click, delay_caused.x + 3, delay_caused.y));
    assert_eq!((app.state.part, app.state.row, app.page), (Part::Second, 0, PageName::Timers));
    update(&mut app, at(MouseKind::Click, delay_caused.x + 3, delay_caused.y));
    assert_eq!(app.page, PageName::Tag, "a second click opens it");
}

#[test]
fn the_next_stall_opens_its_breakdown() {
    let mut app = opened_stall(0);
    let first = attribution(&app).subject;
    press_all(&mut app, "N");
    let second = app.state.picture().timeline.stalls.newest_first().nth(1).unwrap().tick;
    assert_eq!((app.page, attribution(&app).subject), (PageName::Breakdown, Subject::Tick(second)));
    assert_ne!(first, Subject::Tick(second));
    press(&mut app, Key::Left);
    assert_eq!(app.page, PageName::Tick);
    assert_eq!(app.state.tick.map(|key| key.tick), Some(second.tick - 1));
}

#[test]
fn in_replay_the_breakdown_follows_the_sought_stall() {
    let mut app = replay(false);
    press(&mut app, Key::BackTab);
    press(&mut app, Key::Down);
    press(&mut app, Key::Enter);
    assert_eq!(press(&mut app, Key::Char('n')), [Effect::SeekStall { forward: true }]);
    // The player plays up to the end of the next stall.
    let events = script().events();
    let seen = usize::try_from(app.state.live.fold.timeline.events).unwrap();
    let before = app.state.live.fold.timeline.stalls.count;
    for event in &events[seen..] {
        update(&mut app, Message::Events(std::slice::from_ref(event)));
        if app.state.live.fold.timeline.stalls.count > before {
            break;
        }
    }
    let newest = app.state.live.fold.timeline.stalls.newest_first().next().unwrap().tick;
    let mut playback = app.state.playback.clone().unwrap();
    playback.position = newest.end;
    update(&mut app, Message::Playback(playback));
    assert_eq!((app.page, attribution(&app).subject), (PageName::Breakdown, Subject::Tick(newest)));
}
