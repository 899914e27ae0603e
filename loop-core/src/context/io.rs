//! Operations on readiness sources and signals.

use std::borrow::Cow;

use loop_probes::event::{Event, LabelKind, RefKind};
use loop_probes::ids::{IoSource, Tag};

use crate::body::Body;
use crate::core::{Registration, Subscription};
use crate::error::RequestError;
use crate::options::Options;
use crate::poller::{Interest, Source};
use crate::shutdown::OnShutdown;
use crate::signal::SignalError;
use crate::tag::name_of;
use crate::task::{Context, Task};

impl<T: Task> Context<'_, T> {
    /// Runs `task` whenever `source` is ready; the task gets the readiness from [`ready`](Self::ready). The loop holds
    /// `source` open until it is removed, and the source keeps the loop alive. The next poll is the first to include it.
    ///
    /// The loop owns a registered source, so a borrowed one cannot be registered:
    ///
    /// ```compile_fail,E0597
    /// use std::sync::Arc;
    /// use loop_core::poller::Interest;
    /// use loop_core::{Builtin, EventLoop};
    ///
    /// let mut event_loop = EventLoop::<Builtin>::new()?;
    /// {
    ///     let (near, _far) = std::os::unix::net::UnixStream::pair()?;
    ///     event_loop.with(|cx| {
    ///         // `near` would be closed at the end of this block, and its number given to another file.
    ///         cx.register(Arc::new(&near), Interest::READABLE, Builtin::repeat("io", |_| ()))
    ///     })?;
    /// }
    /// event_loop.run()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`RequestError::RunsOnce`] if [`Task::again`] returns no copy, [`RequestError::NeverDispatched`] if the task
    /// must not run, [`RequestError::Poller`] if the system cannot wait for this kind of source,
    /// [`RequestError::TooManySources`] if the policy's limit is reached, [`RequestError::ShuttingDown`] if the loop
    /// is shutting down.
    pub fn register(
        &mut self,
        source: Source,
        interest: Interest,
        task: T,
    ) -> Result<IoSource, RequestError> {
        self.register_with(Options::default(), source, interest, task)
    }

    /// Like [`register`](Self::register), with [`Options`], or with a string as the source's name.
    ///
    /// # Errors
    ///
    /// The errors of [`register`](Self::register).
    pub fn register_with(
        &mut self,
        options: impl Into<Options<T>>,
        source: Source,
        interest: Interest,
        task: T,
    ) -> Result<IoSource, RequestError> {
        self.check_open(RefKind::Io)?;
        self.check_again(&task, RefKind::Io)?;
        let (tag, task) = (self.core.tag(&task), Body::Task(task));
        self.add_source(options.into(), source, interest, task, tag)
    }

    pub(crate) fn add_source(
        &mut self,
        options: Options<T>,
        source: Source,
        interest: Interest,
        task: Body<T>,
        tag: Tag,
    ) -> Result<IoSource, RequestError> {
        let sources = self.core.sources.len();
        if let Some(limit) =
            self.core.scheduler.policy().sources_max.filter(|limit| sources >= *limit as usize)
        {
            let name = options.name.map_or_else(|| name_of(tag), Cow::into_owned);
            return Err(RequestError::TooManySources { limit, name });
        }
        let id = self.core.new_source();
        self.poller.add(Source::clone(&source), interest, id.0 as usize)?;
        self.core.calls += 1;
        let called = [self.core.calls; 2];
        let Options { name, referenced, on_error, on_shutdown } = options;
        let on_shutdown = on_shutdown.unwrap_or(OnShutdown::Cancel);
        if self.core.on {
            self.stamp();
            self.core.record(Event::IoRegistered { source: id, tag });
            self.core.record(Event::IoModified { source: id, interest: interest.bits() });
            if let Some(name) = &name {
                let label = self.core.recorder.intern(self.core.at, LabelKind::Text, name);
                self.core.record(Event::IoLabel { source: id, label });
            }
        }
        let registration =
            Registration { task, tag, referenced, fd: source, interest, called, name, on_error, on_shutdown };
        self.core.sources.insert(id.0, registration);
        if referenced {
            self.core.add_ref(RefKind::Io, 1);
        }
        Ok(id)
    }

    /// Changes a source's interest.
    ///
    /// # Errors
    ///
    /// [`RequestError::SourceGone`] if the source is not registered, or an error of the poller.
    pub fn modify(&mut self, source: IoSource, interest: Interest) -> Result<(), RequestError> {
        let entry = self.core.sources.get_mut(&source.0).ok_or(RequestError::SourceGone(source))?;
        self.poller.modify(source.0 as usize, interest)?;
        entry.interest = interest;
        if self.core.on {
            self.stamp();
            self.core.record(Event::IoModified { source, interest: interest.bits() });
        }
        Ok(())
    }

    /// Removes and returns a source. Its callback is not called again, even if the last poll found it ready. A source's
    /// callback may remove the source.
    ///
    /// # Errors
    ///
    /// [`RequestError::SourceGone`] if the source is not registered, or an error of the poller.
    pub fn remove(&mut self, source: IoSource) -> Result<Source, RequestError> {
        let gone = self.core.sources.remove(&source.0).ok_or(RequestError::SourceGone(source))?;
        let deleted = self.poller.delete(source.0 as usize);
        if self.core.on {
            self.stamp();
            self.core.record(Event::IoRemoved { source });
        }
        if gone.referenced {
            self.core.add_ref(RefKind::Io, -1);
        }
        deleted?;
        Ok(gone.fd)
    }

    /// Sets whether a source keeps the loop alive.
    ///
    /// # Errors
    ///
    /// [`RequestError::SourceGone`] if the source is not registered.
    pub fn set_source_referenced(&mut self, source: IoSource, referenced: bool) -> Result<(), RequestError> {
        let entry = self.core.sources.get_mut(&source.0).ok_or(RequestError::SourceGone(source))?;
        if std::mem::replace(&mut entry.referenced, referenced) != referenced {
            self.stamp();
            if self.core.on {
                self.core.record(Event::IoRef { source, referenced });
            }
            self.core.add_ref(RefKind::Io, if referenced { 1 } else { -1 });
        }
        Ok(())
    }

    /// Sets what a shutdown does with a source; by default it is removed at once.
    ///
    /// # Errors
    ///
    /// [`RequestError::SourceGone`] if the source is not registered.
    pub fn set_source_on_shutdown(&mut self, source: IoSource, rule: OnShutdown) -> Result<(), RequestError> {
        self.core.sources.get_mut(&source.0).ok_or(RequestError::SourceGone(source))?.on_shutdown = rule;
        Ok(())
    }

    /// Runs `task` for each arrival of signal `signo`; the task gets the arrival from [`signal`](Self::signal). A second
    /// handler for the same signal replaces the first. A handler does not keep the loop alive.
    ///
    /// # Errors
    ///
    /// [`RequestError::RunsOnce`] if [`Task::again`] returns no copy, [`RequestError::NeverDispatched`] if the task
    /// must not run, [`RequestError::Signal`] if the signal cannot be caught.
    pub fn on_signal(&mut self, signo: i32, task: T) -> Result<(), RequestError> {
        self.check_again(&task, RefKind::Signal)?;
        let tag = self.core.tag(&task);
        let number = u8::try_from(signo).map_err(|_| SignalError::Forbidden { signo })?;
        let started = self.core.start_signals(self.poller);
        started.map_err(|source| SignalError::NoWaker { signo, source })?;
        if let Some(signals) = &mut self.core.signals
            && !self.core.handlers.contains_key(&number)
        {
            signals.install(signo)?;
        }
        let is_new = self.core.handlers.insert(number, Subscription { task, tag }).is_none();
        self.stamp();
        if self.core.on {
            self.core.record(Event::SignalHandler { signo: number, tag, installed: true });
        }
        if is_new {
            self.core.add_ref(RefKind::Signal, 1);
        }
        Ok(())
    }

    /// Removes a signal's handler. Returns false if there was none.
    pub fn remove_signal(&mut self, signo: i32) -> bool {
        let Ok(number) = u8::try_from(signo) else { return false };
        let Some(Subscription { tag, .. }) = self.core.handlers.remove(&number) else { return false };
        if let Some(signals) = &mut self.core.signals {
            let _ = signals.uninstall(signo);
        }
        self.stamp();
        if self.core.on {
            self.core.record(Event::SignalHandler { signo: number, tag, installed: false });
        }
        self.core.add_ref(RefKind::Signal, -1);
        true
    }
}
