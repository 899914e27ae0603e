//! Runtimes for futures, each with one thread that waits for one future.

use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use anyhow::Result;
use async_executor::LocalExecutor;

use super::{Ready, Woken};

pub(super) fn tokio(woken: Arc<Woken>, ready: Ready) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let notify = Arc::new(tokio::sync::Notify::new());
    let sender = Arc::clone(&notify);
    ready.give(move || sender.notify_one());
    runtime.block_on(async {
        while !woken.has_ended() {
            notify.notified().await;
            woken.mark();
        }
    });
    Ok(())
}

/// A flag, and the waker of the task that waits for it.
#[derive(Default)]
struct Flag(Mutex<(bool, Option<Waker>)>);

impl Flag {
    fn state(&self) -> MutexGuard<'_, (bool, Option<Waker>)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self) {
        let waker = {
            let mut state = self.state();
            state.0 = true;
            state.1.take()
        };
        waker.into_iter().for_each(Waker::wake);
    }

    fn take(&self, cx: &Context<'_>) -> Poll<()> {
        let mut state = self.state();
        if std::mem::take(&mut state.0) {
            return Poll::Ready(());
        }
        state.1 = Some(cx.waker().clone());
        Poll::Pending
    }
}

pub(super) fn smol(woken: Arc<Woken>, ready: Ready) -> Result<()> {
    let executor = LocalExecutor::new();
    let flag = Arc::new(Flag::default());
    let sender = Arc::clone(&flag);
    ready.give(move || sender.set());
    let task = executor.spawn(async move {
        while !woken.has_ended() {
            poll_fn(|cx| flag.take(cx)).await;
            woken.mark();
        }
    });
    async_io::block_on(executor.run(task));
    Ok(())
}
