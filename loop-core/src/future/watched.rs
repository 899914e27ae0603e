//! Readiness sources as futures.
//!
//! A source is registered with the poller once, when a future first has to wait for it. Its interest covers only
//! what futures currently wait for, and is updated before a poll only if it changed. So a connection that is
//! read, answered and read again needs no system calls besides its reads and writes.

use std::fmt;
use std::future::{Future, poll_fn};
use std::io::{self, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::inbox::{Inbox, Plain, until_shutdown};
use super::wait::{SourceWaiters, Wait};
use crate::poller::Interest;

/// A source that futures wait for. Dropping it removes the registration and drops the source.
///
/// Reading works with any descriptor; writing needs a type that implements [`io::Write`] for shared references, such as
/// a socket or a pipe of a child process. Listeners have an `accept`. Two futures may wait for one source at the same
/// time, one to read and one to write.
///
/// # Examples
///
/// ```
/// use std::os::unix::net::UnixStream;
/// use loop_core::{Builtin, EventLoop};
///
/// let (near, far) = UnixStream::pair()?;
/// let mut event_loop = EventLoop::<Builtin>::new()?;
/// event_loop.spawn_checked("writer", |lp| async move { lp.watch(near).write_all(b"hello").await });
/// let mut got = event_loop.spawn("reader", |lp| async move {
///     let mut buffer = [0; 16];
///     let bytes = lp.watch(far).read(&mut buffer).await?;
///     Ok::<_, std::io::Error>(buffer[..bytes].to_vec())
/// });
/// event_loop.run()?;
/// assert!(matches!(got.take(), Some(Ok(Ok(bytes))) if bytes == b"hello"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Watched<S> {
    source: Arc<S>,
    registry: Rc<SourceWaiters>,
    inbox: Rc<dyn Inbox>,
    /// Why the source could not be made non-blocking.
    unfit: Option<io::Error>,
}

impl<S: AsFd + Send + Sync + 'static> Watched<S> {
    pub(crate) fn owned(inbox: Rc<dyn Inbox>, source: S) -> Self {
        let unfit = rustix::io::ioctl_fionbio(source.as_fd(), true).err().map(io::Error::from);
        let mut watched = Self::shared(inbox, Arc::new(source));
        watched.unfit = unfit;
        watched
    }

    pub(crate) fn shared(inbox: Rc<dyn Inbox>, source: Arc<S>) -> Self {
        let registry = SourceWaiters::new(Arc::<S>::clone(&source));
        Self { source, registry, inbox, unfit: None }
    }
}

impl<S> Watched<S> {
    /// The source whose readiness is watched.
    #[must_use]
    pub fn source(&self) -> &S {
        &self.source
    }

    /// Completes when the source can be read or accepted from, or has failed. May complete spuriously.
    ///
    /// # Errors
    ///
    /// If the system cannot wait for this kind of source, or the loop's limit of sources is reached.
    pub fn readable(&self) -> Readable<'_, S> {
        Readable { watched: self, interest: Interest::READABLE, waiting: None }
    }

    /// Completes when the source can be written to, or has failed. May complete spuriously.
    ///
    /// # Errors
    ///
    /// If the system cannot wait for this kind of source, or the loop's limit of sources is reached.
    pub fn writable(&self) -> Readable<'_, S> {
        Readable { watched: self, interest: Interest::WRITABLE, waiting: None }
    }

    /// Retries `op` while it would block or is interrupted, waiting for `interest` between attempts.
    ///
    /// # Errors
    ///
    /// The error of `op`, except "would block" and "interrupted".
    pub async fn io<R>(&self, interest: Interest, mut op: impl FnMut(&S) -> io::Result<R>) -> io::Result<R> {
        poll_fn(|cx| self.inbox.state().spend_io(cx)).await;
        loop {
            match op(&self.source) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    Readable { watched: self, interest, waiting: None }.await?;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => return result,
            }
        }
    }

    /// Reads available bytes from the source's descriptor into `buffer`, and returns how many; 0 means end of stream.
    /// This bypasses any buffering or encryption that the source adds: to read through that, use [`io`](Self::io).
    ///
    /// # Errors
    ///
    /// The source's error.
    pub async fn read(&self, buffer: &mut [u8]) -> io::Result<usize>
    where
        S: AsFd,
    {
        // The standard library reads a child's output only through `&mut`.
        self.io(Interest::READABLE, |source| Ok(rustix::io::read(source, &mut *buffer)?)).await
    }

    /// Writes some of `bytes`, and returns how many.
    ///
    /// # Errors
    ///
    /// The source's error.
    pub async fn write(&self, bytes: &[u8]) -> io::Result<usize>
    where
        for<'a> &'a S: Write,
    {
        self.io(Interest::WRITABLE, |mut source| source.write(bytes)).await
    }

    /// Writes all of `bytes`. If dropped before it completes, some of them may have been written.
    ///
    /// # Errors
    ///
    /// The source's error; [`io::ErrorKind::WriteZero`] if it accepts no more bytes.
    pub async fn write_all(&self, mut bytes: &[u8]) -> io::Result<()>
    where
        for<'a> &'a S: Write,
    {
        while !bytes.is_empty() {
            match self.write(bytes).await? {
                0 => return Err(io::ErrorKind::WriteZero.into()),
                written => bytes = &bytes[written..],
            }
        }
        Ok(())
    }

    async fn accept_with<C: AsFd + Send + Sync + 'static, A>(
        &self,
        accept: impl Fn(&S) -> io::Result<(C, A)>,
    ) -> io::Result<Option<(Watched<C>, A)>> {
        let accepting = self.io(Interest::READABLE, |source| match accept(source) {
            // The peer closed the connection before it was accepted: the listener is fine, so try again.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {
                Err(io::ErrorKind::Interrupted.into())
            }
            result => result,
        });
        let accepted = until_shutdown(&*self.inbox, accepting).await;
        let Some((stream, address)) = accepted.transpose()? else { return Ok(None) };
        let stream = Watched::owned(Rc::clone(&self.inbox), stream);
        Ok(Some((stream, address)))
    }
}

