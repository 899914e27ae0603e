//! The environment of a tool that runs on a loop: environment variables and output streams.
//!
//! A tool that uses its loop's environment instead of the process's can run inside another program or in a test.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io::{self, Write};
use std::rc::Rc;

/// Environment variables and output streams. [`Default`] uses those of the process.
///
/// # Examples
///
/// ```
/// use std::io::Write;
/// use loop_core::environment::{CapturedOutput, Stream, Environment};
/// use loop_core::{Builtin, EventLoop};
///
/// let printed = CapturedOutput::default();
/// let environment = Environment {
///     env: [("NAME".into(), "world".into())].into(),
///     stdout: Stream::new(printed.clone()),
///     ..Environment::default()
/// };
/// let mut tool = EventLoop::<Builtin>::builder().environment(environment).build_mini()?;
/// tool.post(Builtin::once("greet", |cx| {
///     let around = cx.environment();
///     let name = around.env("NAME").unwrap_or_default().display().to_string();
///     let _ = writeln!(around.stdout.clone(), "hello, {name}");
/// }));
/// tool.run()?;
/// assert_eq!(printed.text(), "hello, world\n");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Environment {
    /// Environment variables for tools on the loop. Changing them does not change those of the process.
    pub env: BTreeMap<OsString, OsString>,
    /// Stream for results.
    pub stdout: Stream,
    /// Stream for diagnostics.
    pub stderr: Stream,
}

impl Environment {
    /// The value of an environment variable, if it is set.
    #[must_use]
    pub fn env(&self, name: impl AsRef<OsStr>) -> Option<&OsStr> {
        self.env.get(name.as_ref()).map(OsString::as_os_str)
    }
}

impl Default for Environment {
    fn default() -> Self {
        Self {
            env: std::env::vars_os().collect(),
            stdout: Stream::new(io::stdout()),
            stderr: Stream::new(io::stderr()),
        }
    }
}

/// An output stream. Clones write to the same stream. A write to a slow target, such as a terminal or a file, blocks the
/// loop; for slow output use a source of the loop.
#[derive(Clone)]
pub struct Stream(Rc<RefCell<dyn Write>>);

impl Stream {
    /// A stream that writes to `to`.
    #[must_use]
    pub fn new(to: impl Write + 'static) -> Self {
        Self(Rc::new(RefCell::new(to)))
    }

    fn with<R>(&self, f: impl FnOnce(&mut dyn Write) -> io::Result<R>) -> io::Result<R> {
        match self.0.try_borrow_mut() {
            Ok(mut to) => f(&mut *to),
            Err(_) => Err(io::Error::new(io::ErrorKind::ResourceBusy, "the stream writes to itself")),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.with(|to| to.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.with(|to| to.flush())
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Stream")
    }
}

/// Captured output, for tests. Clones share the same buffer.
#[derive(Clone, Debug, Default)]
pub struct CapturedOutput(Rc<RefCell<Vec<u8>>>);

impl CapturedOutput {
    /// Everything written so far; invalid UTF-8 is replaced.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.borrow()).into_owned()
    }
}

impl Write for CapturedOutput {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
