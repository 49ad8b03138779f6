//! Accepts connections and serves HTTP on them, within the bounds on what a client may do before it has a
//! session.

use std::convert::Infallible;
use std::error::Error;
use std::future::Future;

use chat_http::{Deadlines, Gate, HttpHub, HttpLimits, Listener, Remote, accept_with};
use http::{Request, Response};
use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::{HttpService, Service, service_fn};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};

use crate::prefixed::Prefixed;
use crate::service::Bounded;
use crate::timed::Timed;
use crate::upgrade::upgrade;

/// Names the smallest buffer that hyper takes.
const LEAST_BUFFER: usize = 8192;

/// Names how many headers hyper reads without being told, and without an allocation for each request.
const HYPERS_HEADERS: usize = 100;

/// Serves WebSockets of this gate on every path, until `end` is ready. Sessions go on after that: end them
/// with [`Hub::drain`](chat_core::Hub::drain).
///
/// On a loopback address only the listener's own names are served, unless the gate has
/// [`hosts`](Gate::hosts).
///
/// ```no_run
/// use chat_core::{Hub, OpenChat};
/// use chat_tokio_adapter::{TokioRuntime, gate, serve};
///
/// # async fn run() -> std::io::Result<()> {
/// let hub = Hub::builder(OpenChat::default()).build(TokioRuntime::current());
/// let listener = tokio::net::TcpListener::bind("127.0.0.1:8080").await?;
/// serve(listener, gate(hub), std::future::pending()).await;
/// # Ok(())
/// # }
/// ```
///
/// Behind a proxy that speaks the PROXY protocol, serve a [`Listener`] that says so.
pub async fn serve(listener: impl Into<Listener<TcpListener>>, gate: Gate, end: impl Future<Output = ()>) {
    let (listener, http) = (listener.into(), gate.http().clone());
    let gate = match listener.socket().local_addr() {
        Ok(address) => gate.listening(address),
        Err(_) => gate,
    };
    let service = service_fn(move |mut request: Request<Incoming>| {
        let gate = gate.clone();
        async move { Ok::<_, Infallible>(upgrade(&gate, &mut request).await) }
    });
    serve_http(listener, http, service, end).await;
}

/// Serves any hyper service, within the bounds on what a client may do before it has a session, until `end`
/// is ready. A [`Hub`](chat_core::Hub) alone is served within the default bounds, an [`HttpHub`] within its
/// own: give the same one to the gates behind the service.
///
/// Unless told otherwise, a head may have 48 KiB, 32 KiB a line and 100 headers and take 10 s; else 431 or
/// 408 is answered. A connection without a request is kept for 75 s, and one whose client takes nothing of
/// an answer is closed after 10 s. The time that a body takes is the service's to bound.
///
/// The [`RemoteAddress`] and the [`Peer`](chat_core::transport::Peer) are among each request's extensions.
/// Behind a proxy both are the proxy's: the service removes the peer or puts another in its place, and
/// names the client by a [`ClientAddress`](chat_http::ClientAddress), as [`Proxies`](chat_http::Proxies)
/// reads it. A proxy that speaks the PROXY protocol names the client itself: serve a [`Listener`] that says
/// so.
///
/// [`RemoteAddress`]: chat_http::RemoteAddress
pub async fn serve_http<S, B>(
    listener: impl Into<Listener<TcpListener>>,
    hub: impl Into<HttpHub>,
    service: S,
    end: impl Future<Output = ()>,
) where
    S: Service<Request<Incoming>, Response = Response<B>>
        + HttpService<Incoming, ResBody = B>
        + Clone
        + Send
        + 'static,
    <S as Service<Request<Incoming>>>::Future: Send + 'static,
    <S as Service<Request<Incoming>>>::Error: Into<Box<dyn Error + Send + Sync>>,
    <S as HttpService<Incoming>>::Error: Into<Box<dyn Error + Send + Sync>>,
    <S as HttpService<Incoming>>::Future: Send,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let (listener, http) = (listener.into(), hub.into());
    let accepting = async {
        loop {
            let (socket, remote) = accept_with(http.hub(), || listener.socket().accept()).await;
            tokio::spawn(serve_socket(socket, listener.remote(remote), http.clone(), service.clone()));
        }
    };
    futures::future::select(std::pin::pin!(accepting), std::pin::pin!(end)).await;
}

async fn serve_socket<S, B>(socket: TcpStream, remote: Remote, http: HttpHub, service: S)
where
    S: Service<Request<Incoming>, Response = Response<B>> + Send,
    S::Future: Send + 'static,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let Some((socket, remote)) = Prefixed::wait(socket, remote, &http).await else { return };
    let service = Bounded::new(service, http.clone(), remote);
    let connection = service.connection().clone();
    let deadlines = Deadlines::new(connection.clone(), &http);
    let serving = builder(http.limits())
        .serve_connection(TokioIo::new(Timed::new(socket, deadlines)), service)
        .with_upgrades();
    // A client that breaks off is its own affair.
    let _ = serving.await;
    connection.release();
}

fn builder(limits: &HttpLimits) -> http1::Builder {
    let mut builder = http1::Builder::new();
    if limits.head_headers > HYPERS_HEADERS {
        builder.max_headers(limits.head_headers);
    }
    // The socket has deadlines of its own, which tell a head under way from none.
    builder.header_read_timeout(None).max_buf_size(limits.head_bytes.max(LEAST_BUFFER));
    builder
}
