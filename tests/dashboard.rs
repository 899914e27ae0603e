//! Tests the dashboard on a real terminal: its screens and keys.

use crate::support::program::{Place, text, wait_for};
use crate::support::screen::{SIZE, is_given_back, leave, number_after, start};
use crate::support::terminal::Terminal;

#[test]
fn the_demo_shows_all_six_families() {
    let place = Place::new();
    let terminal = start(&place, &["demo", "--stall", "40ms"], &[]);
    let seen = terminal.wait_for("all six families and a stall", |text| {
        let families = ["RUN p50", "/checkpoint", "timer lag", "collect", "heap", "USR1", "dropped 0"];
        text.contains("live")
            && families.iter().all(|family| text.contains(family))
            && number_after(text, "fired ").is_some()
            && text.contains("Report #")
    });
    assert!(seen.contains("lost 0") && seen.contains("[1 Overview] 2 Tick 3 Tags"), "{seen}");
    let first = number_after(&seen, "fired ").expect("a count of timers");
    terminal
        .wait_for("the counts to move", |text| number_after(text, "fired ").is_some_and(|now| now > first));
    leave(terminal);
}

#[test]
fn the_agenda_pages_show_a_running_agenda() {
    let place = Place::new();
    let mut terminal = start(&place, &["demo", "--policy", "agenda"], &[]);
    let seen = terminal.wait_for("the agenda's pane and all six families", |text| {
        let panes = [" agenda ", "of 3 run", "RUN p50", "/checkpoint", "timer lag", "collect", "USR1"];
        panes.iter().all(|pane| text.contains(pane))
    });
    assert!(seen.contains("[1 Overview]"), "{seen}");
    terminal.send("7").unwrap();
    let page = terminal.wait_for("a collection and tasklets of every priority", |text| {
        let row = |name: &str| text.lines().any(|line| line.trim_start_matches("│ ").starts_with(name));
        let moves = number_after(text, "ran ").is_some();
        text.contains("3 workers stopped after")
            && moves
            && ["high", "normal", "low"].iter().all(|name| row(name))
    });
    let ran = number_after(&page, "ran ").expect("a count of tasklets");
    terminal.wait_for("the count to move", |text| number_after(text, "ran ").is_some_and(|now| now > ran));
    terminal.send("6").unwrap();
    terminal.wait_for("what keeps it alive", |text| text.contains("snapshot ") && text.contains("timer"));
    leave(terminal);
}

#[test]
fn freezing_holds_the_view_while_recording_continues() {
    let place = Place::new();
    let mut terminal = start(&place, &["demo"], &[]);
    terminal.wait_for("ticks", |text| number_after(text, "fired ") > Some(500));
    terminal.send(" ").unwrap();
    let frozen = terminal.wait_for("the freeze", |text| text.contains("behind"));
    let fired = number_after(&frozen, "fired ");
    terminal.wait_for("the loop to be a second ahead", |text| {
        assert_eq!(number_after(text, "fired "), fired, "a frozen view does not change: {text}");
        let behind = text.split_once(" behind").and_then(|(before, _)| before.split(' ').next_back());
        behind
            .is_some_and(|behind| behind.ends_with('s') && !behind.ends_with("ms") && !behind.ends_with("µs"))
    });
    terminal.send(" ").unwrap();
    let caught_up = terminal.wait_for("the picture to catch up", |text| {
        !text.contains("behind") && number_after(text, "fired ") > fired.map(|fired| fired + 500)
    });
    assert!(caught_up.contains("lost 0"), "{caught_up}");
    leave(terminal);
}

#[test]
fn a_tick_opens_and_help_and_filter_work() {
    let place = Place::new();
    let mut terminal = start(&place, &["demo", "--stall", "40ms"], &[]);
    terminal.wait_for("a stall", |text| text.contains("Report #"));
    terminal.send("n").unwrap();
    terminal.send("\r").unwrap();
    let opened =
        terminal.wait_for("the stall's tick", |text| text.contains("Report") && text.contains("timers"));
    assert!(opened.contains("ms"), "{opened}");
    terminal.send("\x1b").unwrap();
    terminal.wait_for("the overview", |text| text.contains("/checkpoint"));
    terminal.send("?").unwrap();
    terminal.wait_for("the help", |text| text.to_lowercase().contains("freeze") && text.contains("filter"));
    terminal.send("?").unwrap();
    terminal.send("/Echo\r").unwrap();
    terminal.wait_for("the filter", |text| {
        // Only the table: a stall may name any tag.
        let row = |tag: &str| text.lines().any(|line| line.trim_start_matches("│ ").starts_with(tag));
        row("Echo ") && !row("RenderPage ")
    });
    leave(terminal);
}

