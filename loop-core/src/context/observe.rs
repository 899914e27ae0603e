//! Marks, spans and lists, from a running task.

use loop_probes::event::Event;
use loop_probes::recorder::Recorder;

use super::Context;
use crate::keep_alive::Pending;
use crate::task::Task;

impl<T: Task> Context<'_, T> {
    /// Records a labelled point.
    pub fn mark(&mut self, label: &'static str) {
        if self.core.on {
            self.stamp();
            let label = self.core.label(label);
            self.core.record(Event::Mark { label });
        }
    }

    /// Records the extent of `f` under a label.
    pub fn span<R>(&mut self, label: &'static str, f: impl FnOnce(&mut Self) -> R) -> R {
        let start = self.stamp();
        let returned = f(self);
        if self.core.on {
            self.stamp();
            let label = self.core.label(label);
            self.core.record(Event::Span { label, start });
        }
        returned
    }

    /// The loop's recorder.
    #[must_use]
    pub fn recorder(&self) -> &Recorder {
        &self.core.recorder
    }

    /// Everything referenced that keeps the loop alive, by name.
    #[must_use]
    pub fn pending(&self) -> Vec<Pending> {
        self.core.pending()
    }

    /// Whether anything keeps the loop alive.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.core.scheduler.is_alive()
    }
}
