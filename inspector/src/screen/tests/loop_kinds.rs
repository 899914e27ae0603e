//! The agenda and the active handles: in the overview only if there is something to show, on their own pages at every
//! size.

use super::*;
use loop_probes::event::{Event, Outcome, Priority, RefKind, WorkerPhase};
use loop_probes::ids::TimerId;
use loop_probes::stamped::Stamped;
use loop_probes::text::Text;

fn agenda_script() -> Script {
    Script { ticks: 1_500, stall_every: 130, agenda_workers: 2, loop_kinds: true, ..Script::default() }
}

fn agenda() -> App {
    live_in_batches(&agenda_script(), usize::MAX)
}

#[test]
fn the_overview_has_an_agenda_where_the_loop_has_one() {
    let mut app = agenda();
    snapshot!("agenda_overview_80x24", app, 80 x 24, COLOR);
    snapshot!("agenda_overview_100x30", app, 100 x 30, COLOR);
    snapshot!("agenda_overview_160x50", app, 160 x 50, COLOR);
    assert!(text(&mut app, 160, 50).contains("─ handles ─"), "its active handles have a pane");
    for (width, height) in [(80, 24), (100, 30), (160, 50)] {
        let plain = text(&mut live(), width, height);
        assert!(!plain.contains("agenda") && !plain.contains("─ handles ─"), "{plain}");
    }
}

#[test]
fn the_agenda_has_a_page() {
    let mut app = agenda();
    press(&mut app, &[Key::Char('7')]);
    snapshot!("page_agenda_80x24", app, 80 x 24, COLOR);
    snapshot!("page_agenda_100x30", app, 100 x 30, COLOR);
    snapshot!("page_agenda_160x50", app, 160 x 50, COLOR);
    snapshot!("page_agenda_ascii", app, 80 x 24, ASCII);
    snapshot!("page_agenda_mono", app, 80 x 24, MONO);
    let mut none = live();
    press(&mut none, &[Key::Char('7')]);
    assert!(text(&mut none, 80, 24).contains("no agenda"));
}

#[test]
fn figures_of_an_agenda_are_marked_where_records_were_lost() {
    let pages = |script: &Script, loss: bool| {
        let mut app = live_in_batches(script, usize::MAX);
        let at = app.state.live.fold.timeline.last_at().unwrap().plus_ns(1_000);
        if loss {
            let lost = Event::Lost { count: 9, from: Timestamp(at.as_ns() - 1) };
            update(&mut app, Message::Events(&[Stamped { at, source: SourceId(1), event: lost }]));
        }
        frame(&mut app, at.plus_ns(1_000));
        press(&mut app, &[Key::Char('7')]);
        text(&mut app, 160, 50)
    };
    let whole = pages(&agenda_script(), false);
    let row = |page: &str, title: &str| {
        let row = page.lines().find(|line| line.starts_with(title));
        row.unwrap_or_else(|| panic!("{title} in {page}")).to_owned()
    };
    assert!(!row(&whole, "│   0").contains('≥') && !row(&whole, "│ high").contains("≥10"), "{whole}");
    assert!(whole.contains("at most") && !whole.contains("ticks/s≥") && !whole.contains("utilization~"));
    let lossy = pages(&agenda_script(), true);
    assert!(row(&lossy, "│ high").contains("≥10"), "the most that waited: {lossy}");
    assert_eq!(row(&lossy, "│   0").matches('≥').count(), 2, "busy share and longest run: {lossy}");
    assert!(lossy.contains("ticks/s≥"), "{lossy}");
    assert!(lossy.contains("utilization~"), "{lossy}");
    assert!(lossy.contains("│ ≥") && lossy.contains("of higher priority overtook"), "{lossy}");
}

#[test]
fn the_pool_has_a_pane_where_there_were_jobs() {
    let mut app = empty();
    press(&mut app, &[Key::Char('6')]);
    assert!(!text(&mut app, 100, 30).contains("work pool"));
    let at = Timestamp(1_000_000);
    let stamped = |at, event| Stamped { at, source: SourceId(1), event };
    let task = TaskId(77_777);
    let queued = Event::WorkQueued { task, tag: Tag(1), depth: 1, parent: None };
    let (start, end, outcome) = (at.plus_ns(3_000), at.plus_ns(8_000), Outcome::Failed);
    let ran = Event::WorkRan { task, tag: Tag(1), worker: 0, outcome, queued: at, start };
    let begun = stamped(at, Event::TickStart { tick: 1 });
    update(&mut app, Message::Events(&[begun, stamped(at, queued), stamped(end, ran)]));
    frame(&mut app, end.plus_ns(1_000));
    for (width, height) in [(60, 20), (100, 30)] {
        let page = text(&mut app, width, height);
        assert!(page.contains("1 queued  1 ran  1 failed"), "{page}");
        assert!(page.contains("not requested"), "{page}");
    }
    let page = text(&mut app, 160, 50);
    assert!(page.contains("wait p50  3.00µs") && page.contains("run  p50  5.00µs"), "{page}");
}

