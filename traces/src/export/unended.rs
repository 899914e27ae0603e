//! What has not ended where the stream ends, as the events that would have told of it: so that an export shows a hang as
//! what it was at least.

use std::collections::BTreeMap;

use loop_probes::event::{Event, Outcome, PollReason};
use loop_probes::ids::{SourceId, TaskId, Timestamp};
use loop_probes::recorder::Running;
use loop_probes::stamped::Stamped;

/// Most emitters that are followed.
const EMITTERS_MAX: usize = 4096;

/// What one emitter is in.
#[derive(Clone, Copy, Debug, Default)]
struct Open {
    tick: Option<(u64, Timestamp)>,
    running: Option<(Running, Timestamp)>,
    last_task: Option<TaskId>,
}

/// What all emitters are in.
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
        match stamped.event {
            Event::TickStart { tick } => *open = Open { tick: Some((tick, stamped.at)), ..Open::default() },
            Event::TickEnd { .. } | Event::Lost { .. } => *open = Open::default(),
            Event::Running { .. } => {
                let running = Running::of_event(&stamped.event);
                // What began last is told also when it has ended, and nothing else began.
                let is_over = |running: &Running| match running {
                    Running::Outside => true,
                    Running::Task { task, .. } => open.last_task == Some(*task),
                    Running::Phase(_) | Running::Poll { .. } => false,
                };
                open.running = running.filter(|(running, _)| !is_over(running));
            }
            Event::TaskRan { task, .. } | Event::IoReady { task, .. } => {
                (open.running, open.last_task) = (None, Some(task));
            }
            Event::Phase { .. } | Event::Poll { .. } | Event::Pumped { .. } => open.running = None,
            _ => {}
        }
    }

    /// The events, an inner one before the tick around it. They end where the stream does.
    pub(super) fn events(&self) -> impl Iterator<Item = Stamped> + '_ {
        let at = self.last;
        self.open.iter().flat_map(move |(source, open)| {
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
