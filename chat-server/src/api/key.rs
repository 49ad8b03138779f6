//! Lets those call who show the key.

use std::borrow::Cow;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use constant_time_eq::constant_time_eq;

pub(super) async fn check(State(key): State<Arc<str>>, request: Request, next: Next) -> Response {
    if !is_shown(&key, &request) {
        return (StatusCode::UNAUTHORIZED, "the API key is missing or wrong\n").into_response();
    }
    next.run(request).await
}

/// Compares keys in constant time.
fn is_shown(key: &str, request: &Request) -> bool {
    let is_right = |shown: &[u8]| constant_time_eq(shown, key.as_bytes());
    let queried = || in_query(request.uri().query()?).map(|shown| is_right(shown.as_bytes()));
    in_headers(request.headers()).is_some_and(is_right) || queried().unwrap_or_default()
}

/// Finds the key in `X-API-Key: …`, or else in `Authorization: apikey …`.
fn in_headers(headers: &HeaderMap) -> Option<&[u8]> {
    let authorized = || {
        let words = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
        words.0.eq_ignore_ascii_case("apikey").then_some(words.1.trim().as_bytes())
    };
    let own = headers.get("x-api-key").map(|key| key.as_bytes()).filter(|key| !key.is_empty());
    own.or_else(authorized)
}

/// Finds the key in the first `?api_key=…`.
fn in_query(query: &str) -> Option<Cow<'_, str>> {
    form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "api_key").map(|(_, key)| key)
}
