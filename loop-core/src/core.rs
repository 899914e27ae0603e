//! The state of a loop that running tasks can access. It does not depend on the types of the clock and the poller.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::io;
use std::rc::Rc;
use std::sync::Arc;

use loop_probes::clock::SystemClock;
use loop_probes::event::{Event, LabelKind, LoopCall, Origin, Outcome, Phase, Placement, Queue, RefKind};
use loop_probes::ids::{IoSource, LabelId, NonMax, Tag, TaskId, Ticks};
use loop_probes::recorder::Recorder;
use loop_probes::tags;

use crate::body::{Body, Queued};
use crate::environment::Environment;
use crate::error::{LoopKind, RunError};
use crate::failure::{Failure, OnError};
use crate::future::table::Futures;
use crate::future::work::JobWait;
use crate::inbound::LoopShared;
use crate::keep_alive::{Named, Pending};
use crate::payload::Payload;
use crate::poller::{Interest, Poller, Readiness, Source};
use crate::scheduler::Scheduler;
use crate::shutdown::{OnShutdown, Progress};
use crate::signal::{Arrival, SignalSource, Signals};
use crate::tag::{TagOf, name_of};
use crate::timer::Timer;
use crate::work_pool::{FinishedJob, JobSink, Pool, Rejected};

/// Creates the work pool when the first job is submitted.
pub(crate) type PoolFactory<R> =
    Box<dyn FnOnce(JobSink<R>) -> Result<Box<dyn Pool<R>>, crate::work_pool::threads::PoolError>>;
/// Creates the source of signals when the first handler is set.
pub(crate) type MakeSignals = Box<dyn FnOnce(crate::poller::Waker) -> Box<dyn SignalSource>>;

/// How to create the signal source when the first handler is set.
pub(crate) enum SignalFactory {
    /// Handlers installed with the operating system, which stamp arrivals with this clock.
    System(SystemClock),
    /// A source given to the builder.
    Own(MakeSignals),
}

impl<T: Payload> Core<T> {
    /// Creates the signal source on first use. Its signals wake `poller`.
    pub(crate) fn start_signals(&mut self, poller: &mut dyn Poller) -> io::Result<()> {
        if self.signals.is_none() {
            if let Some(SignalFactory::System(clock)) = self.signal_factory {
                // Keep the factory, so that after a failure the next caller gets the error too.
                self.signals = Some(Box::new(Signals::new(clock, poller.signal_waker()?)));
            } else if let Some(SignalFactory::Own(make)) = self.signal_factory.take() {
                self.signals = Some(make(poller.waker()));
            }
        }
        Ok(())
    }
}

/// A source and its readiness, as seen by the source's callback.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct IoReadiness {
    /// The source that is ready.
    pub source: IoSource,
    /// The conditions that the source is ready for.
    pub readiness: Readiness,
}

/// State of the running callback.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Current {
    pub task: Option<TaskId>,
    pub tag: Tag,
    /// Origin recorded for posts of this callback.
    pub origin: Origin,
    pub outcome: Outcome,
    pub timer: Option<Timer>,
    pub ready: Option<IoReadiness>,
    pub signal: Option<Arrival>,
    /// Whether code of the loop's caller runs, between two turns.
    pub is_outside: bool,
}

impl Current {
    /// Code of the loop's caller, between two turns.
    pub(crate) const OUTSIDE: Self = Self { is_outside: true, ..Self::NONE };
    pub(crate) const NONE: Self = Self {
        task: None,
        tag: Tag(0),
        origin: Origin::Local,
        outcome: Outcome::Done,
        timer: None,
        ready: None,
        signal: None,
        is_outside: false,
    };
}

/// A registered source of readiness.
pub(crate) struct Registration<T> {
    pub task: Body<T>,
    pub tag: Tag,
    pub referenced: bool,
    pub fd: Source,
    /// Name given by the source's owner.
    pub name: Option<Cow<'static, str>>,
    pub on_error: OnError<T>,
    pub on_shutdown: OnShutdown,
    pub interest: Interest,
    /// Value of [`Core::calls`] when each direction was last called, reading first.
    pub called: [u64; 2],
}

impl<T> Registration<T> {
    /// Whether a future owns the source, which is then dropped with the future.
    pub(crate) const fn is_awaited(&self) -> bool {
        matches!(self.task, Body::Ready(_))
    }

    /// The source's name in lists.
    pub(crate) fn name(&self) -> String {
        self.name.as_deref().map_or_else(|| name_of(self.tag), str::to_owned)
    }
}

/// The handler of a signal.
pub(crate) struct Subscription<T> {
    pub task: T,
    pub tag: Tag,
}

/// The loop's entry for a job on the pool.
pub(crate) struct Outstanding<T> {
    pub tag: Tag,
    pub parent: Option<TaskId>,
    pub on_shutdown: OnShutdown,
    /// Taken when the job comes back.
    pub then: Option<Then<T>>,
    /// Whether a future awaits the job.
    pub awaited: bool,
}

