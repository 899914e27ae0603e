//! Error rules: the owner of a source or future says what its errors do.
//!
//! An error is a panic of a callback, a [`Context::fail`](crate::Context::fail), or the `Err` of a checked future.
//! Each is recorded, whatever the rule. The rule says what else happens, so that one bad connection closes only
//! itself, while a failing listener ends the loop with its error.

use loop_probes::event::RefKind;

/// What an error of a source's callback, or of a future, does besides being recorded.
#[derive(Debug, Default)]
#[non_exhaustive]
pub enum OnError<T> {
    /// Nothing: the next call is made as usual.
    #[default]
    Report,
    /// Removes the source, and so closes it; drops the future. Touches nothing else.
    Close,
    /// Stops the loop with [`LoopError::Failed`](crate::LoopError::Failed): the source or future is essential.
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
    /// Its name: the explanation it was registered with, its label, or its tag.
    pub name: String,
    /// The error's message.
    pub message: String,
}
