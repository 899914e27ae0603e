//! One loop in the third pass: turns its slices into ticks, tasks, waits and spans.

use std::collections::HashMap;
use std::io;

use loop_probes::event::{Event, Origin, Outcome, Placement, PollReason, Queue, RunningKind};
use loop_probes::ids::{SourceId, TaskId, Timestamp};

use super::gather::Heap;
use super::names::Names;
use super::nest::{Nest, Nested, Slice};
use super::role::{Role, Roles};
use super::sorted::Sorter;
use super::threads::Thread;
use super::unsorted::{NamedAs, Unsorted};

/// A time of the file in the trace, which begins at 0.
fn time(at: i64) -> Timestamp {
    Timestamp(at.max(0).cast_unsigned())
}

/// Where and when something was posted, to run later.
#[derive(Clone, Copy, Debug)]
pub(super) struct Post {
    pub(super) at: i64,
    /// The task that posted it; 0 if unknown.
    pub(super) task: u64,
    /// The loop it was posted from; 0 if none.
    pub(super) source: u32,
}

#[derive(Clone, Copy, Debug)]
struct OpenTask {
    id: u64,
    depth: usize,
    name: u32,
    start: i64,
    dur: Option<i64>,
    post: Option<Post>,
    /// Whether the slice's name only leads to the task's code: the first call within it names the task.
    wants_name: bool,
}

#[derive(Clone, Copy, Debug)]
struct OpenTick {
    number: u64,
    start: i64,
    /// The depth of its slice; `None` if the tick has no slice of its own.
    depth: Option<usize>,
    tasks_run: u32,
}

/// State shared by all loops in the pass.
#[derive(Debug)]
pub(super) struct Conversion<'a> {
    pub(super) names: &'a Names,
    pub(super) heaps: &'a HashMap<u64, Heap>,
    pub(super) roles: Roles,
    pub(super) out: Sorter<Unsorted>,
    pub(super) named_as: NamedAs,
    pub(super) tasks: u64,
    order: u64,
    failed: Option<io::Error>,
}

impl<'a> Conversion<'a> {
    pub(super) fn new(names: &'a Names, heaps: &'a HashMap<u64, Heap>, roles: Roles) -> Self {
        let (out, named_as) = (Sorter::default(), NamedAs::default());
        Self { names, heaps, roles, out, named_as, tasks: 0, order: 0, failed: None }
    }

    fn emit(&mut self, source: u32, at: i64, event: impl Into<Option<Event>>) {
        self.order += 1;
        let (at, source) = (time(at), SourceId(source));
        if let Err(error) = self.out.push(Unsorted { at, order: self.order, source, event: event.into() }) {
            self.failed.get_or_insert(error);
        }
    }

    /// Returns the first error so far, once.
    pub(super) fn check(&mut self) -> io::Result<()> {
        self.failed.take().map_or(Ok(()), Err)
    }
}

/// Counts of one loop.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub struct LoopCounts {
    /// Number of ticks.
    pub ticks: u64,
    /// Number of tasks.
    pub tasks: u64,
    /// Tasks whose queued time is in the file.
    pub queue_waits_known: u64,
    /// Slices within tasks, or around the loop.
    pub spans: u64,
    /// Number of instants, which become marks.
    pub marks: u64,
    /// Tasks in progress when the file ended: included in no other count.
    #[serde(default)]
    pub unfinished: u64,
}

/// One loop.
#[derive(Debug, Default)]
pub(super) struct LoopConverter {
    pub(super) source: u32,
    has_turns: bool,
    /// Whether the file contains the callbacks that phases run.
    has_callbacks: bool,
    nest: Nest,
    /// How many of the outermost open slices are around the loop.
    base: usize,
    /// Slices around the loop.
    pub(super) enclosing: u64,
    polls: u64,
    tick: Option<OpenTick>,
    ticks: u64,
    task: Option<OpenTask>,
    last_end: i64,
    /// Whether the current top-level slice shows that the loop is awake, rather than being a task.
    awake: bool,
    /// The post of a flow that ends in the next slice.
    pub(super) next: Option<Post>,
    /// V8's heap size at the end of the slice that is ending.
    heap_after: Option<u64>,
    pub(super) counts: LoopCounts,
}

impl LoopConverter {
    pub(super) fn new(source: u32, thread: &Thread, depth_max: usize) -> Self {
        Self {
            source,
            has_turns: thread.turns > 0,
            has_callbacks: thread.callbacks > 0,
            nest: Nest::with_depth(depth_max),
            ..Self::default()
        }
    }

    /// The task running at this time; 0 if none.
    pub(super) fn running(&self, at: i64) -> u64 {
        let continues = |task: &OpenTask| {
            self.nest.open().get(task.depth).and_then(Slice::end).is_none_or(|end| at <= end)
        };
        self.task.filter(continues).map_or(0, |task| task.id)
    }

