//! Tokio's sockets, as the core reads and writes them.

use std::io::{self, ErrorKind, IoSlice, Read};
use std::net::Shutdown;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use chat_core::ByteWriter;
use chat_websocket::PollRead;
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf, WriteHalf};
use tokio::net::TcpStream;

/// Anything that Tokio reads from.
pub(crate) struct Reader<R>(pub(crate) R);

impl<R: AsyncRead + Unpin> PollRead for Reader<R> {
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut buffer = ReadBuf::new(buffer);
        ready!(Pin::new(&mut self.0).poll_read(cx, &mut buffer))?;
        Poll::Ready(Ok(buffer.filled().len()))
    }
}

/// A TCP socket: its session reads it, and whoever publishes writes at once. One allocation, so that a write is as near as can be.
pub(crate) struct Tcp(pub(crate) TcpStream);

/// The reading half.
pub(crate) struct TcpReader(pub(crate) Arc<Tcp>);

/// Linux would end the process by a signal where the peer is gone; elsewhere sockets are made so that it does not.
const FLAGS: i32 = if cfg!(target_os = "linux") { libc::MSG_NOSIGNAL } else { 0 };

impl PollRead for TcpReader {
    /// A short read has emptied the socket: what comes later is another event, and is not asked for before.
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let socket = &self.0.0;
        loop {
            ready!(socket.poll_read_ready(cx))?;
            let mut short = None;
            let read =
                socket.try_io(Interest::READABLE, || match (&*SockRef::from(socket)).read(buffer)? {
                    n if n > 0 && n < buffer.len() => {
                        short = Some(n);
                        Err(ErrorKind::WouldBlock.into())
                    }
                    n => Ok(n),
                });
            match (read, short) {
                (_, Some(n)) => return Poll::Ready(Ok(n)),
                (Err(error), _) if is_passing(&error) => {}
                (read, _) => return Poll::Ready(read),
            }
        }
    }
}

fn is_passing(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}

impl ByteWriter for Tcp {
    /// Asks the socket itself, not what is known of it: that would be another place in memory to look at.
    fn try_write(&self, bytes: &[IoSlice<'_>]) -> io::Result<usize> {
        let socket = SockRef::from(&self.0);
        match bytes {
            [one] => socket.send_with_flags(one, FLAGS),
            many => socket.send_vectored_with_flags(many, FLAGS),
        }
    }

    fn poll_write(&self, cx: &mut Context<'_>, bytes: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.0.poll_write_ready(cx))?;
            match self.0.try_io(Interest::WRITABLE, || self.try_write(bytes)) {
                Err(error) if is_passing(&error) => {}
                written => return Poll::Ready(written),
            }
        }
    }

    fn poll_close(&self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(SockRef::from(&self.0).shutdown(Shutdown::Write))
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
        Pin::new(&mut *writer).poll_write_vectored(cx, bytes)
    }

    fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut writer = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Pin::new(&mut *writer).poll_flush(cx)
    }

    fn poll_close(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut writer = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Pin::new(&mut *writer).poll_shutdown(cx)
    }
}
