//! Tests script timers: milliseconds, limits, warnings.

use std::time::Duration;

use loop_core::low_level::timer::{DelayWarning, ScriptDelay};
use loop_probes::event::Event;

use crate::kit::{World, ms, pick};

#[test]
fn b20_a_delay_outside_1_to_2_31_less_1_ms_is_1_ms_with_a_warning() {
    let (short, long) = (Some(DelayWarning::TooShort), Some(DelayWarning::TooLong));
    for (asked, taken, warning) in [
        (1.0, 1, None),
        (1.999, 1, None),
        (250.0, 250, None),
        (2_147_483_647.0, 2_147_483_647, None),
        (2_147_483_647.5, 1, long),
        (2_147_483_648.0, 1, long),
        (f64::INFINITY, 1, long),
        (0.999, 1, short),
        (0.0, 1, short),
        (-0.0, 1, short),
        (-5.0, 1, short),
        (f64::NEG_INFINITY, 1, short),
        (f64::NAN, 1, Some(DelayWarning::NotANumber)),
    ] {
        assert_eq!(ScriptDelay::from_ms(asked), ScriptDelay { delay: ms(taken), warning }, "{asked}");
    }
}

#[test]
fn b20_the_warning_is_a_mark_in_the_record_and_the_timer_fires_after_1_ms() {
    let mut world = World::new();
    let log = world.log.clone();
    world.lp.with(|cx| cx.set_timeout_ms(3e9, log.task("clamped")));
    assert_eq!(pick!(world.events(), Event::Mark { label } => label).len(), 1);
    assert_eq!(world.run(), ["clamped"]);
    assert_eq!(world.sim.elapsed(), ms(1));
    world.lp.with(|cx| cx.set_timeout_ms(20.0, log.task("as it is")));
    assert_eq!(world.run(), ["as it is"]);
    assert_eq!(world.sim.elapsed(), ms(21));
    assert_eq!(pick!(world.events(), Event::Mark { label } => label).len(), 0);
}

#[test]
fn b20_an_interval_of_nothing_is_one_of_1_ms() {
    let mut world = World::new();
    let log = world.log.clone();
    let mut left = 3;
    let interval = log.repeat("interval", move |cx| {
        left -= 1;
        if left == 0 {
            let timer = cx.timer().unwrap();
            assert!(cx.clear_timer(timer));
        }
    });
    world.lp.with(|cx| cx.set_interval_ms(f64::NAN, interval)).unwrap();
    assert_eq!(world.run().len(), 3);
    assert_eq!(world.sim.elapsed(), ms(3));
    assert_eq!(pick!(world.events(), Event::Mark { .. } => ()).len(), 1, "once, not at each firing");
    assert!(world.lp.with(|cx| cx.set_interval_ms(5.0, log.task("once"))).is_err());
}

#[test]
fn b20_native_timers_have_nanoseconds_and_no_such_limits() {
    let mut world = World::new();
    let log = world.log.clone();
    let month = Duration::from_secs(40 * 86_400);
    world.lp.with(|cx| {
        cx.set_timeout(Duration::from_nanos(7), log.task("soon"));
        cx.set_timeout(month, log.task("in 40 days"));
    });
    assert_eq!(world.turn(), ["soon"]);
    assert_eq!(world.sim.elapsed(), Duration::from_nanos(7));
    assert_eq!(world.run(), ["in 40 days"]);
    assert_eq!(world.sim.elapsed(), month);
    assert_eq!(pick!(world.events(), Event::Mark { .. } => ()).len(), 0);
}
