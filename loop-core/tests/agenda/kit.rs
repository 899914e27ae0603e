//! Helpers shared by the tests of the agenda: blocked workers, a log, and the recorded events of each ring.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use loop_core::agenda::{
    Agenda, AgendaBuilder, AgendaHandle, AgendaShutdown, Priority, Tasklet, TaskletError,
};
use loop_core::work_pool::PendingWork;
use loop_probes::clock::{SystemClock, TickUnit};
use loop_probes::event::Event;
use loop_probes::ids::Ticks;
use loop_probes::recorder::{Capture, Recorder};

/// Longer than any test may take: a wait that reaches this hangs.
pub(crate) const FOREVER: Duration = Duration::from_secs(60);

pub(crate) type Done = Result<(), TaskletError>;

/// A worker that is blocked in a tasklet until it is released.
pub(crate) struct Held {
    pub(crate) worker: u16,
    go: Sender<()>,
}

impl Held {
    pub(crate) fn release(self) {
        self.go.send(()).unwrap();
    }
}

/// Blocks one worker.
pub(crate) fn hold(agenda: &AgendaHandle) -> Held {
    let (entered, inside) = channel();
    let (go, wait) = channel::<()>();
    let tasklet = Tasklet::once("held", move |worker| -> Done {
        entered.send(worker.index())?;
        // A failing test drops its end of the channel.
        let _ = wait.recv();
        Ok(())
    });
    agenda.add(tasklet.priority(Priority::High)).unwrap();
    Held { worker: inside.recv_timeout(FOREVER).unwrap(), go }
}

/// The names that ran, in order, and the worker of each.
#[derive(Clone, Default)]
pub(crate) struct Ran(Arc<Mutex<Vec<(String, u16)>>>);

impl Ran {
    /// A tasklet that logs its name.
    pub(crate) fn tasklet(&self, name: impl Into<String>, priority: Priority) -> Tasklet {
        let (ran, name) = (self.clone(), name.into());
        let run = move |worker: &loop_core::agenda::AgendaWorker<'_>| -> Done {
            ran.0.lock().unwrap().push((name, worker.index()));
            Ok(())
        };
        Tasklet::once("logged", run).priority(priority)
    }

    pub(crate) fn names(&self) -> Vec<String> {
        self.0.lock().unwrap().iter().map(|(name, _)| name.clone()).collect()
    }

    pub(crate) fn workers(&self) -> Vec<u16> {
        self.0.lock().unwrap().iter().map(|(_, worker)| *worker).collect()
    }
}

/// Runs everything, and ends the agenda.
pub(crate) fn finish(agenda: &mut Agenda) {
    let AgendaShutdown { handed_back, unjoined, .. } = agenda.shutdown(PendingWork::Finish, Some(FOREVER));
    assert!(handed_back.is_empty() && unjoined.is_empty(), "{handed_back:?} {unjoined:?}");
}

/// The events recorded by an agenda and by each of its workers.
pub(crate) struct Recorded {
    external: Capture,
    workers: Vec<Capture>,
}

/// A recorded agenda, with a nanosecond clock.
pub(crate) fn recorded(workers: u16) -> (AgendaBuilder, Recorded) {
    let (external_recorder, external) = Recorder::capture();
    let (recorders, captures): (Vec<_>, Vec<_>) = (0..workers).map(|_| Recorder::capture()).unzip();
    let recorders = Mutex::new(recorders.into_iter().map(Some).collect::<Vec<_>>());
    let take = move |worker: u16| {
        recorders.lock().unwrap()[usize::from(worker)].take().unwrap_or_else(Recorder::disabled)
    };
    let builder = Agenda::builder()
        .workers(workers)
        .clock(SystemClock::with_unit(TickUnit::Monotonic))
        .recorder(external_recorder)
        .worker_recorders(Box::new(take));
    (builder, Recorded { external, workers: captures })
}

fn events(capture: &Capture) -> Vec<Event<Ticks>> {
    capture.take().into_iter().map(|(_, event)| event).collect()
}

impl Recorded {
    pub(crate) fn external(&self) -> Vec<Event<Ticks>> {
        events(&self.external)
    }

    pub(crate) fn worker(&self, worker: u16) -> Vec<Event<Ticks>> {
        events(&self.workers[usize::from(worker)])
    }

    pub(crate) fn stamped_worker(&self, worker: u16) -> Vec<(Ticks, Event<Ticks>)> {
        self.workers[usize::from(worker)].take()
    }
}

/// The next message; fails if the wait hangs.
pub(crate) fn next<M>(receiver: &Receiver<M>) -> M {
    receiver.recv_timeout(FOREVER).unwrap()
}
