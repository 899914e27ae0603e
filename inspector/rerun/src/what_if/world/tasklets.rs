//! Tasklets in the virtual world: they run as long as recorded and do what they did. The last pending one wakes the loop.

use loop_probes::event::{Event, WorkerPhase};
use loop_probes::ids::{TaskId, Ticks};

use super::World;
use super::virtual_agenda::{Waiting, WorkerState};
use crate::what_if::script::{NONE, Op};

impl World {
    /// Adds a tasklet on behalf of `emitter`.
    pub(in crate::what_if) fn add_tasklet(&self, tasklet: u32, emitter: u16) {
        if self.plan.is_dropped(self.script.tasklets[tasklet as usize].tag) || self.plan.agenda_workers == 0 {
            return;
        }
        let task = self.agenda.borrow_mut().new_task();
        self.set_pending(|pending| pending.saturating_add(1));
        self.queue_tasklet(tasklet, task, emitter);
        let mut agenda = self.agenda.borrow_mut();
        if let Some(worker) = agenda.take_idle() {
            let now_ns = self.now_ns();
            let near = || agenda.wake.near(&self.script.costs.tasklet_wake, now_ns);
            let wake_ns = self.script.tasklets[tasklet as usize].wake_ns.unwrap_or_else(near);
            agenda.set_due(worker, now_ns.saturating_add(wake_ns), WorkerState::Coming);
        }
    }

    fn queue_tasklet(&self, tasklet: u32, task: TaskId, emitter: u16) {
        let recorded = self.script.tasklets[tasklet as usize];
        let (priority, queued_ns) = (recorded.priority, self.now_ns());
        let tag = self.plan.tag_of(recorded.tag);
        let mut agenda = self.agenda.borrow_mut();
        let depth = agenda.queue(priority, Waiting { tasklet, task, queued_ns });
        agenda.emit(emitter, queued_ns, Event::AgendaAdded { task, tag, priority, depth });
    }

    /// Performs the next action of the worker that is due.
    pub(super) fn step_agenda(&self) {
        let due = self.agenda.borrow_mut().take_due();
        let Some((at_ns, worker, state)) = due else { return };
        let now_ns = at_ns.max(self.now_ns());
        match state {
            WorkerState::Idle => {}
            WorkerState::Coming => self.fetch(worker, now_ns),
            WorkerState::Running { of, start_ns, acts } => match self.script.acts.next(acts) {
                Some((act, rest)) => {
                    self.perform(act.what, worker);
                    self.resume_tasklet(worker, of, start_ns, rest);
                }
                None => self.end_tasklet(worker, of, start_ns, now_ns),
            },
        }
    }

    fn fetch(&self, worker: u16, now_ns: u64) {
        let mut agenda = self.agenda.borrow_mut();
        let Some(of) = agenda.fetch() else {
            agenda.set_idle(worker);
            return agenda.change(worker, now_ns, WorkerPhase::Idle);
        };
        agenda.change(worker, now_ns, WorkerPhase::Run);
        drop(agenda);
        let recorded = self.script.tasklets[of.tasklet as usize];
        if !recorded.is_known {
            self.synthesized(|synthesized| synthesized.tasklets += 1);
        }
        self.resume_tasklet(worker, of, now_ns, recorded.acts);
    }

    /// Schedules the next of `acts`, or the end of the tasklet.
    fn resume_tasklet(&self, worker: u16, of: Waiting, start_ns: u64, acts: u32) {
        let recorded = self.script.tasklets[of.tasklet as usize];
        let next = self.script.acts.next(acts);
        let after_ns = next.map_or(recorded.cost_ns, |(act, _)| act.after_ns.min(recorded.cost_ns));
        let at_ns = start_ns.saturating_add(self.plan.scaled(recorded.tag, after_ns)).max(self.now_ns());
        self.agenda.borrow_mut().set_due(worker, at_ns, WorkerState::Running { of, start_ns, acts });
    }

    fn end_tasklet(&self, worker: u16, of: Waiting, start_ns: u64, now_ns: u64) {
        let recorded = self.script.tasklets[of.tasklet as usize];
        let (tag, priority) = (self.plan.tag_of(recorded.tag), recorded.priority);
        let ran = Event::AgendaRan {
            task: of.task,
            tag,
            priority,
            worker,
            outcome: recorded.outcome,
            queued: Ticks(of.queued_ns),
            start: Ticks(start_ns),
        };
        self.agenda.borrow_mut().emit(worker + 1, now_ns, ran);
        if recorded.next == NONE {
            self.set_pending(|pending| pending.saturating_sub(1));
        } else {
            self.queue_tasklet(recorded.next, of.task, worker + 1);
        }
        let mut agenda = self.agenda.borrow_mut();
        let next_ns = agenda.next.near(&self.script.costs.tasklet_next, now_ns);
        let at_ns = if agenda.has_waiting() { now_ns.saturating_add(next_ns) } else { now_ns };
        agenda.set_due(worker, at_ns, WorkerState::Coming);
    }

    /// Performs an act of a tasklet.
    fn perform(&self, what: Op, worker: u16) {
        let at_ns = self.now_ns();
        let emitter = worker + 1;
        match what {
            Op::Tasklet(tasklet) => self.add_tasklet(tasklet, emitter),
            Op::Post(run) => {
                let recorded = self.script.run(run).tag;
                if self.plan.is_dropped(recorded) {
                    return;
                }
                let source = self.plan.agenda_side(emitter);
                self.post(run, |handle, remote| handle.clone().posting_as(source).post(remote));
            }
            Op::Span { label, run_ns } => {
                let start = Ticks(at_ns.saturating_sub(run_ns));
                self.agenda.borrow_mut().emit(
                    emitter,
                    at_ns,
                    Event::Span { label: self.label(label), start },
                );
            }
            Op::Mark(label) => {
                self.agenda.borrow_mut().emit(emitter, at_ns, Event::Mark { label: self.label(label) });
            }
            _ => {}
        }
    }

    fn set_pending(&self, change: impl FnOnce(u32) -> u32) {
        let pending = {
            let mut agenda = self.agenda.borrow_mut();
            agenda.pending = change(agenda.pending);
            agenda.pending
        };
        if let Some((_, outside)) = &*self.attached.borrow() {
            outside.agenda(pending);
        }
    }
}
