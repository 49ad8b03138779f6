//! Serves the page of the people who run the server: live channels and sessions, and how to end them.
//!
//! ```text
//!   door     checks the key and the origin of a request
//!   pace     bounds how often something may happen
//!   lists    lists channels, sessions and subscribers
//!   acts     disconnects and unsubscribes
//!   failure  answers a request that is refused
//! ```
//!
//! The page keeps the key in its script alone and sends it as a header, so nothing has to be kept in a
//! cookie: a browser sends a cookie to every port of a host, and with requests that other sites make. The key
//! is gone when the page is.

mod acts;
mod door;
mod failure;
mod lists;
mod pace;

use axum::Router;
use axum::extract::Request;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderName, StatusCode};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use chat_tokio_adapter::HttpHub;

use self::door::Door;
pub(crate) use self::door::KEY_BYTES;
use self::failure::failure;

const PAGE: &str = include_str!("page/admin.html");
const STYLE: &str = include_str!("page/admin.css");

/// Holds the scripts, which share one scope; the last one starts the page.
const SCRIPT: &str =
    concat!(include_str!("page/ask.js"), include_str!("page/table.js"), include_str!("page/admin.js"));

/// Allows the page its own files, and nothing that a user writes.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src data:; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Routes the page and its requests; without a key there is no such page.
pub(crate) fn routes(http: &HttpHub, key: Option<&str>) -> Router {
    let Some(key) = key else { return Router::new() };
    let asked = Router::new()
        .route("/admin/api/totals", get(lists::totals))
        .route("/admin/api/channels", get(lists::channels))
        .route("/admin/api/sessions", get(lists::sessions))
        .route("/admin/api/subscribers", get(lists::subscribers))
        .route("/admin/api/disconnect", post(acts::disconnect).with_state(http.clone()))
        .route("/admin/api/unsubscribe", post(acts::unsubscribe).with_state(http.clone()))
        .route("/admin/api", any(unknown))
        .route("/admin/api/{*rest}", any(unknown))
        .route_layer(from_fn_with_state(Door::new(http.hub(), key), door::check))
        .with_state(http.hub().clone());
    Router::new()
        .route("/admin", get(async || file("text/html; charset=utf-8", PAGE)))
        .route("/admin/admin.css", get(async || file("text/css; charset=utf-8", STYLE)))
        .route("/admin/admin.js", get(async || file("text/javascript; charset=utf-8", SCRIPT)))
        .merge(asked)
        .layer(from_fn(guarded))
}

fn file(kind: &'static str, text: &'static str) -> Response {
    ([(CONTENT_TYPE, kind)], text).into_response()
}

async fn unknown() -> Response {
    failure(StatusCode::NOT_FOUND, "there is no such request")
}

/// Adds to every answer what browsers must not do with it.
async fn guarded(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let own = HeaderName::from_static("cross-origin-resource-policy");
    response.headers_mut().extend([
        (CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
        (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (own, HeaderValue::from_static("same-origin")),
    ]);
    response
}
