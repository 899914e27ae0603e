//! The task queue, a FIFO. An entry is only a task and its id. Data for the recorder or for the loop's own bookkeeping
//! is stored as a note in a second queue, so that a task without such data does not pay for it.

use loop_probes::event::Origin;
use loop_probes::ids::{Tag, TaskId, Ticks};

use super::fifo::{Fifo, Queued};

/// A queued task.
#[derive(Debug)]
struct TaskEntry<W> {
    task: W,
    id: TaskId,
}

/// Additional data of a queued task.
#[derive(Clone, Copy, Debug)]
struct Note {
    id: TaskId,
    tag: Tag,
    origin: Origin,
    signo: u8,
    queued: Ticks,
}

/// A task taken from the queue.
#[derive(Debug)]
pub(crate) enum NextTask<W> {
    /// A task without a note.
    Plain(W, TaskId),
    /// A task with its note.
    Noted(Queued<W>),
}

/// No task's id: ids count from 1.
const NO_TASK: TaskId = TaskId(0);

/// The task queue and the notes of its tasks.
#[derive(Debug)]
pub(crate) struct Tasks<W> {
    entries: Fifo<TaskEntry<W>>,
    /// Notes for some of the entries, in queue order.
    notes: Fifo<Note>,
    /// The task of the first note.
    noted: TaskId,
}

impl<W> Tasks<W> {
    pub(crate) fn new() -> Self {
        Self { entries: Fifo::new(), notes: Fifo::new(), noted: NO_TASK }
    }

    /// Adds a task without a note.
    #[inline]
    pub(crate) fn push(&mut self, task: W, id: TaskId) {
        self.entries.push(TaskEntry { task, id });
    }

    /// Adds a task and its note.
    #[inline]
    pub(crate) fn push_noted(&mut self, queued: Queued<W>) {
        let Queued { task, id, tag, origin, signo, queued } = queued;
        if self.notes.is_empty() {
            self.noted = id;
        }
        self.notes.push(Note { id, tag, origin, signo, queued });
        self.entries.push(TaskEntry { task, id });
    }

    /// Takes the first task. True means that it has a note, which the caller must take or skip next.
    #[inline]
    pub(crate) fn pop(&mut self) -> Option<(W, TaskId, bool)> {
        let TaskEntry { task, id } = self.entries.pop()?;
        Some((task, id, id == self.noted))
    }

    /// Whether only a recorder needs the note of the task taken last.
    #[inline]
    pub(crate) fn is_next_note_for_the_record(&self) -> bool {
        self.notes.first().is_some_and(|note| note.signo == 0 && note.origin != Origin::Work)
    }

    /// Takes the note of the task taken last, but returns only the task's tag and when it was queued.
    #[inline]
    pub(crate) fn skip_note(&mut self) -> (Tag, Ticks) {
        let Some(Note { tag, queued, .. }) = self.notes.pop() else {
            debug_assert!(false, "a noted task has a note");
            return (Tag(0), Ticks(0));
        };
        self.noted = self.notes.first().map_or(NO_TASK, |note| note.id);
        (tag, queued)
    }

    /// Takes the note of the task taken last.
    #[inline]
    pub(crate) fn pop_note(&mut self, task: W, id: TaskId) -> NextTask<W> {
        let Some(Note { tag, origin, signo, queued, .. }) = self.notes.pop() else {
            debug_assert!(false, "a noted task has a note");
            return NextTask::Plain(task, id);
        };
        self.noted = self.notes.first().map_or(NO_TASK, |note| note.id);
        NextTask::Noted(Queued { task, id, tag, origin, signo, queued })
    }

    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Rewinds the queue, as [`Fifo::rewind`] does.
    pub(crate) fn rewind(&mut self) {
        self.entries.rewind();
        self.notes.rewind();
    }

    /// Tasks taken since the last rewind, modulo `usize`.
    #[inline]
    pub(crate) const fn taken(&self) -> usize {
        self.entries.taken()
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The queued completions of jobs and deliveries of signals.
    pub(crate) fn special(&self) -> impl Iterator<Item = (TaskId, Origin, u8)> {
        let special = |note: &&Note| note.signo != 0 || note.origin == Origin::Work;
        self.notes.iter().filter(special).map(|note| (note.id, note.origin, note.signo))
    }

    /// The tasks in queue order, each with its tag and queue time if it has a note.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&W, TaskId, Option<(Tag, Ticks)>)> {
        let mut notes = self.notes.iter().peekable();
        self.entries.iter().map(move |entry| {
            let note = notes.next_if(|note| note.id == entry.id);
            (&entry.task, entry.id, note.map(|note| (note.tag, note.queued)))
        })
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;

    fn note(id: u64) -> Queued<u64> {
        let queued = Ticks(id);
        Queued { task: id, id: TaskId(id), tag: Tag(7), origin: Origin::Signal, signo: 3, queued }
    }

    #[test]
    fn notes_stay_with_their_tasks() {
        let mut tasks = Tasks::new();
        tasks.push(1, TaskId(1));
        tasks.push_noted(note(9));
        tasks.push(2, TaskId(2));
        tasks.push_noted(note(4));
        let listed: Vec<_> =
            tasks.iter().map(|(_, id, note)| (id.0, note.map(|(_, since)| since.0))).collect();
        assert_eq!(listed, [(1, None), (9, Some(9)), (2, None), (4, Some(4))]);
        assert_eq!(tasks.len(), 4);
        let mut order = Vec::new();
        while let Some((task, id, is_noted)) = tasks.pop() {
            order.push(match is_noted.then(|| tasks.pop_note(task, id)) {
                Some(NextTask::Noted(queued)) => (queued.id.0, queued.signo),
                _ => (id.0, 0),
            });
        }
        assert_eq!(order, [(1, 0), (9, 3), (2, 0), (4, 3)]);
        tasks.push(5, TaskId(5));
        assert!(matches!(tasks.pop(), Some((_, TaskId(5), false))));
        assert!(tasks.pop().is_none() && tasks.is_empty());
    }
}
