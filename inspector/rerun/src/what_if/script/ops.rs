//! Converts acts into the script's terms: timers, sources, jobs and callbacks by index instead of by recorded number.

use loop_probes::event::{Event, Origin};
use loop_probes::ids::{Tag, Timestamp};

use super::reading::Reading;
use super::{ArrivalKind, Job, Op, RunId, RunRole};
use crate::act::{Act, Done, Operation, RecordedChange};

/// Maximum number of span and mark labels: a session keeps no more.
const SPANS_MAX: usize = 2048;

impl Reading {
    pub(super) fn ops(&mut self, Done { at, act, .. }: Done) {
        let mut parent = None;
        let what = match act {
            Act::Post { task, tag, parent: None, queued, .. } => {
                let run = self.expect(task, tag);
                return self.arrived(queued, ArrivalKind::Post(run));
            }
            Act::Post { task, tag, parent: by, origin, .. } => {
                let run = self.expect(task, tag);
                parent = by;
                if origin == Origin::Future {
                    self.script.runs[run as usize].role = RunRole::Poll;
                }
                Some(Op::Post(run))
            }
            Act::Immediate(task, tag) => {
                self.immediates.insert(task);
                Some(Op::Immediate(self.expect(task, tag)))
            }
            Act::AfterLoop(task, tag, _) => Some(Op::AfterLoop(self.expect(task, tag))),
            Act::Arm { timer, tag, delay_ns, period_ns } => {
                Some(Op::Arm(self.arm(timer, tag, delay_ns, period_ns, None, true)))
            }
            Act::Defer(key, existed) => Some(self.defers(key, existed)),
            Act::Undefer(key) => {
                self.deferred.remove(key);
                Some(Op::Undefer(key))
            }
            Act::Kept(number) => {
                self.kept.insert(number);
                None
            }
            Act::Work { task, tag, .. } => {
                let (run, job) = (self.new_run(tag), self.script.jobs.len() as u32);
                let (is_known, is_cancelled) = (false, false);
                self.script.jobs.push(Job { tag, run, cost_ns: 0, wake_ns: 0, is_known, is_cancelled });
                self.jobs.insert(task, job);
                Some(Op::Work(job))
            }
            Act::Register { source, tag, referenced, interest } => {
                let place = self.new_source(tag, interest.unwrap_or(0), referenced);
                self.sources.insert(source, place);
                let label = self.label.take().filter(|(of, _)| *of == source);
                self.script.sources[place as usize].label = label.map(|(_, label)| label);
                Some(Op::Register(place))
            }
            Act::Change(change) => self.change(change).map(Op::Change),
            Act::Hold(delta) => Some(Op::Hold(delta)),
            // Recorded by its outcome, or part of the stretch rather than of a callback.
            Act::Read
            | Act::Reload
            | Act::Fail
            | Act::Stop
            | Act::Shutdown(_)
            | Act::Microtask
            | Act::Release
            | Act::Heap
            // An older trace does not say which.
            | Act::ReferenceUnknownSource(_) => None,
        };
        self.open.extend(what.map(|what| (at, parent, what)));
    }

    /// Spans and marks of the program.
    pub(super) fn operation(&mut self, at: Timestamp, event: &Event) -> Option<Op> {
        let (label, what) = match *event {
            Event::Span { label, start } => (label, Op::Span { label, run_ns: at.ns_since(start) }),
            Event::Mark { label } => (label, Op::Mark(label)),
            _ => return None,
        };
        if self.script.spans.len() < SPANS_MAX {
            self.script.spans.insert(label);
        }
        Some(what)
    }

    /// An operation by the places of what it refers to, which a callback may have created just before.
    fn change(&mut self, change: RecordedChange) -> Option<Operation<RunId, u32, u32, u32>> {
        let Self { expected, timers, sources, jobs, script, .. } = self;
        let immediate = |task| {
            let run = *expected.get(&task)?;
            script.runs[run as usize].role = RunRole::Followed;
            Some(run)
        };
        let timer = |timer| timers.get(&timer).map(|known| known.timer);
        let source = |source| sources.get(&source).copied();
        let renamed = change.rename(immediate, timer, source, |task| jobs.get(&task).copied());
        if let Some(Operation::CancelWork(job)) = renamed {
            script.jobs[job as usize].is_cancelled = true;
        }
        match change {
            Operation::ClearImmediate(task) => drop(self.expected.remove(&task)),
            Operation::Remove(source) => {
                self.removed.extend(self.sources.remove(&source).map(|place| (source, place)));
            }
            Operation::OnSignal(signo, _) if !self.script.handled.contains(&signo) => {
                self.script.handled.push(signo);
            }
            _ => {}
        }
        renamed
    }

    /// A queued key keeps its first callback, but posting it again is still an act.
    fn defers(&mut self, key: u64, existed: bool) -> Op {
        let known = if existed { self.deferred.post_again(key) } else { None };
        let run = known.unwrap_or_else(|| self.new_run(Tag(0)));
        if !existed {
            self.deferred.post(key, run);
        }
        Op::Defer { key, run }
    }
}
