//! A run: the registrations in our loop that pump a foreign one, and how they end.
//!
//! A run has a number. Whoever holds an old number, a stop handle or a timer that fires late, finds that it is not
//! the current one and leaves the new run alone.

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;
use std::time::Duration;

use loop_probes::event::{Event, Phase};
use loop_probes::ids::IoSource;

use super::{ForeignLoop, PumpError, RunLoop};
use crate::context::{Context, IoOptions};
use crate::error::LoopError;
use crate::poller::{Interest, Source};
use crate::task::{Any, Task};
use crate::timer::Timer;

/// The tag of the tasks that pump.
const PUMP: &str = "pump";

/// What brings a pump about.
pub(super) enum Driver {
    /// A timer, again and again.
    Interval(Duration),
    /// The foreign loop's descriptor, and its deadline.
    Readiness(Source),
}

/// The current run of a foreign loop.
#[derive(Debug, Default)]
pub(super) struct Running {
    /// The number of the latest run.
    latest: Cell<u64>,
    /// The run that is on.
    on: Cell<Option<u64>>,
    /// What is registered for the latest run, and in which loop.
    registered: RefCell<Registered>,
    failed: RefCell<Option<PumpError>>,
}

#[derive(Debug, Default)]
struct Registered {
    /// The loop, by the address of what it shares with its handles.
    home: usize,
    timer: Option<Timer>,
    source: Option<IoSource>,
}

impl Running {
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

    /// A new run takes the place of the one before.
    fn begin<T: Task>(&self, cx: &mut Context<'_, T>) -> u64 {
        self.stop(cx);
        let number = self.latest.get() + 1;
        self.latest.set(number);
        self.on.set(Some(number));
        *self.registered.borrow_mut() = Registered { home: cx.identity(), ..Registered::default() };
        number
    }

    /// Takes back what is registered in `cx`'s loop. What is registered in another one ends when it is called.
    fn unregister<T: Task>(&self, cx: &mut Context<'_, T>) {
        if self.registered.borrow().home != cx.identity() {
            return;
        }
        let Registered { timer, source, .. } = std::mem::take(&mut *self.registered.borrow_mut());
        if let Some(timer) = timer {
            cx.clear_timer(timer);
        }
        if let Some(source) = source {
            // A poller that no longer knows the descriptor has let go of it already.
            let _ = cx.remove(source);
        }
    }
}

/// Ends the run that it came from, and no other.
#[derive(Clone, Debug)]
pub struct StopHandle {
    running: Rc<Running>,
    number: u64,
}

impl StopHandle {
    /// Ends its run; false where that is over already. As often as one likes.
    pub fn stop<T: Task>(&self, cx: &mut Context<'_, T>) -> bool {
        self.is_on() && self.running.stop(cx)
    }

    /// Ends its run from a callback of the foreign loop, which has no [`Context`]: there is no further pump, and
    /// what is registered is taken back when the current one returns. False where the run is over already.
    pub fn stop_pumping(&self) -> bool {
        let was_on = self.is_on();
        if was_on {
            self.running.on.set(None);
        }
        was_on
    }

    /// Whether its run is on.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.running.on.get() == Some(self.number)
    }
}

impl<F: ForeignLoop> RunLoop<F> {
    /// Begins a run.
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
                let options = IoOptions::new(self.shared.name.as_str()).unreferenced();
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

    /// A pump that a timer or a readiness brought about.
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
            // Whoever pumps it by hand calls back into our loop: that does not end the run.
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

    /// Sets the timer of the foreign loop's next deadline.
    fn arm<T: Task + From<Any<T>>>(&self, cx: &mut Context<'_, T>, number: u64) -> Result<(), PumpError> {
        let next = match self.enter() {
            Ok(mut foreign) => foreign.next_wait()?,
            // Whoever is pumping it by hand calls back into our loop: looked at again soon.
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

    /// Pumps, and records it.
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

/// Takes back the registration whose callback this is: its run was replaced from another loop.
fn retire<T: Task>(cx: &mut Context<'_, T>) {
    if let Some(timer) = cx.timer() {
        cx.clear_timer(timer);
    }
    if let Some(ready) = cx.ready() {
        let _ = cx.remove(ready.source);
    }
}
