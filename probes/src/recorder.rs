//! The recorder: what an instrumented loop holds and writes its events to.

use std::cell::RefCell;
use std::rc::Rc;

use crate::event::{Event, LabelKind, Phase};
use crate::ids::{LabelId, SourceId, Tag, TaskId, Ticks, Timestamp};

/// What the loop does right now: kept in a cell of the ring, so that a reader sees a hang while it lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Running {
    /// Between ticks, or not started.
    Outside,
    /// In a phase, in no task of it.
    Phase(Phase),
    /// In a task.
    Task {
        /// The task.
        task: TaskId,
        /// Its tag.
        tag: Tag,
    },
    /// Waiting for readiness.
    Poll {
        /// When the wait ends by itself.
        deadline: Option<Timestamp>,
    },
}

/// One emitter's way into the ring. Not `Sync`: one thread writes, without a lock.
#[derive(Debug)]
pub struct Recorder {
    captured: Option<Captured>,
}

type Captured = Rc<RefCell<Vec<(Ticks, Event<Ticks>)>>>;

/// What a capturing recorder wrote.
#[derive(Debug)]
pub struct Capture(Captured);

impl Capture {
    /// Takes what was recorded since the last call.
    #[must_use]
    pub fn take(&self) -> Vec<(Ticks, Event<Ticks>)> {
        std::mem::take(&mut self.0.borrow_mut())
    }
}

impl Recorder {
    /// A recorder that drops everything.
    #[must_use]
    pub fn disabled() -> Self {
        Self { captured: None }
    }

    /// A recorder for tests: keeps all events, in order, in memory.
    #[must_use]
    pub fn capture() -> (Self, Capture) {
        let captured = Captured::default();
        (Self { captured: Some(Rc::clone(&captured)) }, Capture(captured))
    }

    /// Whether anything is kept.
    #[inline(always)]
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        self.captured.is_some()
    }

    /// Records `event`, which happened (or ended) at `at`. Times never go backwards within a recorder.
    #[inline(always)]
    pub fn record(&self, at: Ticks, event: Event<Ticks>) {
        if let Some(captured) = &self.captured {
            captured.borrow_mut().push((at, event));
        }
    }

    /// Says what the loop does from `at` on.
    #[inline(always)]
    pub fn set_running(&self, at: Ticks, running: Running) {
        let _ = (at, running);
    }

    /// Names a tag, in the label table and in the stream.
    pub fn name_tag(&self, at: Ticks, tag: Tag, text: &str) {
        let _ = (at, tag, text);
    }

    /// The id of `text`: the same text of the same kind always has the same id. Not for hot paths.
    pub fn intern(&self, at: Ticks, kind: LabelKind, text: &str) -> LabelId {
        let _ = (at, kind, text);
        LabelId(0)
    }

    /// This emitter's number in its process.
    #[must_use]
    pub fn source(&self) -> Option<SourceId> {
        None
    }
}
