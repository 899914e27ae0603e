//! Detects suspensions of the whole process: it was stopped (SIGSTOP, Ctrl-Z) or frozen, or the machine slept.
//!
//! A thread repeatedly sleeps for [`PERIOD`]. If it sleeps longer, either it was ready to run and had no processor,
//! which the kernel counts (the second number of `schedstat`), or it was not even made ready, and then no thread of
//! the process was. If the kernel does not count, no suspension is reported. The thread opens a ring only once it has
//! something to report.
//!
//! Each time it wakes up, it notes in the header that the process exists: if the process is killed while its loop
//! hangs, the note shows for how long, to within [`PERIOD`]. It also renews the header's latest anchor if no loop
//! does. Loops take anchors between two turns, so during a long first callback the rate of the record clock would
//! depend on two anchors a millisecond apart.

use std::fs::File;
use std::io;
use std::mem::MaybeUninit;
use std::os::unix::fs::FileExt;
use std::ptr;
use std::sync::{Arc, Weak};
use std::time::Duration;

use super::handle::Handle;
use super::inner::Inner;
use super::recorder::Recorder;
use crate::clock::{ASLEEP_NS_MIN, Anchor, SystemClock, asleep_ns};
use crate::event::Event;
use crate::ids::Ticks;
use crate::ring::CAPACITY_MIN;

/// Length of each sleep: the start of a suspension is known to within this.
const PERIOD: Duration = Duration::from_millis(50);

/// Longest time between two anchors in the header.
const ANCHORS_APART_MS: u64 = 1_000;

/// Shorter suspensions are not reported: a hypervisor can take a processor away for this long.
const LEAST_NS: u64 = 100_000_000;

/// Clock readings when the thread wakes up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Beat {
    anchor: Anchor,
    /// `CLOCK_BOOTTIME` minus `CLOCK_MONOTONIC`: total time that the machine has slept since boot.
    asleep_ns: u64,
    /// Total time that the thread was ready to run and did not.
    delayed_ns: u64,
}

/// Nothing ran from `start` to `end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Suspension {
    alive: Ticks,
    start: Ticks,
    end: Ticks,
    asleep_ns: u64,
}

impl Suspension {
    /// The suspension between two beats, if any. Uses the rate of the record clock, not its readings, because it may
    /// have gone on while the machine slept.
    fn between(before: &Beat, after: &Beat, ticks_per_ms: u64) -> Option<Self> {
        let asleep_ns = after.asleep_ns.saturating_sub(before.asleep_ns);
        let asleep_ns = if asleep_ns < ASLEEP_NS_MIN { 0 } else { asleep_ns };
        let slept_ns = after.anchor.monotonic.ns_since(before.anchor.monotonic);
        let delayed_ns = after.delayed_ns.saturating_sub(before.delayed_ns);
        let period_ns = PERIOD.as_nanos() as u64;
        let stopped_ns = slept_ns.saturating_sub(period_ns).saturating_sub(delayed_ns);
        if stopped_ns < LEAST_NS && asleep_ns == 0 {
            return None;
        }
        let ticks = |ns: u64| (u128::from(ns) * u128::from(ticks_per_ms) / 1_000_000) as u64;
        let end = after.anchor.ticks.0.saturating_sub(ticks(delayed_ns)).max(before.anchor.ticks.0);
        let start = before.anchor.ticks.0.saturating_add(ticks(period_ns)).min(end);
        let (start, end) = (Ticks(start), Ticks(end));
        // Too short to be sure of, but the machine slept at some point in it.
        let start = if stopped_ns < LEAST_NS { end } else { start };
        Some(Self { alive: before.anchor.ticks, start, end, asleep_ns })
    }
}

/// Starts the thread, which runs until the session ends. If the thread cannot start, nothing is watched.
pub(super) fn watch(session: &Arc<Handle>) {
    // The thread must not keep the session open.
    let (clock, handle, inner) = (session.clock, Arc::downgrade(session), Arc::downgrade(session.inner()));
    // Signals to the process are for the program's own threads. Fault signals go to the thread that caused the fault.
    let _blocked = Blocked::all_but_faults();
    let name = "suspensions".to_owned();
    let _ = std::thread::Builder::new()
        .name(name)
        .stack_size(64 << 10)
        .spawn(move || run(clock, &handle, &inner));
}

