//! The scheduler: holds everything that waits, and makes every decision about it. Pure: time comes in as an
//! argument, decisions go out; nothing here reads a clock, waits, or calls back.
//!
//! The same calls with the same arguments give the same results, so a recorded run can be re-executed:
//! [`EventLoop`](crate::EventLoop) makes the calls, and records each argument that came from outside.

mod timers;

pub use timers::{Due, Refreshed, TimerEntry, TimerHandle};

use std::collections::BTreeMap;
use std::time::Duration;

use loop_probes::event::{PollReason, RefKind};
use loop_probes::ids::{Tag, TaskId, Timestamp};

use crate::body::{Body, Queued};
use crate::gc::GcController;
use crate::keep_alive::{KeepAlive, Named};
use crate::payload::Payload;
use crate::policy::{ExitRule, Policy};
use crate::queue::deferred::Deferred;
use crate::queue::immediate::Immediates;
use crate::queue::microtask::Microtasks;
use crate::queue::tasks::{NextTask, Tasks};
use crate::tag::{TagOf, tag_of_label};
use timers::Timers;

/// The timeout of the next poll, and its reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PollPlan {
    /// The longest wait; `None` means forever.
    pub timeout: Option<Duration>,
    /// The reason for the timeout.
    pub reason: PollReason,
    /// When the wait times out.
    pub deadline: Option<Timestamp>,
}

/// External state right before a poll, as seen by the loop.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExternalState {
    /// Other threads posted, or asked to stop.
    pub posted: bool,
    /// Signals are in the ring.
    pub signals: bool,
    /// A host has microtasks.
    pub host: bool,
    /// The caller wants the loop back at this time.
    pub until: Option<Timestamp>,
}

/// Everything that waits. See the [module](self).
pub struct Scheduler<T: Payload> {
    /// Tasks ready to run.
    pub(crate) tasks: Tasks<Body<T>>,
    /// Microtasks for the next checkpoint.
    microtasks: Microtasks<T>,
    /// Callbacks that run after the microtasks.
    deferred: Deferred<T::Deferred>,
    /// Whether one of the two may have entries, or futures are in use: a task checks this instead of all of them.
    attention: bool,
    /// Tasks that run before the next poll.
    pub(crate) immediates: Immediates<Body<T>>,
    /// References not counted by a queue.
    pub(crate) refs: KeepAlive,
    /// Decides when to collect.
    pub(crate) gc: GcController,
    pub(crate) timers: Timers<T>,
    after_loop: Vec<Queued<T>>,
    policy: Policy,
    /// The tags of [`Payload::TAGS`].
    own_tags: Box<[Tag]>,
    next_task: u64,
    tick: u64,
    /// Value of the queue's count of taken tasks at which the tick's budget is spent: so a task updates one counter,
    /// not two.
    budget_end: usize,
    stop: bool,
}

impl<T: Payload> Scheduler<T> {
    /// An empty scheduler; `now` starts the GC controller's timers.
    #[must_use]
    pub fn new(policy: Policy, now: Timestamp) -> Self {
        Self {
            tasks: Tasks::new(),
            microtasks: Microtasks::new(policy.microtasks_per_checkpoint),
            deferred: Deferred::new(),
            attention: false,
            immediates: Immediates::new(),
            refs: KeepAlive::new(),
            gc: GcController::new(policy.gc, now),
            timers: Timers::new(policy.timers, now),
            after_loop: Vec::new(),
            own_tags: T::TAGS.iter().copied().map(tag_of_label).collect(),
            next_task: 1,
            tick: 0,
            budget_end: policy.tasks_per_tick as usize,
            stop: false,
            policy,
        }
    }

    /// The policy in force.
    #[must_use]
    pub const fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Begins a tick; returns its number, from 1. Resets the budget.
    pub(crate) fn begin_tick(&mut self) -> u64 {
        self.tick += 1;
        self.tasks.rewind();
        self.budget_end = self.tasks.taken().wrapping_add(self.policy.tasks_per_tick.max(1) as usize);
        self.refill_deferred();
        self.tick
    }

