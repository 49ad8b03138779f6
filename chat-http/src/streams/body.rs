//! Reads the bodies of requests within their bounds.

use std::error::Error;
use std::pin::pin;

use bytes::BufMut;
use chat_core::Hub;
use chat_core::transport::Intake;
use http::StatusCode;
use http_body::Body;
use http_body_util::{BodyExt, LengthLimitError, Limited};

use super::answer::{Refused, TOO_LARGE};
use crate::hub::HttpHub;
use crate::time::within;

const BROKEN_OFF: Refused = (StatusCode::BAD_REQUEST, "the request broke off");
const TOO_SLOW: Refused = (StatusCode::REQUEST_TIMEOUT, "the request did not come in time");
const TOO_MUCH_WAITS: Refused =
    (StatusCode::SERVICE_UNAVAILABLE, "too much is held of what is not whole yet");

/// Reads a body of at most so many bytes, within its time, and counts it among what the hub holds of requests
/// that are not whole yet, for as long as the returned count is kept.
pub(super) async fn read<B>(http: &HttpHub, body: B, most: usize) -> Result<(Vec<u8>, Intake), Refused>
where
    B: Body,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let reading = Box::pin(collect(http.hub(), Limited::new(body, most)));
    let (runtime, patience) = (&**http.hub().runtime(), http.limits().handshake_timeout);
    within(runtime, patience, reading).await.unwrap_or(Err(TOO_SLOW))
}

async fn collect<B>(hub: &Hub, body: Limited<B>) -> Result<(Vec<u8>, Intake), Refused>
where
    B: Body,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let (mut intake, mut bytes, mut body) = (hub.acceptor().intake(), Vec::new(), pin!(body));
    while let Some(frame) = body.frame().await {
        let broken = |error: Box<dyn Error + Send + Sync>| {
            if error.is::<LengthLimitError>() { TOO_LARGE } else { BROKEN_OFF }
        };
        if let Ok(data) = frame.map_err(broken)?.into_data() {
            bytes.put(data);
        }
        if !intake.hold(bytes.len()) {
            return Err(TOO_MUCH_WAITS);
        }
    }
    Ok((bytes, intake))
}
