//! Runs a foreign event loop from ours, and lets foreign loops run ours.
//!
//! A program that uses a library with its own event loop (a user interface, a message bus) has two loops on one
//! thread. [`RunLoop::pump`] gives the foreign loop a turn. [`RunLoop::run`] does so periodically from a timer of our
//! loop, as objc-js' `RunLoop` does for AppKit every 10 ms. [`RunLoop::run_ready`] does so when the foreign loop's
//! descriptor is ready or its next deadline has passed, and costs nothing in between.
//!
//! ```text
//!   our EventLoop ──timer, or readiness + deadline──▶ RunLoop ──iterate──▶ ForeignLoop: GlibLoop, EventLoop, yours
//!   GlibLoop::embed ──our readiness + deadline──▶ EventLoop::turn_within(0)
//! ```
//!
//! A pump from a timer never waits, and the timer does not keep our loop alive.

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

/// A foreign loop pumped by ours. Clones pump the same foreign loop.
///
/// A `RunLoop` stays on its thread: it is not `Send`, and a pump of a foreign loop that belongs to another thread
/// returns an error.
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
/// A second [`EventLoop`](crate::EventLoop) can be the foreign loop:
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
    /// Borrowed while the foreign loop is being pumped.
    foreign: RefCell<F>,
    name: String,
    started: Cell<bool>,
    running: Rc<ForeignRun>,
}

impl<F: ForeignLoop> RunLoop<F> {
    /// The interval that objc-js uses for [`run`](Self::run).
    pub const INTERVAL: Duration = Duration::from_millis(10);

    /// Wraps `foreign`. The first pump starts it.
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

    /// Gives the foreign loop one turn, which waits at most for `timeout`; with zero it does not wait. Returns true if
    /// the foreign loop handled a source.
    ///
    /// In a task of our loop, use [`pump_from`](Self::pump_from) instead, which does not delay our timers.
    ///
    /// # Errors
    ///
    /// [`PumpError::Missing`] or [`PumpError::WrongThread`] if the foreign loop is unavailable,
    /// [`PumpError::Reentered`] if called from one of the foreign loop's callbacks, and any error of the foreign loop.
    pub fn pump(&self, timeout: Duration) -> Result<bool, PumpError> {
        let handled = self.turn(timeout);
        self.wake_run();
        handled
    }

    /// Like [`pump`](Self::pump), for tasks of our loop: waits no longer than until our loop has work, and records the
    /// pump.
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

    /// Pumps every `interval` until the returned handle stops it, from a timer that does not keep `cx`'s loop alive. The
    /// pumps do not wait. Starting another run, by `run` or [`run_ready`](Self::run_ready), replaces this one.
    ///
    /// If a pump fails, the run ends: the timer's task fails with the error, and [`take_error`](Self::take_error)
    /// returns it.
    ///
    /// # Errors
    ///
    /// The errors of [`pump`](Self::pump) if the foreign loop cannot be started; [`PumpError::Request`] if `T` turns a
    /// repeating [`Any`] into a task that runs only once.
    pub fn run<T: Task + From<Any<T>>>(
        &self,
        cx: &mut Context<'_, T>,
        interval: Duration,
    ) -> Result<StopHandle, PumpError> {
        drop(self.started()?);
        self.drive(cx, Driver::Interval(interval))
    }

    /// Pumps when the foreign loop is ready: registers its descriptor as a source of `cx`'s loop, and its next deadline
    /// as a timer. Neither keeps `cx`'s loop alive. Otherwise like [`run`](Self::run).
    ///
    /// # Errors
    ///
    /// The errors of [`run`](Self::run), and [`PumpError::NoReadiness`] if the foreign loop has no descriptor.
    pub fn run_ready<T: Task + From<Any<T>>>(
        &self,
        cx: &mut Context<'_, T>,
    ) -> Result<StopHandle, PumpError> {
        let readiness = self.started()?.readiness();
        let readiness = readiness.ok_or_else(|| PumpError::NoReadiness { name: self.shared.name.clone() })?;
        self.drive(cx, Driver::Readiness(readiness))
    }

    /// Ends the current run of either kind. Returns false if no run is in progress.
    pub fn stop<T: Task>(&self, cx: &mut Context<'_, T>) -> bool {
        self.shared.running.stop(cx)
    }

    /// Whether a run is in progress.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.shared.running.is_on()
    }

    /// Takes the error that ended the latest run.
    #[must_use]
    pub fn take_error(&self) -> Option<PumpError> {
        self.shared.running.take_error()
    }

    /// Gives access to the foreign loop between two pumps.
    ///
    /// # Errors
    ///
    /// [`PumpError::Reentered`] if called from one of the foreign loop's callbacks.
    pub fn with<R>(&self, f: impl FnOnce(&mut F) -> R) -> Result<R, PumpError> {
        let returned = f(&mut *self.enter()?);
        self.wake_run();
        Ok(returned)
    }

    fn turn(&self, timeout: Duration) -> Result<bool, PumpError> {
        self.started()?.iterate(timeout)
    }

    /// Wakes a run that waits for readiness, after the foreign loop was changed outside of the run.
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

    /// The foreign loop, started, after a check that this is its thread.
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

    /// Pumps when the timer fired or the descriptor is ready.
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
            // The program pumps the foreign loop directly, and a callback of it runs our loop: the run continues.
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
            // The program pumps the foreign loop directly, and a callback of it runs our loop: check again soon.
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

/// Removes the registration that called this, because another loop replaced its run.
fn retire<T: Task>(cx: &mut Context<'_, T>) {
    if let Some(timer) = cx.timer() {
        cx.clear_timer(timer);
    }
    if let Some(ready) = cx.ready() {
        let _ = cx.remove(ready.source);
    }
}
