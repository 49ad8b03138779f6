//! Names the formats of a stream: lines, bytes or events.

use std::sync::Arc;

use chat_core::protocol::Protocol;
use chat_core::transport::Framing;
use chat_protocol::centrifuge::{ByteStream, Centrifuge, EventStream, HttpStream};
use http::HeaderMap;
use http::header::CONTENT_TYPE;

use super::answer::EVENT_STREAM;

/// Makes the protocol and the framing of a stream, and the media type of its answer.
pub(super) type Format = fn(Centrifuge) -> (Arc<dyn Protocol>, Arc<dyn Framing>, &'static str);

pub(super) const LINES: Format = |spoken| (Arc::new(spoken), Arc::new(HttpStream), "application/json");
pub(super) const BYTES: Format = |spoken| (spoken.in_protobuf(), Arc::new(ByteStream), OCTETS);
pub(super) const EVENTS: Format = |spoken| (Arc::new(spoken), Arc::new(EventStream), EVENT_STREAM);

/// Names the media type of bodies in Protobuf.
const OCTETS: &str = "application/octet-stream";

/// Returns whether a request's body is Protobuf.
pub(super) fn is_bytes(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case(OCTETS))
}
