//! Tokio's sockets, as the core reads and writes them.

use std::io::{self, ErrorKind, IoSlice};
use std::net::Shutdown;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use chat_core::ByteWriter;
use chat_websocket::PollRead;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf, WriteHalf};
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedWriteHalf;

/// Anything that Tokio reads from.
pub(crate) struct Reader<R>(pub(crate) R);

impl<R: AsyncRead + Unpin> PollRead for Reader<R> {
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut buffer = ReadBuf::new(buffer);
        ready!(Pin::new(&mut self.0).poll_read(cx, &mut buffer))?;
        Poll::Ready(Ok(buffer.filled().len()))
    }
}

/// A TCP socket: whoever publishes writes at once.
pub(crate) struct TcpWriter(pub(crate) OwnedWriteHalf);

impl TcpWriter {
    fn socket(&self) -> &TcpStream {
        self.0.as_ref()
    }
}

impl ByteWriter for TcpWriter {
    fn try_write(&self, bytes: &[IoSlice<'_>]) -> io::Result<usize> {
        match bytes {
            [one] => self.socket().try_write(one),
            many => self.socket().try_write_vectored(many),
        }
    }

    fn poll_write(&self, cx: &mut Context<'_>, bytes: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.socket().poll_write_ready(cx))?;
            match self.try_write(bytes) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                written => return Poll::Ready(written),
            }
        }
    }

    fn poll_close(&self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(socket2::SockRef::from(self.socket()).shutdown(Shutdown::Write))
    }
}

/// Any other byte stream, such as TLS: only its own task writes.
pub(crate) struct AnyWriter<T>(pub(crate) Mutex<WriteHalf<T>>);

impl<T: AsyncRead + AsyncWrite + Send + 'static> ByteWriter for AnyWriter<T> {
    fn try_write(&self, _: &[IoSlice<'_>]) -> io::Result<usize> {
        Err(ErrorKind::WouldBlock.into())
    }

    fn poll_write(&self, cx: &mut Context<'_>, bytes: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let mut writer = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let written = ready!(Pin::new(&mut *writer).poll_write_vectored(cx, bytes))?;
        // A stream that buffers, as TLS does, is to send it too; what is pending of that goes with the next write.
        let _ = Pin::new(&mut *writer).poll_flush(cx)?;
        Poll::Ready(Ok(written))
    }

    fn poll_close(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut writer = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Pin::new(&mut *writer).poll_shutdown(cx)
    }
}
