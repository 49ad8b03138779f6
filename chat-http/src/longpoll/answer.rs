//! Builds the answers to polls and batches.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chat_core::transport::{Frame, Kind};
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Response, StatusCode};

/// Lists the methods of the route.
pub(super) const METHODS: &str = "GET, HEAD, POST, OPTIONS";

/// Builds an answer. Clients read the status in its body, and want the token again each time.
pub(super) fn answer(
    http: StatusCode,
    status: u16,
    token: Option<&str>,
    frames: &[Frame],
) -> Response<String> {
    let messages: Vec<_> = frames.iter().map(text).collect();
    let body = serde_json::json!({ "status": status, "token": token, "messages": messages });
    let mut response = Response::new(body.to_string());
    *response.status_mut() = http;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn text(frame: &Frame) -> String {
    match frame.as_str() {
        Some(text) if frame.kind() == Kind::Text => text.to_owned(),
        _ => STANDARD.encode(frame),
    }
}

/// Builds an answer of no words, which names the methods.
pub(super) fn without_body(status: StatusCode) -> Response<String> {
    let mut response = Response::new(String::new());
    *response.status_mut() = status;
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(METHODS));
    response
}
