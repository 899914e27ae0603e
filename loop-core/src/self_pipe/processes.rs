//! Processes waiting to be started, and running ones.
//!
//! `SIGCHLD` does not reliably name the child that ended, because several signals merge into one. So each signal makes
//! the loop check, without blocking, every process that it started. It checks no other child of the program.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io;
use std::process::{Child, Command as Process, ExitStatus};
use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use signal_hook::consts::SIGCHLD;

use crate::error::RequestError;
use crate::task::Context;
use crate::task::{Any, Task};

/// Label under which running processes keep the loop alive.
const HOLD: &str = "process";

/// How a process ended.
#[derive(Debug)]
#[non_exhaustive]
pub struct ProcessEnd {
    /// The program that was started.
    pub program: String,
    /// The process id; `None` if the program could not be started.
    pub pid: Option<u32>,
    /// The exit status, or the error that prevented starting or checking the process.
    pub status: io::Result<ExitStatus>,
}

/// Queue of processes waiting to be started, oldest first. Cheap to clone; any thread may add to it.
#[derive(Clone, Debug, Default)]
pub struct ProcessQueue(Arc<Mutex<VecDeque<Process>>>);

impl ProcessQueue {
    /// An empty queue.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a process at the end of the queue. Each [`StartProcess`](super::Command::StartProcess) starts the first one.
    pub fn add(&self, process: Process) {
        self.lock().push_back(process);
    }

    /// Number of waiting processes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// Whether no process waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    fn take(&self) -> Option<Process> {
        self.lock().pop_front()
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Process>> {
        // Nothing panics under the lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Turns a boxed closure into a task of the loop.
pub(super) type Wrap<T> = Rc<dyn Fn(Any<T>) -> T>;

type OnEnd<T> = Box<dyn FnMut(&mut Context<'_, T>, &ProcessEnd)>;

struct RunningProcess {
    child: Child,
    program: String,
}

/// The processes of one loop.
pub(super) struct Processes<T: Task> {
    wrap: Wrap<T>,
    pub(super) queue: ProcessQueue,
    at_once: usize,
    running: RefCell<Vec<RunningProcess>>,
    /// Number of start requests that wait for a running process to end.
    owed: Cell<usize>,
    pub(super) ended: Cell<u64>,
    on_end: Rc<RefCell<OnEnd<T>>>,
}

impl<T: Task> Processes<T> {
    pub(super) fn new(wrap: Wrap<T>, queue: ProcessQueue, at_once: usize, on_end: OnEnd<T>) -> Self {
        Self {
            wrap,
            queue,
            at_once,
            running: RefCell::default(),
            owed: Cell::new(0),
            ended: Cell::new(0),
            on_end: Rc::new(RefCell::new(on_end)),
        }
    }

    /// Installs the handler for `SIGCHLD`.
    pub(super) fn watch(self: &Rc<Self>, cx: &mut Context<'_, T>) -> Result<(), RequestError> {
        let this = Rc::clone(self);
        cx.on_signal(SIGCHLD, (self.wrap)(Any::repeat("signal CHLD", move |cx| this.reap(cx))))
    }

    /// Program and process id of each running process.
    pub(super) fn running(&self) -> Vec<(String, u32)> {
        let running = self.running.borrow();
        running.iter().map(|process| (process.program.clone(), process.child.id())).collect()
    }

    /// Starts the next process, or counts the request if too many are running.
    pub(super) fn start(&self, cx: &mut Context<'_, T>) {
        if self.running.borrow().len() >= self.at_once {
            self.owed.set(self.owed.get() + 1);
            return;
        }
        let Some(mut process) = self.queue.take() else {
            return cx.fail("no process is waiting to be started");
        };
        let program = process.get_program().to_string_lossy().into_owned();
        match process.spawn() {
            Ok(child) => {
                cx.hold(HOLD);
                self.running.borrow_mut().push(RunningProcess { child, program });
            }
            Err(error) => self.report_end(cx, ProcessEnd { program, pid: None, status: Err(error) }),
        }
    }

    /// Checks all running processes, and reports those that ended.
    fn reap(&self, cx: &mut Context<'_, T>) {
        let mut ended = Vec::new();
        self.running.borrow_mut().retain_mut(|RunningProcess { child, program }| {
            let status = match child.try_wait() {
                Ok(None) => return true,
                Ok(Some(status)) => Ok(status),
                Err(error) => Err(error),
            };
            ended.push(ProcessEnd { program: std::mem::take(program), pid: Some(child.id()), status });
            false
        });
        for end in ended {
            // The task that reports the end keeps the loop alive from here on.
            self.report_end(cx, end);
            cx.release(HOLD);
        }
        while self.owed.get() > 0 && self.running.borrow().len() < self.at_once {
            self.owed.set(self.owed.get() - 1);
            self.start(cx);
        }
    }

    fn report_end(&self, cx: &mut Context<'_, T>, end: ProcessEnd) {
        self.ended.set(self.ended.get() + 1);
        let on_end = Rc::clone(&self.on_end);
        cx.post((self.wrap)(Any::once("process ended", move |cx| (on_end.borrow_mut())(cx, &end))));
    }
}
