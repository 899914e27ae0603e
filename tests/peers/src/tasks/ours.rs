//! Our loop's tasks: enum variants, without allocation.

use anyhow::Result;
use loop_core::{Context, EventLoop, Task};
use loop_probes::recorder::Recorder;
use loop_probes::session::Session;

use super::{BATCH, add};
use crate::measure::{Subject, ns_each};

/// The tasks of the loops in this part.
#[derive(Debug)]
pub(super) enum Work {
    /// Adds a number.
    Add(u64),
    /// Posts this many `Add`s.
    Seed(usize),
    /// Posts itself with one less.
    Again(usize),
    /// Queues itself for the next turn.
    EachTurn,
}

impl Task for Work {
    type Remote = Self;
    loop_core::tags! { Add, Seed, Again, EachTurn }

    fn run(self, cx: &mut Context<'_, Self>) {
        match self {
            Self::Add(number) => add(number),
            Self::Seed(count) => {
                for number in 0..count as u64 {
                    cx.post(Self::Add(number));
                }
            }
            Self::Again(0) => {}
            Self::Again(left) => {
                add(left as u64);
                cx.post(Self::Again(left - 1));
            }
            Self::EachTurn => {
                add(1);
                cx.immediate(Self::EachTurn);
            }
        }
    }
}

pub(super) fn session() -> Session {
    Session::builder("peers").private()
}

/// Posted from inside and from outside, first without a recorder, then with one.
pub(super) fn queued(session: &Session) -> Result<Vec<Subject<'static>>> {
    let mut subjects = Vec::new();
    for (recorded, suffix) in [(false, ""), (true, ", recorded")] {
        let recorder = |name| if recorded { session.recorder(name) } else { Recorder::disabled() };
        let build = |recorder| EventLoop::<Work>::builder().clock(session.clock()).recorder(recorder).build();
        let mut inside = build(recorder("within"))?;
        subjects.push(Subject::new(format!("**a task posted within{suffix}**"), move || {
            let ran = inside.metrics().tasks_run;
            let ns = ns_each(BATCH, || {
                inside.post(Work::Seed(BATCH));
                inside.turn().expect("a loop can poll");
            });
            assert_eq!(inside.metrics().tasks_run - ran, BATCH as u64 + 1, "each task ran");
            ns
        }));
        let mut outside = build(recorder("outside"))?;
        subjects.push(Subject::new(format!("**a task posted outside{suffix}**"), move || {
            let ran = outside.metrics().tasks_run;
            let ns = ns_each(BATCH, || {
                outside.with(|cx| {
                    for number in 0..BATCH as u64 {
                        cx.post(Work::Add(number));
                    }
                });
                outside.turn().expect("a loop can poll");
            });
            assert_eq!(outside.metrics().tasks_run - ran, BATCH as u64, "each task ran");
            ns
        }));
    }
    Ok(subjects)
}

/// A task that posts itself, so that the queue never holds more than one.
pub(super) fn again() -> Result<Subject<'static>> {
    let mut event_loop = EventLoop::<Work>::new()?;
    Ok(Subject::new("**a task that posts itself**", move || {
        ns_each(BATCH, || {
            event_loop.post(Work::Again(BATCH));
            event_loop.turn().expect("a loop can poll");
        })
    }))
}

/// A loop with one immediate to run in each turn.
pub(super) fn each_turn() -> Result<EventLoop<Work>> {
    let mut event_loop = EventLoop::<Work>::new()?;
    event_loop.with(|cx| cx.immediate(Work::EachTurn));
    Ok(event_loop)
}
