//! Queues that cannot be waited for: the receiver polls them.

use std::sync::mpsc;

use anyhow::Result;
use crossbeam_queue::{ArrayQueue, SegQueue};
use loop_core::low_level::queue::concurrent::{ConcurrentQueue, Posted};
use loop_probes::ids::Ticks;

use super::{Sender, sample};
use crate::measure::Subject;
use crate::tasks::add;

/// More than a receiver lets accumulate, so that producers rarely find it full.
const CAPACITY: usize = 1 << 16;
/// The message that all of them carry, as ours does: a number, its poster, and the time.
type Message = Posted<u64>;
/// Unsuccessful polls before other threads may run.
const SPINS: u32 = 64;

/// Calls `take`, which returns the number of messages it took, until there are `count`.
fn take_all(count: usize, mut take: impl FnMut() -> usize) {
    let (mut got, mut spins) = (0, 0);
    while got < count {
        match take() {
            0 if spins < SPINS => {
                spins += 1;
                std::hint::spin_loop();
            }
            0 => std::thread::yield_now(),
            taken => {
                got += taken;
                spins = 0;
            }
        }
    }
}

/// One at a time, for queues that cannot take batches.
fn one(item: Option<Message>) -> usize {
    item.map_or(0, |message| {
        add(message.item);
        1
    })
}

const fn message(number: u64) -> Message {
    Posted { item: number, poster: None, queued: Ticks(0) }
}

impl Sender for ArrayQueue<Message> {
    fn send(&self, number: u64) {
        while self.push(message(number)).is_err() {
            std::thread::yield_now();
        }
    }
}

impl Sender for SegQueue<Message> {
    fn send(&self, number: u64) {
        self.push(message(number));
    }
}

impl Sender for ConcurrentQueue<u64> {
    fn send(&self, number: u64) {
        self.push(number, None, Ticks(0)).expect("it is open");
    }
}

impl Sender for mpsc::Sender<Message> {
    fn send(&self, number: u64) {
        mpsc::Sender::send(self, message(number)).expect("the receiver is there");
    }
}

impl Sender for flume::Sender<Message> {
    fn send(&self, number: u64) {
        flume::Sender::send(self, message(number)).expect("the receiver is there");
    }
}

impl Sender for tokio::sync::mpsc::UnboundedSender<Message> {
    fn send(&self, number: u64) {
        tokio::sync::mpsc::UnboundedSender::send(self, message(number)).expect("the receiver is there");
    }
}

/// crossbeam's two first, then ours.
pub(super) fn subjects(producers: usize, count: usize) -> Result<Vec<Subject<'static>>> {
    let array = ArrayQueue::new(CAPACITY);
    let segments = SegQueue::new();
    let ours = ConcurrentQueue::new();
    let (std_sender, std_receiver) = mpsc::channel();
    let (flume_sender, flume_receiver) = flume::unbounded();
    let (tokio_sender, mut tokio_receiver) = tokio::sync::mpsc::unbounded_channel();
    Ok(vec![
        Subject::new("crossbeam: `ArrayQueue`", move || {
            sample(producers, count, &array, |count| take_all(count, || one(array.pop())))
        }),
        Subject::new("crossbeam: `SegQueue`", move || {
            sample(producers, count, &segments, |count| take_all(count, || one(segments.pop())))
        }),
        Subject::new("**`ConcurrentQueue`, taken in batches**", move || {
            sample(producers, count, &ours, |count| {
                take_all(count, || ours.take_batch().map(|posted| add(posted.item)).count());
            })
        }),
        Subject::new("std: `mpsc`", move || {
            sample(producers, count, &std_sender, |count| {
                take_all(count, || one(std_receiver.try_recv().ok()))
            })
        }),
        Subject::new("flume", move || {
            sample(producers, count, &flume_sender, |count| {
                take_all(count, || one(flume_receiver.try_recv().ok()))
            })
        }),
        Subject::new("tokio: `mpsc`, unbounded", move || {
            sample(producers, count, &tokio_sender, |count| {
                take_all(count, || one(tokio_receiver.try_recv().ok()))
            })
        }),
    ])
}
