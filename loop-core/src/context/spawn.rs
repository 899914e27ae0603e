//! Spawns futures, and carries out the operations that futures requested.

use std::fmt;
use std::future::Future;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;
use std::task::Poll;

use loop_probes::event::{Event, Origin, Outcome, Phase, RefKind};
use loop_probes::recorder::Running;

use crate::body::Body;
use crate::body::Queued;
use crate::error::RequestError;
use crate::failure::OnError;
use crate::failure::panic_text;
use crate::future::inbox::{Inbox, JoinError, JoinTarget, Plain};
use crate::future::join::{JoinHandle, NewFuture};
use crate::future::local::Op;
use crate::future::table::FutureEntry;
use crate::future::wait::{SourceWaiters, Wait};
use crate::future::wake::FutureKey;
use crate::handle::LocalHandle;
use crate::options::Options;
use crate::poller::Source;
use crate::shutdown::OnShutdown;
use crate::task::Context;
use crate::task::Task;
use crate::timer::Delay;

impl<T: Task> Context<'_, T> {
    /// Returns a handle for futures and other code on the loop's thread.
    pub fn local(&mut self) -> LocalHandle<T> {
        self.core.futures.in_use = true;
        self.core.scheduler.attend(true);
        LocalHandle::new(Rc::clone(&self.core.futures.local))
    }

    /// Spawns the future that `make` returns. Each poll is a task of this loop; the first one is queued behind all waiting
    /// tasks. The future keeps the loop alive until it completes. `options` is an [`Options`] or a name.
    ///
    /// Dropping the returned handle detaches the future. A loop that shuts down spawns nothing: awaiting the handle then
    /// gives [`JoinError::Refused`].
    pub fn spawn<F, R>(
        &mut self,
        options: impl Into<Options<T>>,
        make: impl FnOnce(LocalHandle<T>) -> F,
    ) -> JoinHandle<R>
    where
        F: Future<Output = R> + 'static,
        R: 'static,
    {
        let handle = self.local().spawn(options, make);
        self.carry_out();
        handle
    }

    /// Like [`spawn`](Self::spawn), for a future that can fail. An `Err` is recorded as the failure of the last poll,
    /// the future's [`OnError`] rule applies, and the handle returns it.
    pub fn spawn_checked<F, R, E>(
        &mut self,
        options: impl Into<Options<T>>,
        make: impl FnOnce(LocalHandle<T>) -> F,
    ) -> JoinHandle<Result<R, E>>
    where
        F: Future<Output = Result<R, E>> + 'static,
        R: 'static,
        E: fmt::Display + 'static,
    {
        let handle = self.local().spawn_checked(options, make);
        self.carry_out();
        handle
    }

    fn spawn_new(&mut self, new: NewFuture<T>) {
        if self.core.shutdown.has_begun() {
            new.refuse();
            return;
        }
        let tag = self.core.resolve(new.options.name.as_deref().unwrap_or("future").into());
        let referenced = new.options.referenced;
        let future = self.core.futures.insert(new, tag);
        if referenced {
            self.core.add_ref(RefKind::Future, 1);
        }
        let (queued, id, parent) = (self.core.at, self.core.scheduler.new_id(), self.core.current.task);
        let task = Body::Poll(future);
        self.core.queue(Queued { task, id, tag, origin: Origin::Future, signo: 0, queued }, parent, None);
    }

    /// Polls a queued future, or drops it if it was cancelled.
    pub(crate) fn poll_future(&mut self, key: FutureKey) {
        let Some((mut future, waker)) = self.core.futures.begin_poll(key) else {
            self.core.current.outcome = Outcome::Cancelled;
            return;
        };
        let entry = self.core.futures.get_mut(key).map(|entry| (entry.tag, entry.cancelled));
        let (tag, is_cancelled) = entry.unwrap_or_default();
        // Requests of the future are recorded under its tag, which an unrecorded loop has not looked up.
        self.core.current.tag = tag;
        if is_cancelled {
            self.core.current.outcome = Outcome::Cancelled;
            // A task that was cancelled does not run: the time to drop it is the phase's.
            if self.core.on {
                self.core.recorder.set_running(self.core.at, Running::Phase(Phase::Tasks));
            }
            if let Some(entry) = self.take_future(key) {
                entry.end(JoinError::Cancelled);
            }
            // Last, because dropping the future runs application code, which may panic.
            return drop(future);
        }
        let inbox = Rc::clone(&self.core.futures.local);
        let local = inbox.state();
        local.begin_poll();
        let mut cx = std::task::Context::from_waker(&waker);
        let polled = catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(&mut cx)));
        let reported = local.take_failed();
        let (failed, done) = match polled {
            Ok(Poll::Pending) => {
                self.core.current.outcome = Outcome::Pending;
                self.core.futures.end_poll(key, future);
                (reported, None)
            }
            Ok(Poll::Ready(ended)) => (ended.err().or(reported), Some(future)),
            Err(payload) => {
                let message = panic_text(&*payload);
                self.future_failed(key, &message);
                if let Some(entry) = self.take_future(key) {
                    entry.end(JoinError::Panicked { message });
                }
                // A second panic, in the future's drop, would abort.
                let _ = catch_unwind(AssertUnwindSafe(|| drop(future)));
                // The caller's guard records the panic like any other.
                resume_unwind(payload)
            }
        };
        if let Some(message) = failed {
            self.fail(&message);
            self.future_failed(key, &message);
        }
        if done.is_some() {
            // The future's handle has the result.
            self.take_future(key);
        }
        drop(done);
    }

    /// Removes a future from the table, and releases its reference.
    pub(crate) fn take_future(&mut self, key: FutureKey) -> Option<FutureEntry<T>> {
        let entry = self.core.futures.remove(key)?;
        if entry.referenced {
            self.core.add_ref(RefKind::Future, -1);
        }
        Some(entry)
    }

    /// Applies the error rule of a future's owner.
    fn future_failed(&mut self, key: FutureKey, message: &str) {
        let Some(entry) = self.core.futures.get_mut(key) else { return };
        let (tag, rule) = (entry.tag, mem::take(&mut entry.on_error));
        let close = matches!(rule, OnError::Close);
        let rule = self.apply_rule(rule, RefKind::Future, || crate::tag::name_of(tag), message);
        if let Some(entry) = self.core.futures.get_mut(key) {
            entry.on_error = rule;
            if close {
                entry.cancelled = true;
                entry.waker().wake();
            }
        }
    }

    /// Carries out the pending requests of local handles, in order. If one panics, the next call carries out the rest.
    pub(crate) fn carry_out(&mut self) {
        while let Some(op) = self.core.futures.local.take_op() {
            match op {
                Op::Plain(op) => self.carry_out_plain(op),
                Op::Post(task) => drop(self.post(task)),
                Op::Microtask(task) => self.microtask(task),
                Op::Spawn(new) => self.spawn_new(new),
                Op::With(f) => f(self),
                Op::Work(tag, job, run) => self.work_awaited(tag, job, run),
            }
        }
    }

    fn carry_out_plain(&mut self, op: Plain) {
        match op {
            Plain::Arm(delay, wait) => self.arm_awaited(delay, wait),
            Plain::Clear(wait) => {
                if let Some(timer) = wait.timer.take() {
                    self.clear_timer(timer);
                }
            }
            Plain::Watch(registry) => {
                if registry.tag.get().is_none() {
                    registry.tag.set(Some(self.core.current.tag));
                }
                self.core.futures.changed.push(registry);
            }
            Plain::Unwatch(registry) => {
                if let Some((source, _)) = registry.registered.take() {
                    // The source is gone even on an error, and its future is no longer there to get the error.
                    let _ = self.remove(source);
                }
            }
            Plain::CancelWork(wait) => self.cancel_awaited(&wait),
            Plain::Cancel(joined) => self.cancel_future(&*joined),
            Plain::Reference(joined, referenced) => self.reference_future(&*joined, referenced),
            Plain::Stop => self.stop(),
            Plain::Shutdown(shutdown) => self.shutdown(shutdown),
        }
    }

    fn arm_awaited(&mut self, delay: Delay, wait: Rc<Wait>) {
        let tag = self.core.current.tag;
        let timer = self.arm(delay, Body::Wake(Rc::clone(&wait)), tag);
        wait.timer.set(Some(timer));
        // The future keeps the loop alive, not its timer.
        let _ = self.set_timer_referenced(timer, false);
    }

    fn cancel_future(&mut self, joined: &dyn JoinTarget) {
        let Some(key) = joined.key().get() else { return joined.end(JoinError::Cancelled) };
        if let Some(entry) = self.core.futures.get_mut(key) {
            entry.cancelled = true;
            entry.waker().wake();
        }
    }

    fn reference_future(&mut self, joined: &dyn JoinTarget, referenced: bool) {
        let entry = joined.key().get().and_then(|key| self.core.futures.get_mut(key));
        if let Some(entry) = entry
            && mem::replace(&mut entry.referenced, referenced) != referenced
        {
            self.core.add_ref(RefKind::Future, if referenced { 1 } else { -1 });
        }
    }

    /// Updates the registrations of sources whose waiting futures changed.
    pub(crate) fn settle_interest(&mut self) {
        for registry in mem::take(&mut self.core.futures.changed) {
            registry.changed.set(false);
            let wanted = registry.wanted();
            let settled = match registry.registered.get() {
                None if wanted.is_empty() => Ok(()),
                None => self.register_watched(&registry),
                Some((_, asked)) if asked == wanted => Ok(()),
                Some((source, _)) => self.modify(source, wanted).inspect(|()| {
                    registry.registered.set(Some((source, wanted)));
                }),
            };
            if let Err(error) = settled {
                registry.refuse(error);
            }
        }
    }

    fn register_watched(&mut self, registry: &Rc<SourceWaiters>) -> Result<(), RequestError> {
        let (wanted, tag) = (registry.wanted(), registry.tag.get().unwrap_or_default());
        // The future keeps the loop alive, not its source.
        let options = Options::default().unreferenced().on_shutdown(OnShutdown::Finish);
        let (source, task) = (Source::clone(&registry.source), Body::Ready(Rc::clone(registry)));
        let source = self.add_source(options, source, wanted, task, tag)?;
        registry.registered.set(Some((source, wanted)));
        Ok(())
    }

    /// Wakes the future that awaits a timer or a job. The firing of the timer does not count as a task; the poll does.
    pub(crate) fn wake_future(&mut self, wait: &Wait) {
        if self.core.current.timer.is_some() {
            self.core.current.outcome = Outcome::Woke;
        }
        wait.fire();
    }

    /// Handles the readiness of a source that futures wait for.
    pub(crate) fn source_ready(&mut self, registry: &Rc<SourceWaiters>) {
        if let Some(ready) = self.core.current.ready {
            // The woken futures no longer wait.
            if !registry.changed.replace(true) {
                self.core.futures.changed.push(Rc::clone(registry));
            }
            registry.fire(ready.readiness);
        }
    }

    /// Queues the polls of woken futures. `trigger` is the task that ran last.
    pub(crate) fn queue_woken(&mut self, trigger: Option<loop_probes::ids::TaskId>) {
        let mut from_other_threads = 0_u32;
        for woken in self.core.futures.woken.take() {
            let Some(tag) = self.core.futures.get_mut(woken.future).map(|entry| entry.tag) else { continue };
            from_other_threads += u32::from(!woken.here);
            let (id, queued) = (self.core.scheduler.new_id(), woken.at);
            let task = Body::Poll(woken.future);
            let parent = trigger.filter(|_| woken.here);
            self.core.queue(Queued { task, id, tag, origin: Origin::Future, signo: 0, queued }, parent, None);
        }
        if self.core.on && from_other_threads > 0 {
            self.core.record(Event::Wake { from: None, coalesced: from_other_threads - 1 });
        }
    }
}
