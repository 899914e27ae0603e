//! Tests the system's poller with real sockets and threads.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use loop_probes::clock::monotonic_now;

use super::*;

const NOW: Option<Duration> = Some(Duration::ZERO);

fn poller(mode: PollMode) -> OsPoller {
    let mut poller = OsPoller::new().unwrap();
    poller.mode = mode;
    poller
}

fn pair() -> (Arc<UnixStream>, UnixStream) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    ours.set_nonblocking(true).unwrap();
    (Arc::new(ours), theirs)
}

fn wait(poller: &mut OsPoller, timeout: Option<Duration>) -> Vec<(usize, u8)> {
    let mut ready = vec![Ready { key: 99, readiness: Readiness::ERROR }];
    poller.wait(timeout, &mut ready).unwrap();
    let mut found: Vec<_> = ready.into_iter().map(|one| (one.key, one.readiness.bits())).collect();
    found.sort_unstable();
    found
}

#[test]
fn l09_a_zero_timeout_reports_readiness_again_and_again_until_it_is_gone() {
    for mode in [PollMode::Level, PollMode::Oneshot] {
        let mut poller = poller(mode);
        let (ours, mut theirs) = pair();
        poller.add(ours.clone(), Interest::READABLE, 7).unwrap();
        assert_eq!(wait(&mut poller, NOW), []);
        theirs.write_all(b"x").unwrap();
        for _ in 0..3 {
            assert_eq!(wait(&mut poller, NOW), [(7, 1)], "{mode:?}");
        }
        assert_eq!((&*ours).read(&mut [0; 8]).unwrap(), 1);
        assert_eq!(wait(&mut poller, NOW), []);
    }
}

#[test]
fn interest_decides_what_is_reported() {
    let mut poller = OsPoller::new().unwrap();
    let (ours, mut theirs) = pair();
    theirs.write_all(b"x").unwrap();
    let both = Interest::READABLE | Interest::WRITABLE;
    for (interest, bits) in [(both, 3), (Interest::WRITABLE, 2), (Interest::READABLE, 1)] {
        poller.add(ours.clone(), interest, 1).unwrap();
        assert_eq!(wait(&mut poller, NOW), [(1, bits)]);
        poller.delete(1).unwrap();
    }
    poller.add(ours, Interest::NONE, 1).unwrap();
    for (interest, found) in
        [(both, vec![(1, 3)]), (Interest::NONE, vec![]), (Interest::WRITABLE, vec![(1, 2)])]
    {
        poller.modify(1, interest).unwrap();
        assert_eq!(wait(&mut poller, NOW), found);
    }
}

#[test]
fn a_hang_up_is_reported_unrequested_but_never_without_interest() {
    let mut poller = OsPoller::new().unwrap();
    let (ours, theirs) = pair();
    poller.add(ours, Interest::WRITABLE, 4).unwrap();
    drop(theirs);
    let found = wait(&mut poller, NOW);
    assert_eq!(found.len(), 1);
    assert!(Readiness::from_bits_truncate(found[0].1).contains(Readiness::HANG_UP));
    poller.modify(4, Interest::NONE).unwrap();
    assert_eq!(wait(&mut poller, NOW), []);
}

#[test]
fn l07_wrong_keys_are_errors() {
    let mut poller = OsPoller::new().unwrap();
    let (ours, _theirs) = pair();
    let reserved = poller.add(ours.clone(), Interest::READABLE, usize::MAX);
    assert!(matches!(reserved, Err(PollerError::ReservedKey { .. })));
    assert!(matches!(poller.modify(3, Interest::READABLE), Err(PollerError::UnknownKey { key: 3 })));
    assert!(matches!(poller.delete(3), Err(PollerError::UnknownKey { key: 3 })));
    poller.add(ours.clone(), Interest::READABLE, 3).unwrap();
    let twice = poller.add(ours.clone(), Interest::READABLE, 3);
    assert!(matches!(twice, Err(PollerError::KeyInUse { key: 3 })));
    let same_fd = poller.add(ours, Interest::READABLE, 4);
    assert!(matches!(same_fd, Err(PollerError::System { action: "add", key: 4, .. })));
    let file = Arc::new(tempfile::tempfile().unwrap());
    assert!(poller.add(file, Interest::READABLE, 5).is_err(), "epoll takes no ordinary files");
    assert_eq!(poller.len(), 1);
}

#[test]
fn e06_a_source_lives_as_long_as_its_registration() {
    let mut poller = OsPoller::new().unwrap();
    let (ours, mut theirs) = pair();
    poller.add(ours, Interest::READABLE, 1).unwrap();
    theirs.write_all(b"still open").unwrap();
    assert_eq!(wait(&mut poller, NOW), [(1, 1)]);
    let source = poller.delete(1).unwrap();
    assert_eq!(Arc::strong_count(&source), 1);
    drop(source);
    assert!(theirs.write_all(b"closed").is_err());
}

#[test]
fn e06_a_dropped_poller_lets_go_of_its_sources_even_while_a_waker_lives() {
    let mut poller = OsPoller::new().unwrap();
    let (ours, mut theirs) = pair();
    poller.add(ours, Interest::READABLE, 1).unwrap();
    let waker = poller.waker();
    drop(poller);
    assert!(theirs.write_all(b"closed").is_err());
    waker.wake();
}

