//! Failures: what happens after an error of a source or a future, and the text of a panic.
//!
//! An error is a panic of a callback, a call of [`Context::fail`](crate::Context::fail), or the `Err` of a checked
//! future. Every error is recorded. The owner's rule decides what else happens, so that a bad connection closes only
//! itself, while a failing listener can end the loop. The loop and the workers of the pool survive panics.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use loop_probes::event::RefKind;
use loop_probes::text::printable;

/// What happens after an error of a source's callback or of a future, besides recording it.
#[derive(Debug, Default)]
#[non_exhaustive]
pub enum OnError<T> {
    /// Nothing: the source stays registered, the future continues.
    #[default]
    Report,
    /// Removes and closes the source, or drops the future.
    Close,
    /// Ends the run with [`RunError::Failed`](crate::RunError::Failed), because the source or future is essential.
    Stop,
    /// Runs a task of the owner, which gets the error from [`failure`](crate::Context::failure). A task that cannot run
    /// [`again`](crate::Task::again) handles only the first error.
    Tell(T),
}

/// A failure, as passed to the owner's task.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Failure {
    /// Whether a source or a future failed.
    pub what: RefKind,
    /// Name given by the owner of the source or future, or else its tag.
    pub name: String,
    /// The error's message.
    pub message: String,
}

/// A panic's message, made printable. Does not consume the payload, for a panic that is resumed.
pub(crate) fn panic_text(payload: &(dyn Any + Send)) -> String {
    match (payload.downcast_ref::<&str>(), payload.downcast_ref::<String>()) {
        (Some(text), _) => printable(text),
        (_, Some(text)) => printable(text),
        _ => String::from("a panic without a message"),
    }
}

/// A panic's message, made printable.
pub(crate) fn panic_message(payload: Box<dyn Any + Send>) -> String {
    let message = panic_text(&*payload);
    // Dropping a payload may panic again.
    if catch_unwind(AssertUnwindSafe(|| drop(payload))).is_err() {
        return message + " (and its payload panicked)";
    }
    message
}
