//! Tests `snapshot`: the dashboard as text, as a picture, and as a recording that a terminal plays.

use std::fs;
use std::num::NonZero;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::program::{Place, text};

fn corpus(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../traces/corpus/{name}.looptrace"))
}

const BLOCKS: &str = "Report blocks the loop for about 15.0ms every 100ms";

#[test]
fn a_trace_is_shown_at_its_end_or_at_a_moment() {
    let (place, trace) = (Place::new(), corpus("periodic-blocker"));
    let trace = text(&trace);
    let end = place.succeed(&["snapshot", trace]);
    assert_eq!(end.lines().count(), 30, "{end}");
    assert!(end.lines().nth(1).is_some_and(|line| line.contains(BLOCKS)), "{end}");
    assert!(end.contains("■ end") && end.contains("6 stalls"), "{end}");
    // The picture is a function of the trace.
    assert_eq!(end, place.succeed(&["snapshot", trace, "--keys", "300ms"]));
    let early = place.succeed(&["snapshot", trace, "--at", "0s", "--size", "80x24"]);
    assert_eq!(early.lines().count(), 24);
    assert!(early.contains("none up to 00:00.000") && !early.contains("■ end"), "{early}");
    let stall = place.succeed(&["snapshot", trace, "--keys", "g,n,2", "--ascii"]);
    assert!(stall.is_ascii() && stall.contains("[2 Tick]") && stall.contains("Report"), "{stall}");
}

#[test]
fn a_picture_is_svg_and_its_text_that_of_the_screen() {
    let (place, trace) = (Place::new(), corpus("periodic-blocker"));
    let svg = place.file("a.svg");
    assert_eq!(place.succeed(&["snapshot", text(&trace), "-o", text(&svg)]), "");
    let picture = fs::read_to_string(&svg).expect("it was written");
    let mut reader = quick_xml::Reader::from_str(&picture);
    let mut shown = String::new();
    loop {
        match reader.read_event().expect("it is XML") {
            quick_xml::events::Event::Eof => break,
            quick_xml::events::Event::Text(part) => shown.push_str(&part.decode().expect("it is UTF-8")),
            _ => {}
        }
    }
    assert!(shown.contains(BLOCKS), "{shown}");
    let plain = place.file("plain.svg");
    place.succeed(&["snapshot", text(&trace), "-o", text(&plain), "--color", "never"]);
    let plain = fs::read_to_string(&plain).expect("it was written");
    // The colour of what is over a limit.
    assert!(picture.contains("#FF5F5F") && !plain.contains("#FF5F5F"), "{plain}");
}

#[test]
fn a_running_loop_is_recorded_as_a_terminal_would_show_it() {
    let place = Place::new();
    let demo = place.demo(&["--stall", "40ms"]);
    let (pid, cast) = (demo.pid().to_string(), place.file("a.cast"));
    let arguments = ["--after", "1500ms", "--keys", "4", "--duration", "500ms", "--size", "90x28"];
    place.succeed(&[&["snapshot", &pid, "-o", text(&cast)], &arguments[..]].concat());
    let cast = fs::read_to_string(&cast).expect("it was written");
    let mut lines = cast.lines().map(|line| serde_json::from_str::<Value>(line).expect("a line is JSON"));
    let header = lines.next().expect("it has a header");
    assert_eq!(
        (&header["version"], &header["width"], &header["height"]),
        (&2.into(), &90.into(), &28.into())
    );
    let cells = |count| NonZero::new(count).expect("it is no zero");
    let mut terminal = vt100::Parser::new(cells(28), cells(90), 0);
    let (mut frames, mut last) = (0, 0.0);
    for frame in lines {
        let at = frame[0].as_f64().expect("an event has a time");
        assert!(at >= last && frame[1] == "o", "{frame}");
        (last, frames) = (at, frames + 1);
        terminal.process(frame[2].as_str().expect("an event has text").as_bytes());
    }
    assert!(frames > 10 && (2.0..20.0).contains(&last), "{frames} frames in {last} s");
    let screen = terminal.screen().contents();
    assert!(screen.contains("[4 Timers]") && screen.contains("Heartbeat"), "{screen}");
}

#[test]
fn what_cannot_be_shown_is_refused_in_one_line() {
    let place = Place::new();
    let trace = place.file("a.svg");
    fs::copy(corpus("periodic-blocker"), &trace).expect("the corpus is there");
    let trace = text(&trace);
    assert!(place.fail(2, &["snapshot", trace, "-o", trace]).contains("is the input itself"));
    assert!(place.fail(2, &["snapshot", trace, "-o", "a.png"]).contains(".svg, .txt or .cast"));
    assert!(place.fail(2, &["snapshot", trace, "--duration", "1s"]).contains("--format asciicast"));
    assert!(place.fail(2, &["snapshot", trace, "--keys", "Entre"]).contains("it is no key"));
    assert!(place.fail(2, &["snapshot", trace, "--size", "0x5"]).contains("write it as 100x30"));
    let long = ["snapshot", trace, "--format", "asciicast", "--keys", "1,9m,2", "--duration", "1m"];
    assert!(place.fail(2, &long).contains("at most 10 minutes"));
    assert!(place.fail(2, &["snapshot", "-"]).contains("standard input"));
    assert!(place.fail(3, &["snapshot"]).contains("no loop is being recorded"));
    assert!(place.fail(3, &["snapshot", trace, "-o", "/proc/none.svg"]).contains("/proc/none.svg"));
}

#[test]
fn a_theme_has_its_colours_and_its_background() {
    let (place, trace) = (Place::new(), corpus("periodic-blocker"));
    let picture = |theme: &str| {
        let svg = place.file("theme.svg");
        place.succeed(&["snapshot", text(&trace), "-o", text(&svg), "--theme", theme]);
        fs::read_to_string(&svg).expect("it was written")
    };
    let (dark, light) = (picture("dark"), picture("light"));
    assert!(dark.contains("#FF5F5F") && !dark.contains("#FFFFFF"), "{dark}");
    assert!(light.contains("#D70000") && light.contains("#FFFFFF") && !light.contains("#FF5F5F"), "{light}");
    assert!(picture("high-contrast").contains("#FF8787"));
    let blind = picture("color-blind");
    assert!(blind.contains("#FF8700") && !blind.contains("#FF5F5F"), "{blind}");
    let error = place.fail(2, &["snapshot", text(&trace), "--theme", "sepia"]);
    assert!(error.contains("'sepia'") && error.contains("color-blind"), "{error}");
}
