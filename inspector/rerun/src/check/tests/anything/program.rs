//! A program that picks what it does at random, from all that a loop offers.

use std::cell::RefCell;
use std::panic::resume_unwind;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use loop_core::poller::{Interest, Readiness};
use loop_core::sim::{Sim, SimHeap, SimSource};
use loop_core::tag::tag_of_label;
use loop_core::{
    Builtin, Context, EventLoop, Handle, HeapHost, JoinHandle, LocalHandle, OnError, OnShutdown, Options,
    Policy, Shutdown, TagOf, Timer, TimerHandle,
};
use loop_probes::ids::{IoSource, TaskId};
use loop_probes::recorder::Recorder;

use super::super::Captured;
use super::Counts;

type Cx<'a> = Context<'a, Builtin>;
pub(super) type Local = LocalHandle<Builtin>;

/// Operations that a program does at most: every program ends.
const OPERATIONS_MAX: u32 = 600;

pub(super) struct Inner {
    pub(super) dice: Rng,
    pub(super) sim: Sim,
    pub(super) heap: SimHeap,
    pub(super) handle: Option<Handle<Builtin>>,
    pub(super) local: Option<Local>,
    pub(super) timers: Vec<Timer>,
    pub(super) kept: Vec<TimerHandle<Builtin>>,
    pub(super) immediates: Vec<TaskId>,
    pub(super) jobs: Vec<TaskId>,
    pub(super) sources: Vec<(IoSource, Arc<SimSource>)>,
    pub(super) watched: Vec<Arc<SimSource>>,
    pub(super) futures: Vec<JoinHandle<()>>,
    pub(super) held: u32,
    pub(super) left: u32,
    pub(super) panics: bool,
    pub(super) done: Counts,
}

/// A program while it runs.
#[derive(Clone)]
pub(super) struct Program(pub(super) Rc<RefCell<Inner>>);

pub(super) const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn plain() -> Builtin {
    Builtin::once("plain", |_| ())
}

pub(super) fn panic() -> ! {
    resume_unwind(Box::new("on purpose"))
}

impl Program {
    pub(super) fn roll(&self, sides: u64) -> u64 {
        self.0.borrow_mut().dice.u64(..sides)
    }

    pub(super) fn coin(&self) -> bool {
        self.roll(2) == 0
    }

    pub(super) fn delay(&self) -> Duration {
        Duration::from_micros([0, 1, 300, 1_000, 1_000, 2_500, 7_000][self.roll(7) as usize])
    }

    /// One of the things that it has.
    pub(super) fn pick<T: Clone>(&self, all: impl FnOnce(&Inner) -> &Vec<T>) -> Option<T> {
        let at = self.roll(6) as usize;
        all(&self.0.borrow()).get(at).cloned()
    }

    pub(super) fn begin(&self, what: &'static str) {
        *self.0.borrow_mut().done.entry(what).or_default() += 1;
    }

    pub(super) fn local(&self) -> Local {
        self.0.borrow().local.clone().unwrap()
    }

    fn handle(&self) -> Handle<Builtin> {
        self.0.borrow().handle.clone().unwrap()
    }

    pub(super) fn once(&self, label: &'static str) -> Builtin {
        let again = self.clone();
        Builtin::once(label, move |cx| again.act(cx))
    }

    fn repeat(&self, label: &'static str) -> Builtin {
        let again = self.clone();
        Builtin::repeat(label, move |cx| again.act(cx))
    }

    pub(super) fn rule(&self) -> OnError<Builtin> {
        match self.roll(8) {
            0 => OnError::Close,
            1 => OnError::Tell(self.repeat("told")),
            2 => OnError::Stop,
            _ => OnError::Report,
        }
    }

    pub(super) fn on_shutdown(&self) -> OnShutdown {
        if self.coin() { OnShutdown::Cancel } else { OnShutdown::Finish }
    }

    /// What a callback does.
    pub(super) fn act(&self, cx: &mut Cx<'_>) {
        let by = Duration::from_micros(self.roll(300));
        self.0.borrow().sim.advance(by);
        for _ in 0..self.roll(5) {
            self.act_once(cx);
        }
    }

