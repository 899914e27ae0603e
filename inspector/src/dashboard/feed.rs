//! The interfaces of the run loop: a feed of events, the one place where a live source and a replay differ; and saving
//! and exporting, which the commands implement.

use std::time::Duration;

use loop_probes::ids::Timestamp;
use loop_probes::stamped::Stamped;
use loop_traces::source::{SourceCounts, SourceError};

use crate::app::message::Effect;
use crate::shell::app::App;

/// Feeds events into the state.
pub(super) trait Feed {
    /// Feeds what is due at `now`; returns whether a change warrants a frame.
    fn advance(&mut self, app: &mut App, now: Timestamp, saver: &mut dyn Save) -> Result<bool, SourceError>;

    /// Time until the feed has something to do.
    fn idle(&self) -> Duration;

    /// The time to show, by the watched loop's clock.
    fn clock(&self, app: &App, now: Timestamp) -> Timestamp;

    /// Performs an effect that moves a replay.
    fn seek(&mut self, app: &mut App, effect: Effect) -> Result<(), SourceError>;
}

/// The result of starting or stopping a recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recording {
    /// Whether it is now recording.
    pub on: bool,
    /// The message for the bottom row.
    pub text: String,
}

/// Saves and exports. Returned texts are shown in the bottom row, an `Err` as a failure.
pub trait Save: std::fmt::Debug {
    /// Receives every batch of a live source before it is shown, even empty ones, and what the source has lost so far.
    ///
    /// # Errors
    ///
    /// Why saving stopped, as a sentence for the user; returned once.
    fn events(&mut self, events: &[Stamped], counts: SourceCounts) -> Result<(), String>;

    /// Whether everything is already being saved to a file.
    fn is_recording(&self) -> bool;

    /// Starts or stops saving to a file: the key `r`.
    ///
    /// # Errors
    ///
    /// Why it cannot, as a sentence for the user.
    fn toggle(&mut self) -> Result<Recording, String>;

    /// Saves the last seconds: the key `w`. Returns a message with the path.
    ///
    /// # Errors
    ///
    /// Why it cannot, as a sentence for the user.
    fn save_last(&mut self) -> Result<String, String>;

    /// Exports the events from `from` to `to`: the key `e`. Returns a message with the path.
    ///
    /// # Errors
    ///
    /// Why it cannot, as a sentence for the user.
    fn export(&mut self, from: Timestamp, to: Timestamp) -> Result<String, String>;
}
