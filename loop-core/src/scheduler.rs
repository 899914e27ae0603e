//! The scheduler: everything that waits, and every decision about it. Pure: time comes in as an argument,
//! decisions go out, nothing here reads a clock, waits, or calls back.
//!
//! The same calls with the same arguments give the same answers, so a recorded run can be executed again:
//! [`EventLoop`](crate::EventLoop) makes the calls, and records each argument that came from outside.

mod pending;
mod timer_handle;
mod timers;
mod wait;

pub(crate) use pending::name as name_of;
pub use timer_handle::TimerHandle;
pub use timers::{Delay, Due, Refreshed, TimerEntry, TimerGone};

use std::time::Duration;

use loop_probes::event::{PollReason, RefKind};
use loop_probes::ids::{Tag, TaskId, Timestamp};

use crate::context::Context;
use crate::gc::GcController;
use crate::keep_alive::KeepAlive;
use crate::microtask::Microtasks;
use crate::policy::{ExitRule, Policy};
use crate::queue::deferred::Deferred;
use crate::queue::fifo::Queued;
use crate::queue::immediate::Immediates;
use crate::queue::tasks::{Next, Tasks};
use crate::task::body::Body;
use crate::task::{TagOf, Task, tag};
use crate::timer::TimerQueue;
use timer_handle::Released;

/// A callback of the deferred queue: true keeps it for the next drain.
pub type DeferredCallback<T> = Box<dyn FnMut(&mut Context<'_, T>) -> bool>;

/// How long the next poll may wait, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PollPlan {
    /// The longest wait; `None` is for ever.
    pub timeout: Option<Duration>,
    /// Why so long.
    pub reason: PollReason,
    /// When the wait ends by itself.
    pub deadline: Option<Timestamp>,
}

/// What waits outside the scheduler, as the loop sees it right before a poll.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outside {
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
pub struct Scheduler<T: Task> {
    /// Tasks ready to run.
    pub(crate) tasks: Tasks<T>,
    /// What runs at the next checkpoint.
    microtasks: Microtasks<T>,
    /// What runs after the microtasks.
    deferred: Deferred<DeferredCallback<T>>,
    /// Something may be in one of the two, or futures are in use: what a task looks at instead of all of them.
    attention: bool,
    /// What runs before the next poll.
    pub immediates: Immediates<T>,
    /// References that no queue counts.
    pub refs: KeepAlive,
    /// When to collect.
    pub gc: GcController,
    timers: TimerQueue<TimerEntry<T>>,
    /// Timers that fired and whose handles went since.
    released: Released,
    after_loop: Vec<Queued<T>>,
    policy: Policy,
    /// The tags of [`Task::TAGS`].
    own_tags: Box<[Tag]>,
    next_task: u64,
    tick: u64,
    /// What the queue's count of tasks that it gave will be when the tick's budget is spent: so a task costs one
    /// count, not two.
    budget_end: usize,
    stop: bool,
}

