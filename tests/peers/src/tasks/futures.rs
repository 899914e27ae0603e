//! Futures: one wakes itself, one yields, one is spawned and runs to completion.

use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use anyhow::Result;
use async_executor::{LocalExecutor, StaticLocalExecutor};
use futures_lite::future::{block_on, yield_now};
use loop_core::{Builtin, EventLoop};

use super::{BATCH, add, ours};
use crate::measure::{Effort, Subject, interleave_one, ns_each};
use crate::table::{Report, Section, figure, times};

/// Wakes itself in each poll, this many times.
struct SelfWake(usize);

impl Future for SelfWake {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.0 == 0 {
            return Poll::Ready(());
        }
        self.0 -= 1;
        add(1);
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

/// One sample: `start` spawns on the loop, which then runs until nothing is left.
fn on_our_loop(start: impl Fn(&mut loop_core::Context<'_, Builtin>)) -> Result<impl FnMut() -> f64> {
    let mut event_loop = EventLoop::<Builtin>::new()?;
    Ok(move || {
        ns_each(BATCH, || {
            event_loop.with(&start);
            event_loop.run().expect("a loop can poll");
        })
    })
}

fn our_self_wake() -> Result<Subject<'static>> {
    let sample = on_our_loop(|cx| drop(cx.spawn("self-wake", |_local| SelfWake(BATCH))))?;
    Ok(Subject::new("**a future that wakes itself**", sample))
}

fn our_yield() -> Result<Subject<'static>> {
    let sample = on_our_loop(|cx| {
        let yielding = cx.spawn("yield", async move |local| {
            for _ in 0..BATCH {
                local.yield_now().await;
            }
        });
        drop(yielding);
    })?;
    Ok(Subject::new("**`yield_now`**", sample))
}

fn our_spawn() -> Result<Subject<'static>> {
    let sample = on_our_loop(|cx| {
        for number in 0..BATCH as u64 {
            drop(cx.spawn("spawned", async move |_local| add(number)));
        }
    })?;
    Ok(Subject::new("**`spawn` and run**", sample))
}

fn tokio_runtime() -> Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_time().build()?)
}

fn tokio_self_wake() -> Result<Subject<'static>> {
    let runtime = tokio_runtime()?;
    Ok(Subject::new("tokio, one thread: a task that wakes itself", move || {
        ns_each(BATCH, || {
            runtime.block_on(async { tokio::spawn(SelfWake(BATCH)).await }).expect("it does not panic");
        })
    }))
}

fn tokio_yield() -> Result<Subject<'static>> {
    let runtime = tokio_runtime()?;
    Ok(Subject::new("tokio, one thread: `yield_now`", move || {
        ns_each(BATCH, || {
            let yielding = async {
                for _ in 0..BATCH {
                    tokio::task::yield_now().await;
                }
            };
            runtime.block_on(async { tokio::spawn(yielding).await }).expect("it does not panic");
        })
    }))
}

fn tokio_spawn() -> Result<Subject<'static>> {
    let runtime = tokio_runtime()?;
    let local = tokio::task::LocalSet::new();
    Ok(Subject::new("tokio, one thread: `spawn_local` and run", move || {
        ns_each(BATCH, || {
            let ran = Rc::new(Cell::new(0));
            local.block_on(&runtime, async {
                for number in 0..BATCH as u64 {
                    let ran = Rc::clone(&ran);
                    tokio::task::spawn_local(async move {
                        add(number);
                        ran.set(ran.get() + 1);
                    });
                }
                while ran.get() < BATCH {
                    tokio::task::yield_now().await;
                }
            });
        })
    }))
}

fn tokio_spawn_send() -> Result<Subject<'static>> {
    let runtime = tokio_runtime()?;
    Ok(Subject::new("tokio, one thread: `spawn` and run", move || {
        ns_each(BATCH, || {
            runtime.block_on(async {
                let ran = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
                for number in 0..BATCH as u64 {
                    let ran = std::sync::Arc::clone(&ran);
                    tokio::spawn(async move {
                        add(number);
                        // There is a single thread, so a load and a store are enough.
                        let so_far = ran.load(std::sync::atomic::Ordering::Relaxed);
                        ran.store(so_far + 1, std::sync::atomic::Ordering::Relaxed);
                    });
                }
                while ran.load(std::sync::atomic::Ordering::Relaxed) < BATCH {
                    tokio::task::yield_now().await;
                }
            });
        })
    }))
}

fn executor_yield() -> Subject<'static> {
    let executor = LocalExecutor::new();
    Subject::new("async-executor: `yield_now`", move || {
        ns_each(BATCH, || {
            let task = executor.spawn(async {
                for _ in 0..BATCH {
                    yield_now().await;
                }
            });
            block_on(executor.run(task));
        })
    })
}

fn executor_spawn() -> Subject<'static> {
    let executor = LocalExecutor::new();
    Subject::new("async-executor: `spawn` and run", move || {
        ns_each(BATCH, || {
            for number in 0..BATCH as u64 {
                executor.spawn(async move { add(number) }).detach();
            }
            while executor.try_tick() {}
        })
    })
}

fn static_executor_spawn() -> Subject<'static> {
    let executor: &'static StaticLocalExecutor = Box::leak(Box::new(StaticLocalExecutor::new()));
    Subject::new("async-executor, static: `spawn` and run", move || {
        ns_each(BATCH, || {
            for number in 0..BATCH as u64 {
                executor.spawn(async move { add(number) }).detach();
            }
            while executor.try_tick() {}
        })
    })
}

pub(super) fn run(effort: Effort, report: &mut Report) -> Result<()> {
    let subjects = vec![
        ours::again()?,
        our_self_wake()?,
        tokio_self_wake()?,
        our_yield()?,
        tokio_yield()?,
        executor_yield(),
        our_spawn()?,
        tokio_spawn()?,
        tokio_spawn_send()?,
        executor_spawn(),
        static_executor_spawn(),
    ];
    let columns = interleave_one(effort.rounds(21, 401), subjects);
    let text = format!(
        "Samples of {BATCH}: polls of one future that goes to the back of the queue each time, or futures that are \
         spawned, polled once and dropped."
    );
    let mut section = Section::new("A future", text, &["what", "ns", "relative to the first"]);
    let Some(first) = columns.first() else { return Ok(()) };
    for column in &columns {
        section.row(&column.name, [figure(column.median()), times(column.ratio(first))]);
    }
    report.sections.push(section);
    Ok(())
}