#[test]
fn l01_a_timeout_is_never_cut_short() {
    let mut poller = OsPoller::new().unwrap();
    for timeout in [1, 999, 50_000, 1_000_001, 3_141_592].map(Duration::from_nanos) {
        let before = monotonic_now();
        assert_eq!(wait(&mut poller, Some(timeout)), []);
        let waited_ns = monotonic_now().ns_since(before);
        assert!(u128::from(waited_ns) >= timeout.as_nanos(), "{waited_ns} ns of {timeout:?}");
    }
}

#[test]
fn l01_an_endless_timeout_does_not_overflow() {
    let mut poller = OsPoller::new().unwrap();
    for timeout in [Some(Duration::MAX), Some(Duration::from_nanos(u64::MAX)), None] {
        poller.waker().wake();
        assert_eq!(wait(&mut poller, timeout), []);
    }
}

#[test]
fn l08_wake_ups_before_the_wait_coalesce_to_one() {
    let mut poller = OsPoller::new().unwrap();
    let waker = poller.waker();
    for _ in 0..1_000 {
        waker.clone().wake();
    }
    assert_eq!(wait(&mut poller, None), []);
    let before = monotonic_now();
    assert_eq!(wait(&mut poller, Some(Duration::from_millis(20))), []);
    assert!(monotonic_now().ns_since(before) >= 20_000_000, "the thousand were one");
}

/// A lost wake-up hangs here: nothing else ends the waits.
#[test]
fn l08_no_wake_up_from_other_threads_is_lost() {
    const EACH: u64 = 2_000;
    let mut poller = OsPoller::new().unwrap();
    let posted = Arc::new(AtomicU64::new(0));
    let threads: Vec<_> = (0..3)
        .map(|_| {
            let (posted, waker) = (Arc::clone(&posted), poller.waker());
            thread::spawn(move || {
                for _ in 0..EACH {
                    if posted.fetch_add(1, Ordering::SeqCst) == 0 {
                        waker.wake();
                    }
                }
            })
        })
        .collect();
    let mut seen = 0;
    while seen < 3 * EACH {
        assert_eq!(wait(&mut poller, None), []);
        seen += posted.swap(0, Ordering::SeqCst);
    }
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}

#[test]
fn a_signal_waker_ends_a_wait_now_or_the_next_one_and_leaves_nothing_behind() {
    for mode in [PollMode::Level, PollMode::Oneshot] {
        let mut poller = poller(mode);
        let waker = poller.signal_waker().unwrap();
        assert!(poller.is_empty(), "{mode:?}");
        for _ in 0..3 {
            // More bytes than the pipe holds: a full pipe must not block a handler.
            (0..100_000).for_each(|_| waker.wake());
            assert_eq!(wait(&mut poller, None), [], "{mode:?}");
        }
        assert_eq!(wait(&mut poller, NOW), []);
        let again = poller.signal_waker().unwrap();
        let other = thread::spawn(move || again.wake());
        assert_eq!(wait(&mut poller, None), []);
        other.join().unwrap();
        let refused = poller.add(pair().0, Interest::READABLE, SIGNAL_KEY);
        assert!(matches!(refused, Err(PollerError::ReservedKey { .. })));
    }
}

/// Waits, and returns the ready keys and the times of both edges in nanoseconds.
fn wait_between(poller: &mut OsPoller, timeout: Option<Duration>) -> (Vec<usize>, [u64; 2]) {
    let (mut ready, mut edges) = (vec![Ready { key: 99, readiness: Readiness::ERROR }], Vec::new());
    let waited = poller.wait_between(timeout, &mut ready, &mut |edge| edges.push((edge, monotonic_now())));
    waited.unwrap();
    let [(Edge::Asleep, asleep), (Edge::Awake, awake)] = edges[..] else { panic!("{edges:?}") };
    (ready.into_iter().map(|one| one.key).collect(), [asleep.0, awake.0])
}

#[test]
fn a_wait_reports_both_ends_and_lasts_as_long_as_requested() {
    let mut poller = OsPoller::new().unwrap();
    for timeout in [Duration::from_millis(3), Duration::from_micros(700), Duration::from_nanos(1)] {
        let asked = monotonic_now();
        let (ready, [asleep, awake]) = wait_between(&mut poller, Some(timeout));
        assert!(ready.is_empty() && asked.0 <= asleep && asleep <= awake);
        assert!(awake - asked.0 >= timeout.as_nanos() as u64, "{timeout:?}: never early");
    }
    let (ours, mut theirs) = pair();
    poller.add(ours, Interest::READABLE, 7).unwrap();
    theirs.write_all(b"x").unwrap();
    for timeout in [None, Some(Duration::MAX), Some(Duration::from_secs(3600))] {
        assert_eq!(wait_between(&mut poller, timeout).0, [7]);
    }
    poller.delete(7).unwrap();
    for waker in [poller.waker(), poller.waker()] {
        waker.wake();
        assert!(wait_between(&mut poller, None).0.is_empty());
    }
    let signals = poller.signal_waker().unwrap();
    signals.wake();
    assert!(wait_between(&mut poller, None).0.is_empty());
    // The timer of a wait that ended early does not end a later wait of either kind.
    let waker = poller.waker();
    waker.wake();
    wait_between(&mut poller, Some(Duration::from_millis(1)));
    let later = thread::spawn(move || {
        thread::sleep(Duration::from_millis(20));
        let woken = monotonic_now();
        waker.wake();
        woken
    });
    let (_, [_, awake]) = wait_between(&mut poller, None);
    assert!(later.join().unwrap().0 <= awake);
}
