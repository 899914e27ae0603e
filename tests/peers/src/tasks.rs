//! Measures the cost of a callback: queued and called, as a future that is woken, and as a turn of its own.

mod futures;
mod ours;
mod turns;

use std::cell::Cell;
use std::collections::VecDeque;
use std::hint::black_box;

use anyhow::Result;
use calloop::EventLoop;
use loop_probes::clock::{Clock, SystemClock};

use crate::measure::{Effort, Samples, Subject, interleave_one, ns_each};
use crate::table::{Report, Section, Target, figure, times};
use crate::uv;

/// Callbacks per sample, fewer than one of our ticks runs: a few hundred microseconds.
pub(crate) const BATCH: usize = 5_000;

thread_local! {
    static SUM: Cell<u64> = const { Cell::new(0) };
}

/// The work of every callback: next to nothing, but nothing that can be optimised away.
#[inline]
pub(crate) fn add(number: u64) {
    SUM.set(SUM.get().wrapping_add(number));
}

pub(crate) fn run(effort: Effort, report: &mut Report) -> Result<()> {
    queued(effort, report)?;
    futures::run(effort, report)?;
    turns::run(effort, report)
}

/// A queue of function pointers with an argument each: the floor for the cost of a task.
fn floor() -> Subject<'static> {
    let mut queue: VecDeque<(fn(u64), u64)> = VecDeque::new();
    Subject::new("`VecDeque<fn(u64)>`: push, pop, call", move || {
        ns_each(BATCH, || {
            for number in 0..BATCH as u64 {
                queue.push_back((black_box(add as fn(u64)), number));
            }
            while let Some((call, number)) = queue.pop_front() {
                call(number);
            }
        })
    })
}

/// The same with one allocation each.
fn boxed() -> Subject<'static> {
    let mut queue: VecDeque<Box<dyn FnOnce()>> = VecDeque::new();
    Subject::new("`VecDeque<Box<dyn FnOnce()>>`", move || {
        ns_each(BATCH, || {
            for number in 0..BATCH as u64 {
                queue.push_back(Box::new(move || add(number)));
            }
            while let Some(call) = queue.pop_front() {
                call();
            }
        })
    })
}

fn two_readings(clock: SystemClock) -> Subject<'static> {
    Subject::new("two readings of the record clock", move || {
        ns_each(BATCH, || {
            for _ in 0..BATCH {
                black_box((clock.ticks(), clock.ticks()));
            }
        })
    })
}

fn libuv_queued() -> Option<Subject<'static>> {
    let uv_loop = uv::Loop::new()?;
    let handles = uv_loop.handles(uv::Kind::Idle, BATCH, uv::count);
    // The first turn only closes handles that have never run.
    handles.iter().for_each(|handle| handle.start_idle(uv::close));
    uv_loop.turn();
    Some(Subject::new("libuv: an idle handle each, used once (init, start, call, close)", move || {
        let before = uv::called();
        let ns = ns_each(BATCH, || {
            handles.iter().for_each(|handle| handle.start_idle_once(&uv_loop));
            uv_loop.turn();
        });
        assert_eq!(uv::called() - before, BATCH as u64, "each handle ran, and closed");
        ns
    }))
}

fn libuv_restarted() -> Option<Subject<'static>> {
    let uv_loop = uv::Loop::new()?;
    let handles = uv_loop.handles(uv::Kind::Idle, BATCH, uv::count);
    Some(Subject::new("libuv: the same handles again and again (start, call, stop)", move || {
        let before = uv::called();
        let ns = ns_each(BATCH, || {
            handles.iter().for_each(|handle| handle.start_idle(uv::count_and_stop));
            uv_loop.turn();
        });
        assert_eq!(uv::called() - before, BATCH as u64, "each handle ran once");
        ns
    }))
}

fn libuv_idle() -> Option<Subject<'static>> {
    let uv_loop = uv::Loop::new()?;
    let handles = uv_loop.handles(uv::Kind::Idle, BATCH, uv::count);
    handles.iter().for_each(|handle| handle.start_idle(uv::count));
    Some(Subject::new("libuv: call of an idle handle that stays", move || ns_each(BATCH, || uv_loop.turn())))
}

fn calloop_idle() -> Result<Subject<'static>> {
    let mut event_loop = EventLoop::<u64>::try_new()?;
    Ok(Subject::new("calloop: `insert_idle`, call", move || {
        let mut ran = 0;
        let ns = ns_each(BATCH, || {
            let handle = event_loop.handle();
            for number in 0..BATCH as u64 {
                handle.insert_idle(move |ran| {
                    add(number);
                    *ran += 1;
                });
            }
            event_loop.dispatch(std::time::Duration::ZERO, &mut ran).expect("a loop can poll");
        });
        assert_eq!(ran, BATCH as u64, "each callback ran");
        ns
    }))
}

fn queued(effort: Effort, report: &mut Report) -> Result<()> {
    let session = ours::session();
    let mut subjects = vec![floor(), boxed(), two_readings(session.clock())];
    subjects.extend(ours::queued(&session)?);
    // Three more subjects if libuv is installed, in this order.
    let libuv: Vec<_> = [libuv_queued(), libuv_restarted(), libuv_idle()].into_iter().flatten().collect();
    let has_libuv = !libuv.is_empty();
    subjects.extend(libuv);
    subjects.push(calloop_idle()?);
    let columns = interleave_one(effort.rounds(21, 401), subjects);

    let [floor, _, readings, inside, outside, inside_recorded, outside_recorded, ..] = &columns[..] else {
        unreachable!("the subjects above");
    };
    let libuv = has_libuv.then(|| (&columns[7], &columns[8]));
    let head = ["what", "ns", "relative to the first", "relative to libuv, used once"];
    let text = format!(
        "Samples of {BATCH} callbacks that add a number. Ours are variants of an enum, so they allocate nothing; \
         *within* means posted from a running task, *outside* between two turns. A sample includes the single turn \
         that runs it. libuv has no queue of callbacks; the closest equivalent is an idle handle for each."
    );
    let mut section = Section::new("A queued callback", text, &head);
    for column in &columns {
        let to_libuv = libuv.map_or(f64::NAN, |(once, _)| column.ratio(once));
        section.row(&column.name, [figure(column.median()), times(column.ratio(floor)), times(to_libuv)]);
    }
    if !has_libuv {
        section.note(crate::peers::NO_LIBUV);
    }
    report.sections.push(section);

    let mut aim = |limit, what: &str, measured: f64| {
        report.targets.push(Target::at_most(limit, " ×", what, measured));
    };
    for (place, task) in [("within", inside), ("outside", outside)] {
        aim(
            2.0,
            &format!("a task posted {place}, relative to the queue of function pointers"),
            task.ratio(floor),
        );
        let (once, again) =
            libuv.map_or((f64::NAN, f64::NAN), |(once, again)| (task.ratio(once), task.ratio(again)));
        aim(1.0, "the same, relative to libuv's handles that are used once", once);
        aim(1.0, "the same, relative to libuv's handles that are used again", again);
    }
    let recording = |on: &Samples, off: &Samples| on.less(off).ratio(readings);
    aim(
        1.2,
        "recording it, relative to two readings of the clock (within)",
        recording(inside_recorded, inside),
    );
    aim(1.2, "the same (outside)", recording(outside_recorded, outside));
    Ok(())
}
