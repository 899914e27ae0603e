//! The run loop: drives a foreign event loop from ours, and lets ours be driven by others.
//!
//! A program that needs a library with a loop of its own (a user interface, a message bus) has two loops and one
//! thread. [`RunLoop::pump`] gives the foreign one a turn; [`RunLoop::run`] does so from a timer of ours, every ten
//! milliseconds, as objc-js' `RunLoop` does for AppKit; [`RunLoop::run_ready`] does so when the foreign loop's
//! descriptor is ready or its own deadline has passed, and costs nothing in between.
//!
//! ```text
//!   our EventLoop ──timer, or readiness + deadline──▶ RunLoop ──iterate──▶ ForeignLoop: GlibLoop, EventLoop, yours
//!   GlibLoop::embed ──our readiness + deadline──▶ EventLoop::turn_within(0)
//! ```
//!
//! A pump from a timer never waits, and the timer that drives it keeps nothing alive.

mod foreign;
#[cfg(feature = "glib")]
mod glib;
mod pump;

use std::cell::{Cell, RefCell, RefMut};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;
use std::thread;
use std::time::Duration;

use loop_probes::event::{Event, Phase};

pub use foreign::{ForeignLoop, PumpError};
#[cfg(feature = "glib")]
pub use glib::{Embedded, GlibHandle, GlibLoop, GlibSource};
pub use pump::StopHandle;

use crate::error::RequestError;
use crate::options::Options;
use crate::poller::{Interest, Source};
use crate::task::{Any, Context, Task};
use crate::timer::Timer;
use pump::ForeignRun;

/// The tag of pumping tasks.
const PUMP: &str = "pump";

/// The trigger of a pump.
enum Driver {
    /// A repeating timer.
    Interval(Duration),
    /// The foreign loop's descriptor, and its deadline.
    Readiness(Source),
}

/// A foreign loop pumped by ours. Clones pump the same one.
///
/// It stays on its thread: the type system prevents sending it elsewhere, and a foreign loop that belongs to
/// another thread is rejected with an error.
///
/// ```compile_fail,E0277
/// # use std::time::Duration;
/// # use loop_core::run_loop::{GlibLoop, RunLoop};
/// let glib = RunLoop::new(GlibLoop::new());
/// std::thread::spawn(move || glib.pump(Duration::ZERO));
/// ```
///
/// # Examples
///
/// A second loop of ours can be a foreign loop too:
///
/// ```
/// use std::time::Duration;
/// use loop_core::run_loop::RunLoop;
/// use loop_core::{Builtin, EventLoop};
///
/// let mut inner = EventLoop::<Builtin>::new()?;
/// inner.post(Builtin::once("inner", |_| ()));
/// let inner = RunLoop::new(inner);
///
/// let mut host = EventLoop::<Builtin>::new()?;
/// host.with(|cx| {
///     cx.set_timeout(Duration::from_millis(20), Builtin::once("end", |_| ()));
///     inner.run(cx, RunLoop::<EventLoop<Builtin>>::INTERVAL)
/// })?;
/// host.run()?;
/// assert_eq!(inner.with(|inner| inner.metrics().tasks_run)?, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct RunLoop<F: ForeignLoop> {
    shared: Rc<PumpedLoop<F>>,
}

struct PumpedLoop<F> {
    /// Borrowed while it is being pumped.
    foreign: RefCell<F>,
    name: String,
    started: Cell<bool>,
    running: Rc<ForeignRun>,
}

impl<F: ForeignLoop> RunLoop<F> {
    /// Interval of [`run`](Self::run) in the design that it comes from.
    pub const INTERVAL: Duration = Duration::from_millis(10);

    /// Pumps `foreign`, which the first pump starts.
    #[must_use]
    pub fn new(foreign: F) -> Self {
        let name = foreign.name().to_owned();
        let running = Rc::new(ForeignRun::default());
        Self {
            shared: Rc::new(PumpedLoop {
                foreign: RefCell::new(foreign),
                name,
                started: Cell::new(false),
                running,
            }),
        }
    }

    /// Gives the foreign loop one turn, which waits at most for `timeout`; zero returns at once. True if it handled
    /// a source.
    ///
    /// From a task of ours, use [`pump_from`](Self::pump_from) instead: it delays none of our timers.
    ///
    /// # Errors
    ///
    /// [`PumpError::Missing`] and [`PumpError::WrongThread`] if the loop is unavailable, [`PumpError::Reentered`]
    /// if called from one of its own callbacks, and any error of the loop.
    pub fn pump(&self, timeout: Duration) -> Result<bool, PumpError> {
        let handled = self.turn(timeout);
        self.wake_run();
        handled
    }

