//! The program behind a trace: what each callback did and what it cost, and what came from outside and when.
//!
//! Read once from the recorded stream; whoever executes it again, under whatever rule, looks up a callback when its
//! turn comes and does what it did.

use std::collections::{HashMap, HashSet};

use loop_probes::event::{Event, Outcome, Queue, RefKind};
use loop_probes::ids::{IoSource, SourceId, Tag, TaskId, TimerId, Timestamp};
use loop_probes::stamped::Stamped;

use super::act::{Act, Acts, Done, Role};

/// Which callback it is, under any rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Key {
    /// A task by its recorded id: posted, set, woken, or a job's completion.
    Task(TaskId),
    /// The firing of a timer, counted from 0.
    Firing(TimerId, u32),
    /// The callback of a source, counted from 0.
    Ready(IoSource, u32),
    /// What was done between two ticks, counted from 0.
    Outside(u32),
}

/// Microtasks that ran at a checkpoint, or deferred callbacks of a drain, and what they did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drained {
    /// How many ran.
    pub ran: u32,
    /// How many are left.
    pub left: u32,
    /// How long they took together.
    pub run_ns: u64,
    /// What they did, in order.
    pub acts: Vec<Done>,
}

/// One run of a callback.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Callback {
    /// Its task's id, where it has one.
    pub task: Option<TaskId>,
    /// Its tag.
    pub tag: Tag,
    /// When it started.
    pub start: Timestamp,
    /// How long it ran, without what was drained after it.
    pub run_ns: u64,
    /// How it ended.
    pub outcome: Outcome,
    /// What it did, in order.
    pub acts: Vec<Done>,
    /// Checkpoints after it, in order: usually none, one, or two around a drain of the deferred queue.
    pub checkpoints: Vec<Drained>,
    /// The drain of the deferred queue after it.
    pub deferred: Option<Drained>,
    /// What came of it behind its drains: futures that it woke, references given back at the end of the turn.
    pub after: Vec<Done>,
}

/// Something that came from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// When it came: when a post was queued, a signal arrived, a poll returned, a heap was read.
    pub at: Timestamp,
    /// What it was.
    pub what: News,
}

/// What came from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// Another thread posted a task.
    Post {
        /// The task that it became.
        task: TaskId,
        /// Its tag.
        tag: Tag,
        /// Who posted it, where known.
        poster: Option<SourceId>,
    },
    /// Another thread woke the loop, without or beside posts.
    Wake {
        /// How often.
        times: u32,
    },
    /// A signal arrived; with the task that it became, where it has a handler.
    Signal {
        /// Its number.
        signo: u8,
        /// Its task and tag.
        handled: Option<(TaskId, Tag)>,
    },
    /// A poll found a source ready, and its callback was called.
    Ready {
        /// The source.
        source: IoSource,
        /// The tag of its callback.
        tag: Tag,
        /// Bit 0 readable, 1 writable, 2 error, 3 hang-up.
        readiness: u8,
    },
    /// A worker finished a job.
    Worked {
        /// The job.
        task: TaskId,
        /// How long the worker took.
        run_ns: u64,
    },
    /// A future was woken by another thread: it is polled as this task.
    Woken {
        /// The task.
        task: TaskId,
        /// Its tag.
        tag: Tag,
    },
    /// The heap was looked at.
    Heap {
        /// Its size in bytes.
        bytes: u64,
    },
    /// A collection took so long, and left so much.
    Collected {
        /// Nanoseconds.
        run_ns: u64,
        /// Bytes before.
        before: u64,
        /// Bytes after.
        after: u64,
    },
    /// References that other threads hold, or tasklets of an agenda, changed.
    References {
        /// Which.
        what: RefKind,
        /// By how many.
        delta: i32,
    },
    /// Somebody outside asked the run to end.
    Stop,
    /// Somebody outside asked the loop to shut down.
    Shutdown {
        /// Within so many nanoseconds.
        within_ns: u64,
    },
}

/// The program behind a trace. See the [module](self).
#[derive(Debug, Default)]
pub struct Program {
    /// Every callback that ran.
    pub callbacks: HashMap<Key, Callback>,
    /// Their keys, in the order in which they ran.
    pub order: Vec<Key>,
    /// What came from outside, in the order in which the loop took it.
    pub arrivals: Vec<Arrival>,
    /// Timers that were armed again after they had fired: a handle keeps them.
    pub kept: HashSet<TimerId>,
    /// The time of the first and of the last event.
    pub span: Option<(Timestamp, Timestamp)>,
    /// Callbacks that did more than is kept of one; re-execution is no proof where there are any.
    pub cut: u64,
}