/// Where a job's result goes.
pub(crate) enum Then<T> {
    /// The result is a task. If the job is rejected, the function makes the task.
    Task(Box<dyn FnOnce(Rejected) -> T>),
    /// The result is stored in the awaiting future's slot.
    Future(Rc<JobWait>),
}

impl<T> Outstanding<T> {
    pub(crate) const fn is_awaited(&self) -> bool {
        self.awaited
    }
}

/// Counters since the loop began, similar to libuv's metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Metrics {
    /// Turns, including half turns run by [`tick`](crate::EventLoop::tick) and
    /// [`auto_tick`](crate::EventLoop::auto_tick).
    pub ticks: u64,
    /// Tasks run, including those of timers and immediates. Readiness callbacks, timers of futures and tasks that
    /// reloaded the program have separate counters.
    pub tasks_run: u64,
    /// Tasks that reloaded the program ([`Context::reload`](crate::Context::reload)). The inspector counts them as tasks.
    pub reloads: u64,
    /// Timers of futures that fired and woke their future.
    pub woke: u64,
    /// Readiness callbacks run.
    pub io_ready: u64,
    /// Nanoseconds spent waiting for readiness.
    pub idle_ns: u64,
    /// Callbacks that panicked.
    pub panics: u64,
    /// Ready sources found by polls.
    pub events: u64,
    /// Ready sources found by polls that did not wait: they had been waiting for the loop.
    pub events_waiting: u64,
    /// Number of polls.
    pub polls: u64,
}

pub(crate) struct Core<T: Payload> {
    pub scheduler: Scheduler<T>,
    pub recorder: Recorder,
    /// Whether events are recorded, as looked up at the start of the tick.
    pub on: bool,
    /// The latest reading of the record clock, at a boundary: the end of one activity and the start of the next.
    pub at: Ticks,
    pub current: Current,
    /// The current phase, and its start.
    pub phase: (Phase, Ticks),
    /// Nesting depth of `enter`. A tick is one level.
    pub depth: u32,
    pub shared: Arc<LoopShared<T::Remote>>,
    /// Whether the loop was woken since its last poll. The next poll then does not wait.
    pub woken: bool,
    pub sources: HashMap<u32, Registration<T>>,
    pub next_source: u32,
    /// Number of sources registered and directions called so far. Orders sources by how long they were not called.
    pub calls: u64,
    pub signals: Option<Box<dyn SignalSource>>,
    pub signal_factory: Option<SignalFactory>,
    pub handlers: BTreeMap<u8, Subscription<T>>,
    pub pool: Option<Box<dyn Pool<Option<T::Remote>>>>,
    pub pool_factory: Option<PoolFactory<Option<T::Remote>>>,
    pub work: HashMap<TaskId, Outstanding<T>>,
    /// Finished jobs that wait for [`Step::Work`](crate::policy::Step::Work), if the policy has that step.
    pub finished: VecDeque<FinishedJob<Option<T::Remote>>>,
    pub sets_jobs_aside: bool,
    /// Whether the policy has a step of the GC controller.
    pub serves_heap: bool,
    /// Whether the policy checks the heap in each turn.
    pub checks_heap: bool,
    pub labels: HashMap<&'static str, LabelId>,
    pub futures: Futures<T>,
    pub shutdown: Progress,
    /// The error that ends the run: a panic under [`PanicRule::Stop`](crate::policy::PanicRule::Stop), or an error under
    /// [`OnError::Stop`].
    pub failed: Option<RunError>,
    /// The latest reported error, for its owner's rule.
    pub failure: Option<String>,
    /// The failure that the running task handles, if it is an owner's error task.
    pub failure_notice: Option<(TaskId, Failure)>,
    pub metrics: Metrics,
    pub kind: LoopKind,
    /// Initialised from the process on first use.
    pub environment: OnceCell<Environment>,
    /// The highest tag whose name was recorded.
    pub tags_named: Tag,
}

impl<T: Payload> Core<T> {
    #[inline]
    pub(crate) fn record(&self, event: Event<Ticks>) {
        self.recorder.record(self.at, event);
    }

    /// Records a call of the program to its loop that no other event shows.
    pub(crate) fn called(&self, call: LoopCall) {
        if self.on {
            self.record(Event::InputCall { call });
        }
    }

    /// Notes that a callback is about to run, which may change the heap.
    #[inline]
    pub(crate) const fn heap_may_change(&mut self) {
        if self.checks_heap {
            self.scheduler.gc.ran();
        }
    }

    /// The tag of `task` in the process's table. Records the tag's name if needed.
    #[inline]
    pub(crate) fn tag(&mut self, task: &T) -> Tag {
        self.resolve(task.tag())
    }

    #[inline]
    pub(crate) fn resolve(&mut self, tag: TagOf) -> Tag {
        let tag = self.scheduler.resolve(tag);
        self.name_tag(tag);
        tag
    }

