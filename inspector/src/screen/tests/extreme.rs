//! Every page with extreme figures: hours, counts of billions, every possible mark.

use loop_probes::event::Event;
use loop_probes::ids::Timestamp;
use loop_traces::histogram::Percentiles;
use loop_traces::synthetic::Script;

use super::*;
use crate::app::window::Window;

/// Factor for all times: one millisecond becomes 15 minutes.
const STRETCH: u64 = 900_000;
const MANY: u64 = 9_876_543_210;

/// A loop with an agenda, external input and occasional losses of records, with extreme times and counts.
fn extreme() -> App {
    let script = Script {
        ticks: 300,
        stall_every: 20,
        lost_every: 70,
        agenda_workers: 3,
        loop_kinds: true,
        ..Script::default()
    };
    let events = script.events();
    let base = events[0].at.0;
    let stretched = |at: Timestamp| Timestamp(base + at.0.saturating_sub(base).saturating_mul(STRETCH));
    let events: Vec<Stamped> = events
        .into_iter()
        .map(|stamped| Stamped {
            at: stretched(stamped.at),
            event: match stamped.event.map_time(stretched) {
                Event::TimerFired { timer, tag, task, due, fired, skipped } => Event::TimerFired {
                    timer,
                    tag,
                    task,
                    due: stretched(due),
                    fired: stretched(fired),
                    skipped: skipped.saturating_add(1_000_000_000),
                },
                event => event,
            },
            ..stamped
        })
        .collect();
    let mut app = fixture::app(&script);
    app.state.window = Window::All;
    update(&mut app, Message::Events(&events));
    let timeline = &mut app.state.live.fold.timeline;
    timeline.timers.armed = MANY;
    timeline.timers.fired = MANY;
    timeline.timers.late = MANY;
    timeline.timers.cleared = MANY;
    timeline.lost_records = MANY;
    let dropped = Event::SignalDropped { total: MANY };
    timeline.extend(&[Stamped { at: end(&events), source: SourceId(1), event: dropped }]);
    let now = end(&events).plus_ns(1_000_000_000);
    update(&mut app, Message::Frame { now, elapsed_ns: 1_000_000_000 });
    let overview = &mut app.state.figures;
    let many = |figures: &mut Percentiles| figures.count = MANY;
    for row in &mut overview.tags {
        many(&mut row.run_ns);
        many(&mut row.wait_ns);
        row.count = MANY;
        row.run_ns.few_samples = true;
        row.wait_ns.few_samples = true;
    }
    for queue in &mut overview.queues {
        (queue.depth, queue.depth_max) = (queue.depth.map(|_| u32::MAX), u32::MAX);
    }
    for signal in &mut overview.signals {
        signal.arrived = MANY;
    }
    overview.gc.decided = Some([MANY; 3]);
    overview.microtasks.checkpoints = MANY;
    overview.microtasks.ran.max = Some(MANY);
    overview.microtasks.ran_mean = MANY as f64;
    overview.stalls = MANY;
    overview.rate.ticks = MANY as f64;
    app
}

const PAGES: [(&str, char); 6] =
    [("overview", '1'), ("tick", '2'), ("tasks", '3'), ("timers", '4'), ("handles", '6'), ("agenda", '7')];

/// The page of a key, with the extreme figures.
fn page(key: char) -> App {
    let mut app = extreme();
    let overview = app.state.figures.clone();
    press(&mut app, &[Key::Char(key)]);
    app.state.figures = overview;
    app
}

#[test]
fn extreme_figures_are_readable_on_small_screens() {
    for (name, key) in PAGES {
        let mut app = page(key);
        for (width, height) in [(60, 20), (80, 24)] {
            let screen = drawn(&mut app, width, height, COLOR);
            insta::assert_snapshot!(format!("extreme_{name}_{width}x{height}"), screen.backend());
        }
    }
}

/// A figure without room is left out, which must not happen in these tables.
#[test]
fn every_figure_of_the_tables_is_shown() {
    for (width, height) in [(60, 20), (80, 24), (120, 40), (200, 60)] {
        let row_of = |key, title: &str| {
            let screen = text(&mut page(key), width, height);
            let row = screen.lines().find(|line| line.starts_with(&format!("│ {title} ")));
            row.unwrap_or_else(|| panic!("{title} in {screen}")).replace('│', " ")
        };
        let row = row_of('1', "ReadFile");
        let figures: Vec<&str> = row.split_whitespace().skip(1).collect();
        let expected: &[&str] = match width {
            60 => &["9.9G", "~8.66s", "~9h46m*", "11h42m▲", "22.4d"],
            80 => &["9.9G", "~9h46m*", "11h42m▲", "22.4d"],
            120 => &["9.9G", "~8.66s", "~9h46m*", "11h42m▲", "~19m02s*", "22.4d"],
            _ => &["9.9G", "17,760", "~8.66s", "~9h46m*", "11h42m▲", "~19m02s*", "22.4d"],
        };
        assert_eq!(&figures[..expected.len()], expected, "{row}");
        for title in ["p99", "max", "periods skipped", "late"] {
            let row = row_of('4', title);
            let figures = row.split_whitespace().skip(title.split(' ').count());
            assert!(figures.take(1).all(|figure| figure.contains(char::is_numeric)), "{row}");
        }
    }
}
