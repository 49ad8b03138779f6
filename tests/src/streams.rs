//! Serves hubs on sockets that are more or less than TCP to an adapter.

use std::future::Future;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::mpsc::Sender as Teller;
use std::time::Duration;

use async_channel::Receiver;
use axum::extract::{State, WebSocketUpgrade};
use axum::response::Response;
use axum::routing::any;
use axum::{Router, extract::RawQuery};
use chat_async_std_adapter::Async;
use chat_core::protocol::{Handshake, Protocol};
use chat_core::{Close, Hub, HubBuilder};
use chat_http::{HeadLimits, Opening, RequestReader, to_bytes};
use chat_protocol::json::Json;
use chat_tokio_adapter::TokioRuntime;
use futures::future::select;
use futures::io::{AsyncReadExt, AsyncWriteExt};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;

pub(crate) type Tell = Teller<(SocketAddr, Hub)>;

pub(crate) async fn stopped(stop: Receiver<()>) {
    let _ = stop.recv().await;
}

/// Serves, then lets those who are still there go.
pub(crate) async fn until_gone(serving: impl Future<Output = ()>, hub: Hub) {
    serving.await;
    hub.drain(Duration::from_secs(5)).await;
}

pub(crate) fn axum_sockets(hub: HubBuilder, tell: &Tell, stop: Receiver<()>) {
    on_tokio(async {
        let hub = hub.build(TokioRuntime::current());
        let app = Router::new().fallback(any(upgrade_with_axum)).with_state(hub.clone());
        let listener = listen(tell, &hub).await;
        let serving = axum::serve(listener, app).into_future();
        until_gone(async move { drop(select(serving, Box::pin(stopped(stop))).await) }, hub).await;
    });
}

async fn upgrade_with_axum(
    State(hub): State<Hub>,
    RawQuery(query): RawQuery,
    ws: WebSocketUpgrade,
) -> Response {
    ws.on_upgrade(async move |socket| {
        let seat = hub.acceptor().permit().expect("the hub has room");
        let opener = Handshake::new(query.as_deref(), &[]);
        let welcome = Json.accept(&opener).expect("anybody is welcome");
        chat_tokio_adapter::axum::run(seat, Arc::new(Json), welcome.credentials, socket).await;
    })
}

pub(crate) fn tokio_streams(hub: HubBuilder, tell: &Tell, stop: Receiver<()>) {
    on_tokio(async {
        let hub = hub.build(TokioRuntime::current());
        let listener = listen(tell, &hub).await;
        let gate = chat_tokio_adapter::gate(hub.clone());
        let accepting = async move {
            loop {
                let (socket, _) = listener.accept().await.expect("a socket");
                let gate = gate.clone();
                let service = service_fn(move |mut request: hyper::Request<hyper::body::Incoming>| {
                    let gate = gate.clone();
                    async move {
                        let answer = chat_tokio_adapter::upgrade(&gate, &mut request).await;
                        Ok::<_, std::convert::Infallible>(answer)
                    }
                });
                // Behind a buffer the adapter does not know the socket.
                let io = TokioIo::new(tokio::io::BufStream::new(socket));
                let http = hyper::server::conn::http1::Builder::new();
                tokio::spawn(http.serve_connection(io, service).with_upgrades());
            }
        };
        until_gone(async move { drop(select(Box::pin(accepting), Box::pin(stopped(stop))).await) }, hub)
            .await;
    });
}

pub(crate) fn async_std<F: Future<Output = Close> + Send + 'static>(
    hub: Hub,
    session: fn(Opening, Async<std::net::TcpStream>, Vec<u8>) -> F,
    tell: &Tell,
    stop: Receiver<()>,
) {
    let listener = Async::<TcpListener>::bind(([127, 0, 0, 1], 0)).expect("a free port");
    let address = listener.get_ref().local_addr().expect("a port");
    tell.send((address, hub.clone())).expect("somebody waits");
    let there = hub.clone();
    let accepting = async move {
        loop {
            let (socket, _) = listener.accept().await.expect("a socket");
            let hub = there.clone();
            there.runtime().spawn(Box::pin(async move {
                let (opening, socket, early) = let_in(hub, socket).await;
                session(opening, socket, early).await;
            }));
        }
    };
    async_io::block_on(until_gone(
        async { drop(select(Box::pin(accepting), Box::pin(stopped(stop))).await) },
        hub,
    ));
}

async fn let_in(
    hub: Hub,
    mut socket: Async<std::net::TcpStream>,
) -> (Opening, Async<std::net::TcpStream>, Vec<u8>) {
    let (mut reader, mut buffer) = (RequestReader::new(HeadLimits::default()), [0; 1024]);
    let request = loop {
        let n = socket.read(&mut buffer).await.expect("a request");
        if let Some(request) = reader.push(&buffer[..n]).expect("a good one") {
            break request;
        }
    };
    let (response, opening) = chat_async_std_adapter::gate(hub).open(&request.head).expect("a good one");
    socket.write_all(&to_bytes(&response.map(|()| ""))).await.expect("it is there");
    (opening, socket, request.rest)
}

fn on_tokio(run: impl Future<Output = ()>) {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.enable_all().build().expect("a runtime").block_on(run);
}

async fn listen(tell: &Tell, hub: &Hub) -> tokio::net::TcpListener {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("a port");
    tell.send((address, hub.clone())).expect("somebody waits");
    listener
}
