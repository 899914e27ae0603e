//! Stalls that have not ended are selected and opened like all others.

use super::*;
use crate::app::attribution::{Attribution, Lead, Subject};
use crate::pages::overview::stalls::{self, StallRow};
use crate::pages::page::Page as _;
use loop_probes::ids::TimerId;
use loop_traces::attribution::What;
use loop_traces::timeline::{Cause, Impact};

const TASK: TaskId = TaskId(99_999);

fn send(app: &mut App, events: &[(Timestamp, Event)]) {
    for &(at, event) in events {
        update(app, Message::Events(&[Stamped { at, source: SourceId(1), event }]));
    }
}

/// Puts the loop into a task for 90 ms; returns the task's start, and the last time at which it was seen running.
fn hang(app: &mut App) -> (Timestamp, Timestamp) {
    let since = app.state.live.fold.timeline.last_at().unwrap().plus_ns(10);
    let at = since.plus_ns(90_000_000);
    let running = Running::Task { task: TASK, tag: Tag(1) };
    send(app, &[(since, Event::TickStart { tick: 9_999 }), (at, running.event(since))]);
    assert!(matches!(stalls::stalls(&app.state).next(), Some(StallRow::Unfinished(_))));
    (since, at)
}

/// A timer that is due while a task hangs.
struct Overdue {
    timer: TimerId,
    due: Timestamp,
    /// When the task was last seen running.
    now: Timestamp,
}

/// Puts the loop into a task of `tag` for 90 ms. A timer is due 5 ms after its beginning.
fn hang_past_a_timer(app: &mut App, tag: Tag) -> Overdue {
    let timeline = &app.state.live.fold.timeline;
    let armed_at = timeline.last_at().unwrap().plus_ns(5);
    let tick = timeline.ticks.recent.newest().unwrap().tick + 1;
    let (timer, due) = (TimerId(88_888), armed_at.plus_ns(5_000_000));
    let (since, now) = (armed_at.plus_ns(10), armed_at.plus_ns(90_000_000));
    let running = Running::Task { task: TASK, tag };
    let events = [
        (armed_at, Event::TimerArmed { timer, tag: Tag(2), due, period_ns: None }),
        (since, Event::TickStart { tick }),
        (now, running.event(since)),
    ];
    send(app, &events);
    Overdue { timer, due, now }
}

/// Ends the hanging tick.
fn end_hang(app: &mut App, (since, at): (Timestamp, Timestamp)) {
    let (end, outcome) = (at.plus_ns(5), loop_probes::event::Outcome::Done);
    let ran = Event::TaskRan { task: TASK, tag: Tag(1), outcome, queued: since, start: since };
    send(app, &[(end, ran), (end.plus_ns(5), Event::TickEnd { tick: 9_999, tasks_run: 1, start: since })]);
    assert!(matches!(stalls::stalls(&app.state).next(), Some(StallRow::Ended(_))));
}

fn attribution(app: &App) -> &Attribution {
    app.pages.breakdown.attribution.as_ref().unwrap()
}

#[test]
fn an_unfinished_stall_opens_its_partial_breakdown() {
    let (mut app, _) = live();
    let (since, at) = hang(&mut app);
    press(&mut app, Key::BackTab);
    press(&mut app, Key::Enter);
    assert_eq!(
        (app.page, app.state.frozen.is_some(), app.state.note.is_none()),
        (PageName::Breakdown, true, true)
    );
    let Attribution { subject, breakdown, tick } = attribution(&app);
    assert!(matches!(subject, Subject::Unfinished(tick) if tick.tick == Some(9_999)));
    assert_eq!((subject.extent(), subject.lasted_ns()), ((since, at), at.ns_since(since)));
    assert_eq!(breakdown.shares.iter().map(|share| share.ns).sum::<u64>(), subject.lasted_ns());
    assert!(
        subject.is_open(&What::Task { task: TASK, tag: Tag(1) }) && !subject.is_open(&What::Unattributed)
    );
    assert_eq!((attribution(&app).lead(0), tick), (Lead::Tag(Tag(1)), &None));
    press(&mut app, Key::End);
    press(&mut app, Key::Enter);
    assert_eq!(app.state.note.as_ref().map(|note| note.text.as_str()), Some("tick still running"));
    assert_eq!(app.page, PageName::Breakdown);
    press(&mut app, Key::Esc);
    assert_eq!((app.page, app.pages.overview.focus), (PageName::Overview, Pane::Stalls));
}

#[test]
fn an_overdue_timer_is_listed_and_opens_its_breakdown_so_far() {
    let (mut app, _) = live();
    let Overdue { timer, due, now } = hang_past_a_timer(&mut app, Tag(1));
    press(&mut app, Key::Char('4'));
    app.figures_until_ns = 0;
    update(&mut app, Message::Frame { now, elapsed_ns: 0 });
    let is_it = |subject: &Subject| matches!(subject, Subject::Overdue(overdue) if overdue.timer == timer);
    let row = app.pages.timers.late.iter().position(|row| is_it(&row.subject)).unwrap();
    for _ in 0..row {
        press(&mut app, Key::Down);
    }
    press(&mut app, Key::Enter);
    let Attribution { subject, breakdown, tick } = attribution(&app);
    assert!(is_it(subject), "{subject:?}");
    assert_eq!((subject.extent(), tick), ((due, now), &None));
    assert_eq!(breakdown.shares.iter().map(|share| share.ns).sum::<u64>(), now.ns_since(due));
    let title = subject.title(&app.state.picture().timeline.labels);
    assert!(title.starts_with("late timer: ") && title.ends_with(", not fired"), "{title}");
    press(&mut app, Key::End);
    press(&mut app, Key::Enter);
    assert_eq!(app.state.note.as_ref().map(|note| note.text.as_str()), Some("tick still running"));
}