    /// Like [`pump`](Self::pump), from a task of ours: it waits no longer than until our loop has something to do, and is recorded.
    ///
    /// # Errors
    ///
    /// The errors of [`pump`](Self::pump).
    pub fn pump_from<T: Task>(&self, cx: &mut Context<'_, T>, timeout: Duration) -> Result<bool, PumpError> {
        let timeout = cx.next_wait().map_or(timeout, |wait| wait.min(timeout));
        let handled = self.recorded(cx, timeout, false);
        self.wake_run();
        handled
    }

    /// Pumps every `interval` from a timer of `cx`'s loop that keeps nothing alive, until the handle stops it. A
    /// pump does not wait. Another run, of either kind, replaces this one.
    ///
    /// If a pump fails, the run is over: its task fails with the error, which [`take_error`](Self::take_error)
    /// returns.
    ///
    /// # Errors
    ///
    /// The errors of [`pump`](Self::pump), if the loop cannot be started; [`PumpError::Request`] if the task that `T`
    /// makes of a repeating [`Any`] runs only once.
    pub fn run<T: Task + From<Any<T>>>(
        &self,
        cx: &mut Context<'_, T>,
        interval: Duration,
    ) -> Result<StopHandle, PumpError> {
        drop(self.started()?);
        self.drive(cx, Driver::Interval(interval))
    }

    /// Pumps when the foreign loop is ready: its descriptor is a source of `cx`'s loop, its next deadline a timer.
    /// Neither keeps anything alive. Otherwise like [`run`](Self::run).
    ///
    /// # Errors
    ///
    /// The errors of [`run`](Self::run), and [`PumpError::NoReadiness`] if it has no descriptor.
    pub fn run_ready<T: Task + From<Any<T>>>(
        &self,
        cx: &mut Context<'_, T>,
    ) -> Result<StopHandle, PumpError> {
        let readiness = self.started()?.readiness();
        let readiness = readiness.ok_or_else(|| PumpError::NoReadiness { name: self.shared.name.clone() })?;
        self.drive(cx, Driver::Readiness(readiness))
    }

    /// Ends the current run of either kind; false if there is none. May be called any number of times.
    pub fn stop<T: Task>(&self, cx: &mut Context<'_, T>) -> bool {
        self.shared.running.stop(cx)
    }

    /// Whether a run is in progress.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.shared.running.is_on()
    }

    /// The error that ended the latest run; returned once.
    #[must_use]
    pub fn take_error(&self) -> Option<PumpError> {
        self.shared.running.take_error()
    }

    /// Gives access to the foreign loop between two pumps.
    ///
    /// # Errors
    ///
    /// [`PumpError::Reentered`] if called from one of its own callbacks.
    pub fn with<R>(&self, f: impl FnOnce(&mut F) -> R) -> Result<R, PumpError> {
        let returned = f(&mut *self.enter()?);
        self.wake_run();
        Ok(returned)
    }

    fn turn(&self, timeout: Duration) -> Result<bool, PumpError> {
        self.started()?.iterate(timeout)
    }

    /// Wakes a run that waits for readiness after the foreign loop was changed without it.
    fn wake_run(&self) {
        if self.shared.running.is_by_readiness()
            && let Ok(mut foreign) = self.enter()
        {
            foreign.wake();
        }
    }

    fn enter(&self) -> Result<RefMut<'_, F>, PumpError> {
        let entered = self.shared.foreign.try_borrow_mut();
        entered.map_err(|_| PumpError::Reentered { name: self.shared.name.clone() })
    }

    /// The foreign loop, checked to be on its own thread, and started.
    fn started(&self) -> Result<RefMut<'_, F>, PumpError> {
        let mut foreign = self.enter()?;
        if foreign.thread().is_some_and(|thread| thread != thread::current().id()) {
            return Err(PumpError::WrongThread { name: self.shared.name.clone() });
        }
        if !self.shared.started.get() {
            foreign.start()?;
            self.shared.started.set(true);
        }
        Ok(foreign)
    }
}

