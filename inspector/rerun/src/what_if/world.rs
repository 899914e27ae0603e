//! The virtual world: a clock advanced by costs, and a poller that waits for recorded arrivals.
//!
//! Time passes in four ways: a callback runs, the loop works between two callbacks, a poll waits, or a poll returns
//! late. External events arrive at their own time, whatever passes it.

mod heap;
mod jobs;
mod oracle;
mod tasklets;
mod virtual_agenda;

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use loop_core::Handle;
use loop_core::low_level::oracle::WakeFlag;
use loop_core::low_level::replay::ExternalEvents;
use loop_core::low_level::timer::Timer;
use loop_core::poller::Wake;
use loop_core::signal::Arrival as Signal;
use loop_probes::ids::{IoSource, LabelId, Tag, TaskId, Ticks};
use loop_probes::recorder::Recorder;

use super::cost::{Cursor, Samples};
use super::plan::{EXTERNAL, Plan, Stop};
use super::script::{Arrival, ArrivalKind, NONE, RunId, Script};
use super::sink::EventSink;
use crate::RerunError;
use crate::budget::{Meter, WAITING};
use crate::engine::{Remote, StandIn};
use jobs::Jobs;
use virtual_agenda::Agenda;

/// After at most this many operations, the recording is drained and a request to stop is checked.
const LOOKED_UP: u64 = 4096;

/// One callback; tags are those of this process.
#[derive(Clone, Copy, Debug)]
pub(super) enum Callback {
    /// A task, an immediate, or the completion of a job.
    Run {
        run: RunId,
        tag: Tag,
    },
    /// One microtask of a checkpoint.
    Microtask {
        run: RunId,
    },
    Timer {
        timer: u32,
        tag: Tag,
    },
    Source {
        source: u32,
        tag: Tag,
    },
    Signal {
        signo: u8,
        tag: Tag,
    },
}

/// The task that stands for a callback.
pub(super) type Played = StandIn<World>;

/// A source of readiness in the virtual world.
#[derive(Debug, Default)]
pub(super) struct SourceState {
    pub(super) id: Option<IoSource>,
    /// Pending readiness, and the run of the callback that handles it.
    pending: VecDeque<(u8, RunId)>,
}

/// A timer in the virtual world.
#[derive(Clone, Copy, Debug)]
pub(super) struct TimerState {
    pub(super) timer: Option<Timer>,
    /// The run of its next firing.
    pub(super) next: RunId,
}

/// Counts of what the recording did not contain and was invented.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Synthesized {
    pub(super) firings: u64,
    pub(super) callbacks: u64,
    pub(super) jobs: u64,
    pub(super) tasklets: u64,
}

/// The part of the loop's own overhead that comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Overhead {
    BeforePoll,
    AfterPoll,
    Between,
}

#[derive(Debug, Default)]
struct Cursors {
    before_poll: Cursor,
    into_poll: Cursor,
    after_poll: Cursor,
    between: Cursor,
    oversleep: Cursor,
    wake: Cursor,
    look: Cursor,
    take: Cursor,
}

/// Reason for an early end: on request.
pub(super) const STOPPED: &str = "it was stopped";

/// Reason for an early end: the recording exceeds its budget.
const REFUSED: &str = "it asked for too much";