    /// The tag of a task that is about to run. Records the tag's name if needed.
    #[inline]
    pub(crate) fn tag_of(&mut self, task: &Body<T>) -> Tag {
        let tag = self.scheduler.tag_of(task);
        self.name_tag(tag);
        tag
    }

    #[inline]
    fn name_tag(&mut self, tag: Tag) {
        if tag > self.tags_named {
            self.name_tags();
            // Also for a tag without a name, from another process, so that it is not looked up again.
            self.tags_named = self.tags_named.max(tag);
        }
    }

    #[cold]
    pub(crate) fn name_tags(&mut self) {
        for (tag, name) in tags::named_after(self.tags_named) {
            self.recorder.name_tag(self.at, tag, &name);
            self.tags_named = tag;
        }
    }

    /// Queues `task` and records it.
    #[inline]
    pub(crate) fn queue(&mut self, queued: Queued<T>, parent: Option<TaskId>, poster: Poster) -> TaskId {
        let Queued { id, tag, origin, signo, queued: since, .. } = queued;
        if !self.on && signo == 0 && origin != Origin::Work && matches!(queued.task, Body::Task(_)) {
            // Nothing is recorded and nothing else needs a note.
            self.scheduler.tasks.push(queued.task, id);
            return id;
        }
        let depth = self.scheduler.queue(queued);
        if self.on {
            let place = Placement { queue: Queue::Tasks, origin, depth };
            let (queued, parent) = (since.min(self.at), parent.map(NonMax::from));
            self.record(Event::TaskQueued { task: id, tag, place, parent, poster, queued });
        }
        id
    }

    /// Allocates a number for a new source. Numbers are reused as late as possible, so a readiness of the current pass
    /// cannot refer to a newer source with the same number.
    pub(crate) fn new_source(&mut self) -> IoSource {
        while self.sources.contains_key(&self.next_source) {
            self.next_source = self.next_source.wrapping_add(1);
        }
        let source = IoSource(self.next_source);
        self.next_source = self.next_source.wrapping_add(1);
        source
    }

    pub(crate) fn environment(&self) -> &Environment {
        self.environment.get_or_init(Environment::default)
    }

    /// Records that references of a kind were taken or released.
    pub(crate) fn ref_changed(&self, what: RefKind, delta: i32) {
        if self.on && delta != 0 {
            self.record(Event::RefChanged { what, delta, alive: self.scheduler.alive_count() });
        }
    }

    pub(crate) fn add_ref(&mut self, what: RefKind, delta: i32) {
        self.scheduler.refs.add(what, delta);
        self.ref_changed(what, delta);
    }

    /// Whether tasklets started or stopped keeping the loop alive since the last check.
    pub(crate) fn agenda_has_news(&self) -> bool {
        (self.shared.agenda.pending() == 0) != (self.scheduler.count(RefKind::Agenda) == 0)
    }

    /// The label's id, which is looked up in the recorder only once.
    pub(crate) fn label(&mut self, text: &'static str) -> LabelId {
        let (recorder, at) = (&self.recorder, self.at);
        *self.labels.entry(text).or_insert_with(|| recorder.intern(at, LabelKind::Span, text))
    }

    pub(crate) fn exception(&self, task: Option<TaskId>, message: &str) {
        if self.on {
            let message = self.recorder.intern(self.at, LabelKind::Text, message);
            self.record(Event::Exception { task, message });
        }
    }

    /// All referenced pending work, sorted.
    pub(crate) fn pending(&self) -> Vec<Pending> {
        let mut pending: Vec<Pending> = self.named().into_iter().map(Named::into_pending).collect();
        pending.sort();
        pending
    }

    fn named(&self) -> Vec<Named> {
        let mut named = self.scheduler.named();
        let mut counts = BTreeMap::<(RefKind, Tag, Option<&str>), u32>::new();
        for source in self.sources.values().filter(|source| source.referenced) {
            *counts.entry((RefKind::Io, source.tag, source.name.as_deref())).or_default() += 1;
        }
        for job in self.work.values() {
            *counts.entry((RefKind::Work, job.tag, None)).or_default() += 1;
        }
        for future in self.futures.iter().filter(|future| future.referenced) {
            *counts.entry((RefKind::Future, future.tag, None)).or_default() += 1;
        }
        named.extend(counts.into_iter().map(|((what, tag, label), count)| Named {
            what,
            tag,
            label: label.map(str::to_owned),
            count,
        }));
        self.shared.agenda.list(&mut named);
        named
    }

    /// [`pending`](Self::pending) as parts of a snapshot.
    pub(crate) fn snapshot_pending(&self) -> Vec<Event<Ticks>> {
        let named = self.named().into_iter();
        let part = |Named { what, tag, label, count }| {
            let label = label.map(|label| self.recorder.intern(self.at, LabelKind::Text, &label));
            Event::SnapshotPending { what, tag, label, count }
        };
        named.map(part).collect()
    }
}

/// The emitter of a post, if it is not the loop.
pub(crate) type Poster = Option<loop_probes::ids::SourceId>;
