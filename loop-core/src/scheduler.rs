//! The scheduler: holds all waiting work and decides what runs next. Pure: time comes in as an argument, decisions go
//! out; it does not read a clock, wait, or call back.
//!
//! The same calls with the same arguments give the same results, so a recorded run can be re-executed:
//! [`EventLoop`](crate::EventLoop) makes the calls, and records each argument that comes from outside.

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
    /// Maximum wait; `None` means forever.
    pub timeout: Option<Duration>,
    /// The reason for the timeout.
    pub reason: PollReason,
    /// When the wait times out; `None` if it does not.
    pub deadline: Option<Timestamp>,
}

/// State outside of the scheduler right before a poll.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExternalState {
    /// Whether other threads posted or requested a stop.
    pub posted: bool,
    /// Whether signals are in the ring.
    pub signals: bool,
    /// Whether the host has microtasks.
    pub host: bool,
    /// When the loop must return to its caller at the latest.
    pub until: Option<Timestamp>,
}

/// All waiting work of a loop, and the decision on what runs next. Pure: time comes in as an argument.
pub struct Scheduler<T: Payload> {
    /// Tasks ready to run.
    pub(crate) tasks: Tasks<Body<T>>,
    /// Microtasks for the next checkpoint.
    microtasks: Microtasks<T>,
    /// Callbacks that run after the microtasks.
    deferred: Deferred<T::Deferred>,
    /// Whether `microtasks` or `deferred` may have entries, or futures are in use. Checked after each task instead of all
    /// three.
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
    /// The tick's budget is spent when the queue's count of taken tasks reaches this value. So a task updates one counter
    /// instead of two.
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

    /// Begins a tick and resets its budget. Returns the tick's number, from 1.
    pub(crate) fn begin_tick(&mut self) -> u64 {
        self.tick += 1;
        self.tasks.rewind();
        self.budget_end = self.tasks.taken().wrapping_add(self.policy.tasks_per_tick.max(1) as usize);
        self.refill_deferred();
        self.tick
    }

    /// Resets the number of deferred callbacks that may still be added and run during drains to the task limit of a
    /// tick. Called for each tick, and for each drain outside of ticks.
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

    /// Id that the next new task gets.
    #[must_use]
    pub const fn next_id(&self) -> TaskId {
        TaskId(self.next_task)
    }

    /// Queues a task. Returns the queue's depth, including that task.
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

    /// Takes the next task; `None` if the queue is empty or the tick's budget is spent.
    #[inline]
    pub(crate) fn next_task(&mut self) -> Option<NextTask<Body<T>>> {
        let (task, id, is_noted) = self.take_task()?;
        Some(if is_noted { self.tasks.pop_note(task, id) } else { NextTask::Plain(task, id) })
    }

    /// Like [`next_task`](Self::next_task), but leaves the task's note, and returns whether there is one.
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
            // Other bodies are queued with a note that has their tag.
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

    /// Queues a task to run once at the end of this turn, after the poll and the timers. Returns the number of such tasks,
    /// including this one.
    pub(crate) fn after_loop(&mut self, queued: Queued<T>) -> u32 {
        self.after_loop.push(queued);
        self.after_loop.len() as u32
    }

    /// The tasks waiting for the end of the turn.
    pub(crate) fn waiting_after_loop(&self) -> &[Queued<T>] {
        &self.after_loop
    }

    /// Takes the tasks waiting for the end of the turn.
    pub(crate) fn take_after_loop(&mut self) -> Vec<Queued<T>> {
        std::mem::take(&mut self.after_loop)
    }

    /// Puts back tasks that were taken and did not run, in front of those added since.
    pub(crate) fn put_back_after_loop(&mut self, callbacks: impl ExactSizeIterator<Item = Queued<T>>) {
        if callbacks.len() > 0 {
            let added = std::mem::take(&mut self.after_loop);
            self.after_loop = callbacks.chain(added).collect();
        }
    }

    /// Requests that the run end after this turn.
    pub(crate) const fn stop(&mut self) {
        self.stop = true;
    }

    /// Whether a stop was requested and the run has not ended yet.
    #[must_use]
    pub const fn is_stopping(&self) -> bool {
        self.stop
    }

    /// Takes the request to stop, as the run ends.
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

    /// Whether the policy's exit rule ends the run now.
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

    /// Whether the last task may have left work that must be checked for.
    #[inline]
    pub(crate) const fn attention(&self) -> bool {
        self.attention
    }

    /// Sets whether later tasks must check for work: if `always`, or if a drain would find something.
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

    /// Whether queued work could run immediately.
    #[must_use]
    pub fn has_work(&self) -> bool {
        !self.tasks.is_empty()
            || !self.microtasks.is_empty()
            || self.deferred.posted() > 0
            || !self.immediates.is_empty()
            || !self.after_loop.is_empty()
    }

    /// Decides how long the next poll may wait. `watches_heap` includes the GC controller's timers.
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

    /// Time from `now` until there is work: zero if work is waiting, `None` if nothing is due. `watches_heap` includes the
    /// GC controller's timers.
    #[must_use]
    pub(crate) fn next_wait(&mut self, now: Timestamp, watches_heap: bool) -> Option<Duration> {
        if self.has_work() {
            return Some(Duration::ZERO);
        }
        let gc_due = if watches_heap { self.gc.next_due() } else { None };
        let due = [self.timers.next_due(), gc_due].into_iter().flatten().min()?;
        Some(Duration::from_nanos(due.ns_since(now)))
    }

    /// All referenced work in the scheduler: tasks, timers and immediates by tag, references held by the program by
    /// label.
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