#[test]
fn active_handles_have_a_page() {
    let mut app = agenda();
    press(&mut app, &[Key::Char('6')]);
    snapshot!("page_handles_80x24", app, 80 x 24, COLOR);
    snapshot!("page_handles_100x30", app, 100 x 30, COLOR);
    snapshot!("page_handles_160x50", app, 160 x 50, COLOR);
    snapshot!("page_handles_ascii", app, 80 x 24, ASCII);
    let mut none = live();
    press(&mut none, &[Key::Char('6')]);
    let page = text(&mut none, 80, 24);
    assert!(page.contains("no snapshot yet") && page.matches("│ none ").count() == 3, "{page}");
}

#[test]
fn a_shutdown_past_its_deadline_is_red() {
    let mut app = empty();
    let stamped = |at_ns, event| Stamped { at: Timestamp(at_ns), source: SourceId(1), event };
    update(&mut app, Message::Events(&[stamped(1_000, Event::ShutdownBegan { deadline: Timestamp(9_000) })]));
    press(&mut app, &[Key::Char('6')]);
    let red = COLOR.over().fg.unwrap();
    for (now, is_red) in [(8_000, false), (10_000, true)] {
        frame(&mut app, Timestamp(now));
        let buffer = buffer(&mut app, 100, 30, COLOR);
        assert_eq!(buffer.content.iter().any(|cell| cell.fg == red && cell.symbol() != " "), is_red);
    }
    assert!(text(&mut app, 100, 30).contains("in progress for 9.00µs of 8.00µs"));
}

#[test]
fn a_starving_priority_is_reported() {
    let mut app = empty();
    let stamped = |at_ns, event| Stamped { at: Timestamp(at_ns), source: SourceId(9), event };
    let added = |task, priority| Event::AgendaAdded { task: TaskId(task), tag: Tag(1), priority, depth: 1 };
    let mut events = vec![stamped(1_000, added(1, Priority::Low))];
    for task in 2..40 {
        let (at, priority, tag) = (task * 10_000, Priority::High, Tag(1));
        events.push(stamped(at, added(task, priority)));
        let (queued, start, outcome) = (Timestamp(at), Timestamp(at + 10), Outcome::Done);
        let ran = Event::AgendaRan { task: TaskId(task), tag, priority, worker: 0, outcome, queued, start };
        events.push(stamped(at + 500, ran));
    }
    // The worker is idle, so it cannot be running the waiting tasklet.
    let state_of = Event::WorkerState { worker: 0, from: WorkerPhase::Run, to: WorkerPhase::Idle };
    events.push(stamped(400_600, state_of));
    update(&mut app, Message::Events(&events));
    frame(&mut app, Timestamp(90_001_000));
    press(&mut app, &[Key::Char('7')]);
    assert!(!text(&mut app, 100, 30).contains("starves"), "it has not waited long enough yet");
    frame(&mut app, Timestamp(2_300_001_000));
    let page = text(&mut app, 100, 30);
    assert!(page.contains("low starves: oldest waited 2.30s, overtaken by 38 of higher priority"), "{page}");
    // Between two refreshes of the figures, the row shows the same time as the sentence.
    update(&mut app, Message::Frame { now: Timestamp(2_450_001_000), elapsed_ns: 1 });
    let page = text(&mut app, 100, 30);
    let row = page.lines().find(|line| line.starts_with("│ low ")).unwrap();
    assert!(row.contains(" 2.30s ") && page.contains("oldest waited 2.30s"), "{page}");
    press(&mut app, &[Key::Char('1')]);
    for (width, height) in [(80, 24), (100, 30), (160, 50)] {
        assert!(text(&mut app, width, height).contains("low starves"), "{width}x{height}");
    }
}

