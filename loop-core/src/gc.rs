//! When to collect: the GC controller, pure.
#![expect(missing_docs, reason = "signatures first")]

pub mod pressure;

use loop_probes::event::{GcAction, GcMode, GcReason};
use loop_probes::ids::Timestamp;

pub trait Heap {
    fn bytes(&self) -> u64;
    fn collect(&mut self);
}
/// A heap that is always empty.
pub struct NoHeap;
impl Heap for NoHeap {
    fn bytes(&self) -> u64 {
        0
    }
    fn collect(&mut self) {}
}
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GcConfig {
    pub enabled: bool,
    pub fast_ns: u64,
    pub slow_ns: u64,
    pub one_shot_ns: u64,
    pub unchanged_max: u32,
}
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GcConfigError {
    #[error("{name}={value:?} is not {wanted}")]
    Value { name: &'static str, value: String, wanted: &'static str },
}
impl GcConfig {
    pub fn from_env() -> Result<Self, GcConfigError> {
        unimplemented!()
    }
    pub fn parse(_interval: Option<&str>, _disable: Option<&str>) -> Result<Self, GcConfigError> {
        unimplemented!()
    }
}
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GcDecision {
    pub action: GcAction,
    pub reason: GcReason,
    pub heap_bytes: u64,
    pub threshold_bytes: u64,
}
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GcModeChange {
    pub mode: GcMode,
    pub unchanged_ticks: u32,
}
/// As `Event::SnapshotGc` has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GcState {
    pub mode: GcMode,
    pub unchanged_ticks: u32,
    pub heap_bytes: u64,
    pub periodic_due: Option<Timestamp>,
    pub one_shot_due: Option<Timestamp>,
    pub one_shot_fired: bool,
}
pub struct GcController {}
impl GcController {
    pub fn new(_config: GcConfig, _now: Timestamp) -> Self {
        unimplemented!()
    }
    /// When `on_timers` wants to be called.
    pub fn next_due(&self) -> Option<Timestamp> {
        unimplemented!()
    }
    /// The two timers: the one-shot is noted, the periodic one decides `Collect`.
    pub fn on_timers(&mut self, _now: Timestamp, _heap_bytes: u64) -> Option<GcDecision> {
        unimplemented!()
    }
    /// The check of each turn.
    pub fn check(&mut self, _now: Timestamp, _heap_bytes: u64) -> GcDecision {
        unimplemented!()
    }
    /// To be called after every `Collect` was carried out.
    pub fn collected(&mut self, _now: Timestamp, _heap_bytes_after: u64) {
        unimplemented!()
    }
    /// A memory-pressure notice: the next check collects.
    pub fn pressure(&mut self) {
        unimplemented!()
    }
    /// The program asks: the next check collects, also when disabled.
    pub fn request(&mut self) {
        unimplemented!()
    }
    /// A change of pace since the last call, to be recorded as `Event::GcMode`.
    pub fn take_mode_change(&mut self) -> Option<GcModeChange> {
        unimplemented!()
    }
    pub fn state(&self) -> GcState {
        unimplemented!()
    }
    pub fn restore(_config: GcConfig, _state: GcState) -> Self {
        unimplemented!()
    }
}