/// Most acts that are kept of one callback: what does more is no program, but a damaged or hostile trace.
const ACTS_MAX: usize = 1 << 20;

/// Reads a [`Program`] from the events of one loop, and of its workers.
#[derive(Debug, Default)]
pub struct Extract {
    program: Program,
    acts: Acts,
    immediates: HashSet<TaskId>,
    /// The timer whose task runs next.
    firing: HashMap<TaskId, Key>,
    firings: HashMap<TimerId, u32>,
    readies: HashMap<IoSource, u32>,
    fired: HashSet<TimerId>,
    outside: u32,
    in_tick: bool,
    last: Option<Key>,
    tick: Option<Timestamp>,
}

impl Extract {
    /// Nothing was read yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The next event of the loop's own emitter, its tags mapped into this process's table.
    pub fn feed(&mut self, stamped: &Stamped) {
        let Stamped { at, ref event, .. } = *stamped;
        if !matches!(event, Event::Label { .. }) {
            let from = self.program.span.map_or(at, |(from, _)| from);
            self.program.span = Some((from, at));
        }
        self.look(at, event);
        let immediates = &mut self.immediates;
        match self.acts.feed(at, event, |task| immediates.remove(&task)) {
            Role::End => self.end(at, event),
            Role::Own => {
                self.leave_loose();
                self.own(at, event);
            }
            Role::Act | Role::Aside => {}
        }
    }

    /// The next event of one of its workers.
    pub fn feed_worker(&mut self, stamped: &Stamped) {
        if let Event::WorkRan { task, start, .. } = stamped.event {
            let run_ns = stamped.at.ns_since(start);
            self.arrive(stamped.at, News::Worked { task, run_ns });
        }
    }

    /// The program, once all was read.
    #[must_use]
    pub fn finish(mut self) -> Program {
        self.leave_loose();
        self.program
    }

    fn look(&mut self, at: Timestamp, event: &Event) {
        match *event {
            Event::TaskQueued { task, place, .. } if place.queue == Queue::Immediates => {
                self.immediates.insert(task);
            }
            Event::SnapshotTask { task, queue: Queue::Immediates, .. } => {
                self.immediates.insert(task);
            }
            Event::TimerFired { timer, task, .. } => {
                let nth = self.firings.entry(timer).or_default();
                self.firing.insert(task, Key::Firing(timer, *nth));
                *nth += 1;
                self.fired.insert(timer);
            }
            Event::TimerArmed { timer, .. } if self.fired.contains(&timer) => {
                self.program.kept.insert(timer);
            }
            Event::TickStart { .. } => {
                self.leave_loose();
                (self.in_tick, self.tick) = (true, Some(at));
            }
            Event::TickEnd { .. } => {
                self.leave_loose();
                self.in_tick = false;
            }
            _ => {}
        }
    }

    fn end(&mut self, at: Timestamp, event: &Event) {
        let mut acts = self.acts.take();
        if acts.len() > ACTS_MAX {
            acts.truncate(ACTS_MAX);
            self.program.cut += 1;
        }
        let drained =
            |ran, left, start: Timestamp, acts| Drained { ran, left, run_ns: at.ns_since(start), acts };
        match *event {
            Event::TaskRan { task, tag, outcome, start, .. } => {
                let acts = self.woken(task, acts);
                self.immediates.remove(&task);
                let key = self.firing.remove(&task).unwrap_or(Key::Task(task));
                self.ran(key, Callback::new(Some(task), tag, start, at, outcome, acts));
            }
            Event::IoReady { source, tag, readiness, task, start } => {
                let acts = self.woken(task, acts);
                let nth = self.readies.entry(source).or_default();
                let key = Key::Ready(source, *nth);
                *nth += 1;
                self.arrive(start, News::Ready { source, tag, readiness });
                self.ran(key, Callback::new(Some(task), tag, start, at, Outcome::Done, acts));
            }
            Event::Microtasks { ran, left, start, .. } => {
                let checkpoint = drained(ran, left, start, acts);
                self.current(start).checkpoints.push(checkpoint);
            }
            Event::DeferredRan { ran, kept, start } => {
                let drain = drained(ran, kept, start, acts);
                self.current(start).deferred = Some(drain);
            }
            _ => {}
        }
    }

