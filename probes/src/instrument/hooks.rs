//! Instruments runtimes that call hooks before and after each wait, and possibly each task.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::{LoopProbe, OpenTask, OpenTick, ReadyCount, TaskGuard};
use crate::ids::Tag;
use crate::recorder::Recorder;
use crate::session::Session;

/// The probes of a runtime. Give clones to its hooks, which must be `Send + Sync + 'static`. Each thread that calls
/// the hooks is a loop of its own, with its own ring, so a runtime with several workers is several loops.
///
/// A tick runs from one wait of the thread to the next: the wait is its poll, and the time from
/// [`poll_end`](Self::poll_end) to the next [`poll_begin`](Self::poll_begin) is its busy time. A thread's first tick
/// begins with its first wait or task; work before that is not recorded.
///
/// Record tasks with [`instrument`](Self::instrument), or with hooks that run before and after each of them.
///
/// ```
/// use loop_probes::instrument::LoopHooks;
/// use loop_probes::session::Session;
///
/// // A runtime as tokio's: `Builder::on_thread_park(f)`, `Builder::on_thread_unpark(f)`.
/// type Hook = Box<dyn Fn() + Send + Sync>;
/// let session = Session::builder("my-server").private();
/// let hooks = LoopHooks::new(&session, "runtime");
/// let (before, after) = (hooks.clone(), hooks.clone());
/// let on_park: Hook = Box::new(move || before.poll_begin(None));
/// let on_unpark: Hook = Box::new(move || after.poll_end(&()));
///
/// let request = hooks.instrument(hooks.tag("Request"), async { /* … */ });
/// # fn spawn(_: impl Future + Send + 'static) {}
/// spawn(request); // each poll of it is a task `Request` of the thread's loop
/// on_park();
/// on_unpark();
/// hooks.finish();
/// ```
#[derive(Clone, Debug)]
pub struct LoopHooks {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    session: Session,
    name: String,
    /// Number of loops created so far.
    loops: AtomicUsize,
}

/// The loop of one thread.
struct Hooked {
    of: Arc<Shared>,
    probe: LoopProbe,
    tick: Cell<Option<OpenTick>>,
    /// The task of [`LoopHooks::task_begin`].
    task: Cell<Option<OpenTask>>,
}

thread_local! {
    /// The loops of this thread, one for each runtime that it works for.
    static HOOKED: RefCell<Vec<Rc<Hooked>>> = const { RefCell::new(Vec::new()) };
}

impl LoopHooks {
    /// Records loops in `session`. The first is shown as `name`, later ones as `name 2` and so on.
    #[must_use]
    pub fn new(session: &Session, name: &str) -> Self {
        let shared = Shared { session: session.clone(), name: name.to_owned(), loops: AtomicUsize::new(0) };
        Self { shared: Arc::new(shared) }
    }

    /// The tag of a kind of task: the same name has the same tag on every thread. Not for hot paths.
    #[must_use]
    pub fn tag(&self, name: &str) -> Tag {
        self.shared.session.tag(name)
    }

    /// This thread is about to wait for at most `timeout`: `None` if it waits forever or for an unknown time. Ends
    /// its tick and begins the next one.
    pub fn poll_begin(&self, timeout: Option<Duration>) {
        self.on_thread(|hooked| {
            hooked.end_tick();
            hooked.begin_tick();
            hooked.probe.poll_begin(timeout);
        });
    }

    /// This thread was woken: `found` is the number of ready sources, or `&()` if that is unknown.
    pub fn poll_end(&self, found: &impl ReadyCount) {
        self.on_thread(|hooked| hooked.probe.poll_end(found));
    }

    /// This thread is about to run a task. Ends the task that [`task_begin`](Self::task_begin) began before, if its end
    /// was not reported.
    pub fn task_begin(&self, tag: Tag) {
        self.on_thread(|hooked| {
            hooked.end_task();
            hooked.task.set(Some(hooked.task_begin(tag)));
        });
    }

