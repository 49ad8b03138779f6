//! From an HTTP request to a session: for hyper, and for all that stands on it.

use std::future::Future;
use std::sync::{Arc, Mutex};

use chat_core::{Close, Connection, Hub};
use chat_http::{Gate, Opening};
use chat_protocol::json::Json;
use chat_websocket::{Messages, WebSocket};
use http::{Request, Response};
use hyper::upgrade::{Parts, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use crate::door::Entered;
use crate::socket::{AnyWriter, Reader, Tcp, TcpReader};
use crate::wire::Timed;

/// A gate to this hub for clients of the plain protocol.
pub fn gate(hub: Hub) -> Gate {
    Gate::new(hub, Json)
}

/// Answers a request to open a WebSocket, and runs its session in a task of its own once the answer is sent.
///
/// A request that may not come in is answered with why, and nothing is run. Works on hyper 1 and on all that stands on it.
pub fn upgrade<B>(gate: &Gate, request: &mut Request<B>) -> Response<String> {
    let (response, opening) = match gate.open(request) {
        Ok(opened) => opened,
        Err(rejection) => return rejection.response(),
    };
    let upgraded = hyper::upgrade::on(request);
    tokio::spawn(async move {
        if let Ok(upgraded) = upgraded.await {
            spawn_upgraded(opening, upgraded);
        }
    });
    response.map(|()| String::new())
}

/// A session on a TCP socket whose 101 is sent; `early` came after the request's head. To be run; ends with the session.
pub fn run_tcp(opening: Opening, socket: TcpStream, early: Vec<u8>) -> impl Future<Output = Close> + Send {
    // A message is written as one: waiting for more to fill a packet only delays it.
    let _ = socket.set_nodelay(true);
    let socket = Arc::new(Tcp(socket));
    let input =
        Messages::new(TcpReader(socket.clone()), opening.limits, early).counted(opening.seat.intake());
    let Opening { seat, protocol, hello, .. } = opening;
    Connection::over_bytes(seat, protocol, Arc::new(WebSocket), hello, input, socket)
}

/// As [`run_tcp`], on any other byte stream, such as TLS.
pub fn run_io<T>(opening: Opening, io: T, early: Vec<u8>) -> impl Future<Output = Close> + Send
where
    T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (read, write) = tokio::io::split(io);
    let input = Messages::new(Reader(read), opening.limits, early).counted(opening.seat.intake());
    let Opening { seat, protocol, hello, .. } = opening;
    let writer = Arc::new(AnyWriter(Mutex::new(write)));
    Connection::over_bytes(seat, protocol, Arc::new(WebSocket), hello, input, writer)
}

/// Finds the socket under hyper's wrapping, for the fast way out. The session gets a task of its own, with nothing in it of how it came about.
fn spawn_upgraded(opening: Opening, upgraded: Upgraded) {
    let upgraded = match upgraded.downcast::<TokioIo<TcpStream>>() {
        Ok(Parts { io, read_buf, .. }) => {
            tokio::spawn(run_tcp(opening, io.into_inner(), read_buf.to_vec()));
            return;
        }
        Err(upgraded) => upgraded,
    };
    match upgraded.downcast::<TokioIo<Timed<Entered>>>() {
        Ok(Parts { io, read_buf, .. }) => {
            let (socket, mut early) = io.into_inner().into_inner().into_parts();
            early.extend_from_slice(&read_buf);
            tokio::spawn(run_tcp(opening, socket, early));
        }
        Err(upgraded) => drop(tokio::spawn(run_io(opening, TokioIo::new(upgraded), Vec::new()))),
    }
}

#[cfg(test)]
mod tests {
    use std::mem::size_of;

    use super::*;

    /// Tokio's task has 80 bytes of its own and 24 beside them, and comes in steps of 128: one byte more than this costs every idle session 128.
    #[test]
    fn the_task_of_a_session_takes_no_more_than_768_bytes() {
        let session = size_of::<Connection<Messages<TcpReader>>>();
        assert!(session <= 768 - 80 - 24, "{session} bytes");
    }
}
