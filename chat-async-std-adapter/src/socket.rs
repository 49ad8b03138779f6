//! Reads and writes TCP sockets as the core wants it.

use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use async_io::Async;
use chat_core::transport::ByteWriter;
use chat_http::PollRead;

/// Stands for a TCP socket and whatever reports its events.
pub(crate) trait Source: Send + Sync + 'static {
    fn stream(&self) -> &TcpStream;

    /// Ready once there was an event, or may have been one, since it was last ready.
    fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Does for writing what [`poll_readable`](Self::poll_readable) does.
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

/// Holds a TCP socket, which its session reads and whoever publishes writes to. One allocation, so that a
/// write looks at one place in memory.
#[derive(Debug)]
pub(crate) struct Tcp<S>(pub(crate) S);

/// Reads the socket.
#[derive(Debug)]
pub(crate) struct TcpReader<S> {
    socket: Arc<Tcp<S>>,
    /// Tells that the last read left nothing: the socket is not read before there is an event.
    empty: bool,
}

impl<S> TcpReader<S> {
    pub(crate) fn new(socket: Arc<Tcp<S>>) -> Self {
        Self { socket, empty: false }
    }
}

impl<S: Source> PollRead for TcpReader<S> {
    /// Takes a short read as the end of what is there: whatever comes later is another event.
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

    /// Tries before it waits: others may have written since the socket was full, and each event comes once.
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