impl<T: Task> Scheduler<T> {
    /// Nothing waits; `now` starts the GC controller's timers.
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
            timers: timers::queue(&policy, now),
            released: Released::default(),
            after_loop: Vec::new(),
            own_tags: tag::own_tags::<T>(),
            next_task: 1,
            tick: 0,
            budget_end: policy.tasks_per_tick as usize,
            stop: false,
            policy,
        }
    }

    /// The policy it decides by.
    #[must_use]
    pub const fn policy(&self) -> &Policy {
        &self.policy
    }

    /// A new tick: its number, from 1. The budget is full again.
    pub fn begin_tick(&mut self) -> u64 {
        self.tick += 1;
        self.tasks.rewind();
        self.budget_end = self.tasks.taken().wrapping_add(self.policy.tasks_per_tick.max(1) as usize);
        self.refill_deferred();
        self.tick
    }

    /// The drains from here on may take as many entries that are added while they run as a tick may run tasks: those
    /// of a tick, or one outside of all ticks.
    pub(crate) const fn refill_deferred(&mut self) {
        self.deferred.refill(self.policy.tasks_per_tick);
    }

    /// The next tick is number `tick`, the next task `next_task`: of a loop that is put into a recorded state.
    pub(crate) fn begin_in(&mut self, tick: u64, next_task: TaskId, now: Timestamp) {
        (self.tick, self.next_task) = (tick.saturating_sub(1), next_task.0);
        self.timers.advance(now);
    }

    /// The number of the current tick.
    #[must_use]
    pub const fn tick(&self) -> u64 {
        self.tick
    }

    /// A new task id.
    #[inline]
    pub fn new_id(&mut self) -> TaskId {
        let id = TaskId(self.next_task);
        self.next_task += 1;
        id
    }

    /// The id that the next task gets.
    #[must_use]
    pub const fn next_id(&self) -> TaskId {
        TaskId(self.next_task)
    }

    /// Queues a task; returns how deep the queue is with it.
    #[inline]
    pub fn queue(&mut self, queued: Queued<T>) -> u32 {
        self.tasks.push_noted(queued);
        self.tasks.len() as u32
    }

    /// Queues a task about which nobody wants to know more than that it runs; returns its id.
    #[inline]
    pub fn queue_plain(&mut self, task: T) -> TaskId {
        let id = self.new_id();
        self.tasks.push(Body::Task(task), id);
        id
    }

    /// The next task, while the tick's budget lasts.
    #[inline]
    pub(crate) fn next_task(&mut self) -> Option<Next<T>> {
        let (task, id, is_noted) = self.take_task()?;
        Some(if is_noted { self.tasks.pop_note(task, id) } else { Next::Plain(task, id) })
    }

    /// The same without its note, and whether it has one.
    #[inline]
    pub(crate) fn take_task(&mut self) -> Option<(Body<T>, TaskId, bool)> {
        if self.budget_spent() { None } else { self.tasks.pop() }
    }

    /// Tasks that this tick may still run.
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
            // What is not the application's own is queued with its tag.
            Body::Poll(_) | Body::Wake(_) | Body::Ready(_) | Body::Told(_) => Tag(0),
        }
    }

    #[inline]
    pub(crate) fn resolve(&self, tag: TagOf) -> Tag {
        match tag {
            TagOf::Own(index) => self.own_tags.get(usize::from(index)).copied().unwrap_or_default(),
            TagOf::Global(tag) => tag,
        }
    }

    /// Whether this tick may run no more tasks.
    #[inline]
    #[must_use]
    pub const fn budget_spent(&self) -> bool {
        self.tasks.taken() == self.budget_end
    }

    /// This tick runs no more tasks, whatever is left of its budget.
    pub const fn spend_budget(&mut self) {
        self.budget_end = self.tasks.taken();
    }

    /// Tasks that were taken, modulo `usize`: for differences within a tick.
    #[inline]
    pub(crate) const fn tasks_taken(&self) -> usize {
        self.tasks.taken()
    }

    /// Runs a task once, after the poll and the timers of this turn; returns how many wait for that with it.
    pub fn after_loop(&mut self, queued: Queued<T>) -> u32 {
        self.after_loop.push(queued);
        self.after_loop.len() as u32
    }

    /// The tasks that wait for the end of the turn.
    pub fn waiting_after_loop(&self) -> &[Queued<T>] {
        &self.after_loop
    }

    /// The callbacks that wait for the end of the turn.
    pub fn take_after_loop(&mut self) -> Vec<Queued<T>> {
        std::mem::take(&mut self.after_loop)
    }

    /// Puts callbacks back that were taken and did not run, in front of those that came since.
    pub fn put_back_after_loop(&mut self, callbacks: impl ExactSizeIterator<Item = Queued<T>>) {
        if callbacks.len() > 0 {
            let added = std::mem::take(&mut self.after_loop);
            self.after_loop = callbacks.chain(added).collect();
        }
    }

    /// Asks the run to end after this turn.
    pub const fn stop(&mut self) {
        self.stop = true;
    }

    /// Whether somebody asked the run to end, and it has not.
    #[must_use]
    pub const fn is_stopping(&self) -> bool {
        self.stop
    }

    /// The run ends: the request is used up, the next run goes on.
    pub const fn take_stop(&mut self) -> bool {
        std::mem::replace(&mut self.stop, false)
    }

    /// References of every kind.
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

    /// Whether a run ends by itself now.
    #[must_use]
    pub fn is_drained(&self) -> bool {
        match self.policy.exit {
            ExitRule::Unreferenced => !self.is_alive(),
            ExitRule::OnlyStopped => false,
        }
    }

    /// References of one kind.
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

    /// What runs at the next checkpoint.
    #[must_use]
    pub const fn microtasks(&self) -> &Microtasks<T> {
        &self.microtasks
    }

    /// The same, to change it.
    #[inline]
    pub const fn microtasks_mut(&mut self) -> &mut Microtasks<T> {
        self.attention = true;
        &mut self.microtasks
    }

    /// What runs after the microtasks.
    #[must_use]
    pub const fn deferred(&self) -> &Deferred<DeferredCallback<T>> {
        &self.deferred
    }

    /// The same, to change it.
    #[inline]
    pub const fn deferred_mut(&mut self) -> &mut Deferred<DeferredCallback<T>> {
        self.attention = true;
        &mut self.deferred
    }

    /// A drain begins.
    #[inline]
    pub(crate) fn begin_deferred(&mut self) {
        if !self.deferred.is_empty() {
            self.deferred_mut().begin_drain();
        }
    }

    /// Whether a task may have left something to do, and has to look.
    #[inline]
    pub(crate) const fn attention(&self) -> bool {
        self.attention
    }

    /// Says whether later tasks have to look too, where a drain finds nothing.
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

    /// Whether something is queued that could run at once.
    #[must_use]
    pub fn has_work(&self) -> bool {
        !self.tasks.is_empty()
            || !self.microtasks.is_empty()
            || self.deferred.posted() > 0
            || !self.immediates.is_empty()
            || !self.after_loop.is_empty()
    }

    /// How long the next poll may wait. `watches_heap` brings the GC controller's timers in.
    #[must_use]
    pub fn plan_poll(&mut self, now: Timestamp, outside: Outside, watches_heap: bool) -> PollPlan {
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
}
