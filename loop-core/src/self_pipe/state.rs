//! Carries out the commands on the loop.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use loop_probes::event::Event;

use super::pipe::{Command, CommandSender, Reader};
use super::processes::{Processes, Wrap};
use super::report::Report;
use crate::agenda::{AgendaHandle, CollectError, Round};
use crate::task::Context;
use crate::task::{Any, Task};

/// Maximum number of bytes per read. The rest is read in the next turn, so that a flood of commands does not delay the
/// loop.
const READ_MAX: usize = 1024;

/// Default time that workers have to reach a safe point for a collection.
const COLLECT_WITHIN: Duration = Duration::from_millis(100);

type OnDump<T> = Box<dyn FnMut(&mut Context<'_, T>, &Report)>;
type OnUnknown<T> = Box<dyn FnMut(&mut Context<'_, T>, u8)>;

/// Receives the outcome of a collection.
type CollectObserver = Arc<dyn Fn(&Result<(), CollectError>) + Send + Sync>;

/// Settings collected by the builder.
pub(super) struct Settings<T: Task> {
    wrap: Wrap<T>,
    pub(super) agenda: Option<AgendaHandle>,
    pub(super) collector: Collector,
    pub(super) on_dump: OnDump<T>,
    pub(super) on_unknown: OnUnknown<T>,
    pub(super) processes: Option<Rc<Processes<T>>>,
    pub(super) sender: Option<CommandSender>,
}

/// Parameters of a collection.
pub(super) struct Collector {
    pub(super) collect: Arc<dyn Fn() + Send + Sync>,
    pub(super) observer: CollectObserver,
    pub(super) bound: Duration,
}

/// Counters of the collections for [`Command::Collect`].
#[derive(Debug, Default)]
pub(super) struct Collections {
    pub(super) done: AtomicU64,
    pub(super) failed: AtomicU64,
    /// Requests made while a collection was pending, which then served them too.
    pub(super) joined: AtomicU64,
}

impl<T: Task> Settings<T> {
    pub(super) fn new(wrap: Wrap<T>) -> Self {
        let collector =
            Collector { collect: Arc::new(|| ()), observer: Arc::new(|_| ()), bound: COLLECT_WITHIN };
        Self {
            wrap,
            agenda: None,
            collector,
            on_dump: Box::new(|_, _| ()),
            on_unknown: Box::new(|_, _| ()),
            processes: None,
            sender: None,
        }
    }

    pub(super) fn into_shared(self) -> PipeState<T> {
        let Self { wrap, agenda, collector, on_dump, on_unknown, processes, sender } = self;
        PipeState {
            wrap,
            agenda,
            collector,
            on_dump: RefCell::new(on_dump),
            on_unknown: RefCell::new(on_unknown),
            processes,
            sender,
            taken: Cell::new(0),
            unknown: Cell::new(0),
            collections: Arc::default(),
        }
    }
}

/// State shared by the tasks of the commands.
pub(super) struct PipeState<T: Task> {
    wrap: Wrap<T>,
    pub(super) agenda: Option<AgendaHandle>,
    collector: Collector,
    on_dump: RefCell<OnDump<T>>,
    on_unknown: RefCell<OnUnknown<T>>,
    pub(super) processes: Option<Rc<Processes<T>>>,
    pub(super) sender: Option<CommandSender>,
    /// Number of bytes read.
    pub(super) taken: Cell<u64>,
    /// Number of bytes that were not a command.
    pub(super) unknown: Cell<u64>,
    pub(super) collections: Arc<Collections>,
}

impl<T: Task> PipeState<T> {
    /// Reads the contents of the pipe. Each byte becomes a task, in order.
    pub(super) fn read(self: &Rc<Self>, cx: &mut Context<'_, T>, reader: &Reader) {
        let mut buffer = [0; READ_MAX];
        let bytes = match reader.read(&mut buffer) {
            Ok(bytes) => &buffer[..bytes],
            Err(error) => return cx.fail(format_args!("cannot read the self-pipe: {error}")),
        };
        for byte in bytes.iter().copied() {
            let command = Command::from_byte(byte);
            self.taken.set(self.taken.get() + 1);
            if cx.core.on {
                cx.stamp();
                cx.core.record(Event::Command { byte, known: command.is_some() });
            }
            let this = Rc::clone(self);
            let task = match command {
                Some(command) => Any::once(command.label(), move |cx| this.run(cx, command)),
                None => {
                    self.unknown.set(self.unknown.get() + 1);
                    Any::once("command unknown", move |cx| (this.on_unknown.borrow_mut())(cx, byte))
                }
            };
            cx.post((self.wrap)(task));
        }
    }

    fn run(&self, cx: &mut Context<'_, T>, command: Command) {
        match command {
            Command::Dump => self.dump(cx),
            Command::Collect => self.collect(cx),
            Command::Quit => cx.stop(),
            Command::DumpAndQuit => {
                // Quit even if the report fails.
                cx.stop();
                self.dump(cx);
            }
            Command::StartProcess => match &self.processes {
                Some(processes) => processes.start(cx),
                None => cx.fail("this self-pipe has no queue of processes"),
            },
        }
    }

    fn dump(&self, cx: &mut Context<'_, T>) {
        let report = gather(cx, self);
        (self.on_dump.borrow_mut())(cx, &report);
    }

    fn collect(&self, cx: &mut Context<'_, T>) {
        cx.request_gc();
        let Some(agenda) = &self.agenda else { return };
        let (collect, observer) = (Arc::clone(&self.collector.collect), Arc::clone(&self.collector.observer));
        let collections = Arc::clone(&self.collections);
        let done = move |result: Result<(), CollectError>| {
            let count = if result.is_ok() { &collections.done } else { &collections.failed };
            count.fetch_add(1, Ordering::Relaxed);
            observer(&result);
        };
        match agenda.begin_collect(move || collect(), done) {
            Ok(round) => self.limit(cx, agenda.clone(), round),
            Err(CollectError::Busy { .. }) => {
                self.collections.joined.fetch_add(1, Ordering::Relaxed);
            }
            Err(error) => {
                self.collections.failed.fetch_add(1, Ordering::Relaxed);
                cx.fail(error);
            }
        }
    }

    /// Arms a timer that abandons the collection when its time is up. The timer does not keep the loop alive.
    fn limit(&self, cx: &mut Context<'_, T>, agenda: AgendaHandle, round: Round) {
        let over = Any::once("collection limit", move |_| {
            agenda.give_up(round);
        });
        let timer = cx.set_timeout(self.collector.bound, (self.wrap)(over));
        // Cannot fail: the timer was armed just now.
        let _ = cx.set_timer_referenced(timer, false);
    }
}

fn gather<T: Task>(cx: &Context<'_, T>, state: &PipeState<T>) -> Report {
    let processes = state.processes.as_ref();
    Report {
        policy: cx.core.scheduler.policy().name.to_string(),
        tick: cx.core.scheduler.tick(),
        metrics: cx.core.metrics,
        pending: cx.pending(),
        agenda: state.agenda.as_ref().map(AgendaHandle::statistics),
        commands: state.taken.get(),
        commands_unknown: state.unknown.get(),
        commands_refused: state.sender.as_ref().map_or(0, CommandSender::refused),
        collections: state.collections.done.load(Ordering::Relaxed),
        collections_failed: state.collections.failed.load(Ordering::Relaxed),
        collections_joined: state.collections.joined.load(Ordering::Relaxed),
        running: processes.map_or_else(Vec::new, |processes| processes.running()),
        waiting: processes.map_or(0, |processes| processes.queue.len()),
        ended: processes.map_or(0, |processes| processes.ended.get()),
    }
}