#[test]
fn a_second_terminal_sees_the_same_loop() {
    let place = Place::new();
    let mut demo = place.demo(&[]);
    let pid = demo.pid().to_string();
    let terminal = start(&place, &["attach", &pid], &[]);
    let seen = terminal.wait_for("the attached loop", |text| number_after(text, "fired ") > Some(200));
    assert!(seen.contains(&pid) && seen.contains("since attach"), "{seen}");

    demo.stop();
    terminal.wait_for("the stopped process", |text| text.contains("stopped") && text.contains("no progress"));
    demo.signal("CONT");
    terminal.wait_for("the loop to go on", |text| !text.contains("stopped") && text.contains("live"));
    demo.kill();
    let crashed = terminal.wait_for("the crash", |text| text.contains("crashed"));
    assert!(number_after(&crashed, "fired ") > Some(200), "the last ticks stay: {crashed}");
    leave(terminal);
}

/// The title of the page's first pane.
fn title_of(page: &str) -> String {
    page.lines().find(|line| line.starts_with('╭')).unwrap_or_default().chars().take(24).collect()
}

#[test]
fn a_replay_plays_pauses_and_seeks() {
    let place = Place::new();
    let trace = place.file("a.looptrace");
    place.succeed(&[
        "demo",
        "--seed",
        "7",
        "--duration",
        "3s",
        "--no-tui",
        "--stall",
        "40ms",
        "--record",
        text(&trace),
    ]);
    let report = place.json(&["report", text(&trace), "--json"]);
    let mut terminal = start(&place, &["replay", text(&trace), "--speed", "1000x"], &[]);
    let total = report["timers"]["fired"].as_u64();
    terminal.wait_for("the end of the trace", |text| number_after(text, "fired ") == total);
    terminal.send("g").unwrap();
    terminal.wait_for("the start of the trace", |text| {
        number_after(text, "fired ").unwrap_or(0) < total.unwrap() / 4
    });
    terminal.send("G").unwrap();
    terminal.wait_for("the end again", |text| number_after(text, "fired ") == total);

    // From the start, goes to the next stalls until one has delayed the frequent timer, which is already listed although
    // it fired after the stall.
    terminal.send("g2").unwrap();
    let mut before = title_of(&terminal.wait_for("its start", |text| text.contains("no tick has ended yet")));
    let stalls = report["ticks"]["stalls"].as_u64().unwrap();
    let late =
        |page: &str| page.lines().any(|line| line.contains("delayed:") && line.contains("Heartbeat1ms"));
    let is_late = (0..stalls).any(|_| {
        terminal.send("n").unwrap();
        let page = terminal.wait_for("a stall's tick", |text| {
            text.contains("delayed:") && text.contains(" busy ") && title_of(text) != before
        });
        before = title_of(&page);
        late(&page)
    });
    assert!(is_late, "of {stalls} stalls: {before}");
    terminal.send("\t\r").unwrap();
    terminal.wait_for("the breakdown of the wait", |text| {
        text.contains("late timer: ") || text.contains("waited")
    });
    leave(terminal);
}

