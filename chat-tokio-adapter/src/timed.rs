//! Gives a socket that HTTP is spoken on its deadlines.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use chat_http::Deadlines;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Wraps a socket, and ends it when its client lets it wait for too long: see [`Deadlines`].
pub(crate) struct Timed<T> {
    socket: T,
    deadlines: Deadlines,
}

impl<T> Timed<T> {
    pub(crate) fn new(socket: T, deadlines: Deadlines) -> Self {
        Self { socket, deadlines }
    }

    pub(crate) fn into_inner(self) -> T {
        self.socket
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
        this.deadlines.after_read(cx, polled, buffer.filled().len() - before)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Timed<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.socket).poll_write(cx, bytes);
        self.deadlines.after_write(cx, polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.socket).poll_write_vectored(cx, bytes);
        self.deadlines.after_write(cx, polled)
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