    /// Sets how many entries added during drains they may take from here on: as many as a tick may run tasks.
    /// Applies to the drains of one tick, or to one drain outside of ticks.
    pub(crate) const fn refill_deferred(&mut self) {
        self.deferred.refill(self.policy.tasks_per_tick);
    }

    /// Sets the number of the next tick to `tick` and the id of the next task to `next_task`: for restoring a
    /// recorded state.
    pub(crate) fn begin_in(&mut self, tick: u64, next_task: TaskId, now: Timestamp) {
        (self.tick, self.next_task) = (tick.saturating_sub(1), next_task.0);
        self.timers.advance(now);
    }

    /// The number of the current tick.
    #[must_use]
    pub const fn tick(&self) -> u64 {
        self.tick
    }

    /// Allocates a task id.
    #[inline]
    pub(crate) fn new_id(&mut self) -> TaskId {
        let id = TaskId(self.next_task);
        self.next_task += 1;
        id
    }

    /// The id of the next new task.
    #[must_use]
    pub const fn next_id(&self) -> TaskId {
        TaskId(self.next_task)
    }

    /// Queues a task; returns the queue's depth including it.
    #[inline]
    pub(crate) fn queue(&mut self, queued: Queued<T>) -> u32 {
        self.tasks.push_noted(queued);
        self.tasks.len() as u32
    }

    /// Queues a task without a note; returns its id.
    #[inline]
    pub(crate) fn queue_plain(&mut self, task: T) -> TaskId {
        let id = self.new_id();
        self.tasks.push(Body::Task(task), id);
        id
    }

    /// The next task, while the tick's budget lasts.
    #[inline]
    pub(crate) fn next_task(&mut self) -> Option<NextTask<Body<T>>> {
        let (task, id, is_noted) = self.take_task()?;
        Some(if is_noted { self.tasks.pop_note(task, id) } else { NextTask::Plain(task, id) })
    }

    /// Like [`next_task`](Self::next_task), without the note; also whether there is a note.
    #[inline]
    pub(crate) fn take_task(&mut self) -> Option<(Body<T>, TaskId, bool)> {
        if self.budget_spent() { None } else { self.tasks.pop() }
    }

    /// Number of tasks that this tick may still run.
    #[inline]
    #[must_use]
    pub const fn budget(&self) -> u32 {
        self.budget_end.wrapping_sub(self.tasks.taken()) as u32
    }

    /// The tag of `task` in this process's table.
    #[inline]
    pub(crate) fn tag_of(&self, task: &Body<T>) -> Tag {
        match task {
            Body::Task(task) => self.resolve(task.tag()),
            // Tasks that are not the application's own are queued with their tag.
            Body::Poll(_) | Body::Wake(_) | Body::Ready(_) | Body::FailureReport(_) => Tag(0),
        }
    }

    #[inline]
    pub(crate) fn resolve(&self, tag: TagOf) -> Tag {
        match tag {
            TagOf::Own(index) => self.own_tags.get(usize::from(index)).copied().unwrap_or_default(),
            TagOf::Global(tag) => tag,
        }
    }

    /// Whether this tick may not run any more tasks.
    #[inline]
    #[must_use]
    pub const fn budget_spent(&self) -> bool {
        self.tasks.taken() == self.budget_end
    }

    /// Ends this tick's budget: it runs no more tasks.
    pub(crate) const fn spend_budget(&mut self) {
        self.budget_end = self.tasks.taken();
    }

    /// Number of tasks taken, modulo `usize`: for differences within a tick.
    #[inline]
    pub(crate) const fn tasks_taken(&self) -> usize {
        self.tasks.taken()
    }

    /// Queues a task to run once, after the poll and the timers of this turn; returns the number of such tasks,
    /// including it.
    pub(crate) fn after_loop(&mut self, queued: Queued<T>) -> u32 {
        self.after_loop.push(queued);
        self.after_loop.len() as u32
    }

    /// The tasks waiting for the end of the turn.
    pub(crate) fn waiting_after_loop(&self) -> &[Queued<T>] {
        &self.after_loop
    }

