//! Effects: what `update` requests and the run loop performs.

use loop_probes::ids::Timestamp;

/// An effect outside of the state.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Effect {
    /// Quit.
    Quit,
    /// Stop this program until it is continued.
    Suspend,
    /// Redraw the whole screen.
    Redraw,
    /// Start or stop saving to a file.
    ToggleRecording,
    /// Save the last seconds.
    SaveLast,
    /// Export what is shown.
    Export {
        /// The start.
        from: Timestamp,
        /// The end.
        to: Timestamp,
    },
    /// Replay: move to this time.
    Seek(Timestamp),
    /// Replay: move to the tick that contains this time, and on until everything that it delayed is known.
    SeekTick(Timestamp),
    /// Replay: move by this many ticks.
    StepTicks(i64),
    /// Replay: move to the next or previous stall, as [`Effect::SeekTick`] does.
    SeekStall {
        /// Forward in time.
        forward: bool,
    },
    /// Replay: play or pause.
    TogglePlay,
    /// Replay: pause.
    Pause,
    /// Replay: set the pace, as a multiple of real time.
    SetSpeed(f64),
}
