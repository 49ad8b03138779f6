//! Ends sessions and subscriptions.

use axum::Json;
use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use chat_core::{ChannelId, Close, Refusal, SessionId};
use chat_tokio_adapter::HttpHub;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use tokio::time::timeout;
use tracing::info;

use super::failure::failure;

/// Bounds the body of a request: a session and a channel, however their characters are escaped.
const BYTES: usize = 4096;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Disconnect {
    session: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Unsubscribe {
    session: String,
    channel: ChannelId,
}

/// Disconnects a session, whose client does not reconnect by itself.
pub(super) async fn disconnect(State(http): State<HttpHub>, headers: HeaderMap, body: Body) -> Response {
    let asked: Disconnect = match read(&http, &headers, body).await {
        Ok(asked) => asked,
        Err(response) => return response,
    };
    let Some(session) = id(&asked.session) else { return no_session() };
    if !http.hub().disconnect(session, Close::new(3503, "force disconnect")) {
        return no_session();
    }
    info!(session = session.0, "an admin disconnected a session");
    done()
}

/// Unsubscribes a session from a channel. Its client does not join again by itself.
pub(super) async fn unsubscribe(State(http): State<HttpHub>, headers: HeaderMap, body: Body) -> Response {
    let asked: Unsubscribe = match read(&http, &headers, body).await {
        Ok(asked) => asked,
        Err(response) => return response,
    };
    let Some(session) = id(&asked.session) else { return no_session() };
    if !http.hub().unsubscribe(session, &asked.channel, &Refusal::permission_denied("server unsubscribe")) {
        return no_session();
    }
    info!(session = session.0, channel = ?asked.channel, "an admin unsubscribed a session");
    done()
}

/// Reads a small body of JSON, within the time of a handshake.
async fn read<T: DeserializeOwned>(http: &HttpHub, headers: &HeaderMap, body: Body) -> Result<T, Response> {
    if headers.get(CONTENT_TYPE).is_none_or(|kind| kind != "application/json") {
        return Err(failure(StatusCode::UNSUPPORTED_MEDIA_TYPE, "the body is application/json"));
    }
    let bytes = match timeout(http.limits().handshake_timeout, to_bytes(body, BYTES)).await {
        Ok(Ok(bytes)) => bytes,
        Ok(Err(_)) => {
            let why = format!("the body has at most {BYTES} bytes, and ends in order");
            return Err(failure(StatusCode::PAYLOAD_TOO_LARGE, why));
        }
        Err(_) => return Err(failure(StatusCode::REQUEST_TIMEOUT, "the body did not arrive in time")),
    };
    serde_json::from_slice(&bytes).map_err(|error| failure(StatusCode::BAD_REQUEST, error.to_string()))
}

fn id(text: &str) -> Option<SessionId> {
    text.parse().ok().map(SessionId)
}

fn no_session() -> Response {
    failure(StatusCode::NOT_FOUND, "there is no such session any more")
}

fn done() -> Response {
    Json(json!({})).into_response()
}