#[test]
fn a_worker_shows_its_running_tasklet() {
    let mut app = agenda();
    let worker = app.state.live.fold.timeline.agenda.workers()[1].source.unwrap();
    let now = app.state.live.at.plus_ns(5_000_000);
    let running = [NowRunning {
        source: worker,
        running: Running::Task { task: TaskId(77), tag: Tag(3) },
        since: Timestamp(now.as_ns() - 3_000_000),
    }];
    let counts = SourceCounts::default();
    let process = Process::Running;
    update(
        &mut app,
        Message::Watched(Watched { at: now, running: &running, counts, lost_elsewhere: 0, process }),
    );
    frame(&mut app, now);
    press(&mut app, &[Key::Char('7')]);
    let page = text(&mut app, 100, 30);
    assert!(page.contains("in ReadFile #77 for 3.00ms"));
    let row = page.lines().find(|line| line.contains("in ReadFile #77")).unwrap();
    assert!(row.contains("▶ run") && page.contains("1 of 2 run"), "although its last event says idle: {row}");
    press(&mut app, &[Key::Char(' ')]);
    let later = now.plus_ns(9_000_000_000);
    update(
        &mut app,
        Message::Watched(Watched { at: later, running: &[], counts, lost_elsewhere: 0, process }),
    );
    assert!(text(&mut app, 100, 30).contains("in ReadFile #77 for 3.00ms"), "the frozen view keeps it");
}

#[test]
fn many_workers_scroll() {
    let mut app = empty();
    let change = |worker: u16| {
        let event = Event::WorkerState { worker, from: WorkerPhase::Idle, to: WorkerPhase::Run };
        Stamped { at: Timestamp(1_000), source: SourceId(1), event }
    };
    let events: Vec<Stamped> = (0..600).map(change).collect();
    update(&mut app, Message::Events(&events));
    frame(&mut app, Timestamp(2_000));
    for (width, height) in [(80, 24), (100, 30), (300, 100)] {
        press(&mut app, &[Key::Char('1')]);
        buffer(&mut app, width, height, COLOR);
        press(&mut app, &[Key::Char('7'), Key::Char('G')]);
        assert!(text(&mut app, width, height).contains(" 599 "), "{width}x{height}");
    }
}

#[test]
fn enter_opens_the_pages_from_the_overview() {
    let mut app = agenda();
    update(&mut app, Message::Resize { width: 160, height: 50 });
    let open = |app: &mut App, pane| {
        press(app, &[Key::Char('1')]);
        while app.pages.overview.focus != pane {
            press(app, &[Key::Tab]);
        }
        press(app, &[Key::Enter]);
        app.page
    };
    assert_eq!(open(&mut app, Pane::Agenda), PageName::Agenda);
    assert_eq!(open(&mut app, Pane::KeepAlive), PageName::Handles);
}

#[test]
fn a_long_list_shows_its_position() {
    let mut app = empty();
    let stamped = |event| Stamped { at: Timestamp(1_000), source: SourceId(1), event };
    let mut events =
        vec![stamped(Event::SnapshotBegin { tick: 1, next_task: TaskId(1), next_timer: TimerId(1) })];
    events.push(stamped(Event::SnapshotRef { what: RefKind::Io, count: 400 }));
    for number in 0..200 {
        let (tag, label) = (Tag(number + 100), None);
        events.push(stamped(Event::SnapshotPending { what: RefKind::Io, tag, label, count: 2 }));
    }
    events.push(stamped(Event::SnapshotEnd { parts: 201, left_out: 0 }));
    update(&mut app, Message::Events(&events));
    frame(&mut app, Timestamp(2_000));
    press(&mut app, &[Key::Char('6')]);
    let page = text(&mut app, 80, 24);
    assert!(page.contains("400 total") && page.contains(" 1–17 of 200 "), "{page}");
    press(&mut app, &[Key::Char('G')]);
    let page = text(&mut app, 80, 24);
    assert!(page.contains("299") && page.contains(" 184–200 of 200 "), "{page}");
}

#[test]
fn the_log_distinguishes_workers() {
    let mut app = empty();
    let label = |id, text: &str| Event::Label { kind: LabelKind::Source, id, text: Text::new(text) };
    let mut events = Vec::new();
    for worker in 0..2 {
        let (source, name) = (SourceId(worker + 2), format!("agenda worker {worker}"));
        events.push(Stamped { at: Timestamp(1), source, event: label(source.0, &name) });
        let (task, tag, priority) = (TaskId(7), Tag(3), Priority::Low);
        let event = Event::AgendaAdded { task, tag, priority, depth: 1 };
        events.push(Stamped { at: Timestamp(1_000), source, event });
    }
    update(&mut app, Message::Events(&events));
    frame(&mut app, Timestamp(2_000));
    press(&mut app, &[Key::Char('5')]);
    let page = text(&mut app, 100, 30);
    assert!(page.contains("agenda worker 0 agenda_added") && page.contains("agenda worker 1"), "{page}");
}