    /// Begins a slice; one around the loop is not a task.
    pub(super) fn begin(
        &mut self,
        conversion: &mut Conversion<'_>,
        slice: Slice,
        role: Role,
        is_enclosing: bool,
    ) {
        let mut nest = std::mem::take(&mut self.nest);
        let nested = nest.begin(slice, &mut |closed, depth| self.closed(conversion, closed, depth));
        self.nest = nest;
        if let Nested::At(depth) = nested {
            if is_enclosing && depth == self.base && !self.has_turns {
                self.base += 1;
                self.enclosing += 1;
                self.next = None;
            } else {
                self.opened(conversion, slice, depth, role);
            }
        }
    }

    /// Ends a begun slice; `heap` is V8's heap size at that end.
    pub(super) fn end(
        &mut self,
        conversion: &mut Conversion<'_>,
        at: i64,
        name: u32,
        category: u32,
        heap: Option<u64>,
    ) {
        let mut nest = std::mem::take(&mut self.nest);
        nest.end(at, name, category, &mut |closed, depth| {
            // Slices closed on the way have other ends.
            self.heap_after = heap.filter(|_| closed.end() == Some(at) && closed.name == name);
            self.closed(conversion, closed, depth);
            self.heap_after = None;
        });
        self.nest = nest;
    }

    /// Something posted runs in the slice that is open at this time. It dates the queueing of the task only if that slice
    /// is the task's own.
    pub(super) fn arrived(&mut self, post: Post, at: i64) {
        let innermost = self.nest.open().len();
        let continues = self.running(at) > 0;
        if let Some(task) = &mut self.task
            && continues
            && task.post.is_none()
            && task.depth + 1 == innermost
            && post.at <= task.start
        {
            task.post = Some(post);
        }
    }

    pub(super) fn mark(&mut self, conversion: &mut Conversion<'_>, at: i64, name: u32) {
        self.counts.marks += 1;
        let label = conversion.named_as.label(name);
        conversion.emit(self.source, at, Event::Mark { label });
    }

    /// Records were lost between `from` and `at`, when the exported recording was made.
    pub(super) fn lost(&mut self, conversion: &mut Conversion<'_>, at: i64, count: u64, from: i64) {
        conversion.emit(self.source, at, Event::Lost { count, from: time(from).min(time(at)) });
    }

    pub(super) fn depth(&mut self, conversion: &mut Conversion<'_>, at: i64, queue: u32, depth: u64) {
        let depth = u32::try_from(depth).unwrap_or(u32::MAX);
        if let Some(queue) = Queue::from_code(queue as u8) {
            conversion.emit(self.source, at, Event::QueueDepth { queue, depth });
        }
    }

    /// Whether its slices leave no gap, as those of a CPU profile do.
    pub(super) const fn never_waits(&self) -> bool {
        self.polls == 0 && self.counts.tasks + self.counts.spans > 1
    }

    pub(super) fn finish(&mut self, conversion: &mut Conversion<'_>, last: i64) {
        let mut nest = std::mem::take(&mut self.nest);
        nest.finish(last, &mut |closed, depth, has_end| {
            if has_end || depth < self.base {
                self.closed(conversion, closed, depth);
            } else {
                self.unfinished(conversion, depth, last);
            }
        });
        self.end_tick(conversion, self.last_end);
    }

    fn opened(&mut self, conversion: &mut Conversion<'_>, slice: Slice, depth: usize, role: Role) {
        let post = self.next.take();
        let is_task = if self.has_turns {
            if role == Role::Turn && self.tick.is_none() {
                self.begin_tick(conversion, slice.start, Some(depth));
            }
            role == Role::Task && self.tick.is_some() && self.task.is_none()
        } else {
            if depth == self.base {
                self.top_level(conversion, slice.start);
                self.awake = self.is_awake(role);
            }
            let in_awake = self.awake && matches!(role, Role::Task | Role::Callback) && self.task.is_none();
            if depth == self.base { !self.awake } else { in_awake }
        };
        if is_task {
            conversion.tasks += 1;
            let (id, start) = (conversion.tasks, slice.start);
            // If a slice's name is the same for all tasks, the file may say what this one runs.
            let given = (role == Role::Task && slice.extra > 0).then_some(slice.extra as u32);
            let name = given.unwrap_or(slice.name);
            let wants_name = role == Role::Task && conversion.names.text(name).contains("Handle._run (");
            self.task = Some(OpenTask { id, depth, name, start, dur: slice.dur, post, wants_name });
        } else if let Some(task) = &mut self.task {
            // The first call that fills the task is its purpose; coroutines that the trace has elsewhere leave only
            // small helpers here.
            let fills = slice.dur.is_none_or(|dur| dur.saturating_mul(2) >= task.dur.unwrap_or(0));
            if task.wants_name && role != Role::Wrapper && fills {
                task.name = slice.name;
                task.wants_name = false;
            }
        }
    }

    /// Whether a slice of this role shows that the loop is running tasks, without being one.
    fn is_awake(&self, role: Role) -> bool {
        role == Role::Awake || (role == Role::Phase && self.has_callbacks)
    }

