//! A run: the registrations in our loop that pump a foreign one, and their end.
//!
//! Each run has a number. A holder of an old number, a stop handle or a timer that fires late, sees that it is not
//! the current one and leaves the new run alone.

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;
use std::time::Duration;

use loop_probes::event::{Event, Phase};
use loop_probes::ids::IoSource;

use super::{ForeignLoop, PumpError, RunLoop};
use crate::error::LoopError;
use crate::options::Options;
use crate::poller::{Interest, Source};
use crate::task::Context;
use crate::task::{Any, Task};
use crate::timer::Timer;

/// The tag of pumping tasks.
const PUMP: &str = "pump";

/// The trigger of a pump.
pub(super) enum Driver {
    /// A repeating timer.
    Interval(Duration),
    /// The foreign loop's descriptor, and its deadline.
    Readiness(Source),
}

/// The current run of a foreign loop.
#[derive(Debug, Default)]
pub(super) struct ForeignRun {
    /// The number of the latest run.
    latest: Cell<u64>,
    /// The run in progress.
    on: Cell<Option<u64>>,
    /// Registrations of the latest run, and their loop.
    registered: RefCell<Registered>,
    failed: RefCell<Option<PumpError>>,
}

#[derive(Debug, Default)]
struct Registered {
    /// The loop, by the address of the state it shares with its handles.
    home: usize,
    timer: Option<Timer>,
    source: Option<IoSource>,
}

impl ForeignRun {
    pub(super) fn is_on(&self) -> bool {
        self.on.get().is_some()
    }

    pub(super) fn is_by_readiness(&self) -> bool {
        self.is_on() && self.registered.borrow().source.is_some()
    }

    pub(super) fn take_error(&self) -> Option<PumpError> {
        self.failed.borrow_mut().take()
    }

    pub(super) fn stop<T: Task>(&self, cx: &mut Context<'_, T>) -> bool {
        let was_on = self.on.take().is_some();
        self.unregister(cx);
        was_on
    }

    /// Starts a new run, which replaces the previous one.
    fn begin<T: Task>(&self, cx: &mut Context<'_, T>) -> u64 {
        self.stop(cx);
        let number = self.latest.get() + 1;
        self.latest.set(number);
        self.on.set(Some(number));
        *self.registered.borrow_mut() = Registered { home: cx.identity(), ..Registered::default() };
        number
    }

    /// Removes the registrations in `cx`'s loop. Those in another loop end when they are next called.
    fn unregister<T: Task>(&self, cx: &mut Context<'_, T>) {
        if self.registered.borrow().home != cx.identity() {
            return;
        }
        let Registered { timer, source, .. } = std::mem::take(&mut *self.registered.borrow_mut());
        if let Some(timer) = timer {
            cx.clear_timer(timer);
        }
        if let Some(source) = source {
            // A poller that no longer knows the descriptor has dropped it already.
            let _ = cx.remove(source);
        }
    }
}

/// Ends the run that returned it, and no other.
#[derive(Clone, Debug)]
pub struct StopHandle {
    running: Rc<ForeignRun>,
    number: u64,
}

impl StopHandle {
    /// Ends its run; false if that is already over. May be called any number of times.
    pub fn stop<T: Task>(&self, cx: &mut Context<'_, T>) -> bool {
        self.is_on() && self.running.stop(cx)
    }

    /// Ends its run from a callback of the foreign loop, which has no [`Context`]: there is no further pump, and
    /// the registrations are removed when the current one returns. False if the run is already over.
    pub fn stop_pumping(&self) -> bool {
        let was_on = self.is_on();
        if was_on {
            self.running.on.set(None);
        }
        was_on
    }

    /// Whether its run is in progress.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.running.on.get() == Some(self.number)
    }
}

impl<F: ForeignLoop> RunLoop<F> {
    /// Starts a run.
    pub(super) fn drive<T: Task + From<Any<T>>>(
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
        let driven = driven.map_err(PumpError::Loop);
        let driven = if by_readiness { driven.and_then(|()| self.arm(cx, number)) } else { driven };
        if let Err(error) = driven {
            running.stop(cx);
            return Err(error);
        }
        Ok(StopHandle { running: Rc::clone(running), number })
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
            cx.set_timer_referenced(timer, false).map_err(LoopError::from)?;
            running.registered.borrow_mut().timer = Some(timer);
        }
        Ok(())
    }

    /// Pumps, and records the pump.
    pub(super) fn recorded<T: Task>(
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

fn register_timer<T: Task>(cx: &mut Context<'_, T>, interval: Duration, task: T) -> Result<Timer, LoopError> {
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
