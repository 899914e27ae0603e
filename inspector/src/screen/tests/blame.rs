//! Blame: breakdowns, the delay caused by a tag, late timers and signals, and the effect of lost records.

use std::sync::Arc;

use super::*;
use loop_probes::event::{Event, Outcome};
use loop_probes::stamped::Stamped;
use loop_traces::attribution::What;

/// A dashboard over records with occasional losses.
fn lossy() -> App {
    live_in_batches(&Script { lost_every: 90, ..script() }, usize::MAX)
}

fn opened(mut app: App) -> App {
    update(&mut app, Message::Resize { width: 100, height: 30 });
    press(&mut app, &[Key::BackTab, Key::Enter]);
    app
}

#[test]
fn a_stall_has_its_breakdown_at_every_size() {
    let mut app = opened(live());
    snapshot!("breakdown_80x24", app, 80 x 24, COLOR);
    snapshot!("breakdown_100x30", app, 100 x 30, COLOR);
    snapshot!("breakdown_200x60", app, 200 x 60, COLOR);
    snapshot!("breakdown_ascii", app, 80 x 24, ASCII);
    snapshot!("breakdown_mono", app, 80 x 24, MONO);
}

#[test]
fn every_breakdown_line_can_be_scrolled_to_and_the_total_is_last() {
    let mut app = opened(live());
    let attribution = app.pages.breakdown.attribution.clone().unwrap();
    let labels = &app.state.live.fold.timeline.labels.clone();
    for share in &attribution.breakdown.shares {
        let name = crate::view::shares::name(&share.what, labels);
        let page = text(&mut app, 100, 30);
        assert!(page.contains(&format!("{} ns", crate::units::count(share.ns))), "{name} is missing: {page}");
        press(&mut app, &[Key::Down]);
    }
    press(&mut app, &[Key::End]);
    let page = text(&mut app, 80, 24);
    assert!(page.contains("= total") && page.contains("· unattributed"), "{page}");
}

#[test]
fn blame_rows_have_the_colour_of_their_phase() {
    let mut app = opened(live());
    let What::Task { .. } = app.pages.breakdown.attribution.as_ref().unwrap().breakdown.shares[0].what else {
        panic!()
    };
    let buffer = buffer(&mut app, 100, 30, COLOR);
    let tasks = COLOR.phase(loop_probes::event::Phase::Tasks).fg.unwrap();
    let bar = (0..100).filter(|x| buffer[(*x, 7)].symbol() == "█" && buffer[(*x, 7)].fg == tasks).count();
    assert!(bar > 15, "the largest line has the longest bar: {bar}");
}

#[test]
fn the_tag_page_shows_the_delay_caused() {
    let mut app = opened(live());
    press(&mut app, &[Key::Enter]);
    assert_eq!(app.page, PageName::Tag);
    snapshot!("page_tag_80x24", app, 80 x 24, COLOR);
    snapshot!("page_tag_100x30", app, 100 x 30, COLOR);
    snapshot!("page_tag_200x60", app, 200 x 60, COLOR);
    press(&mut app, &[Key::Tab]);
    snapshot!("page_tag_ascii", app, 80 x 24, ASCII);
}

#[test]
fn a_run_has_one_time_on_the_page_of_its_tag() {
    let mut app = opened(live());
    press(&mut app, &[Key::Enter]);
    let page = text(&mut app, 200, 60);
    let (_, caused) = page.split_once("worst #").expect("the worst run is named");
    let mut words = caused.split_whitespace();
    let (task, at) = (words.next().unwrap(), words.nth(2).unwrap());
    let listed = page.lines().filter(|line| line.contains(&format!("#{task} "))).collect::<Vec<_>>();
    assert_eq!(listed.len(), 2, "it is also among the worst runs: {page}");
    assert!(listed.iter().all(|line| line.contains(at)), "{at}: {listed:?}");
}

#[test]
fn a_worst_run_whose_tick_is_evicted_does_not_offer_it() {
    let (mut opened, mut evicted) = (0, 0);
    for tag in 0..6 {
        let mut app = live_in_batches(&Script { ticks: 12_000, ..script() }, usize::MAX);
        press(&mut app, &vec![Key::Down; tag]);
        press(&mut app, &[Key::Enter]);
        while app.page == PageName::Tag && app.state.row < 4 {
            let page = text(&mut app, 120, 40);
            let offers = page.contains("Enter opens the tick");
            assert!(offers != page.contains("tick evicted from history ─╮"), "{page}");
            press(&mut app, &[Key::Enter]);
            assert_eq!(app.page == PageName::Tick, offers, "{page}");
            (opened, evicted) = (opened + u32::from(offers), evicted + u32::from(!offers));
            let row = app.state.row;
            press(&mut app, &[Key::Down]);
            if app.state.row == row {
                break;
            }
        }
    }
    assert!(opened > 0 && evicted > 0, "{opened} {evicted}");
}

