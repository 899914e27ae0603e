//! Tests an application's own enum: its tags, its dispatch, and the tags that must never be dispatched.

use std::cell::RefCell;

use loop_core::poller::Interest;
use loop_core::sim::{Sim, SimLoop, SimSource};
use loop_core::{Any, Context, EventLoop, Policy, RequestError, RunError, Task};
use loop_probes::event::{Event, LabelKind, Outcome, StopReason};
use loop_probes::recorder::{Capture, Recorder};

use crate::kit::{name, pick};

thread_local! {
    static RAN: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

fn ran(what: impl Into<String>) {
    RAN.with_borrow_mut(|ran| ran.push(what.into()));
}

/// Task kinds of its own, the boxed rest, and a marker that must not run.
enum App {
    Resize { width: u32 },
    Save(String),
    Any(Any<Self>),
    EndOfQueue,
}

impl From<String> for App {
    fn from(path: String) -> Self {
        if path.is_empty() { Self::EndOfQueue } else { Self::Save(path) }
    }
}

impl Task for App {
    type Remote = String;
    loop_core::tags! { Resize, Save, EndOfQueue, ..Any }

    fn run(self, cx: &mut Context<'_, Self>) {
        match self {
            Self::Resize { width } => ran(format!("resize to {width}")),
            Self::Save(path) => ran(format!("save {path}")),
            Self::Any(any) => any.run(cx),
            Self::EndOfQueue => unreachable!("it is never dispatched"),
        }
    }

    fn again(&self) -> Option<Self> {
        match self {
            Self::Resize { width } => Some(Self::Resize { width: *width }),
            Self::Any(any) => any.again().map(Self::Any),
            Self::EndOfQueue => Some(Self::EndOfQueue),
            Self::Save(_) => None,
        }
    }

    fn is_never_dispatched(&self) -> bool {
        matches!(self, Self::EndOfQueue)
    }
}

fn app(policy: Policy) -> (Sim, SimLoop<App>, Capture) {
    let sim = Sim::new();
    let (recorder, capture) = Recorder::capture();
    RAN.take();
    let event_loop = sim.build(EventLoop::<App>::builder().policy(policy).recorder(recorder));
    (sim, event_loop, capture)
}

#[test]
fn b06_a_task_is_a_tag_and_a_payload_of_the_applications_enum() {
    let (_sim, mut event_loop, capture) = app(Policy::bun());
    event_loop.post(App::Resize { width: 80 });
    event_loop.post(App::Save("notes".into()));
    event_loop.post(App::Any(Any::once("the boxed rest", |cx| {
        ran("boxed");
        cx.post(App::Resize { width: 81 });
    })));
    event_loop.handle().post("from another thread".to_owned()).unwrap();
    event_loop.run().unwrap();
    assert_eq!(
        RAN.take(),
        ["resize to 80", "save notes", "boxed", "save from another thread", "resize to 81"]
    );
    let events: Vec<_> = capture.take().into_iter().map(|(_, event)| event).collect();
    let tags = pick!(events, Event::TaskRan { tag, .. } => name(tag));
    assert_eq!(tags, ["Resize", "Save", "the boxed rest", "Save", "Resize"]);
}

type Queue = fn(&mut Context<'_, App>);

/// The ways into the task queue, and around it, that cannot fail.
const WAYS: [(&str, Queue); 6] = [
    ("task", |cx| {
        cx.post(App::EndOfQueue);
    }),
    ("microtask", |cx| cx.microtask(App::EndOfQueue)),
    ("immediate", |cx| {
        cx.immediate(App::EndOfQueue);
    }),
    ("timer", |cx| {
        cx.set_timeout(std::time::Duration::ZERO, App::EndOfQueue);
    }),
    ("after loop", |cx| {
        cx.after_loop(App::EndOfQueue);
    }),
    ("microtask of a task", |cx| {
        cx.post(App::Any(Any::once("task", |cx| cx.microtask(App::EndOfQueue))));
    }),
];

fn is_refused(event_loop: &mut SimLoop<App>, way: &str) {
    let error = event_loop.run().unwrap_err();
    assert!(matches!(&error, RunError::NeverDispatched { tag } if tag == "EndOfQueue"), "{way}: {error}");
    assert!(error.to_string().starts_with("task EndOfQueue was queued, but its"), "{error}");
}

#[test]
fn b07_a_tag_that_must_never_be_dispatched_is_refused_with_an_error_that_names_it() {
    for (way, queue) in WAYS {
        let (_sim, mut event_loop, capture) = app(Policy::bun());
        event_loop.with(queue);
        event_loop.post(App::Save("the rest".into()));
        is_refused(&mut event_loop, way);
        assert_eq!(event_loop.run().unwrap(), StopReason::Drained, "{way}: the loop can go on");
        assert_eq!(RAN.take(), ["save the rest"], "{way}");
        assert_eq!(event_loop.metrics().panics, 0);
        let events: Vec<_> = capture.take().into_iter().map(|(_, event)| event).collect();
        let said =
            pick!(events, Event::Exception { message, .. } => capture.label(LabelKind::Text, message.0));
        assert_eq!(said.len(), 1);
        assert!(said[0].as_deref().is_some_and(|said| said.contains("EndOfQueue")), "{said:?}");
        let failed = pick!(events, Event::TaskRan { tag, outcome: Outcome::Failed, .. } => name(tag));
        assert!(
            failed.is_empty() && way.starts_with("microtask") || failed == ["EndOfQueue"],
            "{way}: {failed:?}"
        );
    }
}

#[test]
fn b07_it_is_refused_under_every_policy_and_without_a_recorder() {
    for policy in Policy::NAMES.map(|name| Policy::by_name(name).unwrap()) {
        for recorder in [Recorder::disabled(), Recorder::capture().0] {
            let sim = Sim::new();
            let builder = EventLoop::<App>::builder().policy(policy.clone()).recorder(recorder);
            let mut event_loop = sim.build(builder);
            // Messages from other threads become tasks only here.
            event_loop.handle().post(String::new()).unwrap();
            is_refused(&mut event_loop, &policy.name);
        }
    }
}

#[test]
fn b07_what_runs_again_and_again_is_refused_where_it_is_registered() {
    let (_sim, mut event_loop, _) = app(Policy::bun());
    event_loop.with(|cx| {
        let refused = [
            cx.set_interval(std::time::Duration::from_millis(1), App::EndOfQueue).unwrap_err(),
            cx.register(SimSource::new(), Interest::READABLE, App::EndOfQueue).unwrap_err(),
            cx.on_signal(10, App::EndOfQueue).unwrap_err(),
        ];
        for error in refused {
            assert!(
                matches!(&error, RequestError::NeverDispatched { tag } if tag == "EndOfQueue"),
                "{error}"
            );
        }
    });
    assert_eq!(event_loop.run().unwrap(), StopReason::Drained, "nothing was registered");
}
