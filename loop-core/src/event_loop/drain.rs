//! The drain: weak references, microtasks, then the deferred queue.
//!
//! It runs after every task and on leaving the outermost `exit`. It never runs inside the deferred queue: a callback
//! has a `Context`, whose levels are above the loop's own, and cannot reach a drain.

use loop_probes::clock::Clock;
use loop_probes::event::{Event, Phase};
use loop_probes::ids::TaskId;

use super::EventLoop;
use crate::core::Current;
use crate::poller::Poller;
use crate::task::Task;

impl<T: Task, C: Clock, P: Poller> EventLoop<T, C, P> {
    /// Drains after `trigger`, or for no task.
    #[inline]
    pub(super) fn drain(&mut self, trigger: Option<TaskId>) {
        self.owes_drain = false;
        if let Some(host) = &mut self.host {
            host.release_weak();
        }
        self.checkpoint(trigger);
        self.core.scheduler.begin_deferred();
        while self.core.scheduler.deferred().has_next() {
            self.run_deferred(trigger);
            // Promises made by deferred callbacks must not wait for another task; anything those defer runs here too.
            self.checkpoint(trigger);
        }
    }

    /// A drain that belongs to no task, with phases of its own.
    pub(super) fn drain_as_phases(&mut self) {
        self.owes_drain = false;
        if let Some(host) = &mut self.host {
            host.release_weak();
        }
        self.checkpoint_phase();
        self.core.scheduler.begin_deferred();
        while self.core.scheduler.deferred().has_next() {
            self.begin_phase(Phase::Deferred);
            self.run_deferred(None);
            self.end_phase();
            self.checkpoint_phase();
        }
    }

    fn checkpoint_phase(&mut self) {
        if self.has_microtasks() {
            self.begin_phase(Phase::Microtasks);
            self.checkpoint(None);
            self.end_phase();
        }
    }

    #[inline]
    fn has_microtasks(&self) -> bool {
        !self.core.scheduler.microtasks().is_empty()
            || self.host.as_ref().is_some_and(|host| host.has_microtasks())
    }

    #[inline]
    fn checkpoint(&mut self, trigger: Option<TaskId>) {
        if self.has_microtasks() {
            self.run_microtasks(trigger);
        }
    }

    fn run_microtasks(&mut self, trigger: Option<TaskId>) {
        let start = self.core.at;
        let current = Current { task: trigger, ..Current::NONE };
        let mut ran = 0_u32;
        self.core.heap_may_change();
        self.core.scheduler.microtasks_mut().begin_checkpoint();
        loop {
            let before = ran;
            if !self.core.scheduler.microtasks().is_empty() {
                // One guard for many microtasks: a panic ends this call, and the rest run in the next.
                let _ = self.invoke_unmarked(current, |cx| {
                    let depth = cx.core.depth;
                    while let Some(task) = cx.core.scheduler.microtasks_mut().take() {
                        ran += 1;
                        cx.dispatch(task);
                        cx.core.depth = depth;
                    }
                });
            } else if self.host.as_ref().is_some_and(|host| host.has_microtasks())
                && self.core.scheduler.microtasks_mut().spend()
                && self.run_host_microtask(current)
            {
                ran += 1;
            }
            if ran == before {
                break;
            }
        }
        let left = self.core.scheduler.microtasks().len() as u32;
        self.mark();
        if self.core.on {
            self.core.record(Event::Microtasks { trigger, ran, left, start });
        }
    }

    fn run_host_microtask(&mut self, current: Current) -> bool {
        let Some(mut host) = self.host.take() else { return false };
        let (_, ran) = self.invoke_unmarked(current, |cx| host.run_microtask(cx));
        self.host = Some(host);
        // A host whose microtask panicked still ran one.
        ran.unwrap_or(true)
    }

    fn run_deferred(&mut self, trigger: Option<TaskId>) {
        let start = self.core.at;
        let current = Current { task: trigger, ..Current::NONE };
        let (mut ran, mut kept) = (0, 0);
        self.core.heap_may_change();
        while let Some((key, mut callback)) = self.core.scheduler.deferred_mut().take() {
            let (_, keep) = self.invoke_unmarked(current, |cx| callback(cx));
            // A callback that panicked is not called again.
            let keep = keep.unwrap_or(false);
            ran += 1;
            if keep {
                kept += 1;
                if self.core.on {
                    // Callbacks that are not kept need no record: the drain's own record has their number.
                    let task = trigger.unwrap_or_default();
                    self.core.record(Event::InputReturned { task, value: ran });
                }
                self.core.scheduler.deferred_mut().keep(key, callback);
            }
        }
        self.mark();
        if self.core.on {
            self.core.record(Event::DeferredRan { ran, kept, start });
        }
    }
}
