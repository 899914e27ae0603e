//! Receivers that wait: loops that are woken and call back, and channels that block.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::ffi::c_void;
use std::sync::{Arc, Mutex, PoisonError, mpsc};

use anyhow::{Result, ensure};
use loop_core::{Context, EventLoop, Handle, Task};

use super::{Sender, sample};
use crate::measure::Subject;
use crate::tasks::add;
use crate::uv;

/// Our message: the last one stops the loop.
struct Message {
    number: u64,
}

thread_local! {
    /// Messages still to come, for callbacks that have no other place for the number.
    static LEFT: RefCell<usize> = const { RefCell::new(0) };
}

/// Counts a message; returns whether it was the last.
fn came(number: u64) -> bool {
    add(number);
    LEFT.with_borrow_mut(|left| {
        *left -= 1;
        *left == 0
    })
}

impl Task for Message {
    type Remote = Self;
    loop_core::tags!("Message");

    fn run(self, cx: &mut Context<'_, Self>) {
        if came(self.number) {
            cx.stop();
        }
    }
}

impl Sender for Handle<Message> {
    fn send(&self, number: u64) {
        let posted = self.post(Message { number });
        assert!(posted.is_ok(), "the loop is there");
    }
}

fn ours(producers: usize, count: usize) -> Result<Subject<'static>> {
    let mut event_loop = EventLoop::<Message>::new()?;
    event_loop.with(|cx| cx.hold("who posts"));
    let handle = event_loop.handle();
    Ok(Subject::new("**`Handle::post`**", move || {
        sample(producers, count, &handle, |count| {
            LEFT.set(count);
            event_loop.run().expect("a loop can poll");
        })
    }))
}

fn std_mpsc(producers: usize, count: usize) -> Subject<'static> {
    let (sender, receiver) = mpsc::channel();
    Subject::new("std: `mpsc`, blocking", move || {
        sample(producers, count, &sender, |count| {
            (0..count).for_each(|_| add(receiver.recv().expect("the senders are there").item));
        })
    })
}

fn flume(producers: usize, count: usize) -> Subject<'static> {
    let (sender, receiver) = flume::unbounded();
    Subject::new("flume, blocking", move || {
        sample(producers, count, &sender, |count| {
            (0..count).for_each(|_| add(receiver.recv().expect("the senders are there").item));
        })
    })
}

fn tokio(producers: usize, count: usize) -> Result<Subject<'static>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
    Ok(Subject::new("tokio, one thread: `mpsc`", move || {
        sample(producers, count, &sender, |count| {
            runtime.block_on(async {
                for _ in 0..count {
                    add(receiver.recv().await.expect("the senders are there").item);
                }
            });
        })
    }))
}

/// calloop's `Sender` can be used by one thread only, so each gets its own.
struct CalloopSender(Mutex<calloop::channel::Sender<u64>>);

impl Sender for CalloopSender {
    fn send(&self, number: u64) {
        thread_local! {
            static OWN: RefCell<Option<calloop::channel::Sender<u64>>> = const { RefCell::new(None) };
        }
        OWN.with_borrow_mut(|own| {
            let shared = || self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
            own.get_or_insert_with(shared).send(number).expect("the loop is there");
        });
    }
}

fn calloop(producers: usize, count: usize) -> Result<Subject<'static>> {
    let mut event_loop = calloop::EventLoop::<usize>::try_new()?;
    let (sender, source) = calloop::channel::channel();
    let inserted = event_loop.handle().insert_source(source, |event, (), left| {
        if let calloop::channel::Event::Msg(number) = event {
            add(number);
            *left -= 1;
        }
    });
    ensure!(inserted.is_ok(), "calloop refuses a channel");
    let sender = CalloopSender(Mutex::new(sender));
    Ok(Subject::new("calloop: `channel`", move || {
        sample(producers, count, &sender, |mut left| {
            while left > 0 {
                event_loop.dispatch(None, &mut left).expect("a loop can poll");
            }
        })
    }))
}

/// What libuv's users write: a queue with a lock, and a wakeup that coalesces.
struct LibuvSender {
    queue: Arc<Mutex<VecDeque<u64>>>,
    wake: Mutex<uv::Sender>,
}

impl Sender for LibuvSender {
    fn send(&self, number: u64) {
        thread_local! {
            static OWN: RefCell<Option<uv::Sender>> = const { RefCell::new(None) };
        }
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).push_back(number);
        OWN.with_borrow_mut(|own| {
            own.get_or_insert_with(|| *self.wake.lock().unwrap_or_else(PoisonError::into_inner)).send();
        });
    }
}

thread_local! {
    static QUEUE: RefCell<Option<Arc<Mutex<VecDeque<u64>>>>> = const { RefCell::new(None) };
}

extern "C" fn sent(_handle: *mut c_void) {
    QUEUE.with_borrow(|queue| {
        let Some(queue) = queue else { return };
        let batch = std::mem::take(&mut *queue.lock().unwrap_or_else(PoisonError::into_inner));
        batch.into_iter().for_each(|number| {
            came(number);
        });
    });
}

fn libuv(producers: usize, count: usize) -> Option<Subject<'static>> {
    let uv_loop = uv::Loop::new()?;
    let handle = uv_loop.handles(uv::Kind::Async, 1, sent).pop()?;
    let queue = Arc::new(Mutex::new(VecDeque::new()));
    let sender = LibuvSender { queue: Arc::clone(&queue), wake: Mutex::new(handle.sender()) };
    Some(Subject::new("libuv: `Mutex<VecDeque>` and `uv_async_send`", move || {
        sample(producers, count, &sender, |count| {
            LEFT.set(count);
            QUEUE.set(Some(Arc::clone(&queue)));
            while LEFT.with_borrow(|left| *left > 0) {
                uv_loop.turn_waiting();
            }
        })
    }))
}

pub(super) fn subjects(producers: usize, count: usize) -> Result<Vec<Subject<'static>>> {
    let mut subjects = vec![
        ours(producers, count)?,
        tokio(producers, count)?,
        calloop(producers, count)?,
        std_mpsc(producers, count),
        flume(producers, count),
    ];
    subjects.extend(libuv(producers, count));
    Ok(subjects)
}