fn run(clock: SystemClock, handle: &Weak<Handle>, inner: &Weak<Inner>) {
    let schedstat = File::open("/proc/thread-self/schedstat").ok();
    let mut recorder: Option<Recorder> = None;
    let mut last = None;
    while handle.strong_count() > 0 {
        // The kernel accounts run time when a thread gives up its processor, so the first beat comes after a sleep.
        std::thread::sleep(PERIOD);
        let Some(session) = inner.upgrade() else { return };
        let (anchor, ticks_per_ms) = (clock.anchor(), session.ticks_per_ms());
        session.header.note_alive(anchor.ticks);
        if session.header.needs_anchor(anchor.ticks, ticks_per_ms.saturating_mul(ANCHORS_APART_MS)) {
            session.note_anchor(anchor);
        }
        drop(session);
        let next = schedstat.as_ref().and_then(|schedstat| beat(anchor, schedstat));
        let suspension =
            last.zip(next).and_then(|(last, next)| Suspension::between(&last, &next, ticks_per_ms));
        if let Some(Suspension { alive, start, end, asleep_ns }) = suspension {
            // Hold a handle only as long as needed: dropping the last one ends the session.
            let open = || handle.upgrade()?.open("suspensions", CAPACITY_MIN, false).map(Recorder::on_ring);
            recorder = recorder.or_else(open);
            if let Some(recorder) = &recorder {
                recorder.record(end, Event::Suspended { asleep_ns, alive, start });
                // The record clock may have gone on while the machine slept: this shows by how much.
                let around = [last, next].into_iter().flatten().filter(|_| asleep_ns > 0);
                for Anchor { ticks, monotonic, wall_ns } in around.map(|beat| beat.anchor) {
                    recorder.record(end, Event::Calibration { ticks, monotonic, wall_ns });
                }
                recorder.note_written();
            }
        }
        last = next;
    }
}

/// Reads how long the machine slept and this thread waited for a processor; `None` if the kernel does not count that.
fn beat(anchor: Anchor, schedstat: &File) -> Option<Beat> {
    let mut text = [0; 96];
    let read = schedstat.read_at(&mut text, 0).ok()?;
    let mut numbers = std::str::from_utf8(text.get(..read)?).ok()?.split_ascii_whitespace();
    let (ran, delayed_ns) = (numbers.next()?, numbers.next()?.parse().ok()?);
    // A kernel without scheduler statistics reports zeros, and this thread has run.
    if ran == "0" {
        return None;
    }
    Some(Beat { asleep_ns: asleep_ns(), anchor, delayed_ns })
}

/// Blocks signals for the calling thread until dropped: a thread spawned in between inherits that.
struct Blocked(Option<libc::sigset_t>);

impl Blocked {
    fn all_but_faults() -> Self {
        let mut all = MaybeUninit::<libc::sigset_t>::uninit();
        let faults = [
            libc::SIGBUS,
            libc::SIGSEGV,
            libc::SIGFPE,
            libc::SIGILL,
            libc::SIGTRAP,
            libc::SIGSYS,
            libc::SIGABRT,
        ];
        // SAFETY: `sigfillset` initializes the set, and `sigdelset` changes a set that is initialized.
        #[expect(unsafe_code, reason = "sets of signals are the C library's")]
        let all = unsafe {
            libc::sigfillset(all.as_mut_ptr());
            for fault in faults {
                libc::sigdelset(all.as_mut_ptr(), fault);
            }
            all.assume_init()
        };
        Self(mask(&all).ok())
    }
}

impl Drop for Blocked {
    fn drop(&mut self) {
        if let Some(before) = &self.0 {
            let _ = mask(before);
        }
    }
}

