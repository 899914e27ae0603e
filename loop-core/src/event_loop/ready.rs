//! Readiness callbacks: calls the sources that the poll found ready, all of them or one direction of one source.
//!
//! Sources left out go back to the poller, which reports them again. None starves: the direction called is the one
//! of a ready source that was called longest ago.

use loop_probes::clock::Clock;
use loop_probes::event::{Event, Origin, Outcome, Phase, RefKind};
use loop_probes::ids::IoSource;
use loop_probes::recorder::Running;

use super::EventLoop;
use crate::core::{Current, IoReadiness};
use crate::owner::OnError;
use crate::policy::SourceRule;
use crate::poller::{Interest, Poller, Readiness, Ready};
use crate::task::Task;

/// One direction of a source: the readiness reported, and the interests that request it.
struct Direction {
    report: Readiness,
    interests: [Interest; 2],
}

/// Reading first: it goes first if both have waited equally long.
const DIRECTIONS: [Direction; 2] = [
    Direction { report: Readiness::READABLE, interests: [Interest::READABLE, Interest::PRIORITY] },
    Direction { report: Readiness::WRITABLE, interests: [Interest::WRITABLE, Interest::WRITABLE] },
];

impl<T: Task, C: Clock, P: Poller> EventLoop<T, C, P> {
    pub(super) fn run_ready(&mut self) {
        if self.ready.is_empty() {
            return;
        }
        let mut ready = std::mem::take(&mut self.ready);
        if self.policy().sources == SourceRule::OnePerTurn {
            self.record_ready(&ready);
            self.keep_longest_waiting(&mut ready);
        }
        self.begin_phase(Phase::Io);
        let mut called = 0;
        for Ready { key, readiness } in &ready {
            called += 1;
            if self.run_source(*key, *readiness) == Outcome::Reload {
                break;
            }
        }
        if called < ready.len() {
            self.poller.hand_back(&ready[called..]);
        }
        self.ready = ready;
        self.ready.clear();
        self.end_phase();
    }

    /// Records the candidates.
    fn record_ready(&self, ready: &[Ready]) {
        for Ready { key, readiness } in ready.iter().filter(|_| self.core.on) {
            let source = IoSource(u32::try_from(*key).unwrap_or(u32::MAX));
            self.core.record(Event::InputReady { source, readiness: readiness.bits() });
        }
    }

    fn run_source(&mut self, key: usize, readiness: Readiness) -> Outcome {
        // It was removed by an earlier callback of this very pass: never called again.
        let registration = u32::try_from(key).ok().and_then(|key| self.core.sources.get(&key));
        let Some((tag, Some(task))) = registration.map(|source| (source.tag, source.task.again())) else {
            return Outcome::Cancelled;
        };
        let source = IoSource(key as u32);
        let id = self.core.scheduler.new_id();
        let start = self.core.at;
        let current = Current {
            task: Some(id),
            tag,
            origin: Origin::Io,
            ready: Some(IoReadiness { source, readiness }),
            ..Current::NONE
        };
        if self.core.on {
            self.core.recorder.set_running(start, Running::Task { task: id, tag });
        }
        self.core.heap_may_change();
        let (outcome, _) = self.invoke(current, |cx| cx.run(task));
        if matches!(outcome, Outcome::Failed | Outcome::Panicked) {
            self.source_failed(source, current);
        }
        self.core.metrics.io_ready += 1;
        if self.core.on {
            if outcome == Outcome::Reload {
                self.core.record(Event::InputReturned { task: id, value: 0 });
            }
            let readiness = readiness.bits();
            self.core.record(Event::IoReady { source, tag, readiness, task: id, start });
            self.check_slow(id, tag, start);
        }
        if outcome != Outcome::Reload {
            self.drain_after(id);
        } else {
            self.owes_drain = true;
        }
        if self.core.futures.in_use {
            self.settle_futures(current);
        }
        self.pause_to_drain();
        self.resume_phase(Phase::Io);
        outcome
    }

    /// Applies the owner's rule after the callback of a source failed.
    #[cold]
    fn source_failed(&mut self, source: IoSource, current: Current) {
        let message = self.core.failure.take().unwrap_or_default();
        let Some(registration) = self.core.sources.get_mut(&source.0) else { return };
        let (name, rule) = (registration.name(), std::mem::take(&mut registration.on_error));
        let close = matches!(rule, OnError::Close);
        let _ = self.invoke_unmarked(current, |cx| {
            let rule = cx.apply_rule(rule, RefKind::Io, || name, &message);
            if close {
                // The poller may have dropped it already, which is fine.
                let _ = cx.remove(source);
            } else if let Some(registration) = cx.core.sources.get_mut(&source.0) {
                registration.on_error = rule;
            }
        });
    }

    /// Leaves one direction of one source in `ready`, and hands the rest back to the poller.
    fn keep_longest_waiting(&mut self, ready: &mut Vec<Ready>) {
        let mut next: Option<(u64, usize, usize, Ready)> = None;
        let mut rest = Vec::new();
        for Ready { key, readiness } in ready.drain(..) {
            let Some(source) = u32::try_from(key).ok().and_then(|key| self.core.sources.get(&key)) else {
                continue;
            };
            let troubles = Readiness::ERROR | Readiness::HANG_UP;
            let trouble = Readiness::from_bits_truncate(readiness.bits() & troubles.bits());
            for (index, direction) in DIRECTIONS.iter().enumerate() {
                let asked = direction.interests.iter().any(|interest| source.interest.contains(*interest));
                // An error or hang-up on a source without any interest is reported as reading.
                let reported = asked || (index == 0 && source.interest.is_empty());
                if !reported || !readiness.contains(direction.report) && trouble.is_empty() {
                    continue;
                }
                let one = Ready { key, readiness: direction.report | trouble };
                let place = (source.called[index], index, rest.len(), one);
                if next.is_none_or(|(called, first, ..)| (place.0, place.1) < (called, first)) {
                    next = Some(place);
                }
                rest.push(Ready { key, readiness: direction.report });
            }
        }
        let Some((_, index, at, one)) = next else { return };
        rest.remove(at);
        self.poller.hand_back(&rest);
        ready.push(one);
        self.core.calls += 1;
        if let Some(source) = u32::try_from(one.key).ok().and_then(|key| self.core.sources.get_mut(&key)) {
            source.called[index] = self.core.calls;
        }
    }
}
