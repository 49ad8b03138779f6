//! What is served where.

use std::convert::Infallible;
use std::sync::Arc;

use std::net::IpAddr;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, HeaderName};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, any, get};
use chat_core::{Hub, Peer, Protocol};
use chat_protocol::centrifuge::Centrifuge;
use chat_protocol::json::Json;
use chat_protocol::phoenix::Phoenix;
use chat_protocol::serverpod::{Legacy, MethodStreams};
use chat_tokio_adapter::{Gate, Hosts, LongPoll, Origins, Streams, list, upgrade};

use crate::metrics;
use crate::page::page;

pub(crate) fn routes(hub: &Hub, origins: &Origins) -> Router {
    let sockets = Sockets { hub, origins };
    let streams = Streams::new(hub.clone()).origins(origins.clone());
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
        .with_state(hub.clone())
}

/// Lets requests through that ask under one of these names, whatever they ask for. Balancers and Prometheus, which ask by an address or by a name of their
/// own, are answered all the same: what they hear are counts, and they change nothing.
pub(crate) fn behind(hosts: Hosts, hub: &Hub, routes: Router) -> Router {
    let state = (Arc::new(hosts), hub.clone());
    routes
        .layer(from_fn_with_state(state, check_host))
        .route("/health", get(|| async { "ok\n" }))
        .route("/metrics", get(scrape).with_state(hub.clone()))
}

/// Behind a proxy each request comes from where the header says that it wrote last, or from nowhere.
pub(crate) fn from_header(header: Option<HeaderName>, routes: Router) -> Router {
    let place = async |State(header): State<Option<HeaderName>>, mut request: Request, next: Next| {
        request.extensions_mut().remove::<Peer>();
        let last = header.and_then(|header| last_address(request.headers(), &header));
        if let Some(address) = last {
            request.extensions_mut().insert(Peer::from(address));
        }
        next.run(request).await
    };
    routes.layer(from_fn_with_state(header, place))
}

fn last_address(headers: &HeaderMap, header: &HeaderName) -> Option<IpAddr> {
    std::str::from_utf8(list(headers, header).next_back()?).ok()?.parse().ok()
}

async fn check_host(State((hosts, hub)): State<(Arc<Hosts>, Hub)>, request: Request, next: Next) -> Response {
    match hosts.check(request.headers()) {
        Ok(()) => next.run(request).await,
        Err(rejection) => {
            hub.count_rejection(rejection.status().as_u16());
            rejection.response().into_response()
        }
    }
}

/// Opens sessions to a hub, for pages of these origins.
struct Sockets<'a> {
    hub: &'a Hub,
    origins: &'a Origins,
}

impl Sockets<'_> {
    /// For clients that speak this.
    fn of(&self, protocol: impl Protocol) -> MethodRouter<Hub, Infallible> {
        let gate = self.gate(protocol);
        any(move |mut request: Request| async move { upgrade(&gate, &mut request) })
    }

    /// For clients that speak this and poll.
    fn long_poll(&self, protocol: impl Protocol) -> MethodRouter<Hub, Infallible> {
        let poll = LongPoll::new(self.gate(protocol));
        any(move |request: Request| async move { poll.answer(request).await })
    }

    fn gate(&self, protocol: impl Protocol) -> Gate {
        Gate::new(self.hub.clone(), protocol).origins(self.origins.clone())
    }
}

async fn scrape(State(hub): State<Hub>) -> impl IntoResponse {
    ([(CONTENT_TYPE, "text/plain; version=0.0.4")], metrics::text(&hub.stats()))
}
