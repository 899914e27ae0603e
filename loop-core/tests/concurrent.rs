//! Tests posts from other threads.

use std::cell::RefCell;
use std::rc::Rc;

use loop_core::tag::tag_of_label;
use loop_core::{Builtin, Context, EventLoop, TagOf, Task};
use loop_probes::event::{Event, Origin, Queue, StopReason};
use loop_probes::ids::{NonMax, SourceId};
use loop_probes::recorder::Recorder;

use crate::kit::{World, ms, pick};

/// An application's own enum: the type that is sent is the type that runs.
enum App {
    Number { thread: usize, number: u32 },
    Done,
}

thread_local! {
    static SEEN: RefCell<Vec<(usize, u32)>> = const { RefCell::new(Vec::new()) };
}

impl Task for App {
    type Remote = Self;
    loop_core::tags! { Number, Done }

    fn run(self, cx: &mut Context<'_, Self>) {
        match self {
            Self::Number { thread, number } => SEEN.with_borrow_mut(|seen| seen.push((thread, number))),
            Self::Done => cx.release("producers"),
        }
    }
}

#[test]
fn b06_b08_l09_thousands_of_posts_arrive_complete_and_in_order_per_producer() {
    const THREADS: usize = 4;
    const POSTS: u32 = 1_000;
    let (recorder, capture) = Recorder::capture();
    let mut event_loop = EventLoop::<App>::builder().recorder(recorder).build().unwrap();
    let mut producers = Vec::new();
    for thread in 0..THREADS {
        event_loop.with(|cx| cx.hold("producers"));
        let handle = event_loop.handle();
        producers.push(std::thread::spawn(move || {
            for number in 0..POSTS {
                assert!(handle.post(App::Number { thread, number }).is_ok());
            }
            assert!(handle.post(App::Done).is_ok());
        }));
    }
    event_loop.run().unwrap();
    producers.into_iter().for_each(|producer| producer.join().unwrap());
    let seen = SEEN.with_borrow_mut(std::mem::take);
    for thread in 0..THREADS {
        let numbers: Vec<u32> =
            seen.iter().filter(|(from, _)| *from == thread).map(|(_, number)| *number).collect();
        assert_eq!(numbers, (0..POSTS).collect::<Vec<_>>());
    }
    let events: Vec<_> = capture.take().into_iter().map(|(_, event)| event).collect();
    let taken = pick!(events, Event::InputBatch { queue: Queue::Concurrent, taken } => u64::from(taken));
    assert_eq!(taken.iter().sum::<u64>(), THREADS as u64 * (u64::from(POSTS) + 1));
    let wakes = pick!(events, Event::Wake { coalesced, .. } => u64::from(coalesced) + 1);
    assert_eq!(
        wakes.iter().sum::<u64>(),
        taken.iter().sum::<u64>(),
        "every post is one wake-up, most coalesced"
    );
}

#[test]
fn b08_a_batch_is_taken_whole_and_its_wake_ups_are_one() {
    let mut world = World::new();
    let handle = world.lp.handle();
    for _ in 0..3 {
        handle.post(Builtin::remote("posted", |_| ())).unwrap();
    }
    handle.wake();
    world.lp.run().unwrap();
    let events = world.events();
    assert_eq!(pick!(events, Event::InputBatch { queue, taken } => (queue, taken)), [(Queue::Concurrent, 3)]);
    assert_eq!(pick!(events, Event::Wake { coalesced, .. } => coalesced), [3]);
    let queued = pick!(events, Event::TaskQueued { place, .. } => (place.origin, place.depth));
    assert_eq!(queued, [(Origin::Concurrent, 1), (Origin::Concurrent, 2), (Origin::Concurrent, 3)]);
}

#[test]
fn b08_a_post_ends_a_wait() {
    let mut world = World::new();
    let (handle, log) = (world.lp.handle(), world.log.clone());
    world.lp.with(|cx| cx.hold("test"));
    world.sim.at(ms(2), move || {
        handle.post(Builtin::remote("posted", |cx| cx.release("test"))).unwrap();
    });
    log.add("start");
    world.lp.run().unwrap();
    assert_eq!(world.sim.elapsed(), ms(2));
    let waits = pick!(world.events(), Event::TaskRan { queued, start, .. } => start.0 - queued.0);
    assert_eq!(waits, [0], "its queue wait counts from the post");
}

