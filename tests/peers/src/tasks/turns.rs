//! A loop turn with one callback in it: the cost of a loop that has little to do, including a poll that does
//! not wait.

use std::io;
use std::time::Duration;

use anyhow::Result;

use super::ours;
use crate::measure::{Effort, Subject, interleave_one, ns_each};
use crate::os::Epoll;
use crate::table::{Report, Section, figure, times};
use crate::uv;

/// Turns per sample.
const TURNS: usize = 200;

fn polls() -> Result<Vec<Subject<'static>>> {
    let epoll = Epoll::new()?;
    let polling = polling::Poller::new()?;
    let mut mio = mio::Poll::new()?;
    let repeat = |mut poll: Box<dyn FnMut() -> io::Result<()>>| {
        move || ns_each(TURNS, || (0..TURNS).for_each(|_| poll().expect("the system can poll")))
    };
    let mut events = polling::Events::new();
    let mut found = mio::Events::with_capacity(64);
    Ok(vec![
        Subject::new("`epoll_wait` without a timeout", repeat(Box::new(move || epoll.wait(0).map(drop)))),
        Subject::new("mio: `poll`", repeat(Box::new(move || mio.poll(&mut found, Some(Duration::ZERO))))),
        Subject::new(
            "polling: `wait`",
            repeat(Box::new(move || {
                events.clear();
                polling.wait(&mut events, Some(Duration::ZERO)).map(drop)
            })),
        ),
    ])
}

fn ours() -> Result<Subject<'static>> {
    let mut event_loop = ours::each_turn()?;
    Ok(Subject::new("**a turn with one immediate**", move || {
        let ran = event_loop.metrics().tasks_run;
        let ns = ns_each(TURNS, || (0..TURNS).for_each(|_| event_loop.turn().expect("a loop can poll")));
        assert_eq!(event_loop.metrics().tasks_run - ran, TURNS as u64, "one callback a turn");
        ns
    }))
}

fn libuv() -> Option<Subject<'static>> {
    let uv_loop = uv::Loop::new()?;
    let handles = uv_loop.handles(uv::Kind::Idle, 1, uv::count);
    handles.iter().for_each(|handle| handle.start_idle(uv::count));
    Some(Subject::new("libuv: `uv_run` with one idle handle", move || {
        ns_each(TURNS, || (0..TURNS).for_each(|_| uv_loop.turn()))
    }))
}

fn calloop_idle() -> Result<Subject<'static>> {
    let mut event_loop = calloop::EventLoop::<u64>::try_new()?;
    Ok(Subject::new("calloop: `dispatch` with one idle callback", move || {
        let mut ran = 0;
        let ns = ns_each(TURNS, || {
            for _ in 0..TURNS {
                event_loop.handle().insert_idle(|ran| *ran += 1);
                event_loop.dispatch(Duration::ZERO, &mut ran).expect("a loop can poll");
            }
        });
        assert_eq!(ran, TURNS as u64, "one callback a turn");
        ns
    }))
}

fn calloop_ping() -> Result<Subject<'static>> {
    let mut event_loop = calloop::EventLoop::<u64>::try_new()?;
    let (ping, source) = calloop::ping::make_ping()?;
    let inserted = event_loop.handle().insert_source(source, |(), (), ran| *ran += 1);
    anyhow::ensure!(inserted.is_ok(), "calloop refuses a ping source");
    Ok(Subject::new("calloop: a ping and its `dispatch`", move || {
        let mut ran = 0;
        let ns = ns_each(TURNS, || {
            for _ in 0..TURNS {
                ping.ping();
                event_loop.dispatch(Duration::ZERO, &mut ran).expect("a loop can poll");
            }
        });
        assert_eq!(ran, TURNS as u64, "one callback a turn");
        ns
    }))
}

pub(super) fn run(effort: Effort, report: &mut Report) -> Result<()> {
    let mut subjects = polls()?;
    subjects.push(ours()?);
    subjects.extend(libuv());
    subjects.push(calloop_idle()?);
    subjects.push(calloop_ping()?);
    let columns = interleave_one(effort.rounds(21, 201), subjects);
    let text = "A whole turn that runs one callback and polls without waiting, compared with the bare poll.";
    let mut section = Section::new("A turn", text, &["what", "ns", "relative to the first"]);
    let Some(first) = columns.first() else { return Ok(()) };
    for column in &columns {
        section.row(&column.name, [figure(column.median()), times(column.ratio(first))]);
    }
    report.sections.push(section);
    Ok(())
}
