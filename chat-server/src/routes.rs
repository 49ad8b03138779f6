//! Routes each path to its protocol, to the page, or to the metrics.

use std::convert::Infallible;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::{ALLOW, CONTENT_TYPE};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::IntoResponse;
use axum::routing::{MethodRouter, any, get, options};
use chat_core::Hub;
use chat_core::protocol::Protocol;
use chat_core::transport::Peer;
use chat_protocol::centrifuge::Centrifuge;
use chat_protocol::json::Json;
use chat_protocol::phoenix::Phoenix;
use chat_protocol::serverpod::{Legacy, MethodStreams};
use chat_tokio_adapter::{
    ClientAddress, Gate, HttpHub, LongPoll, Origins, Proxies, RemoteAddress, Streams, upgrade,
};

use crate::metrics;
use crate::page::page;
use crate::readiness::Readiness;

pub(crate) fn routes(http: &HttpHub, origins: &Origins) -> Router {
    let sockets = Sockets { http, origins };
    let streams = Streams::new(http.clone()).origins(origins.clone());
    let (lines, events, beside) = (streams.clone(), streams.clone(), streams);
    Router::new()
        .route("/", get(page))
        .route("/ws", sockets.of(Json))
        .route("/connection/websocket", sockets.of(Centrifuge::default()))
        .route("/connection/http_stream", any(async move |request: Request| lines.http_stream(request).await))
        .route("/connection/sse", any(async move |request: Request| events.event_stream(request).await))
        .route("/emulation", any(async move |request: Request| beside.emulation(request).await))
        .route("/socket/websocket", sockets.of(Phoenix::default()))
        .route("/socket/longpoll", sockets.long_poll(Phoenix::only_text()))
        .route("/websocket", sockets.of(Legacy))
        .route("/v1/websocket", sockets.of(MethodStreams::default()))
}

/// Adds the paths that load balancers and Prometheus read. They are answered under any name and address: they
/// return counts, and change nothing.
pub(crate) fn watched(hub: &Hub, readiness: &Readiness, routes: Router) -> Router {
    let readiness = readiness.clone();
    routes
        .route("/", options(readable))
        .route("/health", get(|| async { "ok\n" }).options(readable))
        .route("/ready", get(async move || readiness.answer()).options(readable))
        .route("/metrics", get(scrape).options(readable).with_state(hub.clone()))
}

/// Answers OPTIONS for a readable path, with which load balancers check the server.
async fn readable() -> impl IntoResponse {
    ([(ALLOW, "GET, HEAD, OPTIONS")], "")
}

/// Sets the client's address of each request to the one that these proxies name; without proxies, removes it.
pub(crate) fn behind(proxies: Option<Proxies>, routes: Router) -> Router {
    let place = async |State(proxies): State<Option<Proxies>>, mut request: Request, next: Next| {
        let remote = request.extensions().get().map(|RemoteAddress(remote)| remote.ip());
        let client = proxies.and_then(|proxies| proxies.client(remote, request.headers()));
        let extensions = request.extensions_mut();
        extensions.remove::<Peer>();
        if let Some(client) = client {
            extensions.insert(Peer::from(client));
            extensions.insert(ClientAddress(client));
        }
        next.run(request).await
    };
    routes.layer(from_fn_with_state(proxies, place))
}

/// Opens sessions to a hub, for pages of these origins.
struct Sockets<'a> {
    http: &'a HttpHub,
    origins: &'a Origins,
}

impl Sockets<'_> {
    /// Serves WebSocket clients of a protocol.
    fn of(&self, protocol: impl Protocol) -> MethodRouter<(), Infallible> {
        let gate = self.gate(protocol);
        any(async move |mut request: Request| upgrade(&gate, &mut request).await).options(readable)
    }

    /// Serves clients of a protocol that poll.
    fn long_poll(&self, protocol: impl Protocol) -> MethodRouter<(), Infallible> {
        let poll = LongPoll::new(self.gate(protocol));
        any(move |request: Request| async move { poll.answer(request).await })
    }

    fn gate(&self, protocol: impl Protocol) -> Gate {
        Gate::new(self.http.clone(), protocol).origins(self.origins.clone())
    }
}

async fn scrape(State(hub): State<Hub>) -> impl IntoResponse {
    ([(CONTENT_TYPE, "text/plain; version=0.0.4")], metrics::text(&hub.stats(), hub.deaf_for()))
}
