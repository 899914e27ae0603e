//! Runs a program on the real loop, in a virtual world.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use loop_core::low_level::timer::Timer;
use loop_core::poller::{Interest, Readiness, Source};
use loop_core::sim::{Sim, SimLoop, SimSource};
use loop_core::{Context, EventLoop, Handle, Policy, RunError, TagOf, Task};
use loop_probes::event::{Event, StopReason};
use loop_probes::ids::{IoSource, TaskId, Ticks};
use loop_probes::recorder::{Capture, Recorder};

use super::program::{Act, ExternalEvent, HANDLED, HAPPENINGS_MAX, Node, Program, SIGNALS, pick};
use super::reference::Ended;
use crate::kit::ms;

/// The tasks of a program.
#[derive(Clone)]
pub(super) enum Call {
    Once(Node),
    /// The callback of a signal or a source.
    Again(Node),
    /// Fires this many more times.
    Interval(Node, Rc<Cell<u32>>),
}

impl From<Node> for Call {
    fn from(node: Node) -> Self {
        Self::Once(node)
    }
}

impl Task for Call {
    type Remote = Node;
    loop_core::tags! { Once = "once", Again = "again", Interval = "interval" }

    fn run(self, cx: &mut Context<'_, Self>) {
        let real = Real::of_this_thread();
        match self {
            Self::Once(node) | Self::Again(node) => real.call(cx, &node),
            Self::Interval(node, left) => {
                left.set(left.get().saturating_sub(1));
                let timer = cx.timer().unwrap();
                real.call(cx, &node);
                if left.get() == 0 {
                    cx.clear_timer(timer);
                }
            }
        }
    }

    fn again(&self) -> Option<Self> {
        (!matches!(self, Self::Once(_))).then(|| self.clone())
    }
}

thread_local! {
    static REAL: RefCell<Option<Real>> = const { RefCell::new(None) };
}

/// State shared by the program's callbacks.
#[derive(Clone)]
struct Real {
    log: Rc<RefCell<Vec<(u64, u32)>>>,
    timers: Rc<RefCell<Vec<Timer>>>,
    immediates: Rc<RefCell<Vec<TaskId>>>,
    sources: Rc<[(IoSource, std::sync::Arc<SimSource>)]>,
    caused_count: Rc<Cell<u32>>,
    handle: Handle<Call>,
    sim: Sim,
}

impl Real {
    fn of_this_thread() -> Self {
        REAL.with_borrow(|real| real.clone().expect("a program runs on this thread"))
    }

    fn call(&self, cx: &mut Context<'_, Call>, node: &Node) {
        self.log.borrow_mut().push((self.sim.elapsed().as_millis() as u64, node.name));
        for act in node.acts.iter() {
            self.act(cx, act);
        }
    }

    fn act(&self, cx: &mut Context<'_, Call>, act: &Act) {
        let task = |node: &Node| Call::Once(node.clone());
        match act {
            Act::Post(node) => _ = cx.post(task(node)),
            Act::Micro(node) => cx.microtask(task(node)),
            Act::Defer(key, node) => {
                let (real, node) = (self.clone(), node.clone());
                cx.defer(*key, move |cx| {
                    real.call(cx, &node);
                    false
                });
            }
            Act::Undefer(key) => _ = cx.undefer(*key),
            Act::Immediate(node) => self.immediates.borrow_mut().push(cx.immediate(task(node))),
            Act::AfterLoop(node) => _ = cx.after_loop(task(node)),
            Act::Timer(delay, node) => self.timers.borrow_mut().push(cx.set_timeout(ms(*delay), task(node))),
            Act::Interval(period, times, node) => {
                let task = Call::Interval(node.clone(), Rc::new(Cell::new(*times)));
                self.timers.borrow_mut().push(cx.set_interval(ms(*period), task).unwrap());
            }
            // The error for a timer that has fired or was cleared is ignored: it can no longer be cleared,
            // refreshed or referenced.
            Act::Clear(timer) => _ = pick(*timer, &self.timers).map(|timer| cx.clear_timer(timer)),
            Act::Refresh(timer) => _ = pick(*timer, &self.timers).map(|timer| cx.refresh_timer(timer)),
            Act::Reference(timer, on) => {
                _ = pick(*timer, &self.timers).map(|timer| cx.set_timer_referenced(timer, *on));
            }
            Act::ClearImmediate(which) => {
                _ = pick(*which, &self.immediates).map(|immediate| cx.clear_immediate(immediate));
            }
            Act::ReferenceImmediate(which, on) => {
                let immediate = pick(*which, &self.immediates);
                _ = immediate.map(|immediate| cx.set_immediate_referenced(immediate, *on));
            }
            // The error for a source that was removed is ignored: it can no longer be referenced or removed.
            Act::ReferenceSource(source, on) => {
                let _ = cx.set_source_referenced(self.sources[*source].0, *on);
            }
            Act::RemoveSource(source) => _ = cx.remove(self.sources[*source].0),
            Act::Job(took, node) => {
                self.sim.job_durations([ms(*took)]);
                let node = node.clone();
                cx.work(TagOf::Own(0), move |_| node, |_| unreachable!("no job panics")).unwrap();
            }
            Act::Hold => cx.hold("program"),
            Act::Release => cx.release("program"),
            Act::ReleaseLater => cx.release_later("program"),
            Act::World(external_event) if self.caused_count.get() < HAPPENINGS_MAX => {
                self.caused_count.set(self.caused_count.get() + 1);
                self.plan(self.sim.elapsed().as_millis() as u64, external_event);
            }
            Act::World(_) => {}
            Act::Works(took) => self.sim.advance(ms(*took)),
            Act::Reload => cx.reload(),
            Act::Stop => cx.stop(),
        }
    }

