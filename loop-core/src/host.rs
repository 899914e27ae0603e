//! The host: what scripts, microtasks and a heap belong to. The native one is Rust itself; a script engine is
//! another. Nothing in the scheduler knows which.

use crate::context::Context;
use crate::gc::Heap;
use crate::task::Task;

/// What the loop asks its host for. All methods have defaults: a host overrides what it has.
pub trait Host<T: Task> {
    /// Releases what was held weakly for the length of a callback; runs first in every drain, before the
    /// microtasks.
    fn release_weak(&mut self) {}

    /// Whether the host has microtasks of its own.
    fn has_microtasks(&self) -> bool {
        false
    }

    /// Runs one of the host's own microtasks; false where there was none.
    fn run_microtask(&mut self, cx: &mut Context<'_, T>) -> bool {
        let _ = cx;
        false
    }

    /// Reports errors that nobody handled (unhandled rejections); called after each pass over the queue and at
    /// the end of the turn.
    fn report_rejections(&mut self, cx: &mut Context<'_, T>) {
        let _ = cx;
    }

    /// The heap that the GC controller watches, where there is one.
    fn heap(&mut self) -> Option<&mut dyn Heap> {
        None
    }
}

/// The native host: Rust microtasks, no heap.
#[derive(Clone, Copy, Debug, Default)]
pub struct NativeHost;

impl<T: Task> Host<T> for NativeHost {}

/// The native host with a heap to watch: a cache, an arena, whatever the program can collect.
#[derive(Clone, Copy, Debug, Default)]
pub struct HeapHost<H>(pub H);

impl<T: Task, H: Heap> Host<T> for HeapHost<H> {
    fn heap(&mut self) -> Option<&mut dyn Heap> {
        Some(&mut self.0)
    }
}