    pub(super) fn act_once(&self, cx: &mut Cx<'_>) {
        let Some(left) = self.0.borrow().left.checked_sub(1) else { return };
        self.0.borrow_mut().left = left;
        match self.roll(6) {
            0 => self.queue(cx),
            1 => self.time(cx),
            2 => self.source(cx),
            3 => self.reference(cx),
            4 => self.rare(cx),
            _ => self.ask(),
        }
    }

    fn queue(&self, cx: &mut Cx<'_>) {
        match self.roll(9) {
            0 => {
                self.begin("post");
                cx.post(self.once("posted"));
            }
            1 => {
                self.begin("immediate");
                let immediate = cx.immediate(self.once("immediate"));
                self.0.borrow_mut().immediates.push(immediate);
            }
            2 => {
                self.begin("after_loop");
                cx.after_loop(self.once("after loop"));
            }
            3..=5 => {
                self.begin("microtask");
                cx.microtask(self.once("microtask"));
            }
            6 => {
                self.begin("defer");
                let again = self.clone();
                cx.defer(self.roll(4), move |cx| {
                    again.act(cx);
                    again.0.borrow().left > 0 && again.roll(4) == 0
                });
            }
            7 => {
                self.begin("undefer");
                cx.undefer(self.roll(4));
            }
            _ => {
                let last = self.0.borrow_mut().immediates.pop();
                if let Some(immediate) = last {
                    self.begin("clear_immediate, set_immediate_referenced");
                    cx.set_immediate_referenced(immediate, self.coin());
                    if self.coin() {
                        cx.clear_immediate(immediate);
                    }
                }
            }
        }
    }

    fn time(&self, cx: &mut Cx<'_>) {
        let (timer, delay) = (self.pick(|inner| &inner.timers), self.delay());
        match (self.roll(10), timer) {
            (0 | 1, _) => {
                self.begin("set_timeout");
                let timer = cx.set_timeout(delay, self.once("timeout"));
                self.0.borrow_mut().timers.push(timer);
            }
            (2, _) => {
                self.begin("set_interval");
                let timer = cx.set_interval(ms(1) + delay, self.repeat("interval")).unwrap();
                self.0.borrow_mut().timers.push(timer);
            }
            (3, _) => {
                self.begin("set_timeouts");
                let timers = cx.set_timeouts([3, 0, 1].map(|due| (ms(due), self.once("many"))));
                self.0.borrow_mut().timers.extend(timers);
            }
            (4, _) => {
                self.begin("set_timeout_ms, set_interval_ms");
                let timer = match self.coin() {
                    true => cx.set_timeout_ms(
                        [f64::NAN, -1.0, 0.5, 2.0][self.roll(4) as usize],
                        self.once("script"),
                    ),
                    false => cx.set_interval_ms(1.5, self.repeat("script")).unwrap(),
                };
                self.0.borrow_mut().timers.push(timer);
            }
            (5, _) => {
                self.begin("timer_handle");
                let timer = cx.set_timeout(delay, self.repeat("kept"));
                let kept = cx.timer_handle(timer).unwrap();
                self.0.borrow_mut().kept.push(kept);
            }
            (6, Some(timer)) => {
                self.begin("clear_timer");
                cx.clear_timer(timer);
                let running = cx.timer();
                let _ = running.filter(|_| self.coin()).map(|running| cx.clear_timer(running));
            }
            (7, timer) => {
                self.begin("refresh_timer");
                let at = self.roll(3) as usize;
                let kept = self.0.borrow().kept.get(at).map(TimerHandle::timer);
                let _ = kept.or(timer).map(|timer| cx.refresh_timer(timer));
                if self.coin() && self.0.borrow().kept.len() > at {
                    let dropped = self.0.borrow_mut().kept.swap_remove(at);
                    drop(dropped);
                }
            }
            (8, Some(timer)) => {
                self.begin("set_timer_referenced");
                let _ = cx.set_timer_referenced(timer, self.coin());
            }
            (9, Some(timer)) => {
                self.begin("set_timer_on_shutdown");
                let _ = cx.set_timer_on_shutdown(timer, self.on_shutdown());
            }
            _ => {}
        }
    }

