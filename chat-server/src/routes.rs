//! What is served where.

use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use axum::response::IntoResponse;
use axum::routing::{any, get};
use chat_tokio_adapter::{Gate, upgrade};

use crate::metrics;

const PAGE: &str = include_str!("page.html");

/// Nothing foreign, and nothing that a person writes, is ever run.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; \
    img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

pub(crate) fn routes(gate: Gate) -> Router {
    Router::new()
        .route("/", get(page))
        .route("/ws", any(websocket))
        .route("/health", get(|| async { "ok\n" }))
        .route("/metrics", get(scrape))
        .with_state(gate)
}

async fn page() -> impl IntoResponse {
    let headers = [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (CACHE_CONTROL, "no-cache"),
    ];
    (headers, PAGE)
}

async fn websocket(State(gate): State<Gate>, mut request: Request) -> impl IntoResponse {
    upgrade(&gate, &mut request)
}

async fn scrape(State(gate): State<Gate>) -> impl IntoResponse {
    ([(CONTENT_TYPE, "text/plain; version=0.0.4")], metrics::text(&gate.hub().stats()))
}
