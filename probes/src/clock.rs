//! The clocks. No other file reads them.
//!
//! Due times use `CLOCK_MONOTONIC`, the clock of the kernel's timers ([`Timestamp`]). Records carry a reading each,
//! which is most of their cost, so they use the raw TSC ([`Ticks`]) if it is invariant *and* the kernel keeps its own
//! time by it: the kernel checks the counter against other clocks and abandons it when it drifts or jumps.
//! `clock_map` converts the second to the first.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use crate::event::ClockPoint;
use crate::ids::{Ticks, Timestamp};

/// The source of a loop's time. Real clocks read hardware; virtual ones are moved by a test or a replay.
pub trait Clock {
    /// The monotonic time that due times are compared with.
    fn now(&self) -> Timestamp;
    /// The monotonic time for a decision at `point` of a turn. A virtual clock can advance here by the time the loop
    /// took to get to that point.
    fn now_at(&self, _point: ClockPoint) -> Timestamp {
        self.now()
    }
    /// The record clock. Strictly cheaper than [`now`](Self::now) where the hardware allows.
    fn ticks(&self) -> Ticks;
}

/// The unit of a process's [`Ticks`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum TickUnit {
    /// Nanoseconds of `CLOCK_MONOTONIC`.
    Monotonic = 0,
    /// Cycles of an invariant time-stamp counter.
    Tsc = 1,
}

impl TickUnit {
    /// The cheapest unit this machine keeps reliably, as of the first call: the TSC if the processor says it is
    /// invariant and the kernel's clocksource is `tsc`. If the clocksource cannot be read, as in a container without
    /// `/sys`, there is no evidence that the counter is sound, and the unit is monotonic nanoseconds.
    #[must_use]
    pub fn detect() -> Self {
        static DETECTED: OnceLock<TickUnit> = OnceLock::new();
        *DETECTED.get_or_init(|| {
            let clocksource = std::fs::read_to_string(CLOCKSOURCE).ok();
            Self::choose(tsc_is_invariant(), clocksource.as_deref())
        })
    }

    fn choose(is_invariant: bool, clocksource: Option<&str>) -> Self {
        // Not `kvm-clock` or `hyperv_clocksource_tsc_page`: they scale the counter, and the hypervisor may change how.
        let is_trusted = clocksource.is_some_and(|name| name.trim_ascii() == "tsc");
        if is_invariant && is_trusted { Self::Tsc } else { Self::Monotonic }
    }

    /// The unit with this wire code.
    #[must_use]
    pub const fn from_code(code: u8) -> Option<Self> {
        match code {
            0 => Some(Self::Monotonic),
            1 => Some(Self::Tsc),
            _ => None,
        }
    }
}

/// Names the clocksource that the kernel uses.
const CLOCKSOURCE: &str = "/sys/devices/system/clocksource/clocksource0/current_clocksource";

/// The machine's own clocks.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock {
    unit: TickUnit,
}

impl SystemClock {
    /// Uses the cheapest record clock this machine keeps reliably.
    #[must_use]
    pub fn new() -> Self {
        Self { unit: TickUnit::detect() }
    }

    /// Uses `unit` for the record clock; falls back from [`TickUnit::Tsc`] on machines without one.
    #[must_use]
    pub fn with_unit(unit: TickUnit) -> Self {
        Self { unit: if unit == TickUnit::Tsc { TickUnit::detect() } else { unit } }
    }

    /// The clock of a session: uses the unit of its records, whatever this process would choose.
    pub(crate) const fn of(unit: TickUnit) -> Self {
        Self { unit }
    }

    /// Unit of [`Clock::ticks`].
    #[must_use]
    pub const fn unit(&self) -> TickUnit {
        self.unit
    }

    /// One reading of all three clocks, as close together as the machine allows: of several tries, the one with the
    /// smallest difference between its two tick readings.
    #[must_use]
    pub fn anchor(&self) -> Anchor {
        let mut best = self.anchor_once();
        for _ in 0..4 {
            let next = self.anchor_once();
            if next.0 < best.0 {
                best = next;
            }
        }
        best.1
    }

    fn anchor_once(&self) -> (u64, Anchor) {
        let before = self.ticks();
        let monotonic = self.now();
        let after = self.ticks();
        let width = after.0.wrapping_sub(before.0);
        let ticks = match self.unit {
            TickUnit::Tsc => Ticks(before.0 + width / 2),
            TickUnit::Monotonic => Ticks(monotonic.0),
        };
        (width, Anchor { ticks, monotonic, wall_ns: wall_ns() })
    }
}

/// The same moment on `CLOCK_MONOTONIC`, accurate to the time between two readings of clocks.
impl From<Instant> for Timestamp {
    #[expect(
        clippy::disallowed_methods,
        reason = "an `Instant` says nothing but how far it is from another one"
    )]
    fn from(instant: Instant) -> Self {
        let (now, reading) = (monotonic_now(), Instant::now());
        let ns = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        match instant.checked_duration_since(reading) {
            Some(ahead) => now.plus_ns(ns(ahead)),
            None => Self(now.as_ns().saturating_sub(ns(reading - instant))),
        }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    #[inline]
    fn now(&self) -> Timestamp {
        monotonic_now()
    }

    #[inline(always)]
    fn ticks(&self) -> Ticks {
        match self.unit {
            TickUnit::Tsc => Ticks(tsc()),
            TickUnit::Monotonic => Ticks(monotonic_now().0),
        }
    }
}

