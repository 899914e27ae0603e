//! The host: owner of scripts, microtasks and a heap. The native host is Rust itself; a script engine is
//! another. The scheduler does not depend on which it is.

use crate::gc::Heap;
use crate::task::Context;
use crate::task::Task;

/// Hooks that the loop calls on its host. All methods have defaults: a host overrides those it supports.
pub trait Host<T: Task> {
    /// Releases references held weakly for the duration of a callback; runs first in every drain, before the
    /// microtasks.
    fn release_weak(&mut self) {}

    /// Whether the host has microtasks of its own.
    fn has_microtasks(&self) -> bool {
        false
    }

    /// Runs one of the host's own microtasks; false if there was none.
    fn run_microtask(&mut self, cx: &mut Context<'_, T>) -> bool {
        let _ = cx;
        false
    }

    /// Reports unhandled errors (unhandled rejections); called after each pass over the queue and at the end
    /// of the turn.
    fn report_rejections(&mut self, cx: &mut Context<'_, T>) {
        let _ = cx;
    }

    /// The heap that the GC controller watches, if there is one.
    fn heap(&mut self) -> Option<&mut dyn Heap> {
        None
    }
}

/// The native host: Rust microtasks, no heap.
#[derive(Clone, Copy, Debug, Default)]
pub struct NativeHost;

impl<T: Task> Host<T> for NativeHost {}

/// The native host with a heap to watch: a cache, an arena, anything the program can collect.
#[derive(Clone, Copy, Debug, Default)]
pub struct HeapHost<H>(pub H);

impl<T: Task, H: Heap> Host<T> for HeapHost<H> {
    fn heap(&mut self) -> Option<&mut dyn Heap> {
        Some(&mut self.0)
    }
}
