//! Figures with their marks and windows; frames; keys in ASCII.

use crate::pages::overview::zoom::Zoom;
use crate::pages::timers::late_shown;
use loop_probes::event::Outcome;
use loop_probes::ids::{Tag, TaskId};
use loop_probes::recorder::Running;

use super::*;

/// Rows in which anything but a blank, or the corner of the frame beside it, touches the edge of a frame.
fn glued(app: &mut App, page: char, (width, height): (u16, u16)) -> Vec<String> {
    let buffer = buffer(app, width, height, COLOR);
    let mut glued = Vec::new();
    for y in 0..height {
        for x in 2..width {
            let (before, cell) = (buffer[(x - 1, y)].symbol(), buffer[(x, y)].symbol());
            if matches!(cell, "│" | "┃") && !matches!(before, " " | "│" | "┃" | "╮" | "╯") {
                let row: String = (0..width).map(|x| buffer[(x, y)].symbol()).collect();
                glued.push(format!("{page} at {width}x{height}, column {x}: {row}"));
            }
        }
    }
    glued
}

#[test]
fn every_frame_has_padding_at_its_right() {
    let mut all = Vec::new();
    for script in [script(), Script { agenda_workers: 2, loop_kinds: true, ..script() }] {
        let mut app = live_in_batches(&script, usize::MAX);
        for size in [(80, 24), (100, 30), (120, 40), (160, 50), (200, 50)] {
            for page in "1234567".chars() {
                press(&mut app, &[Key::Char(page)]);
                buffer(&mut app, size.0, size.1, COLOR);
                all.extend(glued(&mut app, page, size));
                press(&mut app, &[Key::Tab]);
                all.extend(glued(&mut app, page, size));
                if page != '5' {
                    press(&mut app, &[Key::Enter]);
                    all.extend(glued(&mut app, page, size));
                }
            }
        }
    }
    all.dedup();
    assert!(all.is_empty(), "{}\n{}", all.len(), all.join("\n"));
}

/// The rows of the screen in a theme.
pub(super) fn rows(app: &mut App, (width, height): (u16, u16), theme: Theme) -> Vec<String> {
    let buffer = buffer(app, width, height, theme);
    (0..height).map(|y| (0..width).map(|x| buffer[(x, y)].symbol()).collect()).collect()
}

#[test]
fn the_table_of_tags_shows_how_many_are_beyond_the_limit() {
    let mut app = live();
    let start = app.state.live.fold.timeline.last_at().unwrap();
    let ran = |tag: u16| {
        let outcome = Outcome::Done;
        let event = Event::TaskRan { task: TaskId(tag.into()), tag: Tag(tag), outcome, queued: start, start };
        Stamped { at: start.plus_ns(1_000), source: SourceId(1), event }
    };
    let events: Vec<Stamped> = (100..2_100).map(ran).collect();
    update(&mut app, Message::Events(&events));
    frame(&mut app, start.plus_ns(1_000));
    press(&mut app, &[Key::Char('3')]);
    let beyond = 2_000 - (1_024 - live().state.live.fold.timeline.tags.iter().len());
    assert_eq!(app.state.figures.tags_beyond_limit, beyond as u64);
    assert_eq!(app.state.figures.beyond_limit_ns_total, beyond as u64 * 1_000);
    for size in [(80, 24), (160, 50)] {
        let rows = rows(&mut app, size, COLOR);
        let shown = format!("{} beyond the limit", loop_traces::units::count(beyond as u64));
        assert!(rows.iter().any(|row| row.contains("blame") && row.contains(&shown)), "{rows:#?}");
    }
}

