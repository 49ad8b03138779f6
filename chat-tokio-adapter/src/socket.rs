//! Reads and writes Tokio's sockets as the core wants it.

use std::io::{self, ErrorKind, IoSlice, Read};
use std::net::Shutdown;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use chat_core::transport::ByteWriter;
use chat_http::PollRead;
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf, WriteHalf};
use tokio::net::TcpStream;

/// Reads from anything that Tokio reads from.
pub(crate) struct Reader<R>(pub(crate) R);

impl<R: AsyncRead + Unpin> PollRead for Reader<R> {
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut buffer = ReadBuf::new(buffer);
        ready!(Pin::new(&mut self.0).poll_read(cx, &mut buffer))?;
        Poll::Ready(Ok(buffer.filled().len()))
    }
}

/// Holds a TCP socket, which its session reads and whoever publishes writes to. One allocation, so that a
/// write looks at one place in memory.
pub(crate) struct Tcp(pub(crate) TcpStream);

/// Reads the socket.
pub(crate) struct TcpReader(pub(crate) Arc<Tcp>);

/// Keeps Linux from ending the process by a signal where the peer is gone; elsewhere sockets are made so.
const FLAGS: i32 = if cfg!(target_os = "linux") { libc::MSG_NOSIGNAL } else { 0 };

impl PollRead for TcpReader {
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        (&*self.0).poll_read(cx, buffer)
    }
}

impl PollRead for &Tcp {
    /// Takes a short read as the end of what is there: whatever comes later is another event.
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let socket = &self.0;
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
    /// Asks the socket itself and not Tokio's record of it, which is another place in memory.
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

/// Writes to any other byte stream, such as TLS, from the session's own task alone.
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