    fn plan(&self, at: u64, external_event: &ExternalEvent) {
        let handle = self.handle.clone();
        match external_event {
            ExternalEvent::Post(node) => {
                let node = node.clone();
                self.sim.at(ms(at), move || handle.post(node).unwrap());
            }
            ExternalEvent::Signal(signal) => self.sim.signal_at(ms(at), SIGNALS[*signal]),
            ExternalEvent::Ready(source, writes) => {
                let readiness = if *writes { Readiness::WRITABLE } else { Readiness::READABLE };
                self.sim.ready_at(ms(at), &self.sources[*source].1, readiness);
            }
            ExternalEvent::Hold(true) => self.sim.at(ms(at), move || handle.hold()),
            ExternalEvent::Hold(false) => self.sim.at(ms(at), move || handle.release()),
            ExternalEvent::Stop => self.sim.at(ms(at), move || handle.stop()),
        }
    }
}

/// A program on a loop.
pub(super) struct Running {
    event_loop: SimLoop<Call>,
    real: Real,
    capture: Capture,
}

impl Running {
    pub(super) fn new(policy: Policy, program: &Program) -> Self {
        let sim = Sim::new();
        let (recorder, capture) = Recorder::capture();
        let builder = EventLoop::<Call>::builder().policy(policy);
        let mut event_loop = sim.build(if program.recorded { builder.recorder(recorder) } else { builder });
        let sources = event_loop.with(|cx| {
            for (signal, node) in SIGNALS.iter().zip(&program.handlers).take(HANDLED) {
                cx.on_signal(i32::from(*signal), Call::Again(node.clone())).unwrap();
            }
            let both = Interest::READABLE | Interest::WRITABLE;
            let registered = program.sources.iter().map(|node| {
                let source = SimSource::new();
                let shared: Source = std::sync::Arc::<SimSource>::clone(&source);
                let id = cx.register(shared, both, Call::Again(node.clone())).unwrap();
                cx.set_source_referenced(id, false).unwrap();
                (id, source)
            });
            registered.collect()
        });
        let handle = event_loop.handle();
        let real = Real {
            log: Rc::default(),
            timers: Rc::default(),
            immediates: Rc::default(),
            sources,
            caused_count: Rc::default(),
            handle,
            sim,
        };
        REAL.set(Some(real.clone()));
        for node in &program.start {
            event_loop.post(Call::Once(node.clone()));
        }
        for (at, external_event) in &program.world {
            real.plan(*at, external_event);
        }
        Self { event_loop, real, capture }
    }

    pub(super) fn run(&mut self) -> Ended {
        match self.event_loop.run() {
            Ok(StopReason::Drained) => Ended::Drained,
            Ok(StopReason::Stopped) => Ended::Stopped,
            Err(RunError::Wait { .. }) => Ended::Stuck,
            other => panic!("a run ended as {other:?}"),
        }
    }

    pub(super) fn log(&self) -> Vec<(u64, u32)> {
        self.real.log.borrow().clone()
    }

    /// References of every kind.
    pub(super) fn alive(&self) -> u32 {
        self.event_loop.scheduler().alive_count()
    }

    pub(super) fn record(&self) -> Vec<(Ticks, Event<Ticks>)> {
        self.capture.take()
    }
}