#[test]
fn the_header_shows_the_period_of_its_figures() {
    let mut app = live();
    for (width, now, all) in [
        (80, " 1s ticks/s ", " 60s lag p50 "),
        (100, " 1s: ticks/s ", " 60s: lag p50 "),
        (160, " last 1s: ticks/s ", " last 60s: lag p50 "),
    ] {
        let row = &rows(&mut app, (width, 30), COLOR)[2];
        assert!(row.contains(now) && row.contains(all) && row.contains(" stalls "), "{row}");
        let (rates, totals) = row.split_at(row.find(all).unwrap());
        assert!(rates.contains("util") && totals.contains("max ") && totals.contains("stalls 9 "), "{row}");
    }
    press(&mut app, &[Key::Char(']'), Key::Char(']')]);
    assert!(rows(&mut app, (80, 24), COLOR)[2].contains(" all lag p50 "));
    assert!(rows(&mut app, (160, 30), COLOR)[2].contains(" since start: lag"));
    app.state.about.since_attach = true;
    assert!(rows(&mut app, (160, 30), COLOR)[2].contains(" since attach: lag"));
    // A slow loop is measured over more than a second.
    app.state.figures.rate.window_ns = 10_000_000_000;
    assert!(rows(&mut app, (80, 24), COLOR)[2].starts_with("10s ticks/s "));
    assert!(rows(&mut app, (160, 24), COLOR)[2].starts_with(" last 10s: ticks/s "));
    app.state.live.fold.timeline.stalls.count = 1_234_567;
    app.state.figures.stalls = 1_234_567;
    for width in [80, 100, 130] {
        let row = &rows(&mut app, (width, 24), COLOR)[2];
        assert!(!row.contains('…'), "{row}");
    }
}

/// A loop that has just started, with few samples of everything.
fn young() -> App {
    let events = Script { ticks: 60, ..script() }.events();
    let mut app = empty();
    update(&mut app, Message::Events(&events));
    frame(&mut app, end(&events));
    app
}

#[test]
fn percentiles_of_few_samples_are_marked_as_in_the_report() {
    let mut app = young();
    assert!(
        app.state.figures.lag_ns.few_samples
            && app.state.figures.tags.iter().any(|row| row.run_ns.few_samples)
    );
    for size in [(80, 24), (100, 30), (200, 50)] {
        let shown = rows(&mut app, size, COLOR);
        let mark = |head: &str| {
            let row = shown.iter().find(|row| row.contains(head)).unwrap_or_else(|| panic!("no {head}"));
            assert!(row.contains("s*"), "{head} at {size:?}: {row}");
        };
        mark("ticks/s");
        mark("USR1");
        for row in &app.state.figures.tags {
            let shown = shown.iter().find(|shown| shown.starts_with(&format!("│ {} ", row.name)));
            let Some(shown) = shown else { continue };
            let marks = shown.split('│').nth(1).unwrap().matches("s*").count();
            let expected = [&row.run_ns, &row.wait_ns].iter().filter(|figures| figures.few_samples).count();
            assert_eq!(marks, expected, "{shown}");
        }
        press(&mut app, &[Key::Char('4')]);
        let table = rows(&mut app, size, COLOR);
        let p99 = table.iter().find(|row| row.starts_with("│ p99 ")).unwrap();
        assert!(p99.split('│').nth(1).unwrap().contains("s*"), "{p99}");
        app.state.tag = app.state.figures.tags.iter().find(|row| row.run_ns.few_samples).map(|row| row.tag);
        press(&mut app, &[Key::Char('3'), Key::Enter]);
        let tag = rows(&mut app, size, COLOR);
        assert!(tag.iter().any(|row| row.contains(" p99 ") && row.contains("s*")), "{}", tag.join("\n"));
        press(&mut app, &[Key::Char('?')]);
        let help = rows(&mut app, size, COLOR).join("\n");
        assert!(help.contains(" *       fewer than 100 samples: max") && help.contains("q ^C"), "{help}");
        press(&mut app, &[Key::Char('?'), Key::Char('1')]);
    }
    assert!(!rows(&mut live(), (80, 24), COLOR)[1].contains('*'), "enough samples need no mark");
}

