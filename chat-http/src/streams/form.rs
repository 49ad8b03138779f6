//! How a stream is spoken: in lines, in bytes or in events.

use std::sync::Arc;

use chat_core::{Framing, Protocol};
use chat_protocol::centrifuge::{ByteStream, Centrifuge, EventStream, HttpStream};
use http::HeaderMap;
use http::header::CONTENT_TYPE;

/// What is spoken over a stream, how it stands there, and the kind of its answer.
pub(super) type Form = fn(Centrifuge) -> (Arc<dyn Protocol>, Arc<dyn Framing>, &'static str);

pub(super) const LINES: Form = |spoken| (Arc::new(spoken), Arc::new(HttpStream), "application/json");
pub(super) const BYTES: Form = |spoken| (spoken.in_protobuf(), Arc::new(ByteStream), OCTETS);
pub(super) const EVENTS: Form = |spoken| (Arc::new(spoken), Arc::new(EventStream), "text/event-stream");

/// The kind of bodies in Protobuf.
const OCTETS: &str = "application/octet-stream";

/// Whether a request's body is Protobuf.
pub(super) fn is_bytes(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case(OCTETS))
}