    /// Takes the callbacks waiting for the end of the turn.
    pub(crate) fn take_after_loop(&mut self) -> Vec<Queued<T>> {
        std::mem::take(&mut self.after_loop)
    }

    /// Puts back callbacks that were taken and did not run, before those added since.
    pub(crate) fn put_back_after_loop(&mut self, callbacks: impl ExactSizeIterator<Item = Queued<T>>) {
        if callbacks.len() > 0 {
            let added = std::mem::take(&mut self.after_loop);
            self.after_loop = callbacks.chain(added).collect();
        }
    }

    /// Asks the run to end after this turn.
    pub(crate) const fn stop(&mut self) {
        self.stop = true;
    }

    /// Whether the run was asked to end and has not ended yet.
    #[must_use]
    pub const fn is_stopping(&self) -> bool {
        self.stop
    }

    /// Consumes the request as the run ends: the next run continues.
    pub(crate) const fn take_stop(&mut self) -> bool {
        std::mem::replace(&mut self.stop, false)
    }

    /// Number of references of all kinds.
    #[must_use]
    pub fn alive_count(&self) -> u32 {
        let queued = self.tasks.len()
            + self.microtasks.len()
            + self.deferred.posted()
            + self.after_loop.len()
            + self.immediates.referenced()
            + self.timers.referenced();
        self.refs.alive().saturating_add(u32::try_from(queued).unwrap_or(u32::MAX))
    }