#[test]
fn the_timers_page_shows_raw_and_corrected_lag_and_what_was_skipped() {
    let mut app = live();
    press(&mut app, &[Key::Char('4')]);
    let timers = &app.state.live.fold.timeline.timers;
    let (raw, corrected) = (timers.lag_ns.percentiles(), timers.lag_corrected_ns().percentiles());
    assert!(timers.skipped > 0 && raw.p99 < corrected.p99);
    let [raw, corrected, skipped] =
        [crate::units::duration(raw.p99), crate::units::duration(corrected.p99), timers.skipped.to_string()];
    for size in [(80, 24), (100, 30), (200, 50)] {
        let rows = rows(&mut app, size, COLOR);
        let cells = |head: &str| -> Vec<String> {
            let row = rows
                .iter()
                .find(|row| row.starts_with(head))
                .unwrap_or_else(|| panic!("{}", rows.join("\n")));
            row.split('│').nth(1).unwrap().split_whitespace().map(str::to_owned).collect()
        };
        assert_eq!(cells("│ lag "), ["lag", "raw", "corrected"]);
        assert_eq!(cells("│ p99 "), ["p99".to_owned(), raw.clone(), corrected.clone()]);
        assert_eq!(cells("│ periods "), ["periods".to_owned(), "skipped".to_owned(), skipped.clone()]);
    }
}

#[test]
fn a_queue_that_is_steadily_deep_has_a_level_sparkline() {
    let mut app = live();
    let from = app.state.live.fold.timeline.last_at().unwrap();
    let depth = |depth| Event::QueueDepth { queue: loop_probes::event::Queue::Timers, depth };
    let sample = Stamped { at: from, source: SourceId(1), event: depth(4) };
    update(&mut app, Message::Events(&[sample]));
    frame(&mut app, from.plus_ns(60_000_000_000));
    let shown = rows(&mut app, (200, 50), COLOR);
    let row = shown.iter().find(|row| row.starts_with("│ timers ")).unwrap();
    let spark: String = row.split('│').nth(1).unwrap().chars().filter(|c| ('▁'..='█').contains(c)).collect();
    assert!(spark.chars().count() > 10 && spark.chars().all(|c| c == '█'), "{row}");
}

#[test]
fn in_ascii_mode_arrows_are_not_shown_as_seek_keys() {
    let mut app = replay(false);
    for (key, size) in [('1', (80, 24)), ('2', (80, 24)), ('2', (120, 40)), ('3', (100, 30)), ('?', (80, 24))]
    {
        app.state.tag = None;
        press(&mut app, &[Key::Char(key)]);
        let page = rows(&mut app, size, ASCII).join("\n");
        for wrong in ["<> tick", "<> the ticks", "< h", "> l", "^ k", "v j", "^v select"] {
            assert!(!page.contains(wrong), "{key}: {page}");
        }
    }
    let help = rows(&mut app, (80, 24), ASCII).join("\n");
    assert!(["Left h", "Right l", "Up k", "Down j"].iter().all(|key| help.contains(key)), "{help}");
    press(&mut app, &[Key::Char('?'), Key::Char('1')]);
    let foot = rows(&mut app, (80, 24), ASCII).pop().unwrap();
    assert!(foot.contains("hl tick") && foot.contains("<> seek") && foot.contains("q quit"), "{foot}");
}

#[test]
fn text_with_enough_room_is_not_cut() {
    let mut app = live();
    app.state.live.fold.timeline.gc.heap_bytes = Some(1_026_048);
    let now = app.state.live.at;
    frame(&mut app, now);
    app.state.figures.gc.threshold_bytes = Some(2_097_152);
    let shown = rows(&mut app, (80, 24), COLOR).join("\n");
    assert!(shown.contains("heap 1.0 / 2.0 MiB "), "{shown}");

    let mut app = live();
    let from = app.state.live.fold.timeline.last_at().unwrap().plus_ns(1_000);
    let to = from.plus_ns(40_000_000);
    let events = [
        (from, Event::TickStart { tick: 5_754_321 }),
        (to, Event::TickEnd { tick: 5_754_321, tasks_run: 0, start: from }),
    ];
    let events = events.map(|(at, event)| Stamped { at, source: SourceId(1), event });
    update(&mut app, Message::Events(&events));
    let shown = rows(&mut app, (80, 24), COLOR).join("\n");
    assert!(shown.contains("tick 5,754,321 40.0ms = "), "{shown}");
}

