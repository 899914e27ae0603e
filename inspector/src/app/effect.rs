//! What the dashboard asks of the world: `update` only says it, the run loop does it.

use loop_probes::ids::Timestamp;

/// Something to be done outside of the state.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Effect {
    /// Leave.
    Quit,
    /// Stop this program until it is continued.
    Suspend,
    /// Draw everything anew.
    Redraw,
    /// Start or stop saving to a file.
    ToggleRecording,
    /// Save what the last seconds held.
    SaveLast,
    /// Export what is shown.
    Export {
        /// Its first moment.
        from: Timestamp,
        /// Its last.
        to: Timestamp,
    },
    /// Replay: move to this time.
    Seek(Timestamp),
    /// Replay: move to the tick in which this moment lies, and on until those that it made late are known.
    SeekTick(Timestamp),
    /// Replay: move by so many ticks.
    StepTicks(i64),
    /// Replay: move to the next stall, or to the one before, as [`Effect::SeekTick`] does.
    SeekStall {
        /// Forward in time.
        forward: bool,
    },
    /// Replay: play or pause.
    TogglePlay,
    /// Replay: pause.
    Pause,
    /// Replay: play at this many times the real pace.
    SetSpeed(f64),
}