/// Sets the signal mask of the calling thread; returns the previous one.
#[expect(unsafe_code, reason = "the signal mask of a thread is the C library's")]
fn mask(new: &libc::sigset_t) -> io::Result<libc::sigset_t> {
    let mut old = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: both sets are valid for the call, which writes `old` where it returns 0.
    match unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, ptr::from_ref(new), old.as_mut_ptr()) } {
        // SAFETY: it was written.
        0 => Ok(unsafe { old.assume_init() }),
        error => Err(io::Error::from_raw_os_error(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::Timestamp;

    const MS: u64 = 1_000_000;

    /// Ticks are half nanoseconds here.
    fn beat(at_ms: u64, asleep_ms: u64, delayed_ms: u64) -> Beat {
        let (monotonic, ticks) = (Timestamp(at_ms * MS), Ticks(at_ms * MS * 2));
        let anchor = Anchor { ticks, monotonic, wall_ns: 0 };
        Beat { anchor, asleep_ns: asleep_ms * MS, delayed_ns: delayed_ms * MS }
    }

    fn between(before: Beat, after: Beat) -> Option<(u64, u64, u64, u64)> {
        let in_ms = |ticks: Ticks| ticks.0 / (2 * MS);
        Suspension::between(&before, &after, 2 * MS)
            .map(|it| (in_ms(it.alive), in_ms(it.start), in_ms(it.end), it.asleep_ns / MS))
    }

    #[test]
    fn a_thread_that_was_not_even_ready_was_stopped() {
        let before = beat(1_000, 0, 7);
        assert_eq!(between(before, beat(1_051, 0, 7)), None);
        assert_eq!(between(before, beat(8_060, 0, 17)), Some((1_000, 1_050, 8_050, 0)));
        // The same interval spent waiting for a processor is the machine's fault.
        assert_eq!(between(before, beat(8_060, 0, 7_015)), None);
        assert_eq!(between(before, beat(8_060, 0, 6_900)), Some((1_000, 1_050, 1_167, 0)));
    }

    #[test]
    fn a_sleep_is_reported_though_the_monotonic_clock_stood_still() {
        assert_eq!(between(beat(1_000, 5, 0), beat(1_051, 3_605, 0)), Some((1_000, 1_051, 1_051, 3_600)));
        // The record clock may have gone on.
        let went_on = |at_ms: u64, delayed_ms| {
            let after = beat(at_ms, 3_605, delayed_ms);
            between(
                beat(1_000, 5, 0),
                Beat {
                    anchor: Anchor { ticks: Ticks(after.anchor.ticks.0 + 7_200 * MS), ..after.anchor },
                    ..after
                },
            )
        };
        assert_eq!(went_on(1_051, 0), Some((1_000, 4_651, 4_651, 3_600)));
        assert_eq!(went_on(1_551, 1), Some((1_000, 1_050, 5_150, 3_600)));
    }

    #[test]
    fn the_watching_thread_takes_no_signals_and_the_caller_still_does() {
        let before = mask_now();
        {
            let _blocked = Blocked::all_but_faults();
            assert!(has(&mask_now(), libc::SIGINT) && !has(&mask_now(), libc::SIGBUS));
        }
        assert_eq!(has(&mask_now(), libc::SIGINT), has(&before, libc::SIGINT));
    }

    fn mask_now() -> libc::sigset_t {
        let all = mask(&mask_of_nothing()).unwrap();
        mask(&all).unwrap();
        all
    }

    #[expect(unsafe_code, reason = "as above")]
    fn mask_of_nothing() -> libc::sigset_t {
        let mut none = MaybeUninit::<libc::sigset_t>::uninit();
        // SAFETY: `sigemptyset` initializes the set.
        unsafe {
            libc::sigemptyset(none.as_mut_ptr());
            none.assume_init()
        }
    }

    #[expect(unsafe_code, reason = "as above")]
    fn has(set: &libc::sigset_t, signal: i32) -> bool {
        // SAFETY: the set is initialized.
        unsafe { libc::sigismember(ptr::from_ref(set), signal) == 1 }
    }
}
