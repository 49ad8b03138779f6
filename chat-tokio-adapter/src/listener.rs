//! Accepts connections and serves HTTP on them, with bounds on what a client may do before it is anybody.

use std::convert::Infallible;
use std::error::Error;
use std::future::{Future, ready};

use chat_core::{Hub, Peer};
use chat_http::Gate;
use futures::future::BoxFuture;
use http::{Request, Response};
use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::{HttpService, Service, service_fn};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Duration, sleep};

use crate::door::Entered;
use crate::heads::Heads;
use crate::upgrade::upgrade;
use crate::wire::{Answer, Ties, Timed};

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
/// a line, 100 headers, 10 s unless told; else 431 or 408. A connection on which no request is under way is kept for 75 s, and one whose client takes nothing
/// of an answer for 10 s is closed. The time that a body takes is the service's to bound. The [`Peer`] is among each request's extensions; behind a proxy, where that is the proxy, the service is to
/// take it out or to put another in its place.
pub async fn serve_http<S, B>(listener: TcpListener, hub: Hub, service: S, end: impl Future<Output = ()>)
where
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
    let accepting = async {
        loop {
            let socket = accept(&listener, &hub).await;
            let peer = socket.peer_addr().ok().map(|address| Peer::from(address.ip()));
            let service = Heads::new(service.clone(), hub.clone());
            let service = FromPeer { service, peer, ties: Ties::default() };
            tokio::spawn(serve_socket(socket, hub.clone(), service));
        }
    };
    futures::future::select(std::pin::pin!(accepting), std::pin::pin!(end)).await;
}

/// A service of one connection: each request says where it comes from, and the connection knows how long it is answered.
struct FromPeer<S> {
    service: S,
    peer: Option<Peer>,
    ties: Ties,
}

impl<S, B> Service<Request<Incoming>> for FromPeer<S>
where
    S: Service<Request<Incoming>, Response = Response<B>>,
    S::Future: Send + 'static,
    B: Body,
{
    type Response = Response<Answer<B>>;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<Self::Response, S::Error>>;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        let serving = self.ties.serve();
        request.extensions_mut().insert(self.ties.clone());
        if let Some(peer) = self.peer {
            request.extensions_mut().insert(peer);
        }
        let answer = self.service.call(request);
        Box::pin(async { Ok(answer.await?.map(|body| Answer::new(body, serving))) })
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

async fn serve_socket<S, B>(socket: TcpStream, hub: Hub, service: FromPeer<S>)
where
    S: Service<Request<Incoming>, Response = Response<B>> + Send,
    S::Future: Send + 'static,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let Some(entered) = Entered::wait(socket, &hub).await else { return };
    let ties = service.ties.clone();
    let timed = Timed::new(entered, ties.clone(), hub.limits());
    let mut builder = http1::Builder::new();
    if hub.limits().head_headers > HYPERS_HEADERS {
        builder.max_headers(hub.limits().head_headers);
    }
    let connection = builder
        // The socket has deadlines of its own, which tell a head under way from none.
        .header_read_timeout(None)
        .max_buf_size(hub.limits().head_bytes.max(LEAST_BUFFER))
        .serve_connection(TokioIo::new(timed), service)
        .with_upgrades();
    // A client that breaks off is its own affair.
    let _ = connection.await;
    ties.release();
}