    /// This thread has run the task that [`task_begin`](Self::task_begin) began. Without one, records nothing.
    pub fn task_end(&self) {
        self.on_thread(Hooked::end_task);
    }

    /// Records each poll of `future` as a task of the polling thread's loop.
    pub fn instrument<F: Future>(&self, tag: Tag, future: F) -> impl Future<Output = F::Output> + use<F> {
        let hooks = self.clone();
        async move {
            let mut future = pin!(future);
            poll_fn(|cx| {
                let hooked = hooks.hooked();
                let _task = hooked.as_deref().map(|hooked| hooked.task(tag));
                future.as_mut().poll(cx)
            })
            .await
        }
    }

    /// Calls `f` with this thread's probe, for tasks, spans and marks. Leave ticks and polls to the hooks.
    pub fn with<R>(&self, f: impl FnOnce(&LoopProbe) -> R) -> R {
        match self.hooked() {
            Some(hooked) => f(&hooked.probe),
            // The thread is exiting.
            None => f(&LoopProbe::with_recorder(Recorder::disabled())),
        }
    }

    /// Ends this thread's tick and its loop. Without this call both end with the thread, and the session stays open
    /// until then.
    pub fn finish(&self) {
        let ours = |hooked: &Rc<Hooked>| Arc::ptr_eq(&hooked.of, &self.shared);
        let mut ended = Vec::new();
        let _thread_is_ending =
            HOOKED.try_with(|known| ended.extend(known.borrow_mut().extract_if(.., |of| ours(of))));
    }

    fn on_thread(&self, f: impl FnOnce(&Hooked)) {
        if let Some(hooked) = self.hooked() {
            f(&hooked);
        }
    }

    /// This thread's loop; `None` if the thread is exiting.
    fn hooked(&self) -> Option<Rc<Hooked>> {
        let known = HOOKED.try_with(|known| {
            known.borrow().iter().find(|hooked| Arc::ptr_eq(&hooked.of, &self.shared)).cloned()
        });
        known.ok()?.or_else(|| self.hook())
    }

    #[cold]
    fn hook(&self) -> Option<Rc<Hooked>> {
        let number = self.shared.loops.fetch_add(1, Ordering::Relaxed) + 1;
        let numbered = format!("{} {number}", self.shared.name);
        let name = if number == 1 { &self.shared.name } else { &numbered };
        let probe = LoopProbe::new(&self.shared.session, name);
        // Spans and events that the thread traces belong to its loop.
        #[cfg(feature = "tracing")]
        probe.recorder().adopt_thread();
        let of = Arc::clone(&self.shared);
        let hooked = Rc::new(Hooked { of, probe, tick: Cell::new(None), task: Cell::new(None) });
        HOOKED.try_with(|known| known.borrow_mut().push(Rc::clone(&hooked))).ok()?;
        Some(hooked)
    }
}

impl Hooked {
    fn begin_tick(&self) {
        self.tick.set(Some(self.probe.tick_begin()));
    }

    fn end_tick(&self) {
        self.end_task();
        // A runtime that stops while waiting does not call the second hook.
        self.probe.poll_end(&());
        if let Some(tick) = self.tick.take() {
            self.probe.tick_end(tick);
        }
    }

    /// Begins the thread's first tick if it has not waited yet.
    fn ensure_tick(&self) {
        let tick = self.tick.take().unwrap_or_else(|| self.probe.tick_begin());
        self.tick.set(Some(tick));
    }

    fn task(&self, tag: Tag) -> TaskGuard<'_> {
        self.ensure_tick();
        self.probe.task(tag)
    }

    fn task_begin(&self, tag: Tag) -> OpenTask {
        self.ensure_tick();
        self.probe.task_begin(tag)
    }

    fn end_task(&self) {
        if let Some(task) = self.task.take() {
            self.probe.task_end(task);
        }
    }
}

impl Drop for Hooked {
    fn drop(&mut self) {
        self.end_tick();
    }
}
