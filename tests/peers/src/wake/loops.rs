//! Callback-based loops: ours, libuv's, calloop's.

use std::cell::RefCell;
use std::ffi::c_void;
use std::sync::Arc;

use anyhow::{Result, ensure};
use loop_core::{Context, EventLoop, Task};

use super::{Ready, Woken};
use crate::uv;

/// Our task: notes that the loop ran.
struct Mark(Arc<Woken>);

impl Task for Mark {
    type Remote = Self;
    loop_core::tags!("Mark");

    fn run(self, cx: &mut Context<'_, Self>) {
        self.0.mark();
        if self.0.has_ended() {
            cx.stop();
        }
    }
}

pub(super) fn ours(woken: Arc<Woken>, ready: Ready) -> Result<()> {
    let mut event_loop = EventLoop::<Mark>::new()?;
    event_loop.with(|cx| cx.hold("who wakes it"));
    let handle = event_loop.handle();
    ready.give(move || {
        // A loop that has ended refuses it, and then nothing is left to wake.
        let _ = handle.post(Mark(Arc::clone(&woken)));
    });
    event_loop.run()?;
    Ok(())
}

thread_local! {
    static WOKEN: RefCell<Option<Arc<Woken>>> = const { RefCell::new(None) };
}

extern "C" fn sent(_handle: *mut c_void) {
    WOKEN.with_borrow(|woken| woken.iter().for_each(|woken| woken.mark()));
}

pub(super) fn libuv(woken: Arc<Woken>, ready: Ready) -> Result<()> {
    let Some(uv_loop) = uv::Loop::new() else { return Ok(()) };
    WOKEN.set(Some(Arc::clone(&woken)));
    let handles = uv_loop.handles(uv::Kind::Async, 1, sent);
    let Some(sender) = handles.first().map(|handle| handle.sender()) else { return Ok(()) };
    ready.give(move || sender.send());
    while !woken.has_ended() {
        uv_loop.turn_waiting();
    }
    Ok(())
}

pub(super) fn calloop_ping(woken: Arc<Woken>, ready: Ready) -> Result<()> {
    let mut event_loop = calloop::EventLoop::<()>::try_new()?;
    let (ping, source) = calloop::ping::make_ping()?;
    let given = Arc::clone(&woken);
    let inserted = event_loop.handle().insert_source(source, move |(), (), ()| given.mark());
    ensure!(inserted.is_ok(), "calloop refuses a ping source");
    ready.give(move || ping.ping());
    while !woken.has_ended() {
        event_loop.dispatch(None, &mut ())?;
    }
    Ok(())
}

pub(super) fn calloop_channel(woken: Arc<Woken>, ready: Ready) -> Result<()> {
    let mut event_loop = calloop::EventLoop::<()>::try_new()?;
    let (sender, source) = calloop::channel::channel();
    let given = Arc::clone(&woken);
    let inserted = event_loop.handle().insert_source(source, move |event, (), ()| {
        if let calloop::channel::Event::Msg(()) = event {
            given.mark();
        }
    });
    ensure!(inserted.is_ok(), "calloop refuses a channel");
    ready.give(move || {
        // A loop that has ended has dropped the channel.
        let _ = sender.send(());
    });
    while !woken.has_ended() {
        event_loop.dispatch(None, &mut ())?;
    }
    Ok(())
}
