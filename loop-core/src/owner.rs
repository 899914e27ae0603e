//! Errors with owners: who registers or spawns something says what its errors do.
//!
//! An error is a panic of a callback, a [`Context::fail`](crate::Context::fail), or the `Err` of a checked future.
//! Each is recorded, whatever the rule. The rule says what else happens, so that one bad connection closes only
//! itself, and a listener that fails takes the loop with it, with its error.

use loop_probes::event::RefKind;

/// What an error of a source's callback, or of a future, does beside being recorded.
#[derive(Debug, Default)]
#[non_exhaustive]
pub enum OnError<T> {
    /// Nothing: the next call is made as if nothing had happened.
    #[default]
    Report,
    /// It is removed, and so closed; a future is dropped. Nothing else is touched.
    Close,
    /// The loop stops with [`LoopError::Failed`](crate::LoopError::Failed): it cannot do without.
    Stop,
    /// Runs a task of the owner's, whose [`failure`](crate::Context::failure) says what failed. One that cannot
    /// run [`again`](crate::Task::again) is told of the first error only.
    Tell(T),
}

/// What failed, for the task of its owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// A source or a future.
    pub what: RefKind,
    /// Its name: the explanation it was registered with, its label, or its tag.
    pub name: String,
    /// What the error said.
    pub message: String,
}