#[test]
fn small_large_and_colourless_terminals() {
    let place = Place::new();
    let terminal = start(&place, &["demo"], &[("NO_COLOR", "1")]);
    terminal.wait_for("ticks", |text| number_after(text, "fired ") > Some(100));
    terminal.look(|screen| {
        for row in 0..SIZE.1 {
            for column in 0..SIZE.0 {
                let cell = screen.cell(row, column).expect("a cell of the screen");
                assert_eq!((cell.fgcolor(), cell.bgcolor()), (vt100::Color::Default, vt100::Color::Default));
            }
        }
    });
    terminal.resize(60, 12).unwrap();
    terminal.wait_for("the size that is needed", |text| text.contains("needs 60x20"));
    terminal.resize(60, 20).unwrap();
    terminal.wait_for("the smallest dashboard", |text| text.contains("lag p99") && text.contains("RUN p50"));
    terminal.resize(80, 24).unwrap();
    terminal.wait_for("the small dashboard", |text| text.contains("lag p50") && text.contains("p99 RUN"));
    terminal.resize(180, 50).unwrap();
    terminal.wait_for("the large dashboard", |text| text.contains("/checkpoint") && text.contains("Metric"));
    leave(terminal);
}

#[test]
fn a_hang_is_shown_while_it_lasts() {
    let place = Place::new();
    let terminal = start(&place, &["demo", "--stall", "3s"], &[]);
    let hung = terminal.wait_for("the hang and its length", |text| {
        text.contains("in Report #") && text.contains(" for 1.") && text.contains(" 100%")
    });
    let ticks = hung.split("ticks/s").nth(1).and_then(|rest| rest.split_whitespace().next());
    let ticks: f64 = ticks.unwrap().replace(',', "").parse().unwrap();
    assert!(ticks < 1_000.0, "{hung}");
    leave(terminal);
}

#[test]
fn an_unfinished_stall_opens_its_partial_breakdown() {
    let place = Place::new();
    let mut terminal = start(&place, &["demo", "--stall", "10s"], &[]);
    // The newest stall that has not ended is listed first, even if a busy machine causes others.
    terminal.wait_for("a stall that has not ended", |text| {
        text.lines().any(|line| line.contains("at least ") && line.contains("still running: Report #"))
    });
    terminal.send("\x1b[Z\r").unwrap();
    let page = terminal.wait_for("its breakdown so far", |text| {
        text.contains("stall: tick") && text.contains("not ended") && text.contains("= total")
    });
    let row = |start: &str| page.lines().find(|line| line.contains(start)).unwrap_or_default();
    assert!(row("busy at least ").contains("in task Report #"), "{page}");
    assert!(row("■ Report #").contains('≥') && row("= total").contains('≥'), "{page}");
    let (lines, sum) = breakdown_of(&page);
    assert_eq!(lines.iter().map(|(_, ns)| ns).sum::<u64>(), sum, "to the nanosecond: {page}");
    leave(terminal);
}

#[test]
fn commands_and_copies_work_on_a_terminal() {
    let place = Place::new();
    let mut terminal = start(&place, &["demo", "--stall", "40ms"], &[]);
    terminal.wait_for("a stall", |text| text.contains("Report #"));
    terminal.send("Y").unwrap();
    terminal.wait_for("the copy to be announced", |text| text.contains("copied: loopscope attach"));
    assert_eq!(terminal.copied(), format!("loopscope attach {}", terminal.pid()));
    terminal.send(":").unwrap();
    terminal.wait_for("the commands", |text| text.contains("Enter performs, Esc closes"));
    terminal.send("late timers").unwrap();
    terminal
        .wait_for("one command", |text| text.contains("late timers and causes") && !text.contains("reverse"));
    terminal.send("\r").unwrap();
    terminal.wait_for("the page", |text| text.contains("[4 Timers]") && text.contains("Heartbeat"));
    terminal.send("y").unwrap();
    terminal.wait_for("the copy to be announced", |text| text.contains("lines: late timer: "));
    let copied = terminal.copied();
    assert!(copied.starts_with("late timer: ") && copied.lines().count() > 1, "{copied}");
    terminal.send("1").unwrap();
    terminal.wait_for("the overview", |text| text.contains("[1 Overview]"));
    // A click on a tab.
    let row = terminal.text().lines().next().unwrap_or_default().to_owned();
    let before = row.split("5 Log").next().unwrap_or_default().chars().count();
    assert!(row.contains("5 Log"), "{row}");
    terminal.send(&format!("\x1b[<0;{0};1M\x1b[<0;{0};1m", before + 2)).unwrap();
    terminal.wait_for("the log", |text| text.contains("[5 Log]"));
    leave(terminal);
}

