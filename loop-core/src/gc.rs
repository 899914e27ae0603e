//! The GC controller: decides when to collect. Pure: time and heap sizes come in, decisions go out.
//!
//! The rules are those of Bun's garbage collection controller. A *repeating timer* collects every second, or every
//! 30 seconds once 30 firings in a row found the heap unchanged. In addition, each turn of the loop makes a *check*. If
//! the heap has more than doubled, the check collects at once. If the heap has changed otherwise, the check arms a
//! *one-shot* timer of 16 ms, and the first check after that collects, so that a burst causes one collection instead of
//! one per turn. Bun reacts only to growth; here any change counts, including shrinking.
//!
//! ```text
//!             changed: defer                16 ms passed
//!   Settled ──────────────────▶ Waiting ──────────────────▶ Over
//!      ▲  ▲ unchanged: skip        │ only doubling collects   │ collects
//!      │  └────────────────────────┘                          │
//!      └──────────── heap unchanged ──────────────────────────┴──▶ Waiting: it changed
//! ```
//!
//! A check measures the heap, and that may mean walking it. So two measurements are at least a millisecond apart
//! ([`GcConfig::sample_ns`]), or fifteen times the duration of the last measurement if that is longer. Turns in between
//! make no check; a heap that doubles in that time is noticed at the next check. The measurement after a collection does
//! not shorten that pause. If something ran since the last measurement, a waiting loop wakes up for the next one. A check
//! whose outcome does not depend on the size (a request, memory pressure, an expired one-shot) is made at once. While
//! the controller is off, nothing is measured.
//!
//! The check after an expired one-shot collects whether or not the heap still differs, and arms the one-shot again only
//! if it does: a heap that stopped changing is collected once more, a busy one every 16 ms. "Unchanged" and "changed"
//! are relative to the heap size after the last collection.

pub mod config;
pub mod pressure;
#[cfg(test)]
#[cfg(not(loom))]
mod tests;

pub use config::{GcConfig, GcConfigError};

use loop_probes::event::{GcAction, GcMode, GcReason};
use loop_probes::ids::Timestamp;

/// A heap that a loop can measure and collect.
pub trait Heap {
    /// Current size in bytes. May be slow, for example if an engine walks its heap: called before and after a collection,
    /// and otherwise at most once per [`sample_ns`](GcConfig::sample_ns), less often the longer it takes.
    fn bytes(&self) -> u64;
    /// Collects garbage.
    fn collect(&mut self);
}

/// The pause after a measurement is at least this multiple of the measurement's duration.
const PAUSE: u64 = 15;

/// The heap of a program without garbage collection: always empty.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NoHeap;

impl Heap for NoHeap {
    fn bytes(&self) -> u64 {
        0
    }

    fn collect(&mut self) {}
}

/// The decision of a check, its reason, and the numbers it is based on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "ignoring a `Collect` leaves the controller with a stale heap size"]
pub struct GcDecision {
    /// What to do now. After [`Collect`](GcAction::Collect), call [`GcController::collected`].
    pub action: GcAction,
    /// The reason for the action.
    pub reason: GcReason,
    /// Measured size of the heap, in bytes.
    pub heap_bytes: u64,
    /// Size in bytes above which a check collects at once.
    pub threshold_bytes: u64,
}

/// A change of the controller's mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GcModeChange {
    /// The mode after the change.
    pub mode: GcMode,
    /// Firings in a row that found the heap unchanged.
    pub unchanged_ticks: u32,
}

/// The controller's state without its configuration, as snapshots contain it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GcState {
    /// Fast or slow.
    pub mode: GcMode,
    /// Firings in a row that found the heap unchanged.
    pub unchanged_ticks: u32,
    /// Size of the heap after the last collection, in bytes.
    pub heap_bytes: u64,
    /// When the repeating timer is due; `None` when the controller is off.
    pub periodic_due: Option<Timestamp>,
    /// When the one-shot is due; `None` when it is not armed.
    pub one_shot_due: Option<Timestamp>,
    /// Whether the one-shot fired and the next check has to collect.
    pub one_shot_fired: bool,
    /// The heap is not measured before this time; `None` means that the next check measures it.
    pub sample_due: Option<Timestamp>,
    /// Whether something ran since the heap was last measured.
    pub ran: bool,
}

