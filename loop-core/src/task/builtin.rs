//! `Builtin`: a ready-made task type for applications without their own enum.
//!
//! Its tasks are boxed closures. An application with its own enum can have a variant with an [`Any`] instead.

use super::{Any, AnyRemote, Context, Task};

/// A task type of boxed closures, for applications without their own enum.
///
/// # Examples
///
/// ```
/// use loop_core::{Builtin, EventLoop};
///
/// let mut event_loop = EventLoop::<Builtin>::new()?;
/// event_loop.with(|cx| cx.post(Builtin::once("hello", |cx| cx.stop())));
/// event_loop.run()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum Builtin {
    /// A boxed, labelled closure.
    Any(Any<Self>),
}

/// Tasks that other threads send to a loop of [`Builtin`].
#[derive(Debug)]
#[non_exhaustive]
pub enum BuiltinRemote {
    /// A boxed, labelled closure.
    Any(AnyRemote<Builtin>),
}

impl Builtin {
    /// A closure that runs once.
    pub fn once(label: &'static str, run: impl FnOnce(&mut Context<'_, Self>) + 'static) -> Self {
        Self::Any(Any::once(label, run))
    }

    /// A closure that runs repeatedly, for intervals, signals and sources.
    pub fn repeat(label: &'static str, run: impl FnMut(&mut Context<'_, Self>) + 'static) -> Self {
        Self::Any(Any::repeat(label, run))
    }

    /// A closure sent by another thread.
    pub fn remote(
        label: &'static str,
        run: impl FnOnce(&mut Context<'_, Self>) + Send + 'static,
    ) -> BuiltinRemote {
        BuiltinRemote::Any(AnyRemote::new(label, run))
    }
}

impl From<Any<Self>> for Builtin {
    fn from(any: Any<Self>) -> Self {
        Self::Any(any)
    }
}

impl From<AnyRemote<Builtin>> for BuiltinRemote {
    fn from(any: AnyRemote<Builtin>) -> Self {
        Self::Any(any)
    }
}

impl From<BuiltinRemote> for Builtin {
    fn from(remote: BuiltinRemote) -> Self {
        match remote {
            BuiltinRemote::Any(any) => Self::Any(any.into()),
        }
    }
}

impl Task for Builtin {
    type Remote = BuiltinRemote;
    crate::tags! { ..Any }

    fn run(self, cx: &mut Context<'_, Self>) {
        match self {
            Self::Any(any) => any.run(cx),
        }
    }

    fn again(&self) -> Option<Self> {
        match self {
            Self::Any(any) => any.again().map(Self::Any),
        }
    }
}