    /// Takes out what the callback before this one left behind: futures that it woke are queued after its drains.
    fn woken(&mut self, task: TaskId, mut acts: Vec<Done>) -> Vec<Done> {
        let of_others = |done: &Done| matches!(done.act, Act::Post { origin: loop_probes::event::Origin::Future, parent, .. } if parent != Some(task));
        let count = acts.iter().take_while(|done| of_others(done)).count();
        let own = acts.split_off(count);
        if !acts.is_empty() {
            let at = acts[0].at;
            self.current(at).after.append(&mut acts);
        }
        own
    }

    /// Acts in front of something that the loop does itself were no callback's.
    fn leave_loose(&mut self) {
        if self.acts.is_empty() {
            return;
        }
        let acts = self.acts.take();
        let at = acts[0].at;
        if self.in_tick {
            self.current(at).after.extend(acts);
            return;
        }
        let key = Key::Outside(self.outside);
        self.outside += 1;
        self.ran(key, Callback::new(None, Tag(0), at, at, Outcome::Done, acts));
    }

    fn own(&mut self, at: Timestamp, event: &Event) {
        match *event {
            Event::TaskQueued { task, tag, place, poster, queued, .. } => match place.origin {
                loop_probes::event::Origin::Concurrent => {
                    self.arrive(queued, News::Post { task, tag, poster })
                }
                loop_probes::event::Origin::Signal => self.handled(task, tag),
                _ => {}
            },
            Event::SignalArrived { signo, arrived, .. } => {
                self.arrive(arrived, News::Signal { signo, handled: None })
            }
            Event::Wake { coalesced, .. } => {
                self.arrive(at, News::Wake { times: coalesced.saturating_add(1) })
            }
            Event::InputHeap { heap_bytes } => self.arrive(at, News::Heap { bytes: heap_bytes }),
            Event::GcRan { heap_bytes_before: before, heap_bytes_after: after, start } => {
                self.arrive(at, News::Collected { run_ns: at.ns_since(start), before, after });
            }
            Event::RefChanged { what: what @ RefKind::Agenda, delta, .. } => {
                self.arrive(at, News::References { what, delta });
            }
            Event::InputStop { outside: true } => self.arrive(at, News::Stop),
            Event::InputShutdown { outside: true, within_ns } => {
                self.arrive(at, News::Shutdown { within_ns })
            }
            _ => {}
        }
    }

    fn handled(&mut self, task: TaskId, tag: Tag) {
        if let Some(Arrival { what: News::Signal { handled, .. }, .. }) = self.program.arrivals.last_mut() {
            *handled = Some((task, tag));
        }
    }

    fn arrive(&mut self, at: Timestamp, what: News) {
        self.program.arrivals.push(Arrival { at, what });
    }

    fn ran(&mut self, key: Key, callback: Callback) {
        self.last = Some(key);
        self.program.order.push(key);
        self.program.callbacks.insert(key, callback);
    }

    /// The callback that ran last; where none did, one that did nothing.
    fn current(&mut self, at: Timestamp) -> &mut Callback {
        if self.last.is_none() {
            let key = Key::Outside(self.outside);
            self.outside += 1;
            self.ran(key, Callback::new(None, Tag(0), at, at, Outcome::Done, Vec::new()));
        }
        let key = self.last.unwrap_or(Key::Outside(0));
        self.program.callbacks.get_mut(&key).expect("what ran last is kept")
    }
}

impl Callback {
    fn new(
        task: Option<TaskId>,
        tag: Tag,
        start: Timestamp,
        end: Timestamp,
        outcome: Outcome,
        acts: Vec<Done>,
    ) -> Self {
        let run_ns = end.ns_since(start);
        Self {
            task,
            tag,
            start,
            run_ns,
            outcome,
            acts,
            checkpoints: Vec::new(),
            deferred: None,
            after: Vec::new(),
        }
    }

    /// Microtasks that ran after it.
    #[must_use]
    pub fn microtasks(&self) -> u32 {
        self.checkpoints.iter().fold(0, |sum, checkpoint| sum.saturating_add(checkpoint.ran))
    }
}
