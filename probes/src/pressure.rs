//! CPU pressure: how long a process waited for processors, as counted by the kernel.
//!
//! A loop that shares its processors with busy programs is slower, and its own events do not show why. A live reader
//! reads these counters periodically.

use std::fs;

use crate::event::Event;
use crate::ids::{NonMax, SourceId, Timestamp};
use crate::stamped::Stamped;

/// Interval between two readings.
const PERIOD_NS: u64 = 250_000_000;

/// Maximum number of threads of a process that are read.
const THREADS_MAX: usize = 256;

/// Nanoseconds in a unit of `/proc/stat`: the kernel's interface counts hundredths of a second.
const STAT_UNIT_NS: u64 = 10_000_000;

/// Kernel counters so far, in nanoseconds; `None` where the kernel does not provide them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counters {
    /// Time in which some task on the machine waited for a processor: `/proc/pressure/cpu`.
    waited_ns: Option<u64>,
    /// Time in which the hypervisor ran something else, summed over all processors: `/proc/stat`.
    stolen_ns: Option<u64>,
    /// Time that the threads of the process waited for a processor, in total: `/proc/PID/task/TID/schedstat`.
    delayed_ns: Option<u64>,
}

/// Reads the counters of one process.
#[derive(Debug)]
pub(crate) struct Pressure {
    /// Pid of the process in this process's namespace, if known.
    pid: Option<u32>,
    last: Counters,
    at: Option<Timestamp>,
}

impl Pressure {
    pub(crate) fn of(pid: Option<u32>) -> Self {
        Self { pid, last: Counters::default(), at: None }
    }

    /// Appends the counts up to `now` to `out` if a reading is due, or if it is the `last`. The first reading is only
    /// the base of the next.
    pub(crate) fn report(&mut self, now: Timestamp, last: bool, out: &mut Vec<Stamped>) {
        let since = self.at.map(|at| now.ns_since(at));
        if since.is_some_and(|since| since == 0 || since < PERIOD_NS && !last) {
            return;
        }
        let counters = Counters::read(self.pid);
        let before = std::mem::replace(&mut self.last, counters);
        let Some(start) = self.at.replace(now) else { return };
        let more = |now: Option<u64>, before: Option<u64>| Some(NonMax::from(now?.saturating_sub(before?)));
        let event = Event::Pressure {
            waited_ns: more(counters.waited_ns, before.waited_ns),
            stolen_ns: more(counters.stolen_ns, before.stolen_ns),
            delayed_ns: more(counters.delayed_ns, before.delayed_ns),
            start,
        };
        out.push(Stamped { at: now, source: SourceId(0), event });
    }
}

impl Counters {
    fn read(pid: Option<u32>) -> Self {
        let read = |path: &str| fs::read_to_string(path).ok();
        Self {
            waited_ns: read("/proc/pressure/cpu").as_deref().and_then(waited_ns),
            stolen_ns: read("/proc/stat").as_deref().and_then(stolen_ns),
            delayed_ns: pid.and_then(delayed_ns),
        }
    }
}

/// `some avg10=0.00 avg60=0.00 avg300=0.00 total=1234`, in microseconds.
fn waited_ns(text: &str) -> Option<u64> {
    let some = text.lines().find_map(|line| line.strip_prefix("some "))?;
    let total = some.split(' ').find_map(|word| word.strip_prefix("total="))?;
    total.parse::<u64>().ok()?.checked_mul(1_000)
}

/// `cpu user nice system idle iowait irq softirq steal …`
fn stolen_ns(text: &str) -> Option<u64> {
    let all = text.lines().find_map(|line| line.strip_prefix("cpu "))?;
    all.split_ascii_whitespace().nth(7)?.parse::<u64>().ok()?.checked_mul(STAT_UNIT_NS)
}

/// The second number of each thread's `schedstat`: nanoseconds on a run queue.
fn delayed_ns(pid: u32) -> Option<u64> {
    let mut sum = 0u64;
    for thread in fs::read_dir(format!("/proc/{pid}/task")).ok()?.flatten().take(THREADS_MAX) {
        // The thread may have exited since it was listed.
        let Ok(text) = fs::read_to_string(thread.path().join("schedstat")) else { continue };
        sum = sum.saturating_add(text.split_ascii_whitespace().nth(1)?.parse::<u64>().ok()?);
    }
    Some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_files_are_read() {
        let pressure =
            "some avg10=99.45 avg60=99.15 avg300=98.79 total=3434410189\nfull avg10=0.00 total=7\n";
        assert_eq!(waited_ns(pressure), Some(3_434_410_189_000));
        let stat = "cpu  676562 17393 93311 183428 1380 0 1104 442 0 0\ncpu0 1 2 3 4 5 6 7 8 9 10\n";
        assert_eq!(stolen_ns(stat), Some(4_420_000_000));
        for wrong in ["", "some", "some total=x", "cpu ", "cpu  1 2 3", "full avg10=0.00 total=7"] {
            assert_eq!((waited_ns(wrong), stolen_ns(wrong)), (None, None), "{wrong}");
        }
    }

    #[test]
    fn readings_are_spaced_and_the_last_is_reported_at_once() {
        let mut pressure = Pressure::of(Some(std::process::id()));
        let mut out = Vec::new();
        let ms = |ms: u64| Timestamp(ms * 1_000_000);
        for (now, last) in
            [(0, false), (100, false), (260, false), (300, false), (520, false), (600, true), (600, true)]
        {
            pressure.report(ms(now), last, &mut out);
        }
        let extents: Vec<(Timestamp, Timestamp)> = out
            .iter()
            .map(|stamped| match stamped.event {
                Event::Pressure { start, .. } => (start, stamped.at),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(extents, [(ms(0), ms(260)), (ms(260), ms(520)), (ms(520), ms(600))]);
    }

    #[test]
    fn of_a_process_that_is_gone_nothing_is_known() {
        assert_eq!(delayed_ns(u32::MAX), None);
    }
}