    fn source(&self, cx: &mut Cx<'_>) {
        let interests = [Interest::READABLE, Interest::WRITABLE, Interest::READABLE | Interest::WRITABLE];
        let interest = interests[self.roll(3) as usize];
        let source = self.pick(|inner| &inner.sources).map(|(source, _)| source);
        match (self.roll(8), source) {
            (0 | 1, _) => {
                self.begin("register_with");
                let options = Options::new("a source").on_error(self.rule()).on_shutdown(self.on_shutdown());
                let options = if self.coin() { options } else { options.unreferenced() };
                let watched = SimSource::new();
                let given = Arc::<SimSource>::clone(&watched);
                if let Ok(source) = cx.register_with(options, given, interest, self.repeat("source")) {
                    self.0.borrow_mut().sources.push((source, watched));
                }
            }
            (2, Some(source)) => {
                self.begin("modify");
                let _ = cx.modify(source, interest);
            }
            (3, Some(source)) => {
                self.begin("remove");
                let _ = cx.remove(source);
            }
            (4, Some(source)) => {
                self.begin("set_source_referenced, set_source_on_shutdown");
                let _ = cx.set_source_referenced(source, self.coin());
                let _ = cx.set_source_on_shutdown(source, self.on_shutdown());
            }
            (5, _) => {
                self.begin("on_signal");
                let _ = cx.on_signal(10, self.repeat("signal"));
            }
            (6, _) => {
                self.begin("remove_signal");
                cx.remove_signal(10);
            }
            _ => self.arrive(),
        }
    }

    /// What comes from other threads and the system, a little later.
    pub(super) fn arrive(&self) {
        self.begin("arrivals");
        let (sim, handle) = (self.0.borrow().sim.clone(), self.handle());
        let at = sim.elapsed() + self.delay();
        let kind = self.roll(10);
        let shutdown = Some(Shutdown::within(self.delay())).filter(|_| kind == 9 && self.roll(20) == 0);
        let readiness = [Readiness::READABLE, Readiness::WRITABLE, Readiness::HANG_UP][self.roll(3) as usize];
        let source = self.pick(|inner| &inner.sources).map(|(_, source)| source);
        let source = source.filter(|_| self.coin()).or_else(|| self.pick(|inner| &inner.watched));
        match (kind, source) {
            (0, _) => sim.signal_at(at, 10),
            (1, _) => sim.wake_at(at),
            (2..=5, Some(source)) => sim.ready_at(at, &source, readiness),
            _ => sim.at(at, move || match kind {
                6 => handle.hold(),
                7 => handle.release(),
                8 => handle.stop(),
                9 if let Some(shutdown) = shutdown => handle.shutdown(shutdown),
                _ => {
                    let kept = handle.keep(|| Builtin::remote("kept", |_| ()));
                    let _ = (kept.post(), kept.post());
                    let _ = handle.post(Builtin::remote("remote", |cx| {
                        cx.microtask(plain());
                        cx.hold("remote");
                        cx.local().with(|cx| cx.release("remote"));
                    }));
                }
            }),
        }
    }

    fn reference(&self, cx: &mut Cx<'_>) {
        match self.roll(7) {
            0..=3 => {
                self.begin("hold");
                cx.hold("anything");
                self.0.borrow_mut().held += 1;
            }
            _ if self.0.borrow().held == 0 => {}
            kind => {
                self.begin("release, release_later");
                self.0.borrow_mut().held -= 1;
                if kind == 4 { cx.release("anything") } else { cx.release_later("anything") }
            }
        }
    }

