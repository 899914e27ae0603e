//! Marks, spans and lists, as used by a running task.

use std::sync::Arc;
use std::time::Duration;

use loop_probes::event::{Event, Phase};
use loop_probes::recorder::Recorder;

use crate::keep_alive::Pending;
use crate::task::Context;
use crate::task::Task;

impl<T: Task> Context<'_, T> {
    /// Records a labelled point in time.
    pub fn mark(&mut self, label: &'static str) {
        if self.core.on {
            self.stamp();
            let label = self.core.label(label);
            self.core.record(Event::Mark { label });
        }
    }

    /// Records the run time of `f` under a label.
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

    /// Turns the rest of the running callback into a phase of its own. Must be called first in a callback, and only
    /// in one of a timer or a source: phases and tasks nest.
    pub(crate) fn claim_phase(&mut self, phase: Phase) {
        if self.core.on {
            let (outer, start) = self.core.phase;
            self.core.record(Event::Phase { phase: outer, start });
            self.core.phase = (phase, self.core.at);
        }
    }

    /// How long until the loop has something to do: zero if work is waiting, `None` if nothing is due.
    pub(crate) fn next_wait(&mut self) -> Option<Duration> {
        if self.core.shared.has_news() {
            return Some(Duration::ZERO);
        }
        self.core.scheduler.next_wait(self.clock.now(), true)
    }

    /// Identifies this loop within the process.
    pub(crate) fn identity(&self) -> usize {
        Arc::as_ptr(&self.core.shared).addr()
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
