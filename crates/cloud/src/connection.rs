//! Connections that take too long, or are too many.
//!
//! hyper bounds the time for a request's headers once it knows the version of HTTP, and not before; and it
//! waits for ever for a client that does not read. [`Patience`] bounds both.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum_server::accept::Accept;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep, sleep};

/// As many bytes as hyper wants before it knows the version: the HTTP/2 preface.
const FIRST_BYTES: usize = 24;

/// Gives each connection one of a bounded number of places, and bounds its patience. It stands around the
/// acceptor that does TLS, or around none.
#[derive(Clone)]
pub(crate) struct Doorkeeper<A> {
    inner: A,
    places: Arc<Semaphore>,
    patience: Duration,
}

impl<A> Doorkeeper<A> {
    pub(crate) fn new(inner: A, connections: usize, patience: Duration) -> Self {
        Self { inner, places: Arc::new(Semaphore::new(connections)), patience }
    }
}

impl<A, I, S> Accept<I, S> for Doorkeeper<A>
where
    A: Accept<I, S>,
    A::Future: Send + 'static,
    A::Stream: Unpin,
{
    type Stream = Patience<A::Stream>;
    type Service = A::Service;
    type Future = Pin<Box<dyn Future<Output = io::Result<(Self::Stream, Self::Service)>> + Send + 'static>>;

    fn accept(&self, stream: I, service: S) -> Self::Future {
        // One too many is closed at once: waiting would hold its socket.
        let place = Arc::clone(&self.places).try_acquire_owned();
        let accepted = self.inner.accept(stream, service);
        let patience = self.patience;
        Box::pin(async move {
            let place = place.map_err(|_| io::Error::other("too many connections"))?;
            let (stream, service) = accepted.await?;
            Ok((Patience::new(stream, place, patience), service))
        })
    }
}

/// A stream whose first bytes must come soon, and whose reader must go on reading.
pub(crate) struct Patience<S> {
    stream: S,
    /// How long to wait.
    most: Duration,
    /// Runs until the first bytes are there.
    opening: Option<Pin<Box<Sleep>>>,
    first_bytes: usize,
    /// Runs while a write is blocked.
    blocked: Option<Pin<Box<Sleep>>>,
    _place: OwnedSemaphorePermit,
}

impl<S> Patience<S> {
    fn new(stream: S, place: OwnedSemaphorePermit, patience: Duration) -> Self {
        let opening = Some(Box::pin(sleep(patience)));
        Self { stream, most: patience, opening, first_bytes: 0, blocked: None, _place: place }
    }

    /// Turns a write that stays blocked for too long into an error.
    fn watch<T>(&mut self, context: &mut Context<'_>, poll: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if poll.is_ready() {
            self.blocked = None;
            return poll;
        }
        let deadline = Instant::now() + self.most;
        let blocked = self.blocked.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
        ready!(blocked.as_mut().poll(context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Patience<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        let poll = Pin::new(&mut this.stream).poll_read(context, buffer);
        let Some(opening) = &mut this.opening else { return poll };
        this.first_bytes += buffer.filled().len() - before;
        if this.first_bytes >= FIRST_BYTES {
            this.opening = None;
            return poll;
        }
        if poll.is_pending() && opening.as_mut().poll(context).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        poll
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patience<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let poll = Pin::new(&mut this.stream).poll_write(context, bytes);
        this.watch(context, poll)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let poll = Pin::new(&mut this.stream).poll_write_vectored(context, slices);
        this.watch(context, poll)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let poll = Pin::new(&mut this.stream).poll_flush(context);
        this.watch(context, poll)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let poll = Pin::new(&mut this.stream).poll_shutdown(context);
        this.watch(context, poll)
    }
}
