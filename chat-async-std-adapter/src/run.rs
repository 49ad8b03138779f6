//! From a socket whose 101 is sent to a session.

use std::future::Future;
use std::net::TcpStream;
use std::sync::{Arc, Mutex};

use async_io::Async;
use chat_core::{Close, Connection, Hub};
use chat_http::{Gate, Opening};
use chat_protocol::json::Json;
use chat_websocket::{Messages, WebSocket};
use futures::io::{AsyncRead, AsyncReadExt, AsyncWrite};

use crate::socket::{AnyWriter, Reader, Source, Tcp, TcpReader};

/// A gate to this hub for clients of the plain protocol.
pub fn gate(hub: Hub) -> Gate {
    Gate::new(hub, Json)
}

/// A session on a TCP socket whose 101 is sent; `early` came after the request's head. To be run; ends with the session.
pub fn run_tcp(
    opening: Opening,
    socket: Async<TcpStream>,
    early: Vec<u8>,
) -> impl Future<Output = Close> + Send {
    run_source(opening, Arc::new(Tcp(socket)), early)
}

/// As [`run_tcp`], whatever tells of the socket's events.
pub(crate) fn run_source<S: Source>(
    opening: Opening,
    socket: Arc<Tcp<S>>,
    early: Vec<u8>,
) -> impl Future<Output = Close> + Send {
    // A message is written as one: waiting for more to fill a packet only delays it.
    let _ = socket.0.stream().set_nodelay(true);
    let input =
        Messages::new(TcpReader::new(socket.clone()), opening.limits, early).counted(opening.seat.intake());
    let Opening { seat, protocol, hello, .. } = opening;
    Connection::over_bytes(seat, protocol, Arc::new(WebSocket), hello, input, socket)
}

/// As [`run_tcp`], on any other byte stream, such as TLS.
pub fn run_io<T>(opening: Opening, io: T, early: Vec<u8>) -> impl Future<Output = Close> + Send
where
    T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (read, write) = io.split();
    let input = Messages::new(Reader(read), opening.limits, early).counted(opening.seat.intake());
    let Opening { seat, protocol, hello, .. } = opening;
    let writer = Arc::new(AnyWriter(Mutex::new(write)));
    Connection::over_bytes(seat, protocol, Arc::new(WebSocket), hello, input, writer)
}