#[test]
fn b08_a_post_says_who_posted_it() {
    let mut world = World::new();
    let handle = world.lp.handle().posting_as(SourceId(7));
    handle.post(Builtin::remote("posted", |_| ())).unwrap();
    world.lp.run().unwrap();
    let events = world.events();
    assert_eq!(pick!(events, Event::Wake { from, .. } => from), [Some(SourceId(7))]);
    let posters =
        pick!(events, Event::TaskQueued { poster, parent, .. } => (poster, parent.map(NonMax::get)));
    assert_eq!(posters, [(Some(SourceId(7)), None)]);
}

#[test]
fn b10_a_post_after_the_end_is_refused_and_hands_the_task_back() {
    let mut event_loop = EventLoop::<App>::new().unwrap();
    let handle = event_loop.handle();
    assert!(handle.post(App::Number { thread: 0, number: 1 }).is_ok());
    let left = event_loop.close();
    assert_eq!(left.len(), 1, "what was posted and not taken comes back");
    let refused = handle.post(App::Number { thread: 7, number: 9 }).unwrap_err();
    assert!(matches!(refused.0, App::Number { thread: 7, number: 9 }));
    drop(event_loop);
    assert!(handle.is_closed());
    assert!(handle.post(App::Done).is_err());
}

#[test]
fn posts_and_results_that_a_loop_never_took_are_recorded_when_it_is_closed() {
    let mut world = World::new();
    world.sim.job_durations([ms(1)]);
    let tag = TagOf::Global(tag_of_label("job"));
    world.lp.with(|cx| {
        cx.work(tag, |_| Builtin::remote("then", |_| ()), |reason| panic!("{reason}")).unwrap();
    });
    let handle = world.lp.handle();
    world.sim.at(ms(1), move || handle.stop());
    assert_eq!(world.lp.run().unwrap(), StopReason::Stopped);
    world.sim.advance(ms(2));
    let handle = world.lp.handle().posting_as(SourceId(7));
    handle.post(Builtin::remote("first", |_| ())).unwrap();
    world.sim.advance(ms(3));
    handle.post(Builtin::remote("second", |_| ())).unwrap();
    world.sim.advance(ms(4));
    world.events();
    assert_eq!(world.lp.close().len(), 2);
    let events = world.stamped();
    let at = events.last().unwrap().0.0;
    let events: Vec<_> = events.into_iter().map(|(_, event)| event).collect();
    let left = pick!(events, Event::TaskQueued { tag, place, poster, queued, .. } if place.queue == Queue::Concurrent
        => ((tag.0 == 0, place.origin, place.depth), poster, at - queued.0));
    let post = |depth| (true, Origin::Concurrent, depth);
    let by = Some(SourceId(7));
    let ago = |by_ms: u64| by_ms * 1_000_000;
    assert_eq!(
        left,
        [((false, Origin::Work, 3), None, ago(9)), (post(2), by, ago(7)), (post(1), by, ago(4))]
    );
    assert_eq!(pick!(events, Event::LoopStopped { reason } => reason), [StopReason::Closed]);
    assert_eq!(world.lp.close().len(), 0, "once is enough");
    assert_eq!(world.events().len(), 0);
}

#[test]
fn l08_no_wake_up_is_lost_over_many_sleeps() {
    let mut event_loop = EventLoop::<Builtin>::new().unwrap();
    let (handle, seen) = (event_loop.handle(), Rc::new(RefCell::new(0)));
    event_loop.with(|cx| cx.hold("test"));
    // Each reply lets the other thread send the next message: a lost wakeup would hang here.
    let (reply, replies) = std::sync::mpsc::channel::<u32>();
    let sender = std::thread::spawn(move || {
        for number in 0..500 {
            let reply = reply.clone();
            handle.post(Builtin::remote("ping", move |_| reply.send(number).unwrap())).unwrap();
            if number % 7 == 0 {
                std::thread::yield_now();
            }
        }
        handle.post(Builtin::remote("last", |cx| cx.release("test"))).unwrap();
    });
    event_loop.run().unwrap();
    sender.join().unwrap();
    *seen.borrow_mut() += replies.try_iter().count();
    assert_eq!(*seen.borrow(), 500);
}