#[test]
fn a_narrow_header_cuts_nothing_for_what_it_does_not_show() {
    let mut app = replay(false);
    (app.state.about.name, app.state.about.pid) = ("bun.looptrace".to_owned(), 25_127);
    let row = &rows(&mut app, (60, 20), COLOR)[0];
    assert!(row.starts_with(" bun.looptrace ") && !row.contains("policy"), "{row}");
}

#[test]
fn the_header_of_an_imported_trace_uses_its_room() {
    let mut app = replay(true);
    app.state.about.name = "imp.looptrace".to_owned();
    app.state.about.made = Some("imported from Chrome JSON by loopscope".to_owned());
    let policy = format!(" · policy {}", app.state.about.policy);
    let whole = format!(" · imported from Chrome JSON by loopscope{policy}");
    for (width, beside) in [(80, ""), (100, ""), (120, " · imported from Chro… · policy bun"), (200, &whole)]
    {
        let row = &rows(&mut app, (width, 30), COLOR)[0];
        assert!(
            row.starts_with(&format!(" imp.looptrace{beside} ")) && row.contains("[1 Overview] 2 "),
            "{row}"
        );
    }
}

#[test]
fn a_stall_that_has_not_ended_is_marked_as_a_lower_bound() {
    let mut app = live();
    let since = app.state.live.fold.timeline.last_at().unwrap().plus_ns(10);
    let task = Running::Task { task: TaskId(8_812), tag: Tag(3) };
    watched(&mut app, task, since, since.plus_ns(90_000_000), Process::Running);
    buffer(&mut app, 100, 30, COLOR);
    press(&mut app, &[Key::BackTab, Key::Enter]);
    snapshot!("unfinished_stall_100x30", app, 100 x 30, COLOR);
    snapshot!("unfinished_stall_ascii", app, 80 x 24, ASCII);
}

#[test]
fn the_furthest_zoom_leaves_most_of_the_strip_filled() {
    // More ticks than the timeline keeps.
    let mut app = live_in_batches(&Script { ticks: 5_000, ..script() }, usize::MAX);
    let kept = app.state.live.fold.timeline.ticks.recent.len();
    assert_eq!(kept, app.state.live.fold.timeline.ticks.recent.limit());
    app.pages.overview.zoom = Some(Zoom::Ticks(usize::MAX));
    let shown = rows(&mut app, (200, 50), COLOR);
    let foot = panes(layout::screen(200, 50, false).body, Extras::default()).strip();
    let row: Vec<char> = shown[usize::from(foot.y + foot.height - 1)].chars().collect();
    let filled = row.iter().filter(|c| ('▁'..='█').contains(c)).count();
    assert!(filled * 5 > usize::from(foot.width) * 4, "{filled} of {}: {}", foot.width, shown.join("\n"));
    press(&mut app, &[Key::Char('z'); 12]);
    assert!(rows(&mut app, (200, 50), COLOR).last().unwrap().contains("a column cannot stand for more"));
}

#[test]
fn an_event_pane_opens_its_filtered_log() {
    let mut app = live();
    for (pane, title, kinds) in [
        (Pane::Queues, "log of queues", &["queue_depth", "task_queued", "work_queued", "immediates"][..]),
        (Pane::Microtasks, "log of microtasks", &["microtasks"]),
        (Pane::Gc, "log of gc", &["gc_decision", "gc_ran", "gc_mode"]),
    ] {
        app.pages.overview.focus = pane;
        press(&mut app, &[Key::Enter]);
        let shown = rows(&mut app, (100, 30), COLOR);
        assert!(shown.iter().any(|row| row.starts_with(&format!("╭─ {title} "))), "{}", shown.join("\n"));
        let events: Vec<&String> = shown.iter().filter(|row| row.starts_with("│ 0")).collect();
        assert!(events.len() > 3, "{title}: {}", shown.join("\n"));
        for event in events {
            assert!(kinds.iter().any(|kind| event.contains(kind)), "{title}: {event}");
        }
        press(&mut app, &[Key::Char('5')]);
        let shown = rows(&mut app, (100, 30), COLOR).join("\n");
        assert!(shown.contains("╭─ log ─") && shown.contains("task_ran"), "{shown}");
        press(&mut app, &[Key::Char('1')]);
    }
}

