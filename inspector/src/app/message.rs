//! The messages that the dashboard processes, and the effects that it asks of the run loop: two closed enums.

use loop_probes::ids::Timestamp;
use loop_probes::stamped::Stamped;
use loop_traces::source::{NowRunning, SourceCounts};
use ratatui::layout::Position;

use super::fold::Fold;
use super::playback_info::PlaybackInfo;
use crate::keymap::Key;

/// Something that happened.
#[derive(Debug)]
pub enum Message<'a> {
    /// A key was pressed.
    Key(Key),
    /// The mouse was clicked, dragged or scrolled.
    Mouse(Mouse),
    /// The screen was resized.
    Resize {
        /// New width in columns.
        width: u16,
        /// New height in rows.
        height: u16,
    },
    /// Events from the source.
    Events(&'a [Stamped]),
    /// The current condition of the watched process.
    Watched(Watched<'a>),
    /// The replay's position and pace, as it plays.
    Playback(PlaybackInfo),
    /// The replay jumped, or stopped: figures read before are outdated.
    Sought(PlaybackInfo),
    /// The replay is about to pass on events up to this time.
    Expect(Timestamp),
    /// The replay went back: the fold at its new position.
    Rewound(Box<Fold>),
    /// An effect has finished, with a message.
    Done(Result<String, String>),
    /// Saving to a file started or stopped.
    Recording(bool),
    /// A frame is about to be drawn.
    Frame {
        /// The time, by the watched loop's clock.
        now: Timestamp,
        /// Wall-clock time since the dashboard started, in nanoseconds.
        elapsed_ns: u64,
    },
}

/// What a source reports besides its events.
#[derive(Clone, Copy, Debug)]
pub struct Watched<'a> {
    /// When this was read.
    pub at: Timestamp,
    /// What each emitter is doing.
    pub running: &'a [NowRunning],
    /// Losses of the source.
    pub counts: SourceCounts,
    /// Lost records without an event in the stream: their times are unknown.
    pub lost_elsewhere: u64,
    /// The condition of the process.
    pub process: Process,
}

/// The condition of the watched process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Process {
    /// Running, as far as known.
    #[default]
    Running,
    /// A signal stopped it: SIGSTOP, Ctrl-Z, a debugger.
    Stopped,
    /// Ended properly.
    Ended,
    /// Gone without having ended properly.
    Crashed,
}

impl Process {
    /// Whether there is no process any more.
    #[must_use]
    pub const fn is_gone(self) -> bool {
        matches!(self, Self::Ended | Self::Crashed)
    }
}

/// An action of the mouse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mouse {
    /// The kind of action.
    pub kind: MouseKind,
    /// The cell under the pointer.
    pub at: Position,
}

/// The mouse actions that the dashboard reacts to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MouseKind {
    /// The left button went down.
    Click,
    /// The mouse moved with the left button down.
    Drag,
    /// The wheel turned up.
    WheelUp,
    /// The wheel turned down.
    WheelDown,
}

/// An effect outside of the state.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Quit.
    Quit,
    /// Stop this program until it is continued.
    Suspend,
    /// Redraw the whole screen.
    Redraw,
    /// Copy this text to the terminal's clipboard.
    Copy(String),
    /// Start or stop saving to a file.
    ToggleRecording,
    /// Save the last seconds.
    SaveLast,
    /// Export what is shown.
    Export {
        /// Start of the time range shown.
        from: Timestamp,
        /// End of the time range shown.
        to: Timestamp,
    },
    /// Replay: move to this time.
    Seek(Timestamp),
    /// Replay: move to the tick that contains this time, and on until everything that the tick delayed is known.
    SeekTick(Timestamp),
    /// Replay: move by this many ticks.
    StepTicks(i64),
    /// Replay: move to the next or previous stall, as [`Effect::SeekTick`] does.
    SeekStall {
        /// Whether to move to the next stall rather than the previous one.
        forward: bool,
    },
    /// Replay: play or pause.
    TogglePlay,
    /// Replay: pause.
    Pause,
    /// Replay: set the pace, as a multiple of real time.
    SetSpeed(f64),
}
