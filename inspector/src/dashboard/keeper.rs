//! Who saves and exports what the dashboard shows: the commands do, the dashboard only asks.

use loop_probes::ids::Timestamp;
use loop_probes::stamped::Stamped;
use loop_traces::source::SourceCounts;

/// Saving to a file began or ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recording {
    /// It goes on.
    pub on: bool,
    /// What to say in the bottom row.
    pub text: String,
}

/// Saves and exports. Texts come in the bottom row, an `Err` as a failure.
pub trait Keeper: std::fmt::Debug {
    /// Sees every batch of a live source before it is shown, empty ones too, and what the source could not give
    /// so far.
    ///
    /// # Errors
    ///
    /// Why it saves no more, as a sentence for people; told once.
    fn events(&mut self, events: &[Stamped], counts: SourceCounts) -> Result<(), String> {
        let _ = (events, counts);
        Ok(())
    }

    /// Everything is being saved to a file already.
    fn is_recording(&self) -> bool {
        false
    }

    /// Starts to save to a file, or stops: the key `r`.
    ///
    /// # Errors
    ///
    /// Why it cannot, as a sentence for people.
    fn toggle(&mut self) -> Result<Recording, String> {
        Err("saving is not possible here".to_owned())
    }

    /// Saves what the last seconds held: the key `w`. Says where.
    ///
    /// # Errors
    ///
    /// Why it cannot, as a sentence for people.
    fn save_last(&mut self) -> Result<String, String> {
        Err("saving is not possible here".to_owned())
    }

    /// Exports what happened from `from` to `to`: the key `e`. Says where.
    ///
    /// # Errors
    ///
    /// Why it cannot, as a sentence for people.
    fn export(&mut self, from: Timestamp, to: Timestamp) -> Result<String, String> {
        let _ = (from, to);
        Err("exporting is not possible here".to_owned())
    }
}

/// Saves nothing.
#[derive(Clone, Copy, Debug)]
pub struct NoKeeper;

impl Keeper for NoKeeper {}
