//! Signals: arrivals, delivery latency, drops.

use loop_probes::ids::{SourceId, TaskId, Timestamp};

use super::baseline::Figures;
use crate::histogram::Histogram;

/// One signal number.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct SignalStats {
    /// The signal number.
    pub signo: u8,
    /// Taken from the signal ring.
    pub arrived: u64,
    /// Delivered to a task.
    pub delivered: u64,
    /// Times from the signal's handler to its delivery, in nanoseconds.
    pub latency_ns: Histogram,
}

/// The signals that a loop has dropped, and those of earlier loops that used its ring.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct DroppedSignals {
    total: u64,
    of_replaced: u64,
    /// Whether the loop has reported it.
    has_total: bool,
}

/// All signals.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Signals {
    /// Figures by signal number, in order of first arrival.
    pub by_signo: Vec<SignalStats>,
    /// Dropped because the signal ring of a loop was full, by the place of the loop.
    dropped: Vec<(usize, DroppedSignals)>,
    /// Maximum number of signals found in the ring at once.
    pub depth_max: u32,
}

impl Signals {
    /// Taken from the signal ring, all numbers.
    #[must_use]
    pub fn arrived(&self) -> u64 {
        self.by_signo.iter().map(|signal| signal.arrived).sum()
    }

    /// Delivered, all numbers.
    #[must_use]
    pub fn delivered(&self) -> u64 {
        self.by_signo.iter().map(|signal| signal.delivered).sum()
    }

    /// Times from arrival to delivery of all signals, in nanoseconds.
    #[must_use]
    pub fn latency_ns(&self) -> Histogram {
        let mut all = Histogram::new();
        self.by_signo.iter().for_each(|signal| all.merge(&signal.latency_ns));
        all
    }

    /// Dropped because the signal rings were full, since the loops began, as far as they have reported it.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        let all = self.dropped.iter().map(|(_, dropped)| dropped.of_replaced.saturating_add(dropped.total));
        all.fold(0, u64::saturating_add)
    }

    /// Its figures, for [`baseline`](super::baseline).
    pub(super) fn figures(&mut self, by: &mut impl Figures) {
        for SignalStats { signo, arrived, delivered, latency_ns } in &mut self.by_signo {
            by.part((*signo).into(), false, |by| {
                by.counts([arrived, delivered]);
                by.histogram(latency_ns);
            });
        }
        for (place, dropped) in &mut self.dropped {
            by.part(u64::MAX - *place as u64, false, |by| {
                // A loop that replaces another moves its total over.
                let mut all = dropped.of_replaced.saturating_add(dropped.total);
                by.count(&mut all);
                dropped.total = dropped.total.min(all);
                dropped.of_replaced = all - dropped.total;
            });
        }
    }

    /// Whether the loop at `place` has reported how many signals it has dropped.
    pub(super) fn has_total(&self, place: usize) -> bool {
        self.dropped.iter().any(|(its, dropped)| *its == place && dropped.has_total)
    }

    /// Takes a loop's own count of the signals it has dropped since it began.
    pub(crate) fn dropped_so_far(&mut self, place: usize, total: u64) {
        let dropped = self.dropped_by(place);
        (dropped.total, dropped.has_total) = (dropped.total.max(total), true);
    }

    /// Another loop, which counts from 0, uses the ring of the one at `place`.
    pub(super) fn loop_replaced(&mut self, place: usize) {
        let dropped = self.dropped_by(place);
        dropped.of_replaced = dropped.of_replaced.saturating_add(std::mem::take(&mut dropped.total));
    }

    fn dropped_by(&mut self, place: usize) -> &mut DroppedSignals {
        let found = self.dropped.iter().position(|(its, _)| *its == place);
        let found = found.unwrap_or_else(|| {
            self.dropped.push((place, DroppedSignals::default()));
            self.dropped.len() - 1
        });
        &mut self.dropped[found].1
    }

    pub(crate) fn signal(&mut self, signo: u8) -> &mut SignalStats {
        let found = self.by_signo.iter().position(|signal| signal.signo == signo);
        let place = found.unwrap_or_else(|| {
            let latency_ns = Histogram::new();
            self.by_signo.push(SignalStats { signo, arrived: 0, delivered: 0, latency_ns });
            self.by_signo.len() - 1
        });
        &mut self.by_signo[place]
    }
}

/// A signal that was delivered too late.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LateSignal {
    /// The loop that delivered it.
    pub source: SourceId,
    /// The number of the signal.
    pub signo: u8,
    /// The task that ran for the signal.
    pub task: TaskId,
    /// When its handler ran.
    pub arrived: Timestamp,
    /// When its task was about to run.
    pub delivered: Timestamp,
    /// The tick in which it was delivered, if known.
    pub tick: Option<u64>,
}

impl LateSignal {
    /// Time from arrival to delivery.
    #[must_use]
    pub const fn latency_ns(&self) -> u64 {
        self.delivered.ns_since(self.arrived)
    }
}

/// The usual name of a signal on Linux; `signal 34` for numbers without one.
#[must_use]
pub fn signal_name(signo: u8) -> String {
    const NAMES: [&str; 32] = [
        "0", "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2",
        "PIPE", "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU",
        "XFSZ", "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
    ];
    match NAMES.get(usize::from(signo)) {
        Some(name) if signo > 0 => (*name).to_owned(),
        _ => format!("signal {signo}"),
    }
}