#[test]
fn the_strip_zooms_live_and_replayed() {
    let place = Place::new();
    let trace = place.file("a.looptrace");
    place.succeed(&["demo", "--duration", "2s", "--no-tui", "--record", text(&trace)]);
    for (arguments, is_live) in [(vec!["demo"], true), (vec!["replay", text(&trace)], false)] {
        let mut terminal = start(&place, &arguments, &[]);
        terminal.wait_for("time", |text| {
            text.contains("height = longest tick") && number_after(text, "fired ") > Some(50)
        });
        // A picture that stands still shows single ticks.
        terminal.send(" ").unwrap();
        let held = if is_live { "frozen" } else { "paused" };
        terminal.wait_for("the picture to stand still", |text| text.contains(held));
        terminal.wait_for("the strip", |text| text.contains("1 column = 1 tick"));
        terminal.send("zzz").unwrap();
        terminal.wait_for("ten ticks a column", |text| text.contains("1 column = 10 ticks"));
        terminal.send("ZZZZ").unwrap();
        terminal.wait_for("a tick a column", |text| text.contains("1 column = 1 tick"));
        leave(terminal);
    }
}

#[test]
fn an_attached_recording_reports_a_full_disk_at_once() {
    let place = Place::new();
    let demo = place.demo(&["--load", "2000"]);
    let folder = place.file("saved");
    std::fs::create_dir(&folder).unwrap();
    let environment = place.environment();
    // A limit on the size of files, in KiB: acts like a full disk, for any user.
    let cramped = "trap '' XFSZ; ulimit -f 2000; exec \"$0\" attach \"$1\"";
    let pid = demo.pid().to_string();
    let arguments = ["-c", cramped, env!("CARGO_BIN_EXE_loopscope"), &pid].map(str::to_owned);
    let mut terminal = Terminal::start_in(&folder, "bash", &arguments, &environment, SIZE).unwrap();
    terminal.wait_for("the attached loop", |text| number_after(text, "fired ") > Some(50));
    terminal.send("r").unwrap();
    // The recording starts with the contents of the ring, and may end before a frame shows `● rec`.
    terminal.wait_for("the end of it, and why", |text| {
        !text.contains("● rec") && text.contains("cannot write") && text.contains(".looptrace")
    });
    terminal.send("q").unwrap();
    assert!(!terminal.wait().success(), "the exit code reports it");
}

#[test]
fn the_dashboard_of_a_demo_reports_a_full_disk_at_once() {
    let place = Place::new();
    let environment = place.environment();
    let cramped = "trap '' XFSZ; ulimit -f 500; exec \"$0\" demo --load 2000 --record \"$1\"";
    let trace = place.file("a.looptrace");
    let arguments = ["-c", cramped, env!("CARGO_BIN_EXE_loopscope"), text(&trace)].map(str::to_owned);
    let mut terminal = Terminal::start("bash", &arguments, &environment, SIZE).unwrap();
    terminal.wait_for("why it ended", |text| !text.contains("● rec") && text.contains("cannot write"));
    terminal.send("q").unwrap();
    assert!(!terminal.wait().success(), "the exit code reports it");
}

#[test]
fn a_burst_of_keys_is_processed_in_full() {
    let place = Place::new();
    let mut terminal = start(&place, &["demo", "--stall", "40ms"], &[]);
    terminal.wait_for("a stall", |text| text.contains("Report #"));
    // To a stall, into its tick, one tick back, to the log and back, a filter, the help.
    terminal.send("n\r\x1b[D5\x1b[A1/Echo\r?").unwrap();
    terminal
        .wait_for("the last of them", |text| text.contains("sort by next column") && text.contains("/Echo"));
    terminal.send("?\x1b[Z\x1b[Zq").unwrap();
    assert!(terminal.wait().success());
    wait_for("the terminal to be given back", || is_given_back(&terminal));
}

