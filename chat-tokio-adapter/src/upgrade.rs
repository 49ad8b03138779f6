//! Makes a session of an HTTP request: for hyper, and for all that stands on it.

use std::future::Future;
use std::sync::{Arc, Mutex};

use chat_core::Close;
use chat_http::{Gate, HttpHub, Opening};
use chat_protocol::json::Json;
use http::{Request, Response};
use hyper::upgrade::{Parts, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use crate::prefixed::Prefixed;
use crate::socket::{AnyWriter, Reader, Tcp, TcpReader};
use crate::timed::Timed;

/// Makes a gate to this hub for clients of the plain protocol.
pub fn gate(hub: impl Into<HttpHub>) -> Gate {
    Gate::new(hub, Json)
}

/// Answers a request to open a WebSocket, and runs its session in a task of its own once the answer is sent.
///
/// Answers a request that is refused with the reason, and runs nothing. Where the protocol
/// [wants it so](chat_core::protocol::Protocol::refuses_early), the endpoint is asked first. Works on hyper
/// 1 and on all that stands on it. It is made of [`Gate::open`], [`Opening::ask`] and [`spawn_upgraded`],
/// of which a server with checks of its own makes another.
///
/// ```
/// use std::convert::Infallible;
///
/// use chat_core::{Hub, OpenChat};
/// use chat_tokio_adapter::{TokioRuntime, gate, upgrade};
/// use hyper::service::service_fn;
/// use hyper_util::rt::TokioIo;
///
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let gate = gate(Hub::builder(OpenChat::default()).build(TokioRuntime::current()));
/// let listener = tokio::net::TcpListener::bind("127.0.0.1:8080").await?;
/// loop {
///     let (socket, _) = listener.accept().await?;
///     let gate = gate.clone();
///     let service = service_fn(move |mut request: http::Request<hyper::body::Incoming>| {
///         let gate = gate.clone();
///         async move { Ok::<_, Infallible>(upgrade(&gate, &mut request).await) }
///     });
///     let http = hyper::server::conn::http1::Builder::new();
///     tokio::spawn(http.serve_connection(TokioIo::new(socket), service).with_upgrades());
/// }
/// # }
/// ```
pub async fn upgrade<B>(gate: &Gate, request: &mut Request<B>) -> Response<String> {
    let (response, mut opening) = match gate.open(&*request) {
        Ok(opened) => opened,
        Err(rejection) => return rejection.response(),
    };
    if let Err(rejection) = opening.ask().await {
        return rejection.response();
    }
    let upgraded = hyper::upgrade::on(request);
    tokio::spawn(async move {
        if let Ok(upgraded) = upgraded.await {
            spawn_upgraded(opening, upgraded);
        }
    });
    response.map(|()| String::new())
}

/// Returns the session of an [`Opening`] on a TCP socket whose 101 is sent, to be awaited or spawned. It
/// ends with the connection. `early` came after the request's head.
///
/// ```
/// use chat_core::protocol::Handshake;
/// use chat_tokio_adapter::{Gate, run_tcp};
/// use tokio::net::TcpStream;
///
/// /// Runs a session on a socket on which something else has checked the request and sent the 101.
/// async fn run(gate: Gate, socket: TcpStream, query: &str) {
///     let opener = Handshake::new(Some(query), &[]);
///     if let Ok(opening) = gate.admit(&opener) {
///         run_tcp(opening, socket, Vec::new()).await;
///     }
/// }
/// ```
pub fn run_tcp(opening: Opening, socket: TcpStream, early: Vec<u8>) -> impl Future<Output = Close> + Send {
    // A message is written as one: waiting for more to fill a packet only delays it.
    let _ = socket.set_nodelay(true);
    let socket = Arc::new(Tcp(socket));
    chat_http::run(opening, TcpReader(socket.clone()), socket, early)
}

/// Does what [`run_tcp`] does on any other byte stream, such as TLS. Only the session's own task writes
/// there.
pub fn run_io<T>(opening: Opening, io: T, early: Vec<u8>) -> impl Future<Output = Close> + Send
where
    T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (read, write) = tokio::io::split(io);
    chat_http::run(opening, Reader(read), Arc::new(AnyWriter(Mutex::new(write))), early)
}

/// Runs the session of an [`Opening`] in a task of its own, on a connection that hyper has upgraded.
///
/// Finds the socket under hyper's wrapping, so that whoever publishes writes to it at once: [`run_tcp`] for
/// a `TokioIo<TcpStream>` and for what [`serve_http`](crate::serve_http) serves, [`run_io`] for all else.
///
/// [`upgrade`] calls it. Call it yourself to open a connection by hand, with checks of your own:
///
/// ```
/// use chat_core::protocol::Handshake;
/// use chat_tokio_adapter::{Gate, spawn_upgraded};
/// use http::{Request, Response, StatusCode};
///
/// /// Opens a session for a request whose handshake something else has checked; `response` is its 101.
/// fn open<B>(gate: &Gate, request: &mut Request<B>, response: Response<()>) -> Response<()> {
///     let opener = Handshake::new(request.uri().query(), &[]);
///     let Ok(opening) = gate.admit(&opener) else {
///         let mut refused = Response::new(());
///         *refused.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
///         return refused;
///     };
///     // The endpoint is given the request.
///     let opening = opening.of_request(&*request);
///     let upgraded = hyper::upgrade::on(request);
///     tokio::spawn(async move {
///         if let Ok(upgraded) = upgraded.await {
///             spawn_upgraded(opening, upgraded);
///         }
///     });
///     response
/// }
/// ```
///
/// # Panics
/// If it is called outside of a Tokio runtime.
pub fn spawn_upgraded(opening: Opening, upgraded: Upgraded) {
    // The session's task holds nothing of how it came about: an idle session is no larger for it.
    let upgraded = match upgraded.downcast::<TokioIo<TcpStream>>() {
        Ok(Parts { io, read_buf, .. }) => {
            tokio::spawn(run_tcp(opening, io.into_inner(), read_buf.to_vec()));
            return;
        }
        Err(upgraded) => upgraded,
    };
    match upgraded.downcast::<TokioIo<Timed<Prefixed>>>() {
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

    use chat_core::transport::Connection;
    use chat_websocket::Messages;

    use super::*;

    /// Holds the task of a session to a step of the allocator's: Tokio's task has 80 bytes of its own and 24
    /// beside them, and comes in steps of 128, so one byte more costs every idle session 128.
    #[test]
    fn the_task_of_a_session_takes_no_more_than_768_bytes() {
        let session = size_of::<Connection<Messages<TcpReader>>>();
        assert!(session <= 768 - 80 - 24, "{session} bytes");
    }
}
