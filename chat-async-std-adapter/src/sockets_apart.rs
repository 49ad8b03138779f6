//! Where no set of sockets can stand behind the runtime's reactor: each socket is a source of its own.

use std::future::{Future, ready};
use std::io;
use std::net::TcpStream;
use std::sync::Arc;

use async_io::Async;

/// The sockets of one listener, which have nothing in common.
#[derive(Debug)]
pub(crate) struct Sockets;

impl Sockets {
    /// A new set, and what is to be run for it: nothing.
    pub(crate) fn new() -> io::Result<(Arc<Self>, impl Future<Output = ()> + Send)> {
        Ok((Arc::new(Self), ready(())))
    }

    /// Takes in a socket.
    pub(crate) fn watch(&self, stream: TcpStream) -> io::Result<Async<TcpStream>> {
        Async::new(stream)
    }
}