impl<F: ForeignLoop> RunLoop<F> {
    /// Starts a run.
    fn drive<T: Task + From<Any<T>>>(
        &self,
        cx: &mut Context<'_, T>,
        driver: Driver,
    ) -> Result<StopHandle, PumpError> {
        let running = &self.shared.running;
        let number = running.begin(cx);
        let by_readiness = matches!(driver, Driver::Readiness(_));
        let this = self.clone();
        let task = T::from(Any::repeat(PUMP, move |cx| this.scheduled(cx, number, by_readiness)));
        let driven = match driver {
            Driver::Interval(interval) => register_timer(cx, interval, task).map(|timer| {
                running.registered.borrow_mut().timer = Some(timer);
            }),
            Driver::Readiness(source) => {
                let options = Options::new(self.shared.name.clone()).unreferenced();
                cx.register_with(options, source, Interest::READABLE, task)
            }
            .map(|source| {
                running.registered.borrow_mut().source = Some(source);
            }),
        };
        let driven = driven.map_err(PumpError::Request);
        let driven = if by_readiness { driven.and_then(|()| self.arm(cx, number)) } else { driven };
        if let Err(error) = driven {
            running.stop(cx);
            return Err(error);
        }
        Ok(StopHandle::new(Rc::clone(running), number))
    }

    /// Pumps on behalf of a timer or a readiness.
    fn scheduled<T: Task + From<Any<T>>>(&self, cx: &mut Context<'_, T>, number: u64, by_readiness: bool) {
        let running = &self.shared.running;
        if running.on.get() != Some(number) {
            retire(cx);
            return;
        }
        cx.claim_phase(Phase::Pump);
        let ready = cx.ready().is_some();
        let pumped = catch_unwind(AssertUnwindSafe(|| self.recorded(cx, Duration::ZERO, ready)));
        let (failed, panic) = match pumped {
            // It is being pumped by hand and called back into our loop: that does not end the run.
            Ok(Ok(_) | Err(PumpError::Reentered { .. })) => (None, None),
            Ok(Err(error)) => (Some(error), None),
            Err(panic) => (None, Some(panic)),
        };
        if running.on.get() == Some(number) {
            let goes_on = match failed {
                Some(error) => Err(error),
                None if by_readiness => self.arm(cx, number),
                None => Ok(()),
            };
            if let Err(error) = goes_on {
                if !matches!(error, PumpError::Ended { .. }) {
                    cx.fail(&error);
                }
                *running.failed.borrow_mut() = Some(error);
                running.stop(cx);
            }
        } else if running.latest.get() == number {
            running.unregister(cx);
        }
        if let Some(panic) = panic {
            resume_unwind(panic);
        }
    }

    /// Sets the timer for the foreign loop's next deadline.
    fn arm<T: Task + From<Any<T>>>(&self, cx: &mut Context<'_, T>, number: u64) -> Result<(), PumpError> {
        let next = match self.enter() {
            Ok(mut foreign) => foreign.next_wait()?,
            // It is being pumped by hand and called back into our loop: check again soon.
            Err(_) => Some(Self::INTERVAL),
        };
        let running = &self.shared.running;
        if let Some(timer) = running.registered.borrow_mut().timer.take() {
            cx.clear_timer(timer);
        }
        if let Some(wait) = next {
            let this = self.clone();
            let task = T::from(Any::once(PUMP, move |cx| this.scheduled(cx, number, true)));
            let timer = cx.set_timeout(wait, task);
            cx.set_timer_referenced(timer, false).map_err(RequestError::from)?;
            running.registered.borrow_mut().timer = Some(timer);
        }
        Ok(())
    }

    /// Pumps, and records the pump.
    fn recorded<T: Task>(
        &self,
        cx: &mut Context<'_, T>,
        timeout: Duration,
        ready: bool,
    ) -> Result<bool, PumpError> {
        let start = cx.stamp();
        let handled = self.turn(timeout)?;
        if cx.core.on {
            cx.stamp();
            let timeout_ns = u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX);
            cx.core.record(Event::Pumped { handled, ready, timeout_ns, start });
        }
        Ok(handled)
    }
}

impl<F: ForeignLoop> Clone for RunLoop<F> {
    fn clone(&self) -> Self {
        Self { shared: Rc::clone(&self.shared) }
    }
}

impl<F: ForeignLoop> fmt::Debug for RunLoop<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunLoop")
            .field("foreign", &self.shared.name)
            .field("started", &self.shared.started.get())
            .field("running", &self.is_running())
            .finish()
    }
}

fn register_timer<T: Task>(
    cx: &mut Context<'_, T>,
    interval: Duration,
    task: T,
) -> Result<Timer, RequestError> {
    let timer = cx.set_interval(interval, task)?;
    cx.set_timer_referenced(timer, false)?;
    Ok(timer)
}

/// Removes the registration of this callback: its run was replaced from another loop.
fn retire<T: Task>(cx: &mut Context<'_, T>) {
    if let Some(timer) = cx.timer() {
        cx.clear_timer(timer);
    }
    if let Some(ready) = cx.ready() {
        let _ = cx.remove(ready.source);
    }
}
