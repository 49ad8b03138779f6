//! Makes each socket a source of its own, where no set of them can stand behind the runtime's reactor.

use std::future::{Future, ready};
use std::io;
use std::net::TcpStream;
use std::sync::Arc;

use async_io::Async;

/// Stands for the sockets of one listener, which share nothing.
#[derive(Debug)]
pub(crate) struct Sockets;

impl Sockets {
    /// Makes a set, and the task to run for it, which does nothing.
    pub(crate) fn new() -> io::Result<(Arc<Self>, impl Future<Output = ()> + Send)> {
        Ok((Arc::new(Self), ready(())))
    }

    /// Takes in a socket.
    pub(crate) fn watch(&self, stream: TcpStream) -> io::Result<Async<TcpStream>> {
        Async::new(stream)
    }
}