/// The same instant on three clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Anchor {
    /// Reading of the record clock.
    pub ticks: Ticks,
    /// `CLOCK_MONOTONIC`.
    pub monotonic: Timestamp,
    /// Nanoseconds since 1970-01-01 UTC.
    pub wall_ns: u64,
}

/// Nanoseconds of `CLOCK_MONOTONIC`.
#[inline]
#[must_use]
pub fn monotonic_now() -> Timestamp {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    Timestamp(now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64)
}

/// Nanoseconds of `CLOCK_BOOTTIME`: like `CLOCK_MONOTONIC`, but it keeps counting while the machine sleeps.
#[must_use]
pub(crate) fn boottime_now() -> Timestamp {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    Timestamp(now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64)
}

/// Shorter sleeps of the machine are ignored: the clocks are read one after the other.
pub(crate) const ASLEEP_NS_MIN: u64 = 1_000_000;

/// How long the machine has slept since boot: `CLOCK_BOOTTIME` minus `CLOCK_MONOTONIC`. Of several tries the fastest
/// counts, because the thread may lose its processor between the readings.
#[must_use]
pub(crate) fn asleep_ns() -> u64 {
    let once = || {
        let before = monotonic_now();
        let asleep_ns = boottime_now().ns_since(before);
        (monotonic_now().ns_since(before), asleep_ns)
    };
    [once(), once(), once()].into_iter().min().map_or(0, |(_, asleep_ns)| asleep_ns)
}

/// Nanoseconds since 1970-01-01 UTC.
#[must_use]
pub fn wall_ns() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Realtime);
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

#[cfg(target_arch = "x86_64")]
#[inline(always)]
#[expect(unsafe_code, reason = "the time-stamp counter has no safe intrinsic")]
fn tsc() -> u64 {
    // SAFETY: `rdtsc` exists on every x86_64 and touches no memory.
    unsafe { core::arch::x86_64::_rdtsc() }
}

#[cfg(target_arch = "x86_64")]
fn tsc_is_invariant() -> bool {
    use core::arch::x86_64::__cpuid;
    // CPUID 0x80000007, EDX bit 8: the counter runs at one rate in all power states (AMD APM vol. 3, E.4.6).
    __cpuid(0x8000_0000).eax >= 0x8000_0007 && __cpuid(0x8000_0007).edx & (1 << 8) != 0
}

#[cfg(not(target_arch = "x86_64"))]
#[inline(always)]
fn tsc() -> u64 {
    monotonic_now().0
}

#[cfg(not(target_arch = "x86_64"))]
fn tsc_is_invariant() -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_anchor_lies_between_the_readings_around_it() {
        let clock = SystemClock::new();
        let (mono, ticks) = (clock.now(), clock.ticks());
        let anchor = clock.anchor();
        assert!(mono <= anchor.monotonic && anchor.monotonic <= clock.now());
        if clock.unit() == TickUnit::Tsc {
            assert!(ticks <= anchor.ticks && anchor.ticks <= clock.ticks());
        }
    }

    #[test]
    fn the_counter_is_trusted_where_processor_and_kernel_trust_it() {
        assert_eq!(TickUnit::choose(true, Some("tsc\n")), TickUnit::Tsc);
        for clocksource in [Some("hpet\n"), Some("acpi_pm\n"), Some("kvm-clock\n"), Some(""), None] {
            assert_eq!(TickUnit::choose(true, clocksource), TickUnit::Monotonic, "{clocksource:?}");
        }
        assert_eq!(TickUnit::choose(false, Some("tsc\n")), TickUnit::Monotonic);
        let kernel = std::fs::read_to_string(CLOCKSOURCE).ok();
        assert_eq!(TickUnit::detect(), TickUnit::choose(tsc_is_invariant(), kernel.as_deref()));
    }

    #[test]
    fn monotonic_ticks_are_monotonic_nanoseconds() {
        let anchor = SystemClock::with_unit(TickUnit::Monotonic).anchor();
        assert_eq!(anchor.ticks.0, anchor.monotonic.0);
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "foreign loops have due times of this clock")]
    fn an_instant_is_the_same_moment() {
        let (before, reading, after) = (monotonic_now(), Instant::now(), monotonic_now());
        let second = Duration::from_secs(1);
        let (past, future) = (Timestamp::from(reading - second), Timestamp::from(reading + second));
        // A conversion reads two clocks, one after the other.
        let slack_ns = monotonic_now().ns_since(before);
        let (past, future) = (past.plus_ns(1_000_000_000), Timestamp(future.0 - 1_000_000_000));
        for moment in [past, future] {
            assert!(moment.plus_ns(slack_ns) >= before && moment <= after, "{moment} in {before}..{after}");
        }
    }
}