/// The GC controller of one loop. See the [module](self).
///
/// # Examples
///
/// ```
/// use loop_core::gc::{GcConfig, GcController};
/// use loop_probes::event::{GcAction, GcReason};
/// use loop_probes::ids::Timestamp;
///
/// let mut gc = GcController::new(GcConfig::default(), Timestamp(0));
/// let first = gc.check(Timestamp(1), 1_000);
/// assert_eq!((first.action, first.reason), (GcAction::Collect, GcReason::Doubled));
/// gc.collected(Timestamp(1), 800);
/// assert_eq!(gc.check(Timestamp(2), 900).action, GcAction::Defer);
/// assert_eq!(gc.next_due(), Some(Timestamp(16_000_002)));
/// ```
#[derive(Clone, Debug)]
pub struct GcController {
    config: GcConfig,
    state: GcState,
    /// Whether the pending collection was decided by the repeating timer.
    is_periodic: bool,
    pressure: bool,
    requested: bool,
    mode_change: Option<GcModeChange>,
}

impl GcController {
    /// A controller that has seen an empty heap, with its repeating timer armed at `now`, in fast mode.
    #[must_use]
    pub fn new(config: GcConfig, now: Timestamp) -> Self {
        let state = GcState {
            mode: GcMode::Fast,
            unchanged_ticks: 0,
            heap_bytes: 0,
            periodic_due: config.enabled.then(|| now.plus_ns(config.fast_ns)),
            one_shot_due: None,
            one_shot_fired: false,
            sample_due: None,
            ran: false,
        };
        Self::restore(config, state)
    }

    /// A controller in the given state.
    #[must_use]
    pub fn restore(config: GcConfig, state: GcState) -> Self {
        Self { config, state, is_periodic: false, pressure: false, requested: false, mode_change: None }
    }

    /// When [`on_timers`](Self::on_timers) must be called next.
    #[must_use]
    pub fn timers_due(&self) -> Option<Timestamp> {
        [self.state.periodic_due, self.state.one_shot_due].into_iter().flatten().min()
    }

    /// When the controller must be called next: for its timers, or, if something ran since the heap was measured, for
    /// the next measurement.
    #[must_use]
    pub fn next_due(&self) -> Option<Timestamp> {
        let sample = self.state.sample_due.filter(|_| self.state.ran);
        [self.timers_due(), sample].into_iter().flatten().min()
    }

    /// Whether a check can have an effect: the controller is enabled, or a collection was requested.
    #[must_use]
    pub const fn is_on(&self) -> bool {
        self.config.enabled || self.requested
    }

    /// Whether a check is due at `now`: it would act regardless of the heap's size, or the heap may be measured again.
    #[must_use]
    pub fn wants_check(&self, now: Timestamp) -> bool {
        let is_due = |due: Option<Timestamp>| due.is_some_and(|due| due <= now);
        let acts = self.pressure || self.state.one_shot_fired || is_due(self.state.one_shot_due);
        let samples = self.state.sample_due.is_none_or(|due| due <= now);
        self.requested || self.config.enabled && (acts || samples)
    }

    /// Whether measurements are rate-limited. If so, call [`measured`](Self::measured) after each measurement except the
    /// one after a collection.
    #[must_use]
    pub const fn samples(&self) -> bool {
        self.config.enabled && self.config.sample_ns > 0
    }

    /// Records that the heap was measured, from `began` to `now`.
    pub fn measured(&mut self, began: Timestamp, now: Timestamp) {
        if self.samples() {
            let pause_ns = now.ns_since(began).saturating_mul(PAUSE).max(self.config.sample_ns);
            (self.state.sample_due, self.state.ran) = (Some(now.plus_ns(pause_ns)), false);
        }
    }

    /// Records that something ran, which may have changed the heap.
    #[inline]
    pub const fn ran(&mut self) {
        self.state.ran = self.samples();
    }

    /// Fires the timers that are due at `now`. The one-shot only sets a flag for the next [`check`](Self::check). The
    /// repeating timer returns a decision.
    pub fn on_timers(&mut self, now: Timestamp, heap_bytes: u64) -> Option<GcDecision> {
        self.note_one_shot(now);
        if self.state.periodic_due.is_none_or(|due| now < due) {
            return None;
        }
        self.arm_periodic(now);
        self.is_periodic = true;
        Some(self.decide(GcAction::Collect, GcReason::Periodic, heap_bytes))
    }

    /// Makes the check of one turn.
    pub fn check(&mut self, now: Timestamp, heap_bytes: u64) -> GcDecision {
        if std::mem::take(&mut self.requested) {
            return self.decide(GcAction::Collect, GcReason::Requested, heap_bytes);
        }
        if !self.config.enabled {
            return self.decide(GcAction::Skip, GcReason::Disabled, heap_bytes);
        }
        self.note_one_shot(now);
        if heap_bytes != self.state.heap_bytes {
            self.go_fast(now);
        }
        if std::mem::take(&mut self.pressure) {
            // This collection replaces the one that the one-shot would cause.
            (self.state.one_shot_due, self.state.one_shot_fired) = (None, false);
            return self.decide(GcAction::Collect, GcReason::Pressure, heap_bytes);
        }
        let (action, reason) = self.turn(now, heap_bytes);
        self.decide(action, reason, heap_bytes)
    }

