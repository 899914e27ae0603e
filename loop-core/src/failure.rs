//! Failures: what an error of a callback does, as the owner of its source or future says, and how a panic reads.
//!
//! An error is a panic of a callback, a [`Context::fail`](crate::Context::fail), or the `Err` of a checked future.
//! Each is recorded, whatever the rule. The rule says what else happens, so that one bad connection closes only
//! itself, while a failing listener ends the loop with its error. The loop and the workers of the pool survive panics.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use loop_probes::event::RefKind;
use loop_probes::text::printable;

/// What an error of a source's callback, or of a future, does besides being recorded.
#[derive(Debug, Default)]
#[non_exhaustive]
pub enum OnError<T> {
    /// Nothing: the next call is made as usual.
    #[default]
    Report,
    /// Removes the source, and so closes it; drops the future. Touches nothing else.
    Close,
    /// Stops the loop with [`RunError::Failed`](crate::RunError::Failed): the source or future is essential.
    Stop,
    /// Runs a task of the owner, which finds the error in [`failure`](crate::Context::failure). A task that cannot
    /// run [`again`](crate::Task::again) handles the first error only.
    Tell(T),
}

/// A failure, as passed to the owner's task.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Failure {
    /// A source or a future.
    pub what: RefKind,
    /// Its name: the one given by its owner, or its tag.
    pub name: String,
    /// The error's message.
    pub message: String,
}

/// A panic's message, made printable. Leaves the payload, for a panic that is resumed.
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
    // A payload may panic again when dropped.
    if catch_unwind(AssertUnwindSafe(|| drop(payload))).is_err() {
        return message + " (and its payload panicked)";
    }
    message
}
