//! Shared helpers of the tests: a loop in a virtual world, a log of what ran, the recorded events.

pub(crate) mod around;

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use loop_core::sim::{Sim, SimLoop};
use loop_core::tag;
use loop_core::{Builder, Builtin, Context, EventLoop, Host, Policy};
use loop_probes::event::Event;
use loop_probes::ids::{Tag, Ticks};
use loop_probes::recorder::{Capture, Recorder};

pub(crate) type Cx<'a> = Context<'a, Builtin>;

pub(crate) const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// The names that ran, in order.
#[derive(Clone, Default)]
pub(crate) struct Log(Rc<RefCell<Vec<String>>>);

impl Log {
    pub(crate) fn add(&self, entry: impl Into<String>) {
        self.0.borrow_mut().push(entry.into());
    }

    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.borrow_mut())
    }

    /// A task that logs its name.
    pub(crate) fn task(&self, name: &'static str) -> Builtin {
        self.then(name, |_| ())
    }

    /// A task that logs its name and does something.
    pub(crate) fn then(&self, name: &'static str, then: impl FnOnce(&mut Cx<'_>) + 'static) -> Builtin {
        let log = self.clone();
        Builtin::once(name, move |cx| {
            log.add(name);
            then(cx);
        })
    }

    /// A task that logs its name each time.
    pub(crate) fn repeat(&self, name: &'static str, mut then: impl FnMut(&mut Cx<'_>) + 'static) -> Builtin {
        let log = self.clone();
        Builtin::repeat(name, move |cx| {
            log.add(name);
            then(cx);
        })
    }
}

/// A recorded loop in a virtual world.
pub(crate) struct World {
    pub(crate) sim: Sim,
    pub(crate) lp: SimLoop<Builtin>,
    pub(crate) log: Log,
    capture: Capture,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with_policy(Policy::bun())
    }

    pub(crate) fn with_policy(policy: Policy) -> Self {
        Self::build(|builder| builder.policy(policy))
    }

    pub(crate) fn with_host(host: impl Host<Builtin> + 'static) -> Self {
        Self::build(|builder| builder.host(host))
    }

    /// An unrecorded world.
    pub(crate) fn silent(policy: Policy) -> Self {
        let sim = Sim::new();
        let (_, capture) = Recorder::capture();
        let lp = sim.build(EventLoop::builder().policy(policy));
        Self { sim, lp, log: Log::default(), capture }
    }

    pub(crate) fn build(set_up: impl FnOnce(Builder<Builtin>) -> Builder<Builtin>) -> Self {
        let sim = Sim::new();
        let (recorder, capture) = Recorder::capture();
        let lp = sim.build(set_up(EventLoop::builder()).recorder(recorder));
        Self { sim, lp, log: Log::default(), capture }
    }

    pub(crate) fn post(&mut self, task: Builtin) {
        self.lp.post(task);
    }

    /// Runs to the end and returns what ran.
    pub(crate) fn run(&mut self) -> Vec<String> {
        self.lp.run().unwrap();
        self.log.take()
    }

    /// Runs one turn and returns what ran.
    pub(crate) fn turn(&mut self) -> Vec<String> {
        self.lp.turn().unwrap();
        self.log.take()
    }

    /// The events recorded since the last call.
    pub(crate) fn events(&self) -> Vec<Event<Ticks>> {
        self.capture.take().into_iter().map(|(_, event)| event).collect()
    }

    /// The same, with times.
    pub(crate) fn stamped(&self) -> Vec<(Ticks, Event<Ticks>)> {
        self.capture.take()
    }
}

/// The name of a tag.
pub(crate) fn name(of: Tag) -> String {
    tag::name(of).map_or_else(|| "untagged".to_owned(), |name| name.to_string())
}

/// All Rust source files below a folder.
pub(crate) fn rust_sources(folder: &Path, out: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_sources(&path, out);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            out.push(path);
        }
    }
}

/// Fields of the events of one kind: `pick!(events, Event::Poll { reason, .. } => reason)`.
macro_rules! pick {
    ($events:expr, $pattern:pat $(if $guard:expr)? => $value:expr) => {
        $events.iter().filter_map(|event| match *event {
            $pattern $(if $guard)? => Some($value),
            _ => None,
        }).collect::<Vec<_>>()
    };
}
pub(crate) use pick;

/// Bun's policy with some changes, valid.
pub(crate) fn policy(change: impl FnOnce(&mut Policy)) -> Policy {
    let mut policy = Policy::bun();
    change(&mut policy);
    policy.check().unwrap();
    policy
}
