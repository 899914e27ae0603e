//! Renders a fixed synthetic loop: one snapshot per size, theme and situation.

use std::sync::Arc;

use loop_probes::event::{Event, LabelKind};
use loop_probes::ids::{SourceId, Tag, TaskId, Timestamp};
use loop_probes::recorder::Running;
use loop_probes::stamped::Stamped;
use loop_traces::source::{NowRunning, SourceCounts};
use loop_traces::synthetic::Script;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use ratatui::style::{Color, Modifier};

use super::draw;
use crate::app::layout;
use crate::app::message::{Message, Process, Watched};
use crate::app::playback_info::PlaybackInfo;
use crate::keymap::Key;
use crate::pages::overview::layout::{Extras, Pane, panes};
use crate::pages::overview::zoom::Zoom;
use crate::pages::page::PageName;
use crate::shell::app::App;
use crate::shell::fixture::{self, end};
use crate::shell::update;
use crate::theme::{Palette, Theme};

const COLOR: Theme = Theme::new(true, false);
const MONO: Theme = Theme::new(false, false);
const ASCII: Theme = Theme::new(true, true);

fn script() -> Script {
    Script { ticks: 1_200, stall_every: 130, ..Script::default() }
}

fn empty() -> App {
    fixture::app(&script())
}

fn frame(app: &mut App, now: Timestamp) {
    app.figures_until_ns = 0;
    update(app, Message::Frame { now, elapsed_ns: 0 });
}

/// A live dashboard at the end of the script, fed in batches of `batch` events with a frame after each.
fn live_in_batches(script: &Script, batch: usize) -> App {
    let events = script.events();
    let mut app = fixture::app(script);
    for events in events.chunks(batch) {
        update(&mut app, Message::Events(events));
        update(&mut app, Message::Frame { now: end(events), elapsed_ns: 0 });
    }
    // A second later, all figures are refreshed.
    let now = end(&events).plus_ns(1_000_000_000);
    update(&mut app, Message::Frame { now, elapsed_ns: 1_000_000_000 });
    app
}

fn live() -> App {
    live_in_batches(&script(), usize::MAX)
}

/// Puts the loop into a tick, in its *now running* cell and in its events.
fn watched(app: &mut App, running: Running, since: Timestamp, at: Timestamp, process: Process) {
    let tick = app.state.live.fold.timeline.ticks.recent.newest().map_or(0, |tick| tick.tick) + 1;
    let now = [(since, Event::TickStart { tick }), (at, running.event(since))];
    let now = now.map(|(at, event)| Stamped { at, source: SourceId(1), event });
    update(app, Message::Events(&now));
    let running = [NowRunning { source: SourceId(1), running, since }];
    let counts = SourceCounts::default();
    update(app, Message::Watched(Watched { at, running: &running, counts, lost_elsewhere: 0, process }));
    frame(app, at);
}

fn press(app: &mut App, keys: &[Key]) {
    for key in keys {
        update(app, Message::Key(*key));
    }
}

fn replay(playing: bool) -> App {
    let events = script().events();
    let mut app = live();
    let start = app.state.live.fold.timeline.first_at().unwrap();
    let stalls: Vec<Timestamp> =
        app.state.live.fold.timeline.stalls.newest_first().map(|stall| stall.tick.end).rev_all();
    let playback = PlaybackInfo {
        start,
        end: end(&events).plus_ns(2_000_000_000),
        position: end(&events),
        marked: None,
        playing,
        speed: 0.5,
        stalls: Arc::from(stalls),
        diagnosis: None,
    };
    update(&mut app, Message::Playback(playback));
    frame(&mut app, end(&events));
    app
}

trait RevAll<T> {
    fn rev_all(self) -> Vec<T>;
}

impl<T, I: Iterator<Item = T>> RevAll<T> for I {
    fn rev_all(self) -> Vec<T> {
        let mut all: Vec<T> = self.collect();
        all.reverse();
        all
    }
}

fn drawn(app: &mut App, width: u16, height: u16, theme: Theme) -> Terminal<TestBackend> {
    update(app, Message::Resize { width, height });
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    let mut targets = Vec::new();
    terminal.draw(|frame| targets = draw(frame.buffer_mut(), app, theme)).unwrap();
    app.targets = targets;
    terminal
}

fn buffer(app: &mut App, width: u16, height: u16, theme: Theme) -> Buffer {
    drawn(app, width, height, theme).backend().buffer().clone()
}

