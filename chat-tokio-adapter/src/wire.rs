//! A socket that HTTP is spoken on, with a deadline for whatever its client is waited for.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::{Context, Poll, ready};

use chat_core::Limits;
use hyper::body::{Body, Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Duration, Instant, Sleep, sleep_until};

/// Longer than anything is waited for.
const A_YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// What a connection is waiting for, and what stands on it. Cheap to clone: its socket and its requests share it.
#[derive(Clone, Default)]
pub(crate) struct Ties(Arc<Inner>);

#[derive(Default)]
struct Inner {
    stage: AtomicU8,
    overdue: AtomicBool,
    /// By when all that is still to be written must be.
    end: OnceLock<Instant>,
    kept: Mutex<Vec<Box<dyn Send>>>,
}

/// How far the next request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Not begun.
    Idle,
    /// Its head has begun to come in.
    Head,
    /// It is being answered.
    Served,
}

impl Ties {
    /// A request's head is in: now it is the service's to wait. The next one is waited for when what this gives is dropped.
    pub(crate) fn serve(&self) -> Serving {
        self.set_stage(Stage::Served);
        Serving(self.clone())
    }

    /// Whether its client took nothing for too long.
    #[cfg(feature = "streams")]
    pub(crate) fn is_overdue(&self) -> bool {
        self.0.overdue.load(Ordering::Acquire)
    }

    /// Keeps this until the socket is gone.
    #[cfg(feature = "streams")]
    pub(crate) fn keep(&self, what: impl Send + 'static) {
        self.0.kept.lock().unwrap_or_else(PoisonError::into_inner).push(Box::new(what));
    }

    /// From now on its client has only until then, whatever it takes now and then.
    #[cfg(feature = "streams")]
    pub(crate) fn end_by(&self, deadline: std::time::Instant) {
        let _ = self.0.end.set(deadline.into());
    }

    /// The socket is gone.
    pub(crate) fn release(&self) {
        let kept = std::mem::take(&mut *self.0.kept.lock().unwrap_or_else(PoisonError::into_inner));
        drop(kept);
    }

    fn stage(&self) -> Stage {
        match self.0.stage.load(Ordering::Acquire) {
            0 => Stage::Idle,
            1 => Stage::Head,
            _ => Stage::Served,
        }
    }

    fn set_stage(&self, stage: Stage) {
        self.0.stage.store(stage as u8, Ordering::Release);
    }
}

/// A request that is being answered.
pub(crate) struct Serving(Ties);

impl Drop for Serving {
    fn drop(&mut self) {
        self.0.set_stage(Stage::Idle);
    }
}

/// The body of an answer, which is over when this is dropped.
pub(crate) struct Answer<B> {
    body: Pin<Box<B>>,
    _serving: Serving,
}

impl<B> Answer<B> {
    pub(crate) fn new(body: B, serving: Serving) -> Self {
        Self { body: Box::pin(body), _serving: serving }
    }
}

impl<B: Body> Body for Answer<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        self.body.as_mut().poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A socket that ends when its client lets it wait: a write that gets nothing across for [`Limits::write_timeout`] fails, and a client that begins no request
/// for [`Limits::keep_alive_timeout`], or does not end a head within [`Limits::handshake_timeout`], counts as gone.
pub(crate) struct Timed<T> {
    socket: T,
    ties: Ties,
    write: Deadline,
    read: Deadline,
    /// What the deadline for reading was set for.
    awaited: Stage,
    patience: Patience,
}

#[derive(Clone, Copy)]
struct Patience {
    write: Duration,
    head: Duration,
    idle: Duration,
}

impl<T> Timed<T> {
    pub(crate) fn new(socket: T, ties: Ties, limits: &Limits) -> Self {
        let never = |time: Duration| if time.is_zero() { A_YEAR } else { time.min(A_YEAR) };
        let patience = Patience {
            write: never(limits.write_timeout),
            head: never(limits.handshake_timeout),
            idle: never(limits.keep_alive_timeout),
        };
        let (write, read) = (Deadline::default(), Deadline::default());
        Self { socket, ties, write, read, awaited: Stage::Idle, patience }
    }

    pub(crate) fn into_inner(self) -> T {
        self.socket
    }

    /// Passes on what came of a write, unless nothing has for too long.
    fn written<R>(&mut self, cx: &mut Context<'_>, polled: Poll<io::Result<R>>) -> Poll<io::Result<R>> {
        if polled.is_ready() {
            self.write.clear();
            // Who still takes an answer is not idle.
            if self.awaited == Stage::Idle {
                self.read.clear();
            }
            return polled;
        }
        let end = self.ties.0.end.get().copied();
        let deadline = || {
            let next = Instant::now() + self.patience.write;
            end.map_or(next, |end| end.min(next))
        };
        ready!(self.write.poll(cx, deadline));
        self.ties.0.overdue.store(true, Ordering::Release);
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }

    /// Ready when the client has let a request be waited for too long.
    fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let stage = self.ties.stage();
        if stage != self.awaited {
            self.awaited = stage;
            self.read.clear();
        }
        let patience = match stage {
            Stage::Idle => self.patience.idle,
            Stage::Head => self.patience.head,
            Stage::Served => return Poll::Pending,
        };
        self.read.poll(cx, || Instant::now() + patience)
    }
}

/// A moment, once it is set.
#[derive(Default)]
struct Deadline {
    sleep: Option<Pin<Box<Sleep>>>,
    set: bool,
}

impl Deadline {
    fn clear(&mut self) {
        self.set = false;
    }

    /// Sets it, unless it is set. Ready once it has come.
    fn poll(&mut self, cx: &mut Context<'_>, at: impl FnOnce() -> Instant) -> Poll<()> {
        let sleep = match &mut self.sleep {
            Some(sleep) => {
                if !self.set {
                    sleep.as_mut().reset(at());
                }
                sleep
            }
            none => none.insert(Box::pin(sleep_until(at()))),
        };
        self.set = true;
        sleep.as_mut().poll(cx)
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Timed<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = buffer.filled().len();
        let polled = Pin::new(&mut this.socket).poll_read(cx, buffer);
        if buffer.filled().len() > before && this.ties.stage() == Stage::Idle {
            this.ties.set_stage(Stage::Head);
        }
        if polled.is_pending() { this.poll_gone(cx).map(Ok) } else { polled }
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Timed<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.socket).poll_write(cx, bytes);
        self.written(cx, polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.socket).poll_write_vectored(cx, bytes);
        self.written(cx, polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests;
