//! Speaks the plain protocol: one JSON object a text frame, with the field names of the original design.
//!
//! ```text
//!   decode   ──▶  session  ──▶  encode       a text frame ──▶ a request;  a reply ──▶ a text frame
//!      └────────▶ context ◀────────┘         the id, which a request and its reply share
//! ```

mod context;
mod decode;
mod encode;
mod session;
#[cfg(test)]
mod tests;

use chat_core::protocol::{Accepted, Frames, Gap, Handshake, PresenceChange, Protocol, SessionCodec};
use chat_core::{ChannelId, Limits, Payload, Publication, SessionId};
use serde::Serialize;

use decode::credentials;
use session::Session;

/// Speaks the plain protocol, as `docs/protocol.md` specifies it.
///
/// A client names itself on the URL (`?name=ann`, `?token=…`) or with its first request, a `connect`.
///
/// ```
/// use std::sync::Arc;
///
/// use chat_core::testkit::{Way, World};
/// use chat_core::{Hub, OpenChat};
/// use chat_core::protocol::Credentials;
/// use chat_protocol::json::Json;
///
/// let world = World::new();
/// let hub = Hub::builder(OpenChat::default()).build(world.clone());
/// let ann = world.connect(&hub, Arc::new(Json), Credentials::Later, Way::Bytes);
/// ann.say(r#"{"type":"connect","name":"ann"}"#);
/// ann.say(r#"{"type":"publish","id":1,"channelId":"news","content":"open at nine"}"#);
/// assert!(ann.heard()[0].starts_with(r#"{"type":"connected""#));
/// ```
#[allow(clippy::exhaustive_structs, reason = "a unit, which users write as a value")]
#[derive(Clone, Copy, Debug, Default)]
pub struct Json;

impl Protocol for Json {
    fn name(&self) -> &'static str {
        "json"
    }

    fn accept(&self, opening: &Handshake<'_>) -> Option<Accepted> {
        Some(Accepted::default().with_credentials(credentials::read(opening.query)))
    }

    fn session_codec(&self, _: SessionId, limits: &Limits) -> Box<dyn SessionCodec> {
        Box::new(Session::new(limits))
    }

    fn encode_publication(&self, publication: &Publication, out: &mut Frames<'_>) {
        out.text(|out| encode::publication(publication, out));
    }

    fn reports_gaps(&self) -> bool {
        true
    }

    fn encode_gap(&self, lost: &Gap, out: &mut Frames<'_>) {
        out.text(|out| encode::gap(lost, out));
    }

    /// Writes nothing for a user who is present already and opens or closes one more session.
    fn encode_presence(&self, channel: &ChannelId, change: &PresenceChange, out: &mut Frames<'_>) {
        if !change.joined.is_empty() || !change.left.is_empty() {
            out.text(|out| encode::presence(channel, change, out));
        }
    }
}

/// Makes content of any value that serde can serialize.
///
/// # Errors
/// Those of serde_json: a map with keys that are no strings, or the value's own error.
///
/// ```
/// use chat_protocol::json;
///
/// let content = json::payload(&["open", "at nine"])?;
/// assert_eq!(content.as_bytes(), br#"["open","at nine"]"#);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn payload(value: &(impl Serialize + ?Sized)) -> serde_json::Result<Payload> {
    serde_json::to_string(value).map(Payload::json)
}