#[test]
fn the_timers_page_names_the_causes_of_late_timers() {
    let mut app = live();
    press(&mut app, &[Key::Char('4')]);
    snapshot!("page_timers_80x24", app, 80 x 24, COLOR);
    snapshot!("page_timers_200x60", app, 200 x 60, COLOR);
    press(&mut app, &[Key::Down, Key::Tab]);
    snapshot!("page_timers_ascii", app, 80 x 24, ASCII);
    let mut calm = empty();
    press(&mut calm, &[Key::Char('4')]);
    let page = text(&mut calm, 80, 24);
    assert!(page.contains("nothing delayed so far") && page.contains("none so far"), "{page}");
}

#[test]
fn the_task_table_has_the_delay_caused_by_each_tag() {
    let mut app = live();
    for (width, height) in [(80, 24), (100, 30), (200, 50)] {
        let page = text(&mut app, width, height);
        assert!(page.contains("CAUSED") && page.contains("blame ─"), "{page}");
        assert!(page.contains("tasks by delay caused ▼"), "{page}");
        assert_eq!(page.contains("WAIT p99"), width > 100, "{page}");
    }
    press(&mut app, &[Key::Char('s')]);
    assert!(text(&mut app, 200, 50).contains("CAUSED"), "wide screens have room for it");
    assert!(!text(&mut app, 80, 24).contains("CAUSED"));
}

#[test]
fn lost_records_are_shown_in_the_strip_and_as_text() {
    let mut app = lossy();
    snapshot!("lost_80x24", app, 80 x 24, COLOR);
    snapshot!("lost_ascii", app, 80 x 24, ASCII);
    press(&mut app, &[Key::Char('4')]);
    snapshot!("lost_timers", app, 100 x 30, COLOR);
    let calm = text(&mut live(), 100, 30);
    assert!(!calm.contains('░') && !calm.contains("at least"), "{calm}");
}

#[test]
fn a_tick_with_lost_records_says_so() {
    let mut app = lossy();
    let incomplete =
        app.state.live.fold.timeline.ticks.recent.iter().rev().find(|tick| tick.incomplete).copied();
    press(&mut app, &[Key::Char(' '), Key::Char('2')]);
    app.state.tick = incomplete.as_ref().map(crate::app::fold::TickKey::of);
    let page = text(&mut app, 100, 30);
    assert!(page.contains("records of this tick were lost: its figures are lower bounds"), "{page}");
    assert!(page.contains('░'), "{page}");
    let chart: String = figures::rows(&mut app, (100, 30), ASCII)[4..9].concat();
    assert!(chart.contains('/'), "{chart}\n{page}");
}

#[test]
fn percentiles_have_bounds_where_records_were_lost() {
    let mut app = lossy();
    let header = text(&mut app, 100, 30);
    assert!(header.contains("p99~") && header.contains('+'), "{header}");
    press(&mut app, &[Key::Down, Key::Enter]);
    let page = text(&mut app, 100, 30);
    assert!(page.contains("p99 is ") && page.contains("records lost"), "{page}");
    let mut whole = live();
    press(&mut whole, &[Key::Down, Key::Enter]);
    let page = text(&mut whole, 100, 30);
    assert!(!page.contains("p99 is ") && !page.contains("p99~"), "{page}");
}

#[test]
fn bounds_without_lost_records_say_incomplete() {
    let mut app = live();
    let since = app.state.live.fold.timeline.last_at().unwrap().plus_ns(10);
    let task = Running::Task { task: TaskId(8_812), tag: Tag(3) };
    watched(&mut app, task, since, since.plus_ns(90_000_000), Process::Running);
    let pages = (0..6).map(|tag| {
        press(&mut app, &[Key::Char('1')]);
        press(&mut app, &vec![Key::Down; tag]);
        press(&mut app, &[Key::Enter]);
        text(&mut app, 100, 30)
    });
    let pages: Vec<String> =
        pages.filter(|page| page.contains(" is ") && page.contains(" or more")).collect();
    assert!(!pages.is_empty());
    for page in pages {
        assert!(page.contains("or more: incomplete"), "{page}");
        assert!(!page.contains("records lost"), "{page}");
    }
}

#[test]
fn a_late_signal_is_marked() {
    let mut app = empty();
    let stamped = |at_ns, event| Stamped { at: Timestamp(at_ns), source: SourceId(1), event };
    let (task, tag, outcome, queued) = (TaskId(1), Tag(3), Outcome::Done, Timestamp(1_000));
    let ran = Event::TaskRan { task, tag, outcome, queued, start: Timestamp(2_000) };
    let delivered = Event::SignalDelivered { signo: 10, task: TaskId(2), arrived: Timestamp(10_000_000) };
    update(
        &mut app,
        Message::Events(&[
            stamped(1_000, Event::TickStart { tick: 1 }),
            stamped(40_000_000, ran),
            stamped(40_000_500, delivered),
            stamped(40_001_000, Event::TickEnd { tick: 1, tasks_run: 1, start: Timestamp(1_000) }),
        ]),
    );
    frame(&mut app, Timestamp(40_002_000));
    press(&mut app, &[Key::Char('4')]);
    let page = text(&mut app, 100, 30);
    for words in ["signal USR1", "30.0ms = ", "late signal: USR1 #2", "arrived ", "30,000,500 ns"] {
        assert!(page.contains(words), "{words}: {page}");
    }
    press(&mut app, &[Key::Enter]);
    assert!(text(&mut app, 100, 30).contains("╭─ late signal: "));
    // The log's last events are, from below, the end of the tick, the signal and the task.
    press(&mut app, &[Key::Char('5'), Key::Up, Key::Up, Key::Enter]);
    let page = text(&mut app, 100, 30);
    assert!(page.contains("╭─ slow task: tag 3 #1 ") && page.contains("39,998,000 ns"), "{page}");
}

