//! Unfinished work at the end of the stream, as the events that would have recorded it, so that an export shows a hang
//! with its known minimum.

use std::collections::BTreeMap;

use loop_probes::event::{Event, Outcome, Phase, PollReason};
use loop_probes::ids::{SourceId, TaskId, Timestamp};
use loop_probes::recorder::Running;
use loop_probes::stamped::Stamped;

/// Most emitters tracked.
const EMITTERS_MAX: usize = 4096;

/// The current state of one emitter.
#[derive(Clone, Copy, Debug, Default)]
struct Open {
    tick: Option<(u64, Timestamp)>,
    running: Option<(Running, Timestamp)>,
    last_task: Option<TaskId>,
    last_poll: Option<Timestamp>,
    last_phase: Option<(Phase, Timestamp)>,
    /// When its latest event was recorded.
    last: Timestamp,
    /// Records of it were lost since then: what it did up to then is known.
    in_gap: bool,
}

impl Open {
    /// Whether the stream has the end of `running`, which began at `since`: the recorder reports whatever began last,
    /// even after it has ended, until something else begins.
    fn has_ended(&self, running: Running, since: Timestamp) -> bool {
        match running {
            Running::Outside => true,
            Running::Task { task, .. } => self.last_task == Some(task),
            Running::Poll { .. } => self.last_poll > Some(since),
            Running::Phase(phase) => self.last_phase.is_some_and(|(ended, at)| ended == phase && at > since),
        }
    }
}

/// The current state of all emitters.
#[derive(Clone, Debug, Default)]
pub(super) struct Unended {
    open: BTreeMap<SourceId, Open>,
    last: Timestamp,
}

impl Unended {
    pub(super) fn see(&mut self, stamped: &Stamped) {
        self.last = self.last.max(stamped.at);
        if self.open.len() >= EMITTERS_MAX && !self.open.contains_key(&stamped.source) {
            return;
        }
        let open = self.open.entry(stamped.source).or_default();
        if let Event::Lost { .. } = stamped.event {
            open.in_gap = true;
            return;
        }
        if std::mem::take(&mut open.in_gap) {
            *open = Open::default();
        }
        open.last = stamped.at;
        match stamped.event {
            Event::TickStart { tick } => {
                *open = Open { tick: Some((tick, stamped.at)), last: stamped.at, ..Open::default() };
            }
            Event::TickEnd { .. } => *open = Open::default(),
            Event::Running { .. } => {
                let running = Running::of_event(&stamped.event);
                open.running = running.filter(|(running, since)| !open.has_ended(*running, *since));
            }
            // Its task runs from here on.
            Event::TimerFired { task, tag, .. } => {
                open.running = Some((Running::Task { task, tag }, stamped.at));
            }
            Event::TaskRan { task, .. } | Event::IoReady { task, .. } => {
                (open.running, open.last_task) = (None, Some(task));
            }
            Event::Poll { .. } => (open.running, open.last_poll) = (None, Some(stamped.at)),
            Event::Phase { phase, .. } => {
                (open.running, open.last_phase) = (None, Some((phase, stamped.at)));
            }
            Event::Pumped { .. } => open.running = None,
            _ => {}
        }
    }

    /// The events, inner ones before the tick around them. They end where the stream does, or where the records of their
    /// emitter do if those after it were lost.
    pub(super) fn events(&self) -> impl Iterator<Item = Stamped> + '_ {
        self.open.iter().flat_map(move |(source, open)| {
            let at = if open.in_gap { open.last } else { self.last };
            let running = open.running.filter(|_| open.tick.is_some());
            let inner = running.and_then(|(running, start)| {
                Some(match running {
                    Running::Outside => return None,
                    Running::Phase(phase) => Event::Phase { phase, start },
                    Running::Task { task, tag } => {
                        Event::TaskRan { task, tag, outcome: Outcome::Pending, queued: start, start }
                    }
                    Running::Poll { deadline } => {
                        let timeout_ns = deadline.map(|deadline| deadline.ns_since(start));
                        let reason = if deadline.is_some() { PollReason::Timer } else { PollReason::Idle };
                        Event::Poll { reason, ready: 0, timeout_ns, start }
                    }
                })
            });
            let tick = open.tick.filter(|_| inner.is_some());
            let tick = tick.map(|(tick, start)| Event::TickEnd { tick, tasks_run: 0, start });
            inner.into_iter().chain(tick).map(move |event| Stamped { at, source: *source, event })
        })
    }
}

#[cfg(test)]
mod tests;
