//! Sockets as the core reads and writes them.

use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use async_io::Async;
use chat_core::ByteWriter;
use chat_websocket::PollRead;
use futures::io::{AsyncRead, AsyncWrite, ReadHalf, WriteHalf};

/// A TCP socket, and whatever tells of its events.
pub(crate) trait Source: Send + Sync + 'static {
    fn stream(&self) -> &TcpStream;

    /// Ready once there was an event, or may have been one, since it was last ready.
    fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// As [`poll_readable`](Self::poll_readable).
    fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
}

impl Source for Async<TcpStream> {
    fn stream(&self) -> &TcpStream {
        self.get_ref()
    }

    fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Self::poll_readable(self, cx)
    }

    fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Self::poll_writable(self, cx)
    }
}

/// A TCP socket: its session reads it, and whoever publishes writes at once. One allocation, so that a write is as near as can be.
#[derive(Debug)]
pub(crate) struct Tcp<S>(pub(crate) S);

/// The reading half.
#[derive(Debug)]
pub(crate) struct TcpReader<S> {
    socket: Arc<Tcp<S>>,
    /// Nothing was left when it was last read: it is not asked before there is an event.
    empty: bool,
}

impl<S> TcpReader<S> {
    pub(crate) fn new(socket: Arc<Tcp<S>>) -> Self {
        Self { socket, empty: false }
    }
}

impl<S: Source> PollRead for TcpReader<S> {
    /// A short read has emptied the socket: what comes later is another event, and what came since is told at once.
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let source = &self.socket.0;
        loop {
            if self.empty {
                ready!(source.poll_readable(cx))?;
                self.empty = false;
            }
            match source.stream().read(buffer) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.empty = true,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                read => {
                    self.empty = read.as_ref().is_ok_and(|n| *n < buffer.len());
                    return Poll::Ready(read);
                }
            }
        }
    }
}

impl<S: Source> ByteWriter for Tcp<S> {
    fn try_write(&self, bytes: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut stream = self.0.stream();
        match bytes {
            [one] => stream.write(one),
            many => stream.write_vectored(many),
        }
    }

    /// Tries first: others may have written since the socket was last heard to be full, and one event is told once.
    fn poll_write(&self, cx: &mut Context<'_>, bytes: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        loop {
            match self.try_write(bytes) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => ready!(self.0.poll_writable(cx))?,
                written => return Poll::Ready(written),
            }
        }
    }

    fn poll_close(&self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.0.stream().shutdown(Shutdown::Write))
    }
}

/// Anything that futures-io reads from.
pub(crate) struct Reader<T>(pub(crate) ReadHalf<T>);

impl<T: AsyncRead + Unpin> PollRead for Reader<T> {
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

/// Any other byte stream, such as TLS: only its own task writes.
pub(crate) struct AnyWriter<T>(pub(crate) Mutex<WriteHalf<T>>);

impl<T: AsyncWrite + Send + Unpin + 'static> ByteWriter for AnyWriter<T> {
    fn try_write(&self, _: &[IoSlice<'_>]) -> io::Result<usize> {
        Err(ErrorKind::WouldBlock.into())
    }

    fn poll_write(&self, cx: &mut Context<'_>, bytes: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let mut writer = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Pin::new(&mut *writer).poll_write_vectored(cx, bytes)
    }

    fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut writer = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Pin::new(&mut *writer).poll_flush(cx)
    }

    fn poll_close(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut writer = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Pin::new(&mut *writer).poll_close(cx)
    }
}
