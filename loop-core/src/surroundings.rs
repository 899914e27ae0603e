//! What a tool that runs on a loop finds around it: environment variables, and where it writes to.
//!
//! A tool that asks its loop instead of the process can be run inside another program, and in a test.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io::{self, Write};
use std::rc::Rc;

/// Environment variables and output streams. [`Default`] is what the process has.
///
/// # Examples
///
/// ```
/// use std::io::Write;
/// use loop_core::surroundings::{Captured, Stream, Surroundings};
/// use loop_core::{Builtin, EventLoop};
///
/// let printed = Captured::default();
/// let surroundings = Surroundings {
///     env: [("NAME".into(), "world".into())].into(),
///     stdout: Stream::new(printed.clone()),
///     ..Surroundings::default()
/// };
/// let mut tool = EventLoop::<Builtin>::builder().surroundings(surroundings).build_mini()?;
/// tool.post(Builtin::once("greet", |cx| {
///     let around = cx.surroundings();
///     let name = around.env("NAME").unwrap_or_default().display().to_string();
///     let _ = writeln!(around.stdout.clone(), "hello, {name}");
/// }));
/// tool.run()?;
/// assert_eq!(printed.text(), "hello, world\n");
/// # Ok::<(), loop_core::LoopError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Surroundings {
    /// Environment variables, as the loop's programs see them: those of the process stay as they are.
    pub env: BTreeMap<OsString, OsString>,
    /// Where results go.
    pub stdout: Stream,
    /// Where complaints go.
    pub stderr: Stream,
}

impl Surroundings {
    /// An environment variable, where it is set.
    #[must_use]
    pub fn env(&self, name: impl AsRef<OsStr>) -> Option<&OsStr> {
        self.env.get(name.as_ref()).map(OsString::as_os_str)
    }
}

impl Default for Surroundings {
    fn default() -> Self {
        Self {
            env: std::env::vars_os().collect(),
            stdout: Stream::new(io::stdout()),
            stderr: Stream::new(io::stderr()),
        }
    }
}

/// Something to write to. Clones write to the same. A write blocks the loop for as long as it takes, as one to a
/// terminal or a file does; what would take long belongs into a source of the loop.
#[derive(Clone)]
pub struct Stream(Rc<RefCell<dyn Write>>);

impl Stream {
    /// Writes to `to`.
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

/// What was written, to look at: the stream of a test. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Captured(Rc<RefCell<Vec<u8>>>);

impl Captured {
    /// Everything so far; bytes that are no text are shown as such.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.borrow()).into_owned()
    }
}

impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