/// The rows of the screen as text.
fn text(app: &mut App, width: u16, height: u16) -> String {
    let buffer = buffer(app, width, height, COLOR);
    let row = |y: u16| (0..width).map(|x| buffer[(x, y)].symbol().to_owned()).collect::<String>();
    (0..height).map(row).collect::<Vec<_>>().join("\n")
}

macro_rules! snapshot {
    ($name:literal, $app:expr, $width:literal x $height:literal, $theme:expr) => {
        insta::assert_snapshot!($name, drawn(&mut $app, $width, $height, $theme).backend())
    };
}

// After the macro, which these modules use.
mod blame;
mod extreme;
mod figures;
mod loop_kinds;

#[test]
fn the_overview_fits_every_size() {
    let mut app = live();
    snapshot!("overview_80x24", app, 80 x 24, COLOR);
    snapshot!("overview_100x30", app, 100 x 30, COLOR);
    snapshot!("overview_200x50", app, 200 x 50, COLOR);
    snapshot!("too_small", app, 59 x 20, COLOR);
    assert_eq!(
        drawn(&mut app, 20, 5, COLOR).backend().to_string().lines().nth(2),
        Some("\"needs 60x20         \"")
    );
}

#[test]
fn every_page_is_drawn() {
    let mut app = live();
    for (key, name) in [('2', "page_tick"), ('3', "page_tasks"), ('4', "page_timers"), ('5', "page_log")] {
        press(&mut app, &[Key::Char(key)]);
        insta::assert_snapshot!(name, drawn(&mut app, 100, 30, COLOR).backend());
    }
}

#[test]
fn loop_states_look_different() {
    let now = end(&script().events()).plus_ns(3_200_000_000);
    let since = Timestamp(now.as_ns() - 3_200_000_000);
    let task = Running::Task { task: TaskId(8_812), tag: Tag(3) };
    let mut app = live();
    watched(&mut app, task, since, now, Process::Running);
    snapshot!("hung_in_a_task", app, 100 x 30, COLOR);
    let poll = Running::Poll { deadline: Some(Timestamp(now.as_ns() - 2_000_000_000)) };
    watched(&mut app, poll, since, now, Process::Running);
    snapshot!("hung_in_the_poll", app, 80 x 24, COLOR);
    watched(&mut app, task, since, now, Process::Stopped);
    snapshot!("stopped", app, 100 x 30, COLOR);
    watched(&mut app, task, since, now, Process::Crashed);
    snapshot!("crashed", app, 80 x 24, COLOR);
    snapshot!("empty", empty(), 80 x 24, COLOR);
}

#[test]
fn a_frozen_picture_says_how_far_behind_it_is() {
    let mut app = live();
    press(&mut app, &[Key::Left, Key::Left, Key::Left]);
    let now = app.state.live.at.plus_ns(2_500_000_000);
    frame(&mut app, now);
    snapshot!("frozen", app, 100 x 30, COLOR);
}

#[test]
fn freezing_during_a_hang_keeps_it_visible() {
    let now = end(&script().events()).plus_ns(3_200_000_000);
    let since = Timestamp(now.as_ns() - 3_200_000_000);
    let mut app = live();
    watched(&mut app, Running::Task { task: TaskId(8_812), tag: Tag(3) }, since, now, Process::Running);
    press(&mut app, &[Key::Char(' ')]);
    // The loop runs on behind the frozen view.
    let later = now.plus_ns(2_000_000_000);
    watched(&mut app, Running::Poll { deadline: None }, later, later, Process::Running);
    snapshot!("hung_and_frozen", app, 100 x 30, COLOR);
}

#[test]
fn replay_has_a_scrubber() {
    snapshot!("replay_playing", replay(true), 100 x 30, COLOR);
    snapshot!("replay_paused", replay(false), 80 x 24, COLOR);
}

/// The running tick has its column in the strip, as it had while the loop ran.
#[test]
fn a_replay_that_ends_in_a_tick_shows_it() {
    let mut app = replay(false);
    let since = app.state.live.fold.timeline.last_at().unwrap().plus_ns(10);
    let at = since.plus_ns(90_000_000);
    let running = Running::Task { task: TaskId(8_812), tag: Tag(3) };
    for (at, event) in [(since, Event::TickStart { tick: 9_999 }), (at, running.event(since))] {
        update(&mut app, Message::Events(&[Stamped { at, source: SourceId(1), event }]));
    }
    frame(&mut app, at);
    snapshot!("replay_in_a_tick", app, 100 x 30, COLOR);
}

