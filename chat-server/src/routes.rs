//! What is served where.

use std::convert::Infallible;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::{MethodRouter, any, get};
use chat_core::{Hub, Protocol};
use chat_protocol::centrifuge::Centrifuge;
use chat_protocol::json::Json;
use chat_protocol::phoenix::Phoenix;
use chat_protocol::serverpod::{Legacy, MethodStreams};
use chat_tokio_adapter::{Gate, LongPoll, Origins, Streams, upgrade};

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
        .route("/health", get(|| async { "ok\n" }))
        .route("/metrics", get(scrape))
        .with_state(hub.clone())
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
