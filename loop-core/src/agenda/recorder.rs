//! Records the agenda's events: each worker in its own ring, all other threads in a shared ring.

use std::cell::Cell;

use loop_probes::event::{Event, LabelKind};
use loop_probes::ids::{Tag, TaskId, Ticks};
use loop_probes::recorder::{Recorder, Running};
use loop_probes::tags;

use super::outcome::TaskletInfo;

/// A recorder that records the name of a tag before the tag's first use.
#[derive(Debug)]
pub(super) struct AgendaRecorder {
    recorder: Recorder,
    on: bool,
    /// The highest tag whose name was recorded.
    named: Cell<Tag>,
}

impl AgendaRecorder {
    pub(super) fn new(recorder: Recorder) -> Self {
        Self { on: recorder.is_enabled(), recorder, named: Cell::new(Tag(0)) }
    }

    /// Whether events are kept.
    pub(super) const fn is_on(&self) -> bool {
        self.on
    }

    pub(super) const fn recorder(&self) -> &Recorder {
        &self.recorder
    }

    pub(super) fn record(&self, at: Ticks, event: Event<Ticks>) {
        if self.on {
            self.recorder.record(at, event);
            self.recorder.note_written();
        }
    }

    pub(super) fn added(&self, at: Ticks, info: &TaskletInfo, tag: Tag, depth: u32) {
        if self.on {
            self.name(at, tag);
            self.record(at, Event::AgendaAdded { task: info.task, tag, priority: info.priority, depth });
        }
    }

    pub(super) fn running(&self, at: Ticks, running: Running) {
        if self.on {
            if let Running::Task { tag, .. } = running {
                self.name(at, tag);
            }
            self.recorder.set_running(at, running);
        }
    }

    /// Records the error message of a failed tasklet.
    #[cold]
    pub(super) fn failed(&self, at: Ticks, task: TaskId, message: &str) {
        if self.on {
            let message = self.recorder.intern(at, LabelKind::Text, message);
            self.recorder.record(at, Event::Exception { task: Some(task), message });
        }
    }

    fn name(&self, at: Ticks, tag: Tag) {
        if tag > self.named.get() {
            self.name_new(at);
        }
    }

    #[cold]
    fn name_new(&self, at: Ticks) {
        for (tag, name) in tags::named_after(self.named.get()) {
            self.recorder.name_tag(at, tag, &name);
            self.named.set(tag);
        }
    }
}
