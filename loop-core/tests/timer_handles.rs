//! Tests timer handles: what a fired one-shot leaves behind, and when that is freed.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use loop_core::{Builtin, Timer, TimerHandle};
use loop_probes::event::Event;
use loop_probes::ids::TimerId;

use crate::kit::{World, ms, pick};

/// Counts drops of a task's payload, which copies of the task share.
struct Counted(Rc<Cell<u32>>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.set(self.0.get() + 1);
    }
}

/// A task that can run again, and the number of times its payload was dropped.
fn counted(world: &World, name: &'static str) -> (Builtin, Rc<Cell<u32>>) {
    let freed = Rc::new(Cell::new(0));
    let held = Counted(Rc::clone(&freed));
    let task = world.log.repeat(name, move |_| {
        let _ = &held;
    });
    (task, freed)
}

fn handled(world: &mut World) -> (TimerHandle<Builtin>, Rc<Cell<u32>>) {
    let (task, freed) = counted(world, "timer");
    let handle = world.lp.with(|cx| {
        let timer = cx.set_timeout(ms(5), task);
        cx.timer_handle(timer).unwrap()
    });
    (handle, freed)
}

#[test]
fn q07_a_fired_one_shot_without_a_handle_is_freed_at_once() {
    let mut world = World::new();
    let (task, freed) = counted(&world, "timer");
    let timer = world.lp.with(|cx| cx.set_timeout(ms(5), task));
    assert_eq!(world.turn(), ["timer"]);
    assert_eq!(freed.get(), 1);
    world.lp.with(|cx| {
        assert!(cx.timer_handle(timer).is_err(), "there is nothing left to keep");
        assert!(cx.refresh_timer(timer).is_err());
    });
}

#[test]
fn q07_a_fired_one_shot_with_a_handle_is_freed_when_the_handle_goes() {
    let mut world = World::new();
    let (handle, freed) = handled(&mut world);
    let second = world.lp.with(|cx| cx.timer_handle(handle.timer())).unwrap();
    assert_eq!(world.run(), ["timer"], "the handle keeps no loop alive");
    assert_eq!(freed.get(), 0);
    drop(handle);
    assert_eq!(freed.get(), 0, "the second handle is one too");
    let timer = second.timer();
    drop(second);
    assert_eq!(freed.get(), 1, "in that very moment");
    world.lp.with(|cx| assert!(cx.refresh_timer(timer).is_err()));
}

#[test]
fn q07_refreshing_arms_a_fired_one_again_under_its_id() {
    let mut world = World::new();
    let (handle, freed) = handled(&mut world);
    let timer = handle.timer();
    for round in 1..=3 {
        assert_eq!(world.run(), ["timer"]);
        assert_eq!(world.sim.elapsed(), ms(5 * round), "its whole delay");
        world.lp.with(|cx| cx.refresh_timer(timer)).unwrap();
        assert!(world.lp.is_alive());
    }
    drop(handle);
    assert_eq!(freed.get(), 0, "it is armed: the loop has it");
    assert_eq!(world.run(), ["timer"]);
    assert_eq!(freed.get(), 1);
    let armed = pick!(world.events(), Event::TimerArmed { timer, .. } => timer);
    assert_eq!(armed, [TimerId(1); 4]);
}

#[test]
fn q07_unlinking_twice_is_harmless() {
    let mut world = World::new();
    let (handle, freed) = handled(&mut world);
    world.run();
    world.lp.with(|cx| {
        assert!(!cx.clear_timer(handle.timer()), "it fired already");
        assert_eq!(freed.get(), 1);
        assert!(!cx.clear_timer(handle.timer()));
        assert!(cx.refresh_timer(handle.timer()).is_err(), "what was cleared stays cleared");
        assert!(cx.timer_handle(handle.timer()).is_err());
    });
    let (again, freed) = handled(&mut world);
    world.lp.with(|cx| {
        assert!(cx.clear_timer(again.timer()), "an armed one");
        assert_eq!(freed.get(), 1);
        assert!(!cx.clear_timer(again.timer()));
    });
    drop((handle, again));
    assert_eq!((world.run().len(), freed.get()), (0, 1));
    assert_eq!(pick!(world.events(), Event::TimerCleared { .. } => ()).len(), 1);
}

#[test]
fn q07_a_handle_that_goes_during_the_callback_keeps_nothing() {
    let mut world = World::new();
    let handles: Rc<RefCell<Option<TimerHandle<Builtin>>>> = Rc::default();
    let (held, freed) = (Rc::clone(&handles), Rc::new(Cell::new(0)));
    let counted = Counted(Rc::clone(&freed));
    let task = world.log.repeat("timer", move |_| {
        let _ = &counted;
        drop(held.borrow_mut().take());
    });
    world.lp.with(|cx| {
        let timer = cx.set_timeout(ms(1), task);
        *handles.borrow_mut() = Some(cx.timer_handle(timer).unwrap());
    });
    assert_eq!((world.run(), freed.get()), (vec!["timer".to_owned()], 1));
}

#[test]
fn q07_a_task_that_runs_once_leaves_nothing_to_arm_again() {
    let mut world = World::new();
    let log = world.log.clone();
    let handle = world.lp.with(|cx| {
        let timer = cx.set_timeout(ms(1), log.task("once"));
        cx.timer_handle(timer).unwrap()
    });
    assert_eq!(world.run(), ["once"]);
    assert!(world.lp.with(|cx| cx.refresh_timer(handle.timer())).is_err());
}

#[test]
fn q07_a_place_that_a_handle_kept_is_used_again() {
    let mut world = World::new();
    let (handle, _) = handled(&mut world);
    world.run();
    let old = handle.timer();
    drop(handle);
    let log = world.log.clone();
    // The slot is freed the next time the loop looks at its timers. A new timer in it must not respond to the
    // old key.
    let timers: Vec<Timer> = (0..2)
        .map(|_| {
            let timer = world.lp.with(|cx| cx.set_timeout(ms(1), log.repeat("other", |_| ())));
            assert_eq!(world.run(), ["other"]);
            timer
        })
        .collect();
    assert!(!timers.contains(&old));
    assert!(!world.lp.with(|cx| cx.clear_timer(old)));
}

#[test]
fn b23_an_unreferenced_timer_that_is_armed_again_keeps_nothing_alive_and_the_record_says_so() {
    let mut world = World::new();
    let (handle, _) = handled(&mut world);
    let log = world.log.clone();
    let timer = handle.timer();
    world.lp.with(|cx| {
        cx.set_timer_referenced(timer, false).unwrap();
        cx.set_timeout(ms(6), log.task("keeps"));
    });
    assert_eq!(world.run(), ["timer", "keeps"]);
    world.lp.with(|cx| cx.refresh_timer(timer)).unwrap();
    assert!(!world.lp.is_alive());
    let refs = pick!(world.events(), Event::TimerRef { referenced, .. } => referenced);
    assert_eq!(refs, [false, false], "once for each life of the timer");
    world.lp.with(|cx| cx.set_timeout(ms(6), Builtin::once("keeps", |_| ())));
    world.run();
    world.lp.with(|cx| cx.set_timer_referenced(timer, true)).unwrap();
    let refs = pick!(world.events(), Event::TimerRef { .. } => ());
    assert!(refs.is_empty(), "it is not armed: nothing changed yet");
    world.lp.with(|cx| cx.refresh_timer(timer)).unwrap();
    assert!(world.lp.is_alive());
}
