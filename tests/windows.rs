//! Tests the windows of the dashboard: what is long over is in none of the short ones.

use std::fmt::Write as _;
use std::fs;

use crate::support::program::{Place, text};

/// Half a minute of a thread: 1 ms of `Work` every 100 ms, and 80 ms of `Slow` after two seconds.
fn imported(place: &Place) -> String {
    let mut events = String::from(
        r#"{"ph":"M","name":"process_name","pid":1,"tid":1,"args":{"name":"busy"}},{"ph":"X","name":"Slow","ts":2000500,"dur":80000,"pid":1,"tid":1}"#,
    );
    for tenth in 1..=300 {
        let ts = tenth * 100_000;
        write!(
            events,
            r#",{{"ph":"X","name":"Work","ts":{ts},"dur":{dur},"pid":1,"tid":1}}"#,
            dur = 1_000 - 500 * u32::from(tenth == 20)
        )
        .expect("a string takes all");
    }
    let (json, trace) = (place.file("busy.json"), place.file("busy.looptrace"));
    fs::write(&json, format!("{{\"traceEvents\":[{events}]}}")).expect("the folder is writable");
    place.succeed(&["import", text(&json), "-o", text(&trace)]);
    text(&trace).to_owned()
}

/// The third row of the header, and the rows of a tag.
fn shown(place: &Place, arguments: &[&str]) -> (String, Vec<String>) {
    let screen = place.succeed(&[&["snapshot"], arguments].concat());
    let header = screen.lines().nth(2).expect("there are three rows").to_owned();
    let tags = screen.lines().filter(|line| line.starts_with("│ Work") || line.starts_with("│ Slow"));
    (header, tags.map(str::to_owned).collect())
}

fn count_of(tags: &[String], name: &str) -> Option<u64> {
    let row = tags.iter().find(|row| row.contains(name))?;
    row.split_whitespace().nth(2)?.parse().ok()
}

#[test]
fn what_is_over_leaves_the_window() {
    let place = Place::new();
    let trace = imported(&place);
    let (header, tags) = shown(&place, &[&trace]);
    assert!(header.contains(" 60s: ") && header.trim_end().ends_with("stalls 1"), "{header}");
    assert_eq!((count_of(&tags, "Work"), count_of(&tags, "Slow")), (Some(300), Some(1)), "{tags:#?}");
    let (header, tags) = shown(&place, &[&trace, "--keys", "["]);
    assert!(header.contains(" 10s: ") && header.trim_end().ends_with("stalls 0"), "{header}");
    let work = count_of(&tags, "Work").unwrap_or(0);
    assert!((100..=105).contains(&work) && count_of(&tags, "Slow").is_none(), "{tags:#?}");
    let ranking = place.succeed(&["snapshot", &trace, "--keys", "[,4"]);
    assert!(ranking.contains("delay caused") && ranking.contains(" in the last 10s"), "{ranking}");
    // Wherever the replay stands, its windows end there.
    for (at, stalls) in [("11s", 1), ("13s", 0), ("4s", 1)] {
        let (header, _) = shown(&place, &[&trace, "--at", at, "--keys", "["]);
        assert!(header.trim_end().ends_with(&format!("stalls {stalls}")), "at {at}: {header}");
    }
    let (header, tags) = shown(&place, &[&trace, "--keys", "[,],],]"]);
    assert!(header.contains(" all: ") && header.trim_end().ends_with("stalls 1"), "{header}");
    assert_eq!(count_of(&tags, "Work"), Some(300));
}
