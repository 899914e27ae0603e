//! Reports what each emitter is doing while it records nothing: a hung loop has no events of its own.

use std::collections::HashMap;

use crate::event::Event;
use crate::ids::{SourceId, Timestamp};
use crate::recorder::Running;
use crate::stamped::Stamped;

/// Interval between two rounds. A little below 40 ms, so that a reader that polls every 10 ms does not just miss
/// its turn.
const ROUND_NS: u64 = 36_000_000;

/// Idle emitters are reported less often the longer they have been idle, down to once in this time.
const IDLE_NS_MAX: u64 = 1_000_000_000;

/// An idle emitter is reported again after this fraction of its idle time, as a divisor.
const IDLE_PARTS: u64 = 8;

/// What an emitter is doing right now: visible even while it hangs and emits nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NowRunning {
    /// The emitter that this describes.
    pub source: SourceId,
    /// What it is doing.
    pub running: Running,
    /// Since when it has been doing that.
    pub since: Timestamp,
}

/// When each emitter was last reported, and as what.
#[derive(Debug, Default)]
pub(super) struct Heartbeat {
    round_at: Timestamp,
    reported: HashMap<SourceId, Timestamp>,
    is_over: bool,
}

impl Heartbeat {
    /// Whether a round is due at `now`.
    pub(super) const fn is_due(&self, now: Timestamp) -> bool {
        !self.is_over && now.ns_since(self.round_at) >= ROUND_NS
    }

    /// Appends to `out` what those in `running` that have not changed for a round are doing at `now`.
    pub(super) fn beat(&mut self, running: &[NowRunning], now: Timestamp, out: &mut Vec<Stamped>) {
        self.round_at = now;
        if self.reported.len() > running.len() {
            self.reported.retain(|source, _| running.iter().any(|emitter| emitter.source == *source));
        }
        for emitter in running {
            let silent_ns = now.ns_since(emitter.since);
            let interval_ns = if is_idle(emitter.running, now) {
                (silent_ns / IDLE_PARTS).clamp(ROUND_NS, IDLE_NS_MAX)
            } else {
                ROUND_NS
            };
            let times = self.reported.get(&emitter.source).copied().unwrap_or_default();
            if silent_ns >= ROUND_NS && now.ns_since(times) >= interval_ns {
                self.reported.insert(emitter.source, now);
                out.push(stamped(emitter, now));
            }
        }
    }

    /// Appends to `out` what all in `running` were doing when their process died, some time after `last`.
    pub(super) fn end(&mut self, running: &[NowRunning], last: Timestamp, out: &mut Vec<Stamped>) {
        if !std::mem::replace(&mut self.is_over, true) {
            self.all(running, last, out);
            out.push(Stamped { at: self.round_at, source: SourceId(0), event: Event::Crashed {} });
        }
    }

    /// Appends to `out` what all in `running` were doing at `last`, the last moment known of a process whose ring file was
    /// copied.
    pub(super) fn end_of_copy(&mut self, running: &[NowRunning], last: Timestamp, out: &mut Vec<Stamped>) {
        if !std::mem::replace(&mut self.is_over, true) {
            self.all(running, last, out);
        }
    }

    /// Appends to `out` what all in `running` are doing at `now`.
    pub(super) fn all(&mut self, running: &[NowRunning], now: Timestamp, out: &mut Vec<Stamped>) {
        // A cell can be newer than the last event, but the stream's time must not go backwards.
        let at = running.iter().map(|emitter| emitter.since).fold(now, Timestamp::max);
        self.round_at = at;
        out.extend(running.iter().map(|emitter| stamped(emitter, at)));
    }
}

fn stamped(emitter: &NowRunning, at: Timestamp) -> Stamped {
    Stamped { at, source: emitter.source, event: emitter.running.event(emitter.since) }
}

/// Whether it is waiting, and nothing indicates that it has waited too long.
fn is_idle(running: Running, now: Timestamp) -> bool {
    match running {
        Running::Outside | Running::Poll { deadline: None } => true,
        Running::Poll { deadline: Some(deadline) } => now <= deadline,
        Running::Phase(_) | Running::Task { .. } => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{Tag, TaskId};

    const MS: u64 = 1_000_000;

    fn reports(running: Running, until_ms: u64) -> Vec<u64> {
        let mut heartbeat = Heartbeat::default();
        let emitter = NowRunning { source: SourceId(1), running, since: Timestamp(5 * MS) };
        let mut out = Vec::new();
        for now in (5..until_ms).step_by(10).map(|ms| Timestamp(ms * MS)) {
            if heartbeat.is_due(now) {
                heartbeat.beat(&[emitter], now, &mut out);
            }
        }
        out.iter().map(|stamped| stamped.at.0 / MS).collect()
    }

    #[test]
    fn a_hang_is_reported_every_forty_milliseconds() {
        let times = reports(Running::Task { task: TaskId(7), tag: Tag(1) }, 1_000);
        assert!(times.windows(2).all(|pair| pair[1] - pair[0] == 40), "{times:?}");
        assert!(times.len() >= 23, "{times:?}");
    }

    #[test]
    fn an_idle_emitter_is_reported_less_often_until_its_deadline() {
        let long = reports(Running::Poll { deadline: None }, 60_000);
        assert!(long.len() < 90, "{} in a minute", long.len());
        assert!(long.windows(2).all(|pair| (40..=1_040).contains(&(pair[1] - pair[0]))));
        let overdue = reports(Running::Poll { deadline: Some(Timestamp(20_000 * MS)) }, 21_000);
        assert!(overdue.iter().filter(|at| **at > 20_000).count() >= 23, "{overdue:?}");
    }

    #[test]
    fn the_end_is_reported_once_after_the_last_move() {
        let mut heartbeat = Heartbeat::default();
        let emitter = NowRunning { source: SourceId(1), running: Running::Outside, since: Timestamp(9) };
        let mut out = Vec::new();
        heartbeat.end(&[emitter], Timestamp(5), &mut out);
        heartbeat.end(&[emitter], Timestamp(5), &mut out);
        let at = Timestamp(9);
        assert_eq!(
            out,
            [
                Stamped { at, source: SourceId(1), event: Running::Outside.event(at) },
                Stamped { at, source: SourceId(0), event: Event::Crashed {} },
            ]
        );
    }
}