/// The virtual world. See the [module](self).
pub(super) struct World {
    /// A reference to itself, for the tasks that it makes.
    this: Weak<Self>,
    pub(super) script: Arc<Script>,
    pub(super) plan: Plan,
    /// The time in nanoseconds, which posts are stamped with.
    now: Arc<AtomicU64>,
    /// The end of time, in nanoseconds.
    limit_ns: u64,
    polls: Cell<u64>,
    polls_max: u64,
    meter: Meter,
    /// The operation count at which [`LOOKED_UP`] operations are over.
    look_up_at: Cell<u64>,
    /// The error, if there is no answer.
    pub(super) failed: RefCell<Option<RerunError>>,
    /// A request to stop early.
    pub(super) stop: Option<Stop>,
    /// Why the run ended early, if it did.
    pub(super) cut: Cell<Option<&'static str>>,
    /// Nesting depth of sections that account for their own time.
    inside: Cell<u32>,
    /// Whether the next boundary ends an accounted section.
    is_accounted: Cell<bool>,
    overhead: Cell<Overhead>,
    /// Set once the clock was read for the next poll: the overhead that remains until the poll.
    read: Cell<Option<u64>>,
    cursors: Cursors,
    arrivals: Vec<Arrival>,
    next_arrival: Cell<usize>,
    /// The index of the next pause for the recorder.
    next_drain_pause: Cell<usize>,
    /// The index of the next time between two runs.
    next_outside: Cell<usize>,
    /// When the loop is asked to stop.
    stop_ns: Cell<Option<u64>>,
    wake_flag: Arc<WakeFlag>,
    /// The loop that runs here.
    attached: RefCell<Option<(Handle<Played>, ExternalEvents<Played>)>>,
    pub(super) jobs: Jobs,
    agenda: RefCell<Agenda>,
    /// Labels of spans and marks: from the recorded id to this process's.
    pub(super) labels: OnceCell<HashMap<LabelId, LabelId>>,
    pub(super) sources: RefCell<Vec<SourceState>>,
    /// Sources with pending readiness, in order of arrival.
    ready: RefCell<Vec<u32>>,
    /// Sources by poll key.
    pub(super) keys: RefCell<HashMap<usize, u32>>,
    pub(super) timers: RefCell<Vec<TimerState>>,
    pub(super) immediates: RefCell<HashMap<RunId, TaskId>>,
    pub(super) signals: RefCell<VecDeque<Signal>>,
    /// Signals that have a handler: others do not arrive.
    pub(super) handled: RefCell<BTreeSet<u8>>,
    pub(super) signal_runs: RefCell<HashMap<u8, VecDeque<RunId>>>,
    pub(super) heap: Cell<i64>,
    pub(super) collected: Cell<usize>,
    pub(super) synthesized: Cell<Synthesized>,
    /// Receives what the loop records; `None` before it is built and after its end.
    pub(super) sink: RefCell<Option<EventSink>>,
}

impl World {
    pub(super) fn new(
        script: &Arc<Script>,
        plan: Plan,
        arrivals: Vec<Arrival>,
        recorder: Recorder,
        stop: Option<Stop>,
    ) -> Rc<Self> {
        let span_ns = plan.end_ns.saturating_sub(script.begin_ns);
        Rc::new_cyclic(|this| Self {
            this: Weak::clone(this),
            script: Arc::clone(script),
            now: Arc::new(AtomicU64::new(script.begin_ns)),
            limit_ns: plan.end_ns.saturating_add(span_ns).saturating_add(10_000_000_000),
            polls: Cell::new(0),
            polls_max: script.ticks.saturating_mul(64).saturating_add(1_000_000),
            meter: Meter::of(script.events),
            look_up_at: Cell::new(LOOKED_UP),
            failed: RefCell::default(),
            stop,
            cut: Cell::new(None),
            inside: Cell::new(0),
            is_accounted: Cell::new(false),
            overhead: Cell::new(Overhead::BeforePoll),
            read: Cell::new(None),
            cursors: Cursors::default(),
            arrivals,
            next_arrival: Cell::new(0),
            next_drain_pause: Cell::new(
                script.costs.drain_pauses.partition_point(|drain_pause| drain_pause.at_ns < plan.begin_ns),
            ),
            next_outside: Cell::new(
                script.costs.outside.partition_point(|outside| outside.at_ns < plan.begin_ns),
            ),
            stop_ns: Cell::new(plan.stops.then_some(plan.end_ns)),
            wake_flag: Arc::default(),
            attached: RefCell::default(),
            jobs: Jobs::new(plan.workers, recorder),
            agenda: RefCell::new(Agenda::new(plan.agenda_workers)),
            labels: OnceCell::new(),
            sources: RefCell::new(script.sources.iter().map(|_| SourceState::default()).collect()),
            ready: RefCell::default(),
            keys: RefCell::default(),
            timers: RefCell::new(vec![TimerState { timer: None, next: NONE }; script.timers as usize]),
            immediates: RefCell::default(),
            signals: RefCell::default(),
            handled: RefCell::default(),
            signal_runs: RefCell::default(),
            heap: Cell::new(0),
            collected: Cell::new(0),
            synthesized: Cell::default(),
            sink: RefCell::default(),
            plan,
        })
    }

