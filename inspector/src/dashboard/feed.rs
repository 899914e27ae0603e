//! The feed of the dashboard: the one place where a live source and a replay differ.

use std::time::Duration;

use loop_probes::ids::Timestamp;
use loop_traces::source::SourceError;

use super::saving::Save;
use crate::app::message::Effect;
use crate::shell::app::App;

/// Feeds events into the state.
pub(super) trait Feed {
    /// Feeds what is due at `now`; returns whether a change warrants a frame.
    fn advance(&mut self, app: &mut App, now: Timestamp, saver: &mut dyn Save) -> Result<bool, SourceError>;

    /// Time until it has something to do.
    fn idle(&self) -> Duration;

    /// The time to show, by the watched loop's clock.
    fn clock(&self, app: &App, now: Timestamp) -> Timestamp;

    /// Performs an effect that moves a replay.
    fn seek(&mut self, app: &mut App, effect: Effect) -> Result<(), SourceError>;
}
