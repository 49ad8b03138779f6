//! Bodies of requests, within their bounds.

use axum::body::Body;
use chat_core::{Hub, Refusal};
use chat_protocol::check_depth;
use futures::StreamExt;
use tokio::time::timeout;

use super::failure::Failure;

/// What may be said in one body of many calls, or to many channels.
const MANY_BYTES: usize = 4 * 1024 * 1024;

/// A body of one call, as long as a message.
pub(super) async fn of_one(hub: &Hub, body: Body) -> Result<String, Failure> {
    read(hub, body, hub.limits().message_bytes).await
}

/// A body of many calls, or of one to many channels.
pub(super) async fn of_many(hub: &Hub, body: Body) -> Result<String, Failure> {
    read(hub, body, MANY_BYTES.max(hub.limits().message_bytes)).await
}

/// At most so many bytes of text, in the time of a handshake, and JSON is no deeper in it than it may be.
async fn read(hub: &Hub, body: Body, most: usize) -> Result<String, Failure> {
    let reading = timeout(hub.limits().handshake_timeout, collect(hub, body, most));
    let bytes = reading.await.unwrap_or(Err(Failure::Late))?;
    let text = String::from_utf8(bytes).map_err(|error| Refusal::bad_request(error.to_string()))?;
    check_depth(&text, hub.limits().json_depth)?;
    Ok(text)
}

/// Counted among what is held of all that is not whole yet.
async fn collect(hub: &Hub, body: Body, most: usize) -> Result<Vec<u8>, Failure> {
    let (mut intake, mut bytes, mut body) = (hub.intake(), Vec::new(), body.into_data_stream());
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
