//! A probe for runtimes with only two hooks: about to wait, and woken.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::{LoopProbe, ReadyCount};
use crate::ids::Ticks;
use crate::session::Session;

/// A handle for a runtime's hooks, which must be `Send` and `Sync` and outlive everything else: give them clones of it.
/// Each thread that calls the hooks is a loop of its own, with its own ring, so a runtime with several workers is
/// several loops.
///
/// A tick runs from one wait of the thread to the next: the wait is its poll, and the time from
/// [`poll_end`](Self::poll_end) to the next [`poll_begin`](Self::poll_begin) is its busy time. Work before the thread's
/// first wait is not recorded.
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
/// let work = hooks.with(|probe| probe.tag("Request"));
/// for _ in 0..3 {
///     on_park();
///     on_unpark();
///     hooks.with(|probe| {
///         let _task = probe.task(work);
///         // … the callback …
///     });
/// }
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
#[derive(Debug)]
struct Hooked {
    of: Arc<Shared>,
    probe: LoopProbe,
    tick: Cell<Option<(u64, Ticks)>>,
}

thread_local! {
    /// The loops of this thread: one for each runtime it has worked for, usually a single one.
    static HOOKED: RefCell<Vec<Rc<Hooked>>> = const { RefCell::new(Vec::new()) };
}

impl LoopHooks {
    /// Hooks whose loops are recorded in `session`. The first is shown as `name`, later ones as `name 2` and so on.
    #[must_use]
    pub fn new(session: &Session, name: &str) -> Self {
        let shared = Shared { session: session.clone(), name: name.to_owned(), loops: AtomicUsize::new(0) };
        Self { shared: Arc::new(shared) }
    }

    /// This thread is about to wait for at most `timeout_ns`: `None` if it waits forever or for an unknown time. Ends
    /// its tick and begins the next one.
    pub fn poll_begin(&self, timeout_ns: Option<u64>) {
        self.on_thread(|hooked| {
            hooked.end_tick();
            hooked.tick.set(Some(hooked.probe.tick_begin()));
            hooked.probe.poll_begin(timeout_ns);
        });
    }

    /// This thread was woken: `found` is the number of ready sources, or `&()` if that is unknown.
    pub fn poll_end(&self, found: &impl ReadyCount) {
        self.on_thread(|hooked| hooked.probe.poll_end(found));
    }

    /// Calls `f` with this thread's probe, for tags, tasks, spans and marks. Leave ticks and polls to the hooks.
    pub fn with<R>(&self, f: impl FnOnce(&LoopProbe) -> R) -> R {
        match self.hooked() {
            Some(hooked) => f(&hooked.probe),
            // The thread is exiting.
            None => f(&LoopProbe::with_recorder(crate::recorder::Recorder::disabled())),
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
        let hooked = Rc::new(Hooked { of: Arc::clone(&self.shared), probe, tick: Cell::new(None) });
        HOOKED.try_with(|known| known.borrow_mut().push(Rc::clone(&hooked))).ok()?;
        Some(hooked)
    }
}

impl Hooked {
    fn end_tick(&self) {
        // A runtime that stops while waiting does not call the second hook.
        self.probe.poll_end(&());
        if let Some((tick, start)) = self.tick.take() {
            self.probe.tick_end(tick, start);
        }
    }
}

impl Drop for Hooked {
    fn drop(&mut self) {
        self.end_tick();
    }
}