#[test]
fn files_saved_by_keys_are_readable() {
    let place = Place::new();
    let folder = place.file("saved");
    std::fs::create_dir(&folder).unwrap();
    let environment = place.environment();
    let program = env!("CARGO_BIN_EXE_loopscope");
    let mut terminal =
        Terminal::start_in(&folder, program, &["demo".to_owned()], &environment, SIZE).unwrap();
    terminal.wait_for("ticks", |text| number_after(text, "fired ") > Some(500));
    terminal.send("w").unwrap();
    terminal.wait_for("where it was saved", |text| text.contains("saved the last"));
    terminal.send("r").unwrap();
    terminal.wait_for("the recording", |text| text.contains("● rec"));
    terminal.send("r").unwrap();
    terminal.wait_for("its end", |text| text.contains("saved") && text.contains("events to"));
    terminal.send("e").unwrap();
    terminal.wait_for("the export", |text| text.contains("exported") && text.contains("slices to"));
    leave(terminal);

    let (mut traces, mut exports) = (0, 0);
    for file in std::fs::read_dir(&folder).unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "json") {
            let export: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
            assert!(export["traceEvents"].as_array().map(Vec::len) > Some(100));
            exports += 1;
        } else {
            let report = place.json(&["report", text(&path), "--json"]);
            assert!(report["timers"]["fired"].as_u64() > Some(100), "{report}");
            traces += 1;
        }
    }
    assert_eq!((traces, exports), (2, 1));
}

#[test]
fn a_leftover_ring_is_shown_at_its_end() {
    let place = Place::new();
    let mut demo = place.demo(&[]);
    let pid = demo.pid().to_string();
    place.wait_until_past(&demo, 500);
    demo.kill();
    let last = place.json(&["report", &pid, "--json"])["timers"]["fired"].as_u64();
    let terminal = start(&place, &["replay", &pid], &[]);
    terminal.wait_for("the end of the ring, with the ring's figures", |text| {
        text.contains("■ end") && number_after(text, "fired ") == last
    });
    leave(terminal);
}

#[test]
fn an_attached_recording_is_saved_at_once_and_counts_earlier_events() {
    let place = Place::new();
    let demo = place.demo(&[]);
    let (pid, trace) = (demo.pid().to_string(), place.file("drawn.looptrace"));
    wait_for("records before the attach", || {
        place.json(&["report", &pid, "--json"])["timers"]["fired"].as_u64() > Some(200)
    });
    let terminal = start(&place, &["attach", &pid, "--record", text(&trace)], &[]);
    terminal.wait_for("the attached loop", |text| number_after(text, "fired ") > Some(200));
    demo.stop();
    terminal.wait_for("the stopped process", |text| text.contains("stopped"));
    // No more events arrive, and all of them are in the file before the dashboard exits.
    wait_for("the file to hold what the screen shows", || {
        let saved = place.json(&["report", text(&trace), "--json"])["timers"]["fired"].as_u64();
        saved > Some(200) && saved == number_after(&terminal.text(), "fired ")
    });
    leave(terminal);
    let report = place.json(&["report", text(&trace), "--json"]);
    assert!(report["before_attach"].as_u64() > Some(0), "{}", report["before_attach"]);
    assert_eq!(report["lost_records"], 0);
}

/// The nanoseconds of each line of the breakdown on the screen, and of their sum.
fn breakdown_of(page: &str) -> (Vec<(String, u64)>, u64) {
    let exact = |line: &str| -> Option<u64> {
        let before = line.split(" ns ").next().filter(|before| before.len() < line.len())?;
        before.rsplit(' ').next()?.replace(',', "").parse().ok()
    };
    let rows = page.lines().filter_map(|line| {
        let line = line.trim_start_matches("│ ");
        let name = line.trim_start_matches(['■', '·', '=', ' ']).split("  ").next()?.to_owned();
        Some((line.starts_with('='), name, exact(line)?))
    });
    let (mut lines, mut sum) = (Vec::new(), 0);
    for (is_sum, name, ns) in rows {
        if is_sum { sum = ns } else { lines.push((name, ns)) }
    }
    (lines, sum)
}