    fn rare(&self, cx: &mut Cx<'_>) {
        match self.roll(16) {
            0 => cx.request_gc(),
            1 => cx.memory_pressure(),
            2 => cx.fail("it had to"),
            3 if self.0.borrow().panics => {
                self.begin("panic");
                panic();
            }
            4 => {
                self.begin("stop");
                cx.stop();
            }
            5 => {
                self.begin("reload");
                cx.reload();
            }
            6 if self.roll(60) == 0 => {
                self.begin("shutdown");
                cx.shutdown(Shutdown::within(self.delay()));
            }
            7 => {
                self.begin("enter, exit");
                cx.enter();
                self.act_once(cx);
                if self.coin() {
                    cx.exit();
                }
            }
            8 => {
                self.begin("mark, span");
                cx.mark("a mark");
                cx.span("a span", |cx| self.act_once(cx));
            }
            9 | 10 => self.work(cx),
            11 => {
                self.begin("spawn");
                let again = self.clone();
                let future = cx.spawn("spawned", move |_| again.live(2));
                self.keep(future);
            }
            12 => {
                let job = self.0.borrow_mut().jobs.pop();
                let _ = job.map(|job| cx.set_work_on_shutdown(job, self.on_shutdown()));
            }
            _ => {
                let by = self.roll(3) * self.roll(900);
                self.0.borrow().heap.grow(by);
            }
        }
    }

    fn work(&self, cx: &mut Cx<'_>) {
        self.begin("work");
        let fails = self.roll(4) == 0 && self.0.borrow().panics;
        let rejected = self.once("rejected");
        let run = move |_: &loop_core::work_pool::Worker<'_>| {
            if fails {
                panic();
            }
            Builtin::remote("job", |cx| {
                cx.immediate(plain());
                cx.local().post(plain());
            })
        };
        if let Ok(job) = cx.work(TagOf::Global(tag_of_label("job")), run, move |_| rejected) {
            self.0.borrow_mut().jobs.push(job);
        }
    }
}

/// Runs a program that `dice` picks, and returns its recording; counts in `done` what it did.
pub(super) fn recorded(policy: &Policy, mut dice: Rng, done: &mut Counts) -> Captured {
    let (sim, heap, (recorder, capture)) = (Sim::new(), SimHeap::with_live(1_000), Recorder::capture());
    sim.job_durations((0..400).map(|job| Duration::from_micros(50 + job * 37 % 3_000)));
    let mut builder = EventLoop::<Builtin>::builder().policy(policy.clone()).recorder(recorder);
    if dice.bool() {
        builder = builder.host(HeapHost(heap.clone()));
    }
    let mut event_loop = sim.build(builder);
    let (handle, panics) = (Some(event_loop.handle()), dice.bool());
    let left = dice.u32(20..OPERATIONS_MAX);
    let program = Program(Rc::new(RefCell::new(Inner {
        dice,
        sim,
        heap,
        handle,
        local: None,
        timers: Vec::new(),
        kept: Vec::new(),
        immediates: Vec::new(),
        jobs: Vec::new(),
        sources: Vec::new(),
        watched: Vec::new(),
        futures: Vec::new(),
        held: 0,
        left,
        panics,
        done: Counts::new(),
    })));
    let local = event_loop.with(|cx| {
        cx.set_interval(ms(1), program.repeat("pulse")).unwrap();
        cx.local()
    });
    program.0.borrow_mut().local = Some(local);
    for _ in 0..program.roll(6) {
        match program.roll(5) {
            0 => event_loop.run_callback("from outside", |cx| program.act(cx)),
            1 => drop(event_loop.turn()),
            2 => drop(event_loop.turn_within(Duration::from_micros(700))),
            3 => drop(event_loop.spawn("root", |_| program.clone().live(3))),
            _ => program.ask(),
        }
        // A failed future or source may end it.
        let _ = event_loop.run_for(ms(12));
    }
    if program.coin() {
        event_loop.shutdown(Shutdown::within(ms(4)));
        let _ = event_loop.run_for(ms(12));
    }
    drop(event_loop);
    for (what, count) in &program.0.borrow().done {
        *done.entry(what).or_default() += count;
    }
    capture.take()
}