#[test]
fn help_filter_and_notes_overlay_the_page() {
    let mut app = live();
    press(&mut app, &[Key::Char('?')]);
    snapshot!("help_80x24", app, 80 x 24, COLOR);
    snapshot!("help_100x30", app, 100 x 30, ASCII);
    press(&mut app, &[Key::Esc, Key::Char('/'), Key::Char('e'), Key::Char('c')]);
    snapshot!("filter", app, 80 x 24, COLOR);
}

#[test]
fn without_colour_no_cell_has_any() {
    let mut app = live();
    press(&mut app, &[Key::Down, Key::Down]);
    snapshot!("mono", app, 80 x 24, MONO);
    for key in "1234567?".chars() {
        press(&mut app, &[Key::Char(key)]);
        let buffer = buffer(&mut app, 100, 30, MONO);
        let plain = |color| color == Color::Reset;
        assert!(buffer.content.iter().all(|cell| plain(cell.fg) && plain(cell.bg)), "page {key}");
        let text: String = buffer.content.iter().map(ratatui::buffer::Cell::symbol).collect();
        assert!(!text.contains("colour"), "page {key} mentions colours");
    }
}

#[test]
fn ascii_is_ascii() {
    let mut app = replay(true);
    snapshot!("ascii", app, 80 x 24, ASCII);
    for key in "1234567?".chars() {
        press(&mut app, &[Key::Char(key)]);
        let buffer = buffer(&mut app, 120, 40, ASCII);
        let strange = buffer
            .content
            .iter()
            .find(|cell| !cell.symbol().is_ascii() || cell.symbol() == "?" && key != '?');
        assert!(strange.is_none_or(|cell| cell.symbol() == "?"), "page {key}: {strange:?}");
    }
}

#[test]
fn only_what_is_over_its_limit_is_red() {
    let mut calm = empty();
    let events = Script { stall_every: 0, ..script() }.events();
    update(&mut calm, Message::Events(&events));
    frame(&mut calm, end(&events));
    assert_eq!(calm.state.live.fold.timeline.stalls.count, 0);
    assert!(calm.state.live.fold.timeline.timers.lag_ns.max() < calm.state.about.stall_limit_ns);
    let red = COLOR.over().fg.unwrap();
    let is_red = |buffer: &Buffer| buffer.content.iter().any(|cell| cell.fg == red && cell.symbol() != " ");
    for key in "1234567".chars() {
        press(&mut calm, &[Key::Char(key)]);
        assert!(!is_red(&buffer(&mut calm, 100, 30, COLOR)), "page {key}");
    }
    assert!(is_red(&buffer(&mut live(), 100, 30, COLOR)));
}

#[test]
fn live_equals_replayed_cell_by_cell() {
    let loop_kinds = Script { agenda_workers: 2, loop_kinds: true, ..script() };
    for (script, (width, height)) in [script(), loop_kinds]
        .iter()
        .flat_map(|script| [(80, 24), (100, 30), (200, 50)].map(|size| (script, size)))
    {
        let drawn = |batch| {
            let mut app = live_in_batches(script, batch);
            ["1", "6", "7"].map(|key| {
                press(&mut app, &key.chars().map(Key::Char).collect::<Vec<_>>());
                buffer(&mut app, width, height, COLOR)
            })
        };
        let at_once = drawn(usize::MAX);
        for batch in [1_000, 333, 17] {
            assert_eq!(drawn(batch), at_once, "batches of {batch}");
        }
    }
}

#[test]
fn hostile_names_do_not_reach_the_terminal() {
    let mut app = live();
    let labels = &mut app.state.live.fold.timeline.labels;
    Arc::make_mut(labels).learn(LabelKind::Tag, 1, "\x1b[31mred\u{202e}\u{7}日本語日本語日本語");
    app.state.about.name = "evil\x1b]0;title\x07".to_owned();
    let now = app.state.live.at.plus_ns(1_000_000_000);
    frame(&mut app, now);
    for key in "1234567".chars() {
        press(&mut app, &[Key::Char(key)]);
        for (width, height) in [(80, 24), (100, 30)] {
            let buffer = buffer(&mut app, width, height, COLOR);
            assert!(buffer.content.iter().all(|cell| !cell.symbol().chars().any(char::is_control)));
        }
    }
}

