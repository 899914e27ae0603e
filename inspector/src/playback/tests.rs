//! At every position, a replay shows the fold of the trace up to there.

use loop_probes::event::Event;
use loop_traces::synthetic::Script;
use loop_traces::timeline::Timeline;

use super::*;
use crate::app::window::Window;

mod stalls;

/// A dashboard reduced to its fold.
struct Seen(Fold);

impl PlaybackSink for Seen {
    fn fold(&self) -> &Fold {
        &self.0
    }

    fn expect(&mut self, to: Timestamp) {
        self.0.expect(to);
    }

    fn rewound(&mut self, fold: Fold) {
        self.0 = fold;
    }

    fn events(&mut self, events: &[Stamped]) {
        for stamped in events {
            self.0.fold(stamped);
        }
    }
}

struct Watched {
    player: Player<MemorySource>,
    seen: Seen,
    events: Vec<Stamped>,
    config: TimelineConfig,
}

fn watched(ticks: u32, options: ReplayOptions) -> Watched {
    let script = Script { ticks, stall_every: 50, ..Script::default() };
    let kept = MemorySource::read(&mut script.source()).unwrap();
    watched_source(kept, script.events(), options)
}

fn watched_source(kept: MemorySource, events: Vec<Stamped>, options: ReplayOptions) -> Watched {
    let config = TimelineConfig::of(kept.metadata());
    let mut player = Player::new(kept, config.clone(), options);
    let mut seen = Seen(Fold::new(config.clone()));
    while !player.read_index(&mut seen, || true).unwrap() {}
    Watched { player, seen, events, config }
}

impl Watched {
    /// A fresh fold of everything up to the position.
    fn expected(&self) -> Timeline {
        let to = self.player.info().position;
        let mut timeline = Timeline::new(self.config.clone());
        timeline.extend(self.events.iter().take_while(|stamped| stamped.at <= to));
        timeline
    }

    fn check(&self) {
        assert_eq!(self.seen.0.timeline, self.expected());
    }

    fn seek(&mut self, to: Timestamp) {
        self.player.seek(to, &mut self.seen).unwrap();
        assert_eq!(self.player.info().position, to);
        self.check();
    }
}

#[test]
fn every_position_shows_the_fold_up_to_there() {
    let mut watched = watched(4_000, ReplayOptions { paused: true, ..ReplayOptions::default() });
    assert!(watched.player.index.checkpoints() >= 1, "so that going back uses one");
    let info = watched.player.info();
    watched.check();
    for share in [0.9, 0.1, 1.0, 0.95, 0.0, 0.5, 0.499] {
        watched.seek(info.at_share(share));
    }
    assert_eq!(watched.seen.0.timeline.ticks.count, watched.expected().ticks.count);
}

#[test]
fn playing_in_steps_equals_playing_at_once() {
    let mut watched = watched(1_000, ReplayOptions::default());
    assert!(watched.player.is_playing());
    for elapsed_ns in [1, 1_000, 7_000_000, 0, 100_000_000] {
        watched.player.play(elapsed_ns, &mut watched.seen).unwrap();
        watched.check();
    }
    watched.player.set_speed(1_000.0);
    watched.player.play(u64::MAX / 4_000, &mut watched.seen).unwrap();
    let info = watched.player.info();
    assert!(info.at_end() && !info.playing);
    watched.check();
    watched.player.toggle(&mut watched.seen).unwrap();
    assert_eq!(watched.player.info().position, info.start);
    watched.check();
}