#[test]
fn a_stall_opens_its_breakdown_and_its_tag_the_delay_caused() {
    let place = Place::new();
    let mut terminal = start(&place, &["demo", "--stall", "40ms"], &[]);
    terminal.resize(100, 60).unwrap();
    terminal.wait_for("a stall", |text| text.contains("Report #") && text.contains("by delay caused"));
    terminal.send("\x1b[Z").unwrap();
    // On a busy machine, the newest stall may have another cause or be unfinished, and the timers that it delayed may not
    // have fired yet.
    let tag = loop {
        terminal.send("\r").unwrap();
        let page =
            terminal.wait_for("a breakdown", |text| text.contains("stall: tick") && text.contains("= total"));
        let (lines, sum) = breakdown_of(&page);
        let blocked = |(name, ns): &(String, u64)| name.starts_with("Report #") && *ns > 39_500_000;
        if !page.contains("not ended") && lines.first().is_some_and(blocked) {
            assert_eq!(lines.last().map(|(name, _)| name.as_str()), Some("unattributed"));
            assert_eq!(lines.iter().map(|(_, ns)| ns).sum::<u64>(), sum, "to the nanosecond: {page}");
            terminal.send("\r").unwrap();
            let tag = terminal.wait_for("the tag", |text| {
                text.contains("╭─ Report ") && text.contains("delayed most") && text.contains("caused")
            });
            if tag.contains("of all delay") && tag.contains("ITS PART") {
                break tag;
            }
            terminal.send("\x1b").unwrap();
            terminal.wait_for("the breakdown again", |text| text.contains("= total"));
        }
        terminal.send("\x1b").unwrap();
        terminal.wait_for("the overview", |text| text.contains("/checkpoint"));
        terminal.send(" ").unwrap();
        terminal.wait_for("the picture to catch up", |text| text.contains("● live"));
    };
    assert!(tag.contains("worst runs"), "{tag}");
    terminal.send("\t\r").unwrap();
    let late =
        terminal.wait_for("what it delayed", |text| text.contains("╭─ late ") && text.contains("= total"));
    let (lines, sum) = breakdown_of(&late);
    assert!(lines.iter().any(|(name, _)| name.starts_with("Report #")), "{late}");
    assert_eq!(lines.iter().map(|(_, ns)| ns).sum::<u64>(), sum, "to the nanosecond: {late}");
    terminal.send("\x1b").unwrap();
    terminal.wait_for("the tag again", |text| text.contains("ITS PART"));
    terminal.send("4").unwrap();
    let timers = terminal.wait_for("the timers", |text| text.contains("blame: delay caused"));
    assert!(timers.contains("Report") && timers.contains("DELAYED OTHERS"), "{timers}");
    terminal.send("1").unwrap();
    // On a busy machine, Report is not necessarily first.
    terminal.wait_for("the tasks by the delay that they caused", |text| {
        let rows = text.lines().skip_while(|line| !line.contains("CAUSED")).skip(1);
        let caused: Vec<(String, f64)> = rows.map_while(caused_of).collect();
        text.contains("by delay caused")
            && caused.is_sorted_by(|(_, a), (_, b)| a >= b)
            && caused.iter().any(|(tag, ns)| tag == "Report" && *ns > 1e6)
    });
    leave(terminal);
}

/// A row of the task table: the tag and the delay it caused, in nanoseconds; `None` after the last row.
fn caused_of(row: &str) -> Option<(String, f64)> {
    let cells: Vec<&str> = row.split('│').nth(1)?.split_whitespace().collect();
    let (tag, caused) = (cells.first()?, cells.last()?);
    // `12µs`, or `3m27s` if the machine is busy for long.
    let (mut rest, mut sum_ns) = (*caused, 0.0);
    while !rest.is_empty() {
        let (digits, behind) = rest.split_at(rest.find(char::is_alphabetic)?);
        let (unit, behind) =
            behind.split_at(behind.find(|c: char| c.is_ascii_digit()).unwrap_or(behind.len()));
        let unit_ns = match unit {
            "ns" => 1.0,
            "µs" => 1e3,
            "ms" => 1e6,
            "s" => 1e9,
            "m" => 60e9,
            "h" => 3600e9,
            _ => return None,
        };
        sum_ns += digits.parse::<f64>().ok()? * unit_ns;
        rest = behind;
    }
    Some(((*tag).to_owned(), sum_ns))
}