    /// Whether something referenced is pending.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.alive_count() > 0
    }

    /// Whether a run ends on its own now.
    #[must_use]
    pub fn is_drained(&self) -> bool {
        match self.policy.exit {
            ExitRule::Unreferenced => !self.is_alive(),
            ExitRule::OnlyStopped => false,
        }
    }

    /// Number of armed timers.
    #[must_use]
    pub fn timer_count(&self) -> usize {
        self.timers.len()
    }

    /// Number of references of one kind.
    #[must_use]
    pub fn count(&self, what: RefKind) -> u32 {
        match what {
            RefKind::Task => {
                let queued = self.tasks.len() + self.microtasks.len() + self.after_loop.len();
                (queued + self.deferred.posted()) as u32
            }
            RefKind::Timer => self.timers.referenced() as u32,
            RefKind::Immediate => self.immediates.referenced() as u32,
            RefKind::Io
            | RefKind::Work
            | RefKind::Signal
            | RefKind::Handle
            | RefKind::Agenda
            | RefKind::Future => self.refs.count(what),
        }
    }

    /// Microtasks for the next checkpoint.
    #[must_use]
    pub const fn microtasks(&self) -> &Microtasks<T> {
        &self.microtasks
    }

    /// Mutable access to the microtasks.
    #[inline]
    pub(crate) const fn microtasks_mut(&mut self) -> &mut Microtasks<T> {
        self.attention = true;
        &mut self.microtasks
    }

    /// Callbacks that run after the microtasks.
    #[must_use]
    pub const fn deferred(&self) -> &Deferred<T::Deferred> {
        &self.deferred
    }

    /// Mutable access to the deferred queue.
    #[inline]
    pub(crate) const fn deferred_mut(&mut self) -> &mut Deferred<T::Deferred> {
        self.attention = true;
        &mut self.deferred
    }

    /// Begins a drain.
    #[inline]
    pub(crate) fn begin_deferred(&mut self) {
        if !self.deferred.is_empty() {
            self.deferred_mut().begin_drain();
        }
    }

    /// Whether a task may have left something to do, so that it has to check.
    #[inline]
    pub(crate) const fn attention(&self) -> bool {
        self.attention
    }

    /// Sets whether later tasks have to check too, even if a drain would find nothing.
    #[inline]
    pub(crate) fn attend(&mut self, always: bool) {
        self.attention = always || self.needs_drain();
    }

    /// Whether a drain would find something.
    #[inline]
    #[must_use]
    pub fn needs_drain(&self) -> bool {
        !self.microtasks.is_empty() || !self.deferred.is_empty()
    }

    /// Whether anything is queued that could run at once.
    #[must_use]
    pub fn has_work(&self) -> bool {
        !self.tasks.is_empty()
            || !self.microtasks.is_empty()
            || self.deferred.posted() > 0
            || !self.immediates.is_empty()
            || !self.after_loop.is_empty()
    }

    /// How long the next poll may wait. `watches_heap` includes the GC controller's timers.
    #[must_use]
    pub(crate) fn plan_poll(
        &mut self,
        now: Timestamp,
        outside: ExternalState,
        watches_heap: bool,
    ) -> PollPlan {
        if self.has_work()
            || outside.posted
            || outside.signals
            || outside.host
            || self.stop
            || self.is_drained()
        {
            let timeout = Some(Duration::ZERO);
            return PollPlan { timeout, reason: PollReason::NonBlock, deadline: Some(now) };
        }
        let gc_due = if watches_heap { self.gc.next_due() } else { None };
        let timer = [self.timers.next_due(), gc_due].into_iter().flatten().min();
        let (nearest, reason) = match (timer, self.policy.poll_timeout_default) {
            (Some(due), _) => (Some(due), PollReason::Timer),
            (None, Some(wait)) => (Some(crate::timer::due_after(now, wait)), PollReason::Default),
            (None, None) => (None, PollReason::Idle),
        };
        let (deadline, reason) = match (nearest, outside.until) {
            (Some(due), Some(until)) if due <= until => (Some(due), reason),
            (_, Some(until)) => (Some(until), PollReason::Timer),
            (nearest, None) => (nearest, reason),
        };
        let timeout = deadline.map(|deadline| Duration::from_nanos(deadline.ns_since(now)));
        PollPlan { timeout, reason, deadline }
    }

    /// How long from `now` until there is something to do: zero if work is waiting, `None` if nothing is due.
    /// `watches_heap` includes the GC controller's timers.
    #[must_use]
    pub(crate) fn next_wait(&mut self, now: Timestamp, watches_heap: bool) -> Option<Duration> {
        if self.has_work() {
            return Some(Duration::ZERO);
        }
        let gc_due = if watches_heap { self.gc.next_due() } else { None };
        let due = [self.timers.next_due(), gc_due].into_iter().flatten().min()?;
        Some(Duration::from_nanos(due.ns_since(now)))
    }

    /// Everything referenced that waits here: tasks, timers and immediates by their tag, references held by
    /// the program by their label.
    pub(crate) fn named(&self) -> Vec<Named> {
        let mut counts: BTreeMap<(RefKind, Tag), u32> = BTreeMap::new();
        let mut count = |what, tag| *counts.entry((what, tag)).or_default() += 1;
        self.tasks.iter().for_each(|(task, _, note)| {
            count(RefKind::Task, note.map_or_else(|| self.tag_of(task), |(tag, _)| tag));
        });
        self.after_loop.iter().for_each(|queued| count(RefKind::Task, queued.tag));
        self.immediates
            .iter()
            .filter(|(_, referenced)| *referenced)
            .for_each(|(queued, _)| count(RefKind::Immediate, queued.tag));
        self.timers
            .armed()
            .iter()
            .filter(|timer| timer.referenced)
            .for_each(|timer| count(RefKind::Timer, timer.tag));
        let by_tag = |((what, tag), count)| Named { what, tag, label: None, count };
        let mut named: Vec<Named> = counts.into_iter().map(by_tag).collect();
        let mut labelled = |what, label: &str, count| {
            named.push(Named { what, tag: Tag(0), label: Some(label.to_owned()), count });
        };
        for (label, count) in self.refs.handles().filter(|(_, count)| *count > 0) {
            labelled(RefKind::Handle, label, u32::try_from(count).unwrap_or(u32::MAX));
        }
        if !self.microtasks.is_empty() {
            labelled(RefKind::Task, "microtasks", self.microtasks.len() as u32);
        }
        if self.deferred.posted() > 0 {
            labelled(RefKind::Task, "deferred callbacks", self.deferred.posted() as u32);
        }
        named
    }
}