/// The same delay everywhere: in the table of tags, on the tag's page, and in the ranking.
#[test]
fn a_task_that_has_not_ended_shows_the_delay_that_it_causes() {
    let (new, of_a_source) = (Tag(200), Tag(201));
    for tag in [new, of_a_source] {
        let (mut app, _) = live();
        if tag == of_a_source {
            let start = app.state.live.fold.timeline.last_at().unwrap().plus_ns(5);
            let (source, readiness, task) = (loop_probes::ids::IoSource(3), 1, TaskId(88_887));
            send(&mut app, &[(start.plus_ns(5), Event::IoReady { source, tag, readiness, task, start })]);
        }
        let Overdue { timer, due, now } = hang_past_a_timer(&mut app, tag);
        app.figures_until_ns = 0;
        update(&mut app, Message::Frame { now, elapsed_ns: 0 });
        let ranked = app.state.figures.delay_caused.iter().filter(|impact| match impact.cause {
            Cause::Tasks(its) | Cause::Io(its) => its == tag,
            _ => false,
        });
        let ranked_ns: u64 = ranked.map(Impact::total_ns).sum();
        assert!(ranked_ns >= now.ns_since(due), "{tag:?}: {ranked_ns}");
        let row = app.state.figures.tags.iter().find(|row| row.tag == tag).expect("its row");
        assert_eq!(row.caused_ns, ranked_ns, "{tag:?}");
        app.state.tag = Some(tag);
        app.pages.tag.refresh(&app.state);
        let is_it =
            |subject: &Subject| matches!(subject, Subject::Overdue(overdue) if overdue.timer == timer);
        let delayed = app.pages.tag.delayed.iter().find(|delayed| is_it(&delayed.row.subject));
        assert_eq!(delayed.map(|delayed| delayed.ns), Some(now.ns_since(due)), "{tag:?}: its part");
    }
}

#[test]
fn selection_stays_on_its_stall_when_another_begins_or_ends() {
    let (mut app, _) = live();
    press(&mut app, Key::BackTab);
    press(&mut app, Key::Down);
    let selected = |app: &App| match stalls::stalls(&app.state).nth(app.pages.overview.stall_row) {
        Some(StallRow::Ended(stall)) => Some(TickKey::of(&stall.tick)),
        _ => None,
    };
    let before = selected(&app);
    let hung = hang(&mut app);
    assert_eq!((app.pages.overview.stall_row, selected(&app)), (2, before));
    end_hang(&mut app, hung);
    assert_eq!((app.pages.overview.stall_row, selected(&app)), (2, before));
}

#[test]
fn stall_navigation_includes_a_stall_that_has_not_ended() {
    let (mut app, _) = live();
    let newest =
        app.state.live.fold.timeline.stalls.newest_first().next().map(|stall| TickKey::of(&stall.tick));
    hang(&mut app);
    let place = |app: &App| (app.state.tick, app.pages.overview.focus, app.pages.overview.stall_row);
    press(&mut app, Key::Char('n'));
    assert_eq!(place(&app), (None, Pane::Stalls, 0));
    press(&mut app, Key::Char('N'));
    assert_eq!(place(&app), (newest, Pane::Ticks, 1));
    press(&mut app, Key::Char('n'));
    assert_eq!(place(&app), (None, Pane::Stalls, 0));
    press(&mut app, Key::Enter);
    assert!(matches!(attribution(&app).subject, Subject::Unfinished(_)));
    press(&mut app, Key::Char('N'));
    assert!(matches!(attribution(&app).subject, Subject::Tick(_)));
    press(&mut app, Key::Char('n'));
    assert!(matches!(attribution(&app).subject, Subject::Unfinished(_)));
    press(&mut app, Key::Char('n'));
    assert!(app.state.note.as_ref().is_some_and(|note| note.text == "wrapped to the oldest stall"));
}

#[test]
fn finished_and_unfinished_stall_rows_open_on_click() {
    let (mut app, _) = live();
    hang(&mut app);
    let panes = overview_panes(false);
    let rows = layout::rows(panes.area(Pane::Stalls), false);
    update(&mut app, at(MouseKind::Click, rows.x + 3, rows.y + 1));
    assert_eq!((app.pages.overview.focus, app.pages.overview.stall_row), (Pane::Stalls, 1));
    update(&mut app, at(MouseKind::Click, rows.x + 3, rows.y + 1));
    assert!(matches!(attribution(&app).subject, Subject::Tick(_)));
    press(&mut app, Key::Esc);
    update(&mut app, at(MouseKind::Click, rows.x + 3, rows.y));
    update(&mut app, at(MouseKind::Click, rows.x + 3, rows.y));
    assert!(matches!(attribution(&app).subject, Subject::Unfinished(_)));
}