    /// Decides by the heap's size and the one-shot's state: the diagram in the module's documentation.
    fn turn(&mut self, now: Timestamp, heap_bytes: u64) -> (GcAction, GcReason) {
        let has_changed = heap_bytes != self.state.heap_bytes;
        if std::mem::take(&mut self.state.one_shot_fired) {
            if has_changed {
                self.arm_one_shot(now);
            }
            return (GcAction::Collect, GcReason::OneShot);
        }
        if heap_bytes > self.threshold_bytes() {
            (GcAction::Collect, GcReason::Doubled)
        } else if self.state.one_shot_due.is_some() {
            (GcAction::Skip, GcReason::Pending)
        } else if has_changed {
            self.arm_one_shot(now);
            (GcAction::Defer, GcReason::Changed)
        } else {
            (GcAction::Skip, GcReason::Unchanged)
        }
    }

    /// Records that a decided collection was carried out and left `heap_bytes`. Starts a pause of
    /// [`sample_ns`](GcConfig::sample_ns), unless the measurement before the collection requires a longer one.
    pub fn collected(&mut self, now: Timestamp, heap_bytes: u64) {
        if self.samples() {
            let due = now.plus_ns(self.config.sample_ns);
            (self.state.sample_due, self.state.ran) = (self.state.sample_due.max(Some(due)), false);
        }
        let is_periodic = std::mem::take(&mut self.is_periodic);
        if std::mem::replace(&mut self.state.heap_bytes, heap_bytes) != heap_bytes {
            self.state.unchanged_ticks = 0;
            self.go_fast(now);
            return;
        }
        if !is_periodic {
            return;
        }
        self.state.unchanged_ticks = self.state.unchanged_ticks.saturating_add(1);
        if self.state.mode == GcMode::Fast && self.state.unchanged_ticks >= self.config.unchanged_max {
            self.set_mode(GcMode::Slow, now);
        }
    }

    /// Reports that the system is short of memory: the next check collects, unless the controller is off.
    pub const fn pressure(&mut self) {
        self.pressure = self.config.enabled;
    }

    /// Requests a collection: the next check collects, even if the controller is off.
    pub fn request(&mut self) {
        self.requested = true;
    }

    /// Takes the change of mode since the last call.
    pub fn take_mode_change(&mut self) -> Option<GcModeChange> {
        self.mode_change.take()
    }

    /// Pending requests and pressure notices, in the order in which checks handle them.
    pub fn notices(&self) -> impl Iterator<Item = GcReason> + use<> {
        let notices = [(self.requested, GcReason::Requested), (self.pressure, GcReason::Pressure)];
        notices.into_iter().filter_map(|(is_noticed, reason)| is_noticed.then_some(reason))
    }

    /// The controller's state, without its [notices](Self::notices).
    #[must_use]
    pub const fn state(&self) -> GcState {
        self.state
    }

    /// Heap size in bytes above which a check collects at once. After an empty heap it is 0, so the first allocation
    /// counts as doubling.
    fn threshold_bytes(&self) -> u64 {
        self.state.heap_bytes.saturating_mul(2)
    }

    fn decide(&self, action: GcAction, reason: GcReason, heap_bytes: u64) -> GcDecision {
        GcDecision { action, reason, heap_bytes, threshold_bytes: self.threshold_bytes() }
    }

    fn note_one_shot(&mut self, now: Timestamp) {
        if self.state.one_shot_due.is_some_and(|due| due <= now) {
            (self.state.one_shot_due, self.state.one_shot_fired) = (None, true);
        }
    }

    fn arm_one_shot(&mut self, now: Timestamp) {
        self.state.one_shot_due = Some(now.plus_ns(self.config.one_shot_ns));
    }

    fn arm_periodic(&mut self, now: Timestamp) {
        let period_ns = match self.state.mode {
            GcMode::Fast => self.config.fast_ns,
            GcMode::Slow => self.config.slow_ns,
        };
        self.state.periodic_due = Some(now.plus_ns(period_ns));
    }

    fn go_fast(&mut self, now: Timestamp) {
        if self.state.mode == GcMode::Slow {
            self.state.unchanged_ticks = 0;
            self.set_mode(GcMode::Fast, now);
        }
    }

    /// Changes the mode; restarts the repeating timer.
    fn set_mode(&mut self, mode: GcMode, now: Timestamp) {
        self.state.mode = mode;
        self.arm_periodic(now);
        self.mode_change = Some(GcModeChange { mode, unchanged_ticks: self.state.unchanged_ticks });
    }
}
