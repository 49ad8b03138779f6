//! Accepts connections and serves HTTP on them, with bounds on what a client may do before it is anybody.

use std::convert::Infallible;
use std::error::Error;
use std::future::{Future, ready};

use chat_core::{Hub, Peer};
use chat_websocket::Gate;
use http::{Request, Response};
use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::{HttpService, Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Duration, sleep};

use crate::door::Entered;
use crate::heads::Heads;
use crate::upgrade::upgrade;

/// Longer than any handshake takes.
const A_YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// hyper takes no smaller one.
const LEAST_BUFFER: usize = 8192;

/// As many headers fit without being told, and without an allocation for each request.
const HYPERS_HEADERS: usize = 100;

/// Pauses after a failed accept, such as without file descriptors left: doubled from the first to the last.
const PAUSES: [Duration; 2] = [Duration::from_millis(10), Duration::from_secs(1)];

/// Serves WebSockets of this gate on every path, until `end` is ready. Sessions go on after that: see [`Hub::drain`](chat_core::Hub::drain).
///
/// A listener on a loopback address is asked by its own names alone, unless the gate has [`hosts`](Gate::hosts).
pub async fn serve(listener: TcpListener, gate: Gate, end: impl Future<Output = ()>) {
    let hub = gate.hub().clone();
    let gate = match listener.local_addr() {
        Ok(address) => gate.listening(address),
        Err(_) => gate,
    };
    let service = service_fn(move |mut request: Request<Incoming>| {
        ready(Ok::<_, Infallible>(upgrade(&gate, &mut request)))
    });
    serve_http(listener, hub, service, end).await;
}

/// Serves any hyper service, with the bounds of this hub's [`Limits`](chat_core::Limits) on what a client may do before it is anybody: a head of 16 KiB, 8 KiB
/// a line, 100 headers, 10 s unless told; else 431 or 408. The [`Peer`] is among each request's extensions; behind a proxy, where that is the proxy, the service is to
/// take it out or to put another in its place.
pub async fn serve_http<S, B>(listener: TcpListener, hub: Hub, service: S, end: impl Future<Output = ()>)
where
    S: Service<Request<Incoming>, Response = Response<B>>
        + HttpService<Incoming, ResBody = B>
        + Clone
        + Send
        + 'static,
    <S as Service<Request<Incoming>>>::Future: Send,
    <S as Service<Request<Incoming>>>::Error: Into<Box<dyn Error + Send + Sync>>,
    <S as HttpService<Incoming>>::Error: Into<Box<dyn Error + Send + Sync>>,
    <S as HttpService<Incoming>>::Future: Send,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let accepting = async {
        loop {
            let socket = accept(&listener, &hub).await;
            let peer = socket.peer_addr().ok().map(|address| Peer::from(address.ip()));
            let service = Heads::new(FromPeer { service: service.clone(), peer }, hub.clone());
            tokio::spawn(serve_socket(socket, hub.clone(), service));
        }
    };
    futures::future::select(std::pin::pin!(accepting), std::pin::pin!(end)).await;
}

/// A service of one connection: each request says where it comes from.
struct FromPeer<S> {
    service: S,
    peer: Option<Peer>,
}

impl<S: Service<Request<Incoming>>> Service<Request<Incoming>> for FromPeer<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn call(&self, mut request: Request<Incoming>) -> S::Future {
        if let Some(peer) = self.peer {
            request.extensions_mut().insert(peer);
        }
        self.service.call(request)
    }
}

async fn accept(listener: &TcpListener, hub: &Hub) -> TcpStream {
    let mut pause = PAUSES[0];
    loop {
        match listener.accept().await {
            Ok((socket, _)) => return socket,
            Err(_) => {
                hub.count_failed_accept();
                sleep(pause).await;
                pause = (pause * 2).min(PAUSES[1]);
            }
        }
    }
}

async fn serve_socket<S>(socket: TcpStream, hub: Hub, service: S)
where
    S: HttpService<Incoming> + Send,
    S::Future: Send,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    S::ResBody: Send + 'static,
    <S::ResBody as Body>::Data: Send,
    <S::ResBody as Body>::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let Some(entered) = Entered::wait(socket, &hub).await else { return };
    let mut builder = http1::Builder::new();
    if hub.limits().head_headers > HYPERS_HEADERS {
        builder.max_headers(hub.limits().head_headers);
    }
    let connection = builder
        .timer(TokioTimer::new())
        // hyper adds it to an instant: what is beyond the clock must be less.
        .header_read_timeout(hub.limits().handshake_timeout.min(A_YEAR))
        .max_buf_size(hub.limits().head_bytes.max(LEAST_BUFFER))
        .serve_connection(TokioIo::new(entered), service)
        .with_upgrades();
    // A client that breaks off is its own affair.
    let _ = connection.await;
}