    /// Sets the loop that runs here; `None` at its end, when its jobs end too.
    pub(super) fn attach(&self, to: Option<(Handle<Played>, ExternalEvents<Played>)>) {
        if to.is_none() {
            self.jobs.clear();
        }
        *self.attached.borrow_mut() = to;
    }

    pub(super) fn now_ns(&self) -> u64 {
        self.now.load(Ordering::Relaxed)
    }

    fn set_now(&self, now_ns: u64) {
        self.now.store(now_ns.max(self.now_ns()), Ordering::Relaxed);
    }

    /// Begins a section that accounts for its own time.
    pub(super) fn begin(&self) {
        self.inside.set(self.inside.get() + 1);
    }

    /// Ends a section that accounts for its own time.
    pub(super) fn end(&self) {
        self.inside.set(self.inside.get().saturating_sub(1));
        self.is_accounted.set(true);
    }

    /// Advances the clock to `to_ns`, and delivers at its own time what is due until then.
    pub(super) fn advance_to(&self, to_ns: u64) {
        let to_ns = if to_ns > self.limit_ns {
            self.cut.set(Some("its time ran out: it was given twice the recorded span and 10 s"));
            self.limit_ns
        } else {
            to_ns
        };
        while let Some(at_ns) = self.next_at().filter(|at_ns| *at_ns <= to_ns)
            && self.spend(1)
        {
            self.set_now(at_ns);
            self.inside.set(self.inside.get() + 1);
            self.deliver(at_ns);
            self.inside.set(self.inside.get() - 1);
        }
        self.set_now(to_ns);
    }

    /// Charges operations. Returns false once the run is over: nothing more is done then.
    pub(super) fn spend(&self, operations: u64) -> bool {
        if self.cut.get().is_some() {
            return false;
        }
        if !self.meter.spend(operations) {
            self.refuse(self.meter.exceeded(&self.script.name));
            return false;
        }
        if self.meter.spent() < self.look_up_at.get() {
            return true;
        }
        self.look_up_at.set(self.meter.spent().saturating_add(LOOKED_UP));
        self.drain();
        if self.stop.as_ref().is_some_and(|stop| stop()) {
            self.cut.set(Some(STOPPED));
        }
        self.cut.get().is_none()
    }

    /// Whether `more` may wait in addition to `waiting`; ends the run if not.
    pub(super) fn may_wait(&self, waiting: usize, more: u32) -> bool {
        let most = WAITING as usize;
        if waiting.saturating_add(more as usize) > most {
            let name = self.script.name.clone();
            self.refuse(RerunError::TooManyWaiting { name, most: WAITING });
        }
        self.cut.get().is_none()
    }

    fn refuse(&self, why: RerunError) {
        self.cut.set(Some(REFUSED));
        self.failed.borrow_mut().get_or_insert(why);
    }