#[test]
fn steps_end_at_the_ends_of_ticks() {
    let mut watched = watched(200, ReplayOptions { at_ns: 20_000_000, ..ReplayOptions::default() });
    let newest = |watched: &Watched| watched.seen.0.timeline.ticks.recent.newest().unwrap().tick;
    let begun = newest(&watched);
    watched.player.step_ticks(-1, &mut watched.seen).unwrap();
    assert_eq!((newest(&watched), watched.player.is_playing()), (begun - 1, false));
    watched.player.step_ticks(1, &mut watched.seen).unwrap();
    watched.player.step_ticks(1, &mut watched.seen).unwrap();
    assert_eq!(newest(&watched), begun + 1);
    watched.check();
    watched.player.step_ticks(i64::MIN, &mut watched.seen).unwrap();
    assert_eq!(watched.seen.0.timeline.ticks.recent.len(), 1);
    watched.player.step_ticks(i64::MAX, &mut watched.seen).unwrap();
    assert_eq!(
        watched.seen.0.timeline.ticks.recent.newest().unwrap().tick,
        watched.expected().ticks.recent.newest().unwrap().tick
    );
}

#[test]
fn stalls_are_found_in_both_directions() {
    let mut watched = watched(400, ReplayOptions::default());
    let info = watched.player.info();
    assert!(info.stalls.len() >= 3);
    for stall in info.stalls.iter() {
        assert!(watched.player.seek_stall(true, &mut watched.seen).unwrap());
        assert_eq!(watched.player.info().marked, Some(*stall));
        assert!(watched.seen.0.tick_that_ended(*stall).unwrap().stall);
        watched.check();
    }
    assert!(!watched.player.seek_stall(true, &mut watched.seen).unwrap());
    assert!(watched.player.seek_stall(false, &mut watched.seen).unwrap());
    assert_eq!(watched.player.info().marked, Some(info.stalls[info.stalls.len() - 2]));
    watched.check();
}

#[test]
fn seeking_to_any_time_finds_its_tick() {
    let mut watched = watched(200, ReplayOptions { paused: true, ..ReplayOptions::default() });
    let ticks: Vec<_> = {
        watched.seek(watched.player.info().end);
        watched.seen.0.timeline.ticks.recent.iter().copied().collect()
    };
    let tick = ticks[ticks.len() / 2];
    for at in [tick.start.plus_ns(1), tick.end] {
        watched.player.seek_tick(at, &mut watched.seen).unwrap();
        assert_eq!(watched.player.info().marked, Some(tick.end));
        watched.check();
    }
    watched.player.seek_tick(Timestamp(u64::MAX), &mut watched.seen).unwrap();
    assert_eq!(watched.player.info().marked, None, "no tick ends there");
}

#[test]
fn an_empty_trace_plays_to_its_end() {
    let mut watched = watched(0, ReplayOptions { at_ns: 5, ..ReplayOptions::default() });
    watched.player.play(1_000_000, &mut watched.seen).unwrap();
    watched.player.step_ticks(-1, &mut watched.seen).unwrap();
    assert!(!watched.player.seek_stall(true, &mut watched.seen).unwrap());
    watched.player.seek(Timestamp(u64::MAX), &mut watched.seen).unwrap();
    assert!(!watched.player.is_playing());
}

#[test]
fn every_position_has_the_figures_of_the_windows_that_end_there() {
    let mut watched = watched(12_000, ReplayOptions { paused: true, ..ReplayOptions::default() });
    let info = watched.player.info();
    let from_start = info.at_share(0.4);
    let mut positions = vec![info.end, from_start];
    positions.extend((1..40).map(|step| Timestamp(from_start.0 - step * 40_000_000)));
    positions.extend([0.9, 0.2, 0.95].map(|share| info.at_share(share)));
    for to in positions {
        watched.seek(to);
        let fold = &watched.seen.0;
        for window in [Window::TenSeconds, Window::Minute] {
            let ns = window.ns().unwrap();
            let ticks_since = |ns: u64| {
                let is_in = |it: &&Stamped| it.at <= to && it.at.0 + ns > to.0;
                let ends = |it: &&Stamped| matches!(it.event, Event::TickEnd { .. });
                watched.events.iter().filter(is_in).filter(ends).count() as u64
            };
            let shown = fold.of_window(window, to).map_or(fold.timeline.ticks.count, |of| of.ticks.count);
            let (least, most) = (ticks_since(ns), ticks_since(ns + ns / 20));
            assert!((least..=most).contains(&shown), "{window:?}: {shown} of {least} to {most}");
        }
    }
}
