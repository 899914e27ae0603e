//! Tests posts that are dropped with their task and posts that stay their owner's.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use loop_core::{Builtin, Closed, EventLoop, Kept, KeptPost};
use loop_probes::event::{Event, Queue};
use loop_probes::ids::SourceId;

use crate::kit::{World, name, pick};

/// Counts its drops and its runs.
#[derive(Clone, Default)]
struct Counts {
    ran: Arc<AtomicU32>,
    dropped: Arc<AtomicU32>,
}

impl Counts {
    fn get(&self) -> (u32, u32) {
        (self.ran.load(Ordering::SeqCst), self.dropped.load(Ordering::SeqCst))
    }

    fn payload(&self) -> Payload {
        Payload(self.clone())
    }
}

struct Payload(Counts);

impl Payload {
    fn run(&self) {
        self.0.ran.fetch_add(1, Ordering::SeqCst);
    }
}

impl Drop for Payload {
    fn drop(&mut self) {
        self.0.dropped.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn b09_what_is_posted_is_freed_after_it_ran_once() {
    let mut world = World::new();
    let (handle, counts) = (world.lp.handle(), Counts::default());
    // More than the slots of both rings: some go through the overflow.
    for _ in 0..150_000 {
        let payload = counts.payload();
        handle.post(Builtin::remote("posted", move |_| payload.run())).unwrap();
    }
    assert_eq!(counts.get(), (0, 0));
    world.lp.run().unwrap();
    assert_eq!(counts.get(), (150_000, 150_000));
    drop(world);
    assert_eq!(counts.get(), (150_000, 150_000));
}

#[test]
fn b09_what_is_kept_stays_its_owners_and_runs_each_time_it_is_posted() {
    let mut world = World::new();
    let counts = Counts::default();
    let payload = Arc::new(counts.payload());
    let kept = world.lp.handle().posting_as(SourceId(3)).keep(move || {
        let payload = Arc::clone(&payload);
        Builtin::remote("kept", move |_| payload.run())
    });
    for round in 1..=5 {
        assert!(!kept.is_queued());
        assert_eq!(kept.post().unwrap(), KeptPost::Queued);
        assert_eq!(kept.clone().post().unwrap(), KeptPost::AlreadyQueued, "a clone is the same post");
        assert!(kept.is_queued());
        world.lp.run().unwrap();
        assert_eq!(counts.get(), (round, 0));
    }
    let events = world.events();
    assert_eq!(pick!(events, Event::InputBatch { queue: Queue::Concurrent, taken } => taken), [1; 5]);
    let queued = pick!(events, Event::TaskQueued { tag, poster, .. } => (name(tag), poster));
    assert_eq!(queued, vec![("kept".to_owned(), Some(SourceId(3))); 5]);
    drop(kept);
    assert_eq!(counts.get(), (5, 1));
}

#[test]
fn b09_a_kept_post_can_be_posted_again_by_its_own_task() {
    let mut world = World::new();
    let (handle, counts) = (world.lp.handle(), Counts::default());
    let slot = Arc::new(std::sync::OnceLock::<Kept<Builtin>>::new());
    let (own, ran) = (Arc::clone(&slot), Arc::clone(&counts.ran));
    let kept = handle.keep(move || {
        let (own, ran) = (Arc::clone(&own), Arc::clone(&ran));
        Builtin::remote("kept", move |_| {
            if ran.fetch_add(1, Ordering::SeqCst) < 9 {
                assert_eq!(own.get().unwrap().post().unwrap(), KeptPost::Queued);
            }
        })
    });
    assert!(slot.set(kept).is_ok());
    slot.get().unwrap().post().unwrap();
    world.lp.run().unwrap();
    assert_eq!(counts.get().0, 10);
}

#[test]
fn b09_dropping_the_owner_while_it_is_queued_runs_it_once_and_frees_it() {
    for ahead in [0, 150_000] {
        let mut world = World::new();
        let (handle, counts) = (world.lp.handle(), Counts::default());
        // Full rings send it through the overflow.
        for _ in 0..ahead {
            handle.post(Builtin::remote("ahead", |_| ())).unwrap();
        }
        let payload = Arc::new(counts.payload());
        let kept = handle.keep(move || {
            let payload = Arc::clone(&payload);
            Builtin::remote("kept", move |_| payload.run())
        });
        kept.post().unwrap();
        drop(kept);
        assert_eq!(counts.get(), (0, 0));
        world.lp.run().unwrap();
        assert_eq!(counts.get(), (1, 1));
    }
}

#[test]
fn b09_b10_a_kept_post_is_refused_after_the_end_and_still_its_owners() {
    for ahead in [0, 150_000] {
        let mut world = World::new();
        let (handle, counts) = (world.lp.handle(), Counts::default());
        for _ in 0..ahead {
            handle.post(Builtin::remote("ahead", |_| ())).unwrap();
        }
        let payload = counts.payload();
        let queued = handle.keep(move || {
            payload.run();
            Builtin::remote("kept", |_| ())
        });
        queued.post().unwrap();
        let left = world.lp.close();
        assert_eq!(left.len(), ahead, "what is kept does not come back: its owner has it");
        assert!(!queued.is_queued());
        assert_eq!(queued.post(), Err(Closed(())));
        assert_eq!(counts.get(), (0, 0));
        drop((world, handle, queued));
        assert_eq!(counts.get(), (0, 1));
    }
}

#[test]
fn b09_a_panic_while_it_is_made_is_caught_and_it_can_be_posted_again() {
    let mut world = World::new();
    let times = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&times);
    let kept = world.lp.handle().keep(move || {
        assert!(counted.fetch_add(1, Ordering::SeqCst) > 0, "the first time");
        Builtin::remote("kept", |_| ())
    });
    kept.post().unwrap();
    world.lp.run().unwrap();
    assert_eq!((world.lp.metrics().panics, world.lp.metrics().tasks_run), (1, 0));
    assert_eq!(kept.post().unwrap(), KeptPost::Queued);
    world.lp.run().unwrap();
    assert_eq!(world.lp.metrics().tasks_run, 1);
}

#[test]
fn b09_kept_posts_of_many_threads_are_counted_exactly() {
    const EACH: u32 = 2_000;
    let mut event_loop = EventLoop::<Builtin>::new().unwrap();
    let (handle, ran, queued) = (event_loop.handle(), Arc::new(AtomicU32::new(0)), AtomicU32::new(0));
    let kept: Vec<_> = (0..3)
        .map(|_| {
            let ran = Arc::clone(&ran);
            handle.keep(move || {
                let ran = Arc::clone(&ran);
                Builtin::remote("kept", move |_| {
                    ran.fetch_add(1, Ordering::SeqCst);
                })
            })
        })
        .collect();
    handle.hold();
    thread::scope(|scope| {
        let producers: Vec<_> = (0..3)
            .map(|_| {
                let (kept, queued) = (&kept, &queued);
                scope.spawn(move || {
                    for number in 0..EACH {
                        if kept[number as usize % kept.len()].post().unwrap() == KeptPost::Queued {
                            queued.fetch_add(1, Ordering::SeqCst);
                        }
                    }
                })
            })
            .collect();
        let release = handle.clone();
        scope.spawn(move || {
            producers.into_iter().for_each(|producer| producer.join().unwrap());
            release.release();
        });
        event_loop.run().unwrap();
    });
    assert_eq!(ran.load(Ordering::SeqCst), queued.load(Ordering::SeqCst));
}