#[test]
fn lost_records_are_as_certain_in_the_header_as_in_the_report() {
    for (lost_records, uncounted_gaps, shown) in [
        (0, 0, "lost 0 "),
        (7, 0, "lost 7 "),
        (7, 2, "lost ≥5 "),
        (1, 1, "lost unknown "),
        (u64::MAX, u64::MAX, "lost unknown "),
    ] {
        let mut app = live();
        let counts = SourceCounts { lost_records, uncounted_gaps, ..SourceCounts::default() };
        let (at, running, process) = (app.state.live.at, &[][..], Process::Ended);
        let watched = Watched { at, running, counts, lost_elsewhere: lost_records, process };
        update(&mut app, Message::Watched(watched));
        let screen = text(&mut app, 120, 30);
        assert!(
            screen.lines().next().unwrap().contains(shown),
            "{shown}: {}",
            screen.lines().next().unwrap()
        );
    }
}

#[test]
fn counts_of_timers_are_unknown_for_a_loop_that_reports_none() {
    let mut app = empty();
    press(&mut app, &[Key::Char('4')]);
    let screen = text(&mut app, 120, 30);
    for count in ["periods skipped", "late", "fired", "armed now"] {
        let shown = screen.lines().filter_map(|line| line.strip_prefix(&format!("│ {count} ")));
        let values: Vec<&str> = shown.filter_map(|rest| rest.split('│').next()).map(str::trim).collect();
        assert_eq!(values, ["–"], "{count}: {screen}");
    }
}

#[test]
fn the_heatmap_is_red_only_where_lag_is_known_to_be_over_the_limit() {
    let red = COLOR.over().fg.unwrap();
    for (limit_ms, remark, is_red) in [
        (5, "red = over 10ms", true),
        (20, "red = over 100ms", false),
        (5_000, "shade = share of timers ─", false),
    ] {
        let mut app = live();
        app.state.about.stall_limit_ns = limit_ms * 1_000_000;
        let pane = panes(layout::screen(100, 30, false).body, Extras::default()).area(Pane::Lag);
        let buffer = buffer(&mut app, 100, 30, COLOR);
        let cells: Vec<_> = pane.positions().map(|at| &buffer[at]).collect();
        assert_eq!(cells.iter().any(|cell| cell.fg == red), is_red, "{limit_ms} ms");
        let title: String = cells.iter().take(usize::from(pane.width)).map(|cell| cell.symbol()).collect();
        assert!(title.contains(remark) && title.contains("fired ") && title.contains(" late "), "{title}");
    }
    let title = &rows(&mut empty(), (100, 30), COLOR)[3];
    assert!(title.contains("timer lag") && !title.contains("fired"), "{title}");
}

#[test]
fn a_late_timer_is_selected_also_after_the_list_became_shorter() {
    let mut app = live();
    app.pages.overview.focus = Pane::Late;
    press(&mut app, &[Key::End]);
    assert!(app.pages.overview.late_row > 5);
    press(&mut app, &"/SignalTask".chars().map(Key::Char).collect::<Vec<_>>());
    let all = late_shown(&app.pages.overview.late, &app.state).count();
    press(&mut app, &[Key::Enter]);
    let shown = rows(&mut app, (100, 30), COLOR).join("\n");
    assert!(all == 0 || shown.contains(&format!("1–{} of {all}", all.min(5))), "{all}: {shown}");
    press(&mut app, &[Key::Esc]);
    press(&mut app, &[Key::Enter]);
    assert_eq!(app.page, PageName::Breakdown);
}
