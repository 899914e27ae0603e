//! After a jump, every frame shows a single point in time.

use loop_traces::source::{EventSource as _, MemorySource};
use loop_traces::synthetic::Script;
use loop_traces::timeline::TimelineConfig;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::*;
use crate::dashboard::{Recording, Save};
use crate::keymap::Key;
use crate::playback::ReplayOptions;
use crate::screen;
use crate::shell::fixture;
use crate::theme::Theme;

/// A replay has nothing to save.
#[derive(Debug)]
struct NoSave;

impl Save for NoSave {
    fn events(&mut self, _events: &[Stamped], _counts: SourceCounts) -> Result<(), String> {
        unreachable!()
    }

    fn is_recording(&self) -> bool {
        unreachable!()
    }

    fn toggle(&mut self) -> Result<Recording, String> {
        unreachable!()
    }

    fn save_last(&mut self) -> Result<String, String> {
        unreachable!()
    }

    fn export(&mut self, _from: Timestamp, _to: Timestamp) -> Result<String, String> {
        unreachable!()
    }
}

struct Watching {
    app: App,
    feed: Replay<MemorySource>,
}

/// A replay that plays, at the start of its trace.
fn watching() -> Watching {
    let script = Script { ticks: 2_000, stall_every: 130, ..Script::default() };
    let kept = MemorySource::read(&mut script.source()).unwrap();
    let config = TimelineConfig::of(kept.metadata());
    let player = Player::new(kept, config, ReplayOptions::default());
    let mut app = fixture::app(&script);
    app.state.playback = Some(player.info());
    let mut watching = Watching { app, feed: Replay::new(player) };
    update(&mut watching.app, Message::Resize { width: 100, height: 30 });
    while !watching.feed.indexed {
        watching.advance(0);
    }
    watching
}

impl Watching {
    fn advance(&mut self, now_ns: u64) -> bool {
        self.feed.advance(&mut self.app, Timestamp(now_ns), &mut NoSave).unwrap()
    }

    fn press(&mut self, key: Key) {
        for effect in update(&mut self.app, Message::Key(key)) {
            self.feed.seek(&mut self.app, effect).unwrap();
        }
    }

    /// The frame at this wall-clock time.
    fn frame(&mut self, elapsed_ns: u64) -> Buffer {
        let now = self.feed.clock(&self.app, Timestamp(elapsed_ns));
        update(&mut self.app, Message::Frame { now, elapsed_ns });
        drawn(&self.app)
    }

    /// The frame for this app with all figures refreshed.
    fn rebuild(&self) -> Buffer {
        let mut app = self.app.clone();
        app.figures_until_ns = 0;
        let now = app.state.live.at;
        update(&mut app, Message::Frame { now, elapsed_ns: u64::MAX / 2 });
        drawn(&app)
    }
}

fn drawn(app: &App) -> Buffer {
    let mut buffer = Buffer::empty(Rect::new(0, 0, 100, 30));
    screen::draw(&mut buffer, app, Theme::new(true, false));
    buffer
}

#[test]
fn a_frame_after_a_jump_shows_one_point_in_time() {
    for view in ['1', '3', '4'] {
        let mut watching = watching();
        watching.press(Key::Char(view));
        watching.frame(1_000_000_000);
        let end = watching.app.state.playback.as_ref().unwrap().end;
        let before = Timestamp(end.as_ns() - 1_000_000);
        // Sooner than the regular refresh of the figures.
        for (place, to) in [end, before, end].into_iter().enumerate() {
            watching.feed.seek(&mut watching.app, Effect::Seek(to)).unwrap();
            assert!(watching.feed.player.is_playing());
            let drawn = watching.frame(1_010_000_000 + place as u64);
            assert_eq!(drawn, watching.rebuild(), "page {view}, jump {place}");
        }
        watching.plays_out(view);
    }
}

#[test]
fn a_replay_that_ends_shows_the_figures_of_its_end() {
    for view in ['1', '3', '4'] {
        let mut watching = watching();
        watching.press(Key::Char(view));
        watching.frame(1_000_000_000);
        watching.feed.seek(&mut watching.app, Effect::SetSpeed(1_000.0)).unwrap();
        watching.plays_out(view);
    }
}

impl Watching {
    /// Checks that the next step reaches the end, and that the feed asks for no frames after that one.
    fn plays_out(&mut self, view: char) {
        let now = monotonic_now().plus_ns(200_000_000).as_ns();
        assert!(self.advance(now));
        assert!(!self.feed.player.is_playing() && !self.advance(now));
        let drawn = self.frame(1_020_000_000);
        assert_eq!(drawn, self.rebuild(), "page {view}, at the end");
    }
}