    /// Begins a top-level slice: the time since the last one was a wait, and the wait ends a tick.
    fn top_level(&mut self, conversion: &mut Conversion<'_>, start: i64) {
        if self.tick.is_some() {
            if start <= self.last_end {
                return;
            }
            self.polls += 1;
            conversion.emit(self.source, start, poll_since(time(self.last_end)));
            self.end_tick(conversion, start);
        }
        self.begin_tick(conversion, start, None);
    }

    fn begin_tick(&mut self, conversion: &mut Conversion<'_>, start: i64, depth: Option<usize>) {
        self.ticks += 1;
        self.tick = Some(OpenTick { number: self.ticks, start, depth, tasks_run: 0 });
        conversion.emit(self.source, start, Event::TickStart { tick: self.ticks });
    }

    fn end_tick(&mut self, conversion: &mut Conversion<'_>, at: i64) {
        if let Some(OpenTick { number, start, tasks_run, .. }) = self.tick.take() {
            self.counts.ticks += 1;
            conversion.emit(self.source, at, Event::TickEnd { tick: number, tasks_run, start: time(start) });
        }
    }

    /// A slice without an end in the file. What is open within a task that ends was cut with it.
    fn unfinished(&mut self, conversion: &mut Conversion<'_>, depth: usize, last: i64) {
        if let Some(task) = self.task.filter(|task| task.depth == depth) {
            let running = Event::Running {
                what: RunningKind::Task,
                tag: conversion.named_as.tag(task.name),
                phase: None,
                task: Some(TaskId(task.id)),
                deadline: None,
                since: time(task.start),
            };
            conversion.emit(self.source, last, running);
            self.task = None;
            self.counts.unfinished += 1;
            self.tick = None;
        } else if depth == self.base || self.tick.is_some_and(|tick| tick.depth == Some(depth)) {
            // The loop was awake, or in a turn.
            self.tick = None;
        }
    }

    fn closed(&mut self, conversion: &mut Conversion<'_>, slice: Slice, depth: usize) {
        if depth < self.base {
            self.base = depth;
            return;
        }
        let end = slice.end().unwrap_or(slice.start).max(slice.start);
        let start = time(slice.start);
        let role = conversion.roles.of(conversion.names, slice.name, slice.category);
        let heap =
            conversion.heaps.get(&slice.extra).filter(|_| role == Role::Gc).copied().unwrap_or_default();
        let collection = self.heap_after.or(heap.after).filter(|_| role == Role::Gc);
        if let Some(heap_bytes_after) = collection {
            let heap_bytes_before = heap.before.unwrap_or(0);
            conversion.emit(self.source, end, Event::GcRan { heap_bytes_before, heap_bytes_after, start });
        }
        if let Some(task) = self.task.filter(|task| task.depth == depth) {
            // A collection that lies in no other slice is a task as well.
            self.task = None;
            self.ran(conversion, task, end);
        } else if self.tick.is_some_and(|tick| tick.depth == Some(depth)) {
            self.end_tick(conversion, end);
        } else if self.is_awake(role) && depth == self.base && !self.has_turns {
            // It is the tick itself; its time outside of tasks is unattributed.
        } else if self.has_turns && role == Role::Poll && self.tick.is_some() {
            self.polls += 1;
            conversion.emit(self.source, end, poll_since(start));
        } else if collection.is_none() {
            self.counts.spans += 1;
            let label = conversion.named_as.label(slice.name);
            conversion.emit(self.source, end, Event::Span { label, start });
        }
        if depth == self.base {
            self.last_end = self.last_end.max(end);
        }
    }

    fn ran(&mut self, conversion: &mut Conversion<'_>, task: OpenTask, end: i64) {
        let OpenTask { id, name, start, post, .. } = task;
        self.counts.tasks += 1;
        if let Some(tick) = &mut self.tick {
            tick.tasks_run = tick.tasks_run.saturating_add(1);
        }
        let queued = post.map_or(start, |post| post.at.min(start));
        let (task, tag) = (TaskId(id), conversion.named_as.tag(name));
        if let Some(post) = post {
            self.counts.queue_waits_known += 1;
            let poster = (post.source > 0 && post.source != self.source).then_some(SourceId(post.source));
            let origin = if poster.is_some() { Origin::Concurrent } else { Origin::Local };
            let event = Event::TaskQueued {
                task,
                tag,
                // The depth is known once the events are in order.
                place: Placement { queue: Queue::Tasks, origin, depth: 0 },
                parent: (post.task > 0).then(|| TaskId(post.task).into()),
                poster,
                queued: time(queued),
            };
            conversion.emit(self.source, queued, event);
            conversion.emit(self.source, start, None);
        }
        let (queued, start) = (time(queued), time(start));
        let ran = Event::TaskRan { task, tag, outcome: Outcome::Done, queued, start };
        conversion.emit(self.source, end, ran);
    }
}

/// The file does not contain the reason for a wait, its timeout, or what was ready.
fn poll_since(start: Timestamp) -> Event {
    Event::Poll { reason: PollReason::Idle, ready: 0, timeout_ns: None, start }
}