#[test]
fn the_header_says_how_a_trace_was_made() {
    let mut app = live();
    for (made, width) in [("imported from chrome", 100), ("re-executed: --policy quickjs\u{1b}[31m", 200)] {
        app.state.about.made = Some(made.to_owned());
        let page = text(&mut app, width, 30);
        let header = page.lines().next().unwrap();
        assert!(header.contains(made.split('\u{1b}').next().unwrap()), "{header}");
        assert!(!header.contains('\u{1b}'));
    }
}

#[test]
fn hostile_names_do_not_reach_the_newer_pages() {
    let mut app = opened(live());
    let labels = &mut app.state.live.fold.timeline.labels;
    for tag in 0..9 {
        Arc::make_mut(labels).learn(
            LabelKind::Tag,
            tag,
            "\u{1b}[31mred\u{202e}\u{7}日本語日本語日本語日本語日本語日本語",
        );
    }
    app.state.frozen = None;
    for keys in [&[][..], &[Key::Enter], &[Key::Tab], &[Key::Char('4')], &[Key::Tab]] {
        press(&mut app, keys);
        let now = app.state.live.at.plus_ns(1_000_000_000);
        frame(&mut app, now);
        for (width, height) in [(80, 24), (81, 25), (100, 30), (109, 41), (200, 60), (1, 1), (300, 100)] {
            let buffer = buffer(&mut app, width, height, COLOR);
            assert!(buffer.content.iter().all(|cell| !cell.symbol().chars().any(char::is_control)));
        }
    }
}

#[test]
fn breakdowns_and_delay_caused_do_not_depend_on_batching() {
    let drawn = |batch| {
        let mut app = live_in_batches(&script(), batch);
        let keys: [&[Key]; 4] = [
            &[Key::Char('4')],
            &[Key::Enter],
            &[Key::Enter],
            &[Key::Char('1'), Key::Char('s'), Key::Char('s')],
        ];
        keys.map(|keys| {
            press(&mut app, keys);
            buffer(&mut app, 100, 30, COLOR)
        })
    };
    let at_once = drawn(usize::MAX);
    for batch in [1_000, 17] {
        assert_eq!(drawn(batch), at_once, "batches of {batch}");
    }
}

#[test]
fn a_tick_lists_what_it_delayed_and_a_slow_task_its_parts() {
    let mut app = live();
    update(&mut app, Message::Resize { width: 100, height: 30 });
    press(&mut app, &[Key::Char('n'), Key::Enter]);
    snapshot!("stalled_tick_80x24", app, 80 x 24, COLOR);
    press(&mut app, &[Key::Tab]);
    snapshot!("delayed_by_a_tick_80x24", app, 80 x 24, COLOR);
    snapshot!("delayed_by_a_tick_200x50", app, 200 x 50, COLOR);
    press(&mut app, &[Key::Tab, Key::Enter]);
    snapshot!("slow_task_80x24", app, 80 x 24, COLOR);
    snapshot!("slow_task_120x40", app, 120 x 40, ASCII);
}

#[test]
fn a_replay_shows_the_time_up_to_which_its_figures_hold() {
    let mut app = replay(false);
    update(&mut app, Message::Resize { width: 100, height: 30 });
    press(&mut app, &[Key::Char('4')]);
    assert!(text(&mut app, 100, 30).contains("up to 00:00.6"));
    press(&mut app, &[Key::Tab, Key::Enter]);
    for (width, height) in [(80, 24), (100, 30)] {
        let page = text(&mut app, width, height);
        assert!(page.contains("caused up to 00:00.6"), "{width}: {page}");
    }
    let calm = app.state.figures.tags.last().unwrap().tag;
    (app.state.tag, app.state.figures.delay_caused) = (Some(calm), Vec::new());
    let page = text(&mut app, 80, 24);
    assert!(page.contains("none known") && page.contains("> seeks forward 1 s"), "{page}");
    // At the end, the figures cover the whole trace.
    let mut playback = app.state.playback.clone().unwrap();
    playback.position = playback.end;
    update(&mut app, Message::Sought(playback));
    frame(&mut app, end(&script().events()).plus_ns(2_000_000_000));
    assert!(!text(&mut app, 100, 30).contains("up to 0"));
}
