//! Tests with real signals, raised by this process. Each test uses a different signal, because the tests share one
//! process.

use std::time::Duration;

use loop_probes::ids::Ticks;
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGKILL, SIGSEGV, SIGURG, SIGUSR1, SIGUSR2, SIGWINCH};
use signal_hook::low_level::raise;

use super::*;
use crate::poller::Poller;
use crate::poller::os::OsPoller;

fn signals() -> (Signals, OsPoller) {
    let mut poller = OsPoller::new().unwrap();
    (Signals::new(SystemClock::new(), poller.signal_waker().unwrap()), poller)
}

#[test]
fn b14_a_signal_wakes_the_loop_and_comes_with_its_arrival_time() {
    let (mut signals, mut poller) = signals();
    signals.install(SIGUSR1).unwrap();
    signals.install(SIGUSR1).unwrap();
    let clock = SystemClock::new();
    let before = clock.ticks();
    raise(SIGUSR1).unwrap();
    let after = clock.ticks();
    let mut ready = Vec::new();
    poller.wait(None, &mut ready).unwrap();
    assert_eq!((ready.as_slice(), signals.pending()), ([].as_slice(), 1));
    let arrival = signals.take().unwrap();
    assert_eq!(i32::from(arrival.signo), SIGUSR1);
    assert!((before..=after).contains(&arrival.arrived));
    assert_eq!(signals.take(), None);
}

#[test]
fn b14_a_handler_keeps_errno() {
    let (mut signals, _poller) = signals();
    signals.install(SIGURG).unwrap();
    #[expect(unsafe_code, reason = "a handler that spoils errno, beside the loop's")]
    // SAFETY: nothing else raises that signal: the handler runs inside `raise` below, on this thread.
    let spoils = unsafe {
        signal_hook::low_level::register(SIGURG, || {
            let _ = std::fs::read_link("/");
        })
    };
    // Sets an `errno` that differs from the one of the call in the handler.
    assert!(std::fs::metadata("/is/not/here").is_err());
    let before = io::Error::last_os_error().raw_os_error();
    raise(SIGURG).unwrap();
    assert_eq!(io::Error::last_os_error().raw_os_error(), before);
    assert!(signals.pending() > 0);
    assert!(signal_hook::low_level::unregister(spoils.unwrap()));
}

#[test]
fn b14_a_signal_during_the_wait_ends_it() {
    let (mut signals, mut poller) = signals();
    signals.install(SIGWINCH).unwrap();
    let other = std::thread::spawn(|| {
        std::thread::sleep(Duration::from_millis(5));
        raise(SIGWINCH).unwrap();
    });
    poller.wait(None, &mut Vec::new()).unwrap();
    other.join().unwrap();
    assert_eq!(signals.take().map(|arrival| i32::from(arrival.signo)), Some(SIGWINCH));
}

#[test]
fn b14_more_arrivals_than_slots_are_counted_exactly() {
    let (mut signals, _poller) = signals();
    signals.install(SIGUSR2).unwrap();
    for _ in 0..SLOTS + 777 {
        raise(SIGUSR2).unwrap();
    }
    assert_eq!((signals.pending(), signals.dropped()), (SLOTS as u32, 777));
    let mut last = Ticks(0);
    let taken = std::iter::from_fn(|| signals.take()).inspect(|arrival| {
        assert!(last <= arrival.arrived);
        last = arrival.arrived;
    });
    assert_eq!(taken.count(), SLOTS);
    raise(SIGUSR2).unwrap();
    assert_eq!((signals.pending(), signals.dropped()), (1, 777));
}

#[test]
fn several_loops_get_the_same_signal_until_they_let_go() {
    let (mut first, _poller) = signals();
    let (mut second, _other_poller) = signals();
    first.install(SIGHUP).unwrap();
    second.install(SIGHUP).unwrap();
    raise(SIGHUP).unwrap();
    assert_eq!((first.pending(), second.pending()), (1, 1));
    assert!(first.uninstall(SIGHUP));
    assert!(!first.uninstall(SIGHUP));
    raise(SIGHUP).unwrap();
    assert_eq!((first.pending(), second.pending()), (1, 2));
    drop(second);
    raise(SIGHUP).unwrap();
    assert_eq!(first.installed().count(), 0);
}

#[test]
fn what_cannot_be_caught_is_refused_by_number() {
    let (mut signals, _poller) = signals();
    for signo in [SIGKILL, SIGSEGV, -1, 256] {
        let error = signals.install(signo).unwrap_err();
        assert!(matches!(error, SignalError::Forbidden { .. }), "{signo}");
    }
    let error = signals.install(200).unwrap_err();
    assert_eq!(error.to_string(), "cannot catch signal 200");
    signals.install(SIGCHLD).unwrap();
    assert_eq!(signals.installed().collect::<Vec<_>>(), [SIGCHLD]);
}
