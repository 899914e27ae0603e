//! Keeps a session open: sessions and recorders hold a handle, and the session ends when the last one is dropped.
//!
//! The hook of a lossless session lives here and not in [`Inner`]: it holds the draining reader, which holds
//! the `Inner`, and that cycle would never end.

use std::ops::Deref;
use std::sync::{Arc, OnceLock};

use super::inner::Inner;

/// Callback invoked when a ring is full.
pub(crate) type Hook = Arc<dyn Fn() + Send + Sync>;

pub(crate) struct Handle {
    inner: Arc<Inner>,
    hook: OnceLock<Hook>,
}

impl Handle {
    pub(super) fn new(inner: Inner) -> Self {
        Self { inner: Arc::new(inner), hook: OnceLock::new() }
    }

    pub(crate) const fn inner(&self) -> &Arc<Inner> {
        &self.inner
    }

    /// Returns false if a hook is already set.
    pub(super) fn set_hook(&self, hook: Hook) -> bool {
        self.hook.set(hook).is_ok()
    }

    pub(crate) fn hook(&self) -> Option<&Hook> {
        self.hook.get()
    }
}

impl Deref for Handle {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.inner
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        // Keep the file of a panicking program for a post-mortem.
        if !std::thread::panicking() {
            self.finish();
        }
    }
}

impl std::fmt::Debug for Handle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.inner.fmt(f)
    }
}
