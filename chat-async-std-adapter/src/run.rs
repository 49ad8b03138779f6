//! Runs sessions on sockets that are open already.

use std::future::Future;
use std::net::TcpStream;
use std::sync::Arc;

use async_io::Async;
use chat_core::Close;
use chat_http::{Gate, HttpHub, Opening};
use chat_protocol::json::Json;

use crate::socket::{Source, Tcp, TcpReader};

/// Makes a gate to this hub for clients of the plain protocol.
pub fn gate(hub: impl Into<HttpHub>) -> Gate {
    Gate::new(hub, Json)
}

/// Returns the session of an [`Opening`] on a TCP socket whose 101 is sent, to be awaited or spawned. It ends
/// with the connection. `early` came after the request's head.
///
/// Whoever opens a connection by hand gets an [`Opening`] from [`Gate::open`] or [`Gate::admit`]:
///
/// ```
/// use std::net::TcpStream;
///
/// use chat_async_std_adapter::{Async, Gate, run_tcp};
/// use chat_core::protocol::Handshake;
///
/// /// Runs a session on a socket on which something else has checked the request and sent the 101.
/// async fn run(gate: Gate, socket: Async<TcpStream>, query: &str) {
///     let opener = Handshake::new(Some(query), &[]);
///     if let Ok(opening) = gate.admit(&opener) {
///         run_tcp(opening, socket, Vec::new()).await;
///     }
/// }
/// ```
pub fn run_tcp(
    opening: Opening,
    socket: Async<TcpStream>,
    early: Vec<u8>,
) -> impl Future<Output = Close> + Send {
    run_source(opening, Arc::new(Tcp(socket)), early)
}

/// Does what [`run_tcp`] does, whatever reports the socket's events.
pub(crate) fn run_source<S: Source>(
    opening: Opening,
    socket: Arc<Tcp<S>>,
    early: Vec<u8>,
) -> impl Future<Output = Close> + Send {
    // A message is written as one: waiting for more to fill a packet only delays it.
    let _ = socket.0.stream().set_nodelay(true);
    chat_http::run(opening, TcpReader::new(socket.clone()), socket, early)
}