impl Watched<TcpListener> {
    /// Accepts the next connection. Returns `None` as soon as the loop shuts down, so that
    /// `while let Some((stream, peer)) = listener.accept().await? { … }` ends with its loop.
    ///
    /// # Errors
    ///
    /// The listener's error, such as when the process is out of descriptors.
    pub async fn accept(&self) -> io::Result<Option<(Watched<TcpStream>, SocketAddr)>> {
        self.accept_with(TcpListener::accept).await
    }
}

impl Watched<UnixListener> {
    /// Accepts the next connection. Returns `None` as soon as the loop shuts down.
    ///
    /// # Errors
    ///
    /// The listener's error, such as when the process is out of descriptors.
    pub async fn accept(&self) -> io::Result<Option<(Watched<UnixStream>, std::os::unix::net::SocketAddr)>> {
        self.accept_with(UnixListener::accept).await
    }
}

impl<S> Drop for Watched<S> {
    fn drop(&mut self) {
        self.inbox.push(Plain::Unwatch(Rc::clone(&self.registry)));
    }
}

impl<S: fmt::Debug> fmt::Debug for Watched<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watched").field("source", &self.source).finish_non_exhaustive()
    }
}

/// Completes when a source is ready. See [`Watched::readable`] and [`Watched::writable`].
#[must_use = "a future does nothing unless it is awaited"]
#[derive(Debug)]
pub struct Readable<'a, S> {
    watched: &'a Watched<S>,
    interest: Interest,
    waiting: Option<Rc<Wait>>,
}

impl<S> Readable<'_, S> {
    fn changed(&self) {
        let registry = &self.watched.registry;
        if !registry.changed.replace(true) {
            self.watched.inbox.push(Plain::Watch(Rc::clone(registry)));
        }
    }
}

impl<S> Future for Readable<'_, S> {
    type Output = io::Result<()>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let watched = self.watched;
        if let Some(unfit) = &watched.unfit {
            return Poll::Ready(Err(unfit.kind().into()));
        }
        if let Some(wait) = &self.waiting {
            if wait.poll(cx).is_pending() {
                return Poll::Pending;
            }
            self.waiting = None;
            let refused = watched.registry.refused.borrow_mut().take();
            return Poll::Ready(refused.map_or(Ok(()), |error| Err(io::Error::other(error))));
        }
        let wait = Wait::new();
        let _ = wait.poll(cx);
        watched.registry.waiting.borrow_mut().push((self.interest, Rc::clone(&wait)));
        self.waiting = Some(wait);
        self.changed();
        Poll::Pending
    }
}

impl<S> Drop for Readable<'_, S> {
    fn drop(&mut self) {
        if let Some(wait) = self.waiting.take() {
            let waiting = &self.watched.registry.waiting;
            waiting.borrow_mut().retain(|(_, other)| !Rc::ptr_eq(other, &wait));
            self.changed();
        }
    }
}