/// The positions of all words in the fixed rows, which are everything but the figures.
fn places(app: &mut App, width: u16) -> Vec<Vec<usize>> {
    let buffer = buffer(app, width, 24, COLOR);
    let row =
        |y: u16| -> Vec<char> { (0..width).filter_map(|x| buffer[(x, y)].symbol().chars().next()).collect() };
    let (how, title) = (row(2), row(3));
    let find = |row: &[char], word: &str| {
        let word: Vec<char> = word.chars().collect();
        row.windows(word.len()).position(|cells| cells == word).unwrap()
    };
    vec![
        ["ticks/s", "util", "lag p50", "p99", "max", "stalls"].map(|word| find(&how, word)).to_vec(),
        ["ticks", "height = longest tick"].map(|word| find(&title, word)).to_vec(),
    ]
}

#[test]
fn only_figures_change_between_frames() {
    let events = script().events();
    for width in [80, 100, 200] {
        let mut app = empty();
        let mut before = None;
        for (part, events) in events.chunks(events.len() / 12).enumerate() {
            update(&mut app, Message::Events(events));
            frame(&mut app, end(events));
            let places = places(&mut app, width);
            // The first timer, or one more digit in the number of stalls, may move words once.
            if part > 0 && app.state.live.fold.timeline.stalls.count < 10 {
                assert_eq!(before.get_or_insert_with(|| places.clone()), &places, "part {part} at {width}");
            }
        }
        assert!(before.is_some());
    }
}

#[test]
fn a_zoomed_strip_shows_the_busiest_of_each_column() {
    let mut app = live();
    press(&mut app, &[Key::Char(' '), Key::Char('z'), Key::Char('z'), Key::Char('z')]);
    snapshot!("zoomed", app, 100 x 30, COLOR);
    press(&mut app, &[Key::Char('n')]);
    snapshot!("zoomed_on_a_stall", app, 80 x 24, COLOR);
    // The strip shows all kept stalls, each in its own column.
    let red = COLOR.over().fg.unwrap();
    let buffer = buffer(&mut app, 200, 50, COLOR);
    let strip = panes(layout::screen(200, 50, false).body, Extras::default()).strip();
    let is_red = |x: u16| (strip.y..strip.y + strip.height).any(|y| buffer[(x, y)].fg == red);
    let columns = (strip.x..strip.x + strip.width).filter(|x| is_red(*x)).count();
    assert_eq!(columns as u64, app.state.live.fold.timeline.stalls.count);
}

#[test]
fn no_size_panics_on_any_page() {
    let mut one = empty();
    update(&mut one, Message::Events(&Script { ticks: 1, ..script() }.events()));
    for (key, column_ticks) in "1234567".chars().zip([1, 2, 50, 200, 1, 1, 1]) {
        one.pages.overview.zoom = Some(Zoom::Ticks(column_ticks));
        press(&mut one, &[Key::Char(key)]);
        buffer(&mut one, 80, 24, COLOR);
    }
    let mut app = live();
    for key in "1234567?".chars() {
        press(&mut app, &[Key::Char(key)]);
        for (width, height) in [(1, 1), (80, 23), (80, 24), (95, 33), (96, 25), (97, 41), (300, 100)] {
            buffer(&mut app, width, height, COLOR);
        }
    }
}

/// Every page in every palette, at four sizes: only colours differ, and the word for one of them.
#[test]
fn palettes_differ_in_colours_alone() {
    for size in [(60, 20), (80, 24), (100, 30), (160, 50)] {
        for key in "1234567?".chars() {
            let mut app = live();
            press(&mut app, &[Key::Char(key)]);
            let texts = Palette::ALL.map(|palette| {
                let theme = COLOR.with_palette(palette);
                let buffer = buffer(&mut app, size.0, size.1, theme);
                let colored = buffer.content.iter().any(|cell| matches!(cell.fg, Color::Indexed(_)));
                assert!(colored, "{palette:?} at {size:?}");
                let text: String = buffer.content.iter().map(ratatui::buffer::Cell::symbol).collect();
                let without_frames = text.replace(['─', '━', ' '], "");
                without_frames.replace(&format!("{}=over", theme.over_word()), "COLOR=over")
            });
            assert!(texts.iter().all(|text| *text == texts[0]), "{key} at {size:?}: {texts:#?}");
        }
    }
}

#[test]
fn the_selected_row_stands_out_in_every_theme() {
    for theme in Palette::ALL.map(|palette| COLOR.with_palette(palette)).into_iter().chain([MONO]) {
        let mut app = live();
        press(&mut app, &[Key::Down, Key::Down]);
        let buffer = buffer(&mut app, 80, 24, theme);
        let tinted = |cell: &ratatui::buffer::Cell| {
            cell.modifier.contains(Modifier::REVERSED) || cell.bg != Color::Reset
        };
        assert_eq!(buffer.content.iter().filter(|cell| tinted(cell)).count(), 42, "one row of the table");
    }
}