    /// The time of the next arrival, end of a job, action of the agenda, or stop.
    fn next_at(&self) -> Option<u64> {
        let arrival = self.arrivals.get(self.next_arrival.get()).map(|arrival| arrival.at_ns);
        let sooner = |a: Option<u64>, b: Option<u64>| match (a, b) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, None) => a,
            (None, b) => b,
        };
        let outside = sooner(arrival, self.stop_ns.get());
        sooner(outside, sooner(self.jobs.next_end(), self.agenda.borrow().next_at()))
    }

    /// Whether arrivals other than jobs remain.
    pub(super) fn expects_more(&self) -> bool {
        self.next_arrival.get() < self.arrivals.len()
    }

    fn deliver(&self, at_ns: u64) {
        if self.jobs.next_end() == Some(at_ns) {
            return self.jobs.finish_next(Ticks(at_ns));
        }
        if self.agenda.borrow().next_at() == Some(at_ns) {
            return self.step_agenda();
        }
        let Some(arrival) = self.arrivals.get(self.next_arrival.get()).filter(|next| next.at_ns == at_ns)
        else {
            self.stop_ns.set(None);
            self.with_handle(Handle::stop);
            return;
        };
        self.next_arrival.set(self.next_arrival.get() + 1);
        match arrival.what {
            ArrivalKind::Post(run) => self.post(run, |handle, remote| handle.post(remote)),
            ArrivalKind::Signal { signo, .. } if !self.handled.borrow().contains(&signo) => {}
            ArrivalKind::Signal { signo, run } => {
                self.signal_runs.borrow_mut().entry(signo).or_default().push_back(run);
                self.signals.borrow_mut().push_back(Signal { signo, arrived: Ticks(at_ns) });
                self.wake_flag.wake();
            }
            ArrivalKind::Ready { source, readiness, run } => {
                let state = &mut self.sources.borrow_mut()[source as usize];
                if state.pending.is_empty() {
                    self.ready.borrow_mut().push(source);
                }
                state.pending.push_back((readiness, run));
            }
            ArrivalKind::Tasklet(tasklet) => self.add_tasklet(tasklet, EXTERNAL),
            ArrivalKind::Wake => self.with_handle(Handle::wake),
        }
        if !self.expects_more() && !self.plan.stops {
            self.with_handle(Handle::release);
        }
    }

    pub(super) fn with_handle(&self, f: impl FnOnce(&Handle<Played>)) {
        if let Some((handle, _)) = &*self.attached.borrow() {
            f(handle);
        }
    }

    /// Posts a callback from outside of the loop.
    pub(super) fn post<E>(
        &self,
        run: RunId,
        post: impl FnOnce(&Handle<Played>, Remote<Self>) -> Result<(), E>,
    ) {
        let tag = self.plan.tag_of(self.script.run(run).tag);
        let Some(this) = self.this.upgrade() else { return };
        // Refused only after the loop has ended.
        self.with_handle(|handle| drop(post(handle, Remote::new(&this, Callback::Run { run, tag }))));
    }

    /// Spends the loop's overhead up to the next boundary, unless a section accounted for it.
    fn spend_overhead(&self) {
        if self.inside.get() > 0 || self.is_accounted.take() {
            return;
        }
        let read = self.read.take();
        let (costs, cursors) = (&self.script.costs, &self.cursors);
        let (cursor, samples, next): (&Cursor, &Samples, Overhead) = match self.overhead.get() {
            Overhead::BeforePoll => (&cursors.before_poll, &costs.before_poll, Overhead::AfterPoll),
            Overhead::AfterPoll => (&cursors.after_poll, &costs.after_poll, Overhead::Between),
            Overhead::Between => (&cursors.between, &costs.between, Overhead::BeforePoll),
        };
        let overhead = self.overhead.replace(next);
        let now_ns = self.now_ns();
        let ns = match read.filter(|_| overhead == Overhead::BeforePoll) {
            Some(left_ns) => left_ns,
            None => cursor.near(samples, now_ns),
        };
        self.advance_to(now_ns.saturating_add(ns));
        if overhead == Overhead::Between {
            self.pass_outside();
        }
    }

    /// Spends the part of the overhead that lies before the clock reading of the next poll, from which its wait is
    /// counted.
    fn pay_up_to_reading(&self) {
        let is_due = self.overhead.get() == Overhead::BeforePoll && self.read.get().is_none();
        if !is_due || self.inside.get() > 0 || self.is_accounted.get() {
            return;
        }
        let (costs, cursors, now_ns) = (&self.script.costs, &self.cursors, self.now_ns());
        let whole_ns = cursors.before_poll.near(&costs.before_poll, now_ns);
        let left_ns = cursors.into_poll.near(&costs.into_poll, now_ns).min(whole_ns);
        self.read.set(Some(left_ns));
        self.advance_to(now_ns.saturating_add(whole_ns - left_ns));
    }

    /// Spends the time of turning a post into a task.
    pub(super) fn take_one(&self) {
        let now_ns = self.now_ns();
        self.begin();
        self.advance_to(now_ns.saturating_add(self.cursors.take.near(&self.script.costs.take, now_ns)));
        self.end();
        self.overhead.set(Overhead::BeforePoll);
    }

    /// The runs of a source's callback for the readiness that it was called with.
    pub(super) fn take_pending(&self, place: u32, reported: u8) -> Vec<RunId> {
        let source = &mut self.sources.borrow_mut()[place as usize];
        if !self.spend(source.pending.len() as u64) {
            return Vec::new();
        }
        let mut runs = Vec::new();
        source.pending.retain(|(readiness, run)| {
            let is_reported = readiness & reported != 0;
            if is_reported {
                runs.push(*run);
            }
            !is_reported
        });
        if source.pending.is_empty() {
            self.ready.borrow_mut().retain(|ready| *ready != place);
        }
        runs
    }

    pub(super) fn synthesized(&self, count: impl FnOnce(&mut Synthesized)) {
        let mut synthesized = self.synthesized.get();
        count(&mut synthesized);
        self.synthesized.set(synthesized);
    }

    /// This process's label for the recorded label of a span or a mark.
    pub(super) fn label(&self, recorded: LabelId) -> LabelId {
        self.labels.get().and_then(|labels| labels.get(&recorded)).copied().unwrap_or_default()
    }

    /// Drains the recording into the sink.
    pub(super) fn drain(&self) {
        let Ok(mut sink) = self.sink.try_borrow_mut() else { return };
        let Some(sink) = &mut *sink else { return };
        let written = sink.drain(std::mem::take(&mut self.agenda.borrow_mut().events));
        self.spend(written);
    }

    /// Whether the loop should pause to drain its recorder. That depends on the thread that drains the ring, on the
    /// disk and on the load of the processor, which a re-execution does not know: it pauses between two callbacks at
    /// the recorded times, for the recorded durations.
    pub(super) fn is_drain_pause_due(&self) -> bool {
        self.drain_pause_ns().is_some()
    }

    /// Pauses for the recorded time.
    pub(super) fn pause_to_drain(&self) {
        if let Some(ns) = self.drain_pause_ns() {
            self.next_drain_pause.set(self.next_drain_pause.get() + 1);
            self.begin();
            self.advance_to(self.now_ns().saturating_add(ns));
            self.end();
        }
    }

    /// The duration of the pause that is due now, if any.
    fn drain_pause_ns(&self) -> Option<u64> {
        let next = self.script.costs.drain_pauses.get(self.next_drain_pause.get())?;
        (next.at_ns <= self.now_ns()).then_some(next.ns)
    }

    /// The end of the current run: between two runs the program does something else, at the recorded times.
    fn outside_at(&self) -> Option<u64> {
        self.script.costs.outside.get(self.next_outside.get()).map(|outside| outside.at_ns)
    }

    /// Advances the clock to the start of the next run, if this one has ended.
    fn pass_outside(&self) {
        while let Some(outside) = self.script.costs.outside.get(self.next_outside.get())
            && outside.at_ns <= self.now_ns()
        {
            self.next_outside.set(self.next_outside.get() + 1);
            self.advance_to(outside.at_ns.saturating_add(outside.ns));
        }
    }
}
