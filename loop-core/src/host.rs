//! The host: owner of scripts, their microtasks and a heap, such as a script engine. The native host is plain Rust.

use crate::gc::Heap;
use crate::task::Context;
use crate::task::Task;

/// Hooks that the loop calls on its host. All methods have defaults; a host overrides those that it supports.
pub trait Host<T: Task> {
    /// Releases weak references that were kept alive during a callback. Called at the start of every drain, before the
    /// microtasks.
    fn release_weak(&mut self) {}

    /// Whether the host has microtasks in its own queue.
    fn has_microtasks(&self) -> bool {
        false
    }

    /// Runs one microtask of the host's own queue. Returns false if there was none.
    fn run_microtask(&mut self, cx: &mut Context<'_, T>) -> bool {
        let _ = cx;
        false
    }

    /// Reports unhandled rejections. Called after each pass over the task queue and at the end of the turn.
    fn report_rejections(&mut self, cx: &mut Context<'_, T>) {
        let _ = cx;
    }

    /// The heap that the GC controller watches, if the host has one.
    fn heap(&mut self) -> Option<&mut dyn Heap> {
        None
    }
}

/// The native host: plain Rust, without a heap.
#[derive(Clone, Copy, Debug, Default)]
pub struct NativeHost;

impl<T: Task> Host<T> for NativeHost {}

/// The native host with a heap that the GC controller watches: a cache, an arena, or anything else that the program can
/// collect.
#[derive(Clone, Copy, Debug, Default)]
pub struct HeapHost<H>(pub H);

impl<T: Task, H: Heap> Host<T> for HeapHost<H> {
    fn heap(&mut self) -> Option<&mut dyn Heap> {
        Some(&mut self.0)
    }
}
