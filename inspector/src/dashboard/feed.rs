//! What feeds the dashboard: the one place where a live source and a replay differ.

use std::time::Duration;

use loop_probes::ids::Timestamp;
use loop_traces::source::SourceError;

use super::keeper::Keeper;
use crate::app::{Effect, State};

/// Feeds events into the state.
pub(super) trait Feed {
    /// Feeds what is due at `now`; whether anything changed that is worth a frame.
    fn advance(
        &mut self,
        state: &mut State,
        now: Timestamp,
        keeper: &mut dyn Keeper,
    ) -> Result<bool, SourceError>;

    /// How long it has nothing to do.
    fn idle(&self) -> Duration;

    /// The time that is shown, by the watched loop's clock.
    fn clock(&self, state: &State, now: Timestamp) -> Timestamp;

    /// Carries out an effect that moves a replay.
    fn seek(&mut self, state: &mut State, effect: Effect) -> Result<(), SourceError>;
}
