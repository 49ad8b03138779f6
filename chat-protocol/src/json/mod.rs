//! The plain protocol: one JSON object a text frame, with the field names of the original design.

mod decode;
mod encode;
mod fields;
mod query;

use chat_core::{
    BadRequest, ChannelId, Kind, Lost, Message, Payload, PresenceChange, Protocol, Publication, Reply,
    Request,
};
use serde::Serialize;

pub use query::hello;

/// The plain protocol, as `docs/protocol.md` specifies it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Json;

impl Protocol for Json {
    fn name(&self) -> &'static str {
        "json"
    }

    fn decode(&self, message: Message<'_>, requests: &mut Vec<Result<Request, BadRequest>>) {
        requests.push(decode::request(message));
    }

    fn encode_reply(&self, reply: &Reply, out: &mut Vec<u8>) -> Option<Kind> {
        encode::reply(reply, out);
        Some(Kind::Text)
    }

    fn encode_publication(&self, publication: &Publication, out: &mut Vec<u8>) -> Kind {
        encode::publication(publication, out);
        Kind::Text
    }

    fn encode_lost(&self, lost: &Lost, out: &mut Vec<u8>) -> Option<Kind> {
        encode::lost(lost, out);
        Some(Kind::Text)
    }

    fn encode_presence(
        &self,
        channel: &ChannelId,
        change: &PresenceChange,
        out: &mut Vec<u8>,
    ) -> Option<Kind> {
        encode::presence(channel, change, out);
        Some(Kind::Text)
    }
}

/// Any value that serde knows, as content.
///
/// # Errors
/// What serde_json refuses: a map whose keys are no strings, or the value's own error.
pub fn payload(value: &(impl Serialize + ?Sized)) -> serde_json::Result<Payload> {
    serde_json::to_string(value).map(Payload::json)
}
