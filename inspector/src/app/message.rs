//! What can happen to the dashboard: one closed enum.

use loop_probes::ids::Timestamp;
use loop_probes::stamped::Stamped;
use loop_traces::source::{NowRunning, SourceCounts};

use super::fold::Fold;
use super::playback_info::PlaybackInfo;
use crate::keymap::Key;

/// What happened.
#[derive(Debug)]
pub enum Message<'a> {
    /// A key was pressed.
    Key(Key),
    /// The mouse did something.
    Mouse(Mouse),
    /// The screen has another size now.
    Resize {
        /// Columns.
        width: u16,
        /// Rows.
        height: u16,
    },
    /// Events came from the source.
    Events(&'a [Stamped]),
    /// What the watched process is like now.
    Watched(Watched<'a>),
    /// The replay's position and pace, as it plays.
    Playback(PlaybackInfo),
    /// The replay jumped, or stopped: figures that were read before are of another moment.
    Sought(PlaybackInfo),
    /// The replay went back: this is what was known by then.
    Rewound(Box<Fold>),
    /// An effect ended; what there is to say about it.
    Done(Result<String, String>),
    /// Saving to a file began or ended.
    Recording(bool),
    /// A frame is about to be drawn.
    Frame {
        /// The time of the watched loop's clock.
        now: Timestamp,
        /// Since the dashboard began, in nanoseconds of the person who looks at it.
        elapsed_ns: u64,
    },
}

/// What a source says beside its events.
#[derive(Clone, Copy, Debug)]
pub struct Watched<'a> {
    /// When this was read.
    pub at: Timestamp,
    /// What each emitter does.
    pub running: &'a [NowRunning],
    /// What could not be given.
    pub counts: SourceCounts,
    /// Whether the process lives.
    pub process: Process,
}

/// How the watched process is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Process {
    /// It runs, as far as anybody knows.
    #[default]
    Running,
    /// A signal stopped it: SIGSTOP, Ctrl-Z, a debugger.
    Stopped,
    /// It ended and said so.
    Ended,
    /// It is gone without having said so.
    Crashed,
}

/// What the mouse did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mouse {
    /// What.
    pub kind: MouseKind,
    /// The column.
    pub x: u16,
    /// The row.
    pub y: u16,
}

/// What a mouse can do here.
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
