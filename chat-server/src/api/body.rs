//! Reads bodies of requests, within their bounds.

use axum::body::Body;
use chat_core::{Hub, Refusal};
use chat_protocol::check_depth;
use chat_tokio_adapter::HttpHub;
use futures::StreamExt;
use tokio::time::timeout;

use super::failure::Failure;

/// Bounds the bytes of a body of many calls, or of one call to many channels.
const MANY_BYTES: usize = 4 * 1024 * 1024;

/// Reads the body of one call, which is bounded as a message is.
pub(super) async fn of_one(http: &HttpHub, body: Body) -> Result<String, Failure> {
    read(http, body, http.hub().limits().message_bytes).await
}

/// Reads a body of many calls, or of one call to many channels.
pub(super) async fn of_many(http: &HttpHub, body: Body) -> Result<String, Failure> {
    read(http, body, MANY_BYTES.max(http.hub().limits().message_bytes)).await
}

/// Reads at most `most` bytes of text, within the time of a handshake, and bounds the depth of its JSON.
async fn read(http: &HttpHub, body: Body, most: usize) -> Result<String, Failure> {
    let reading = timeout(http.limits().handshake_timeout, collect(http.hub(), body, most));
    let bytes = reading.await.unwrap_or(Err(Failure::Late))?;
    let text = String::from_utf8(bytes).map_err(|error| Refusal::bad_request(error.to_string()))?;
    check_depth(&text, http.hub().limits().json_depth)?;
    Ok(text)
}

/// Collects the body, and counts its bytes against the bound on all incomplete input.
async fn collect(hub: &Hub, body: Body, most: usize) -> Result<Vec<u8>, Failure> {
    let (mut intake, mut bytes, mut body) = (hub.acceptor().intake(), Vec::new(), body.into_data_stream());
    while let Some(data) = body.next().await {
        let data = data.map_err(|_| Failure::BrokenOff)?;
        if data.len() > most - bytes.len() {
            return Err(Failure::TooLarge(most));
        }
        bytes.extend_from_slice(&data);
        if !intake.hold(bytes.len()) {
            return Err(Failure::TooMuchWaits);
        }
    }
    Ok(bytes)
}
