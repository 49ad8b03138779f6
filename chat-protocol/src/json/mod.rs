//! The plain protocol: one JSON object a text frame, with the field names of the original design.

mod decode;
mod encode;
#[cfg(test)]
mod tests;

use chat_core::{
    Answer, BadRequest, ChannelId, Frames, Limits, Lost, Message, Opener, Payload, PresenceChange, Protocol,
    Publication, Reply, Request, SessionId, Talk, Welcome,
};
use serde::Serialize;

/// What a client may take a message's bytes to be at most, unless it is told another bound.
const MESSAGE_BYTES: usize = 64 * 1024;

/// The plain protocol, as `docs/protocol.md` specifies it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Json;

impl Protocol for Json {
    fn name(&self) -> &'static str {
        "json"
    }

    fn welcome(&self, opening: &Opener<'_>) -> Option<Welcome> {
        Some(Welcome { hello: decode::credentials::hello(opening.query), ..Welcome::default() })
    }

    fn talk(&self, _: SessionId, limits: &Limits) -> Box<dyn Talk> {
        let bound = limits.message_bytes;
        Box::new(Spoken {
            depth: limits.json_depth,
            message_bytes: (bound != MESSAGE_BYTES).then_some(bound),
        })
    }

    fn encode_publication(&self, publication: &Publication, out: &mut Frames<'_>) {
        out.text(|out| encode::publication(publication, out));
    }

    fn tells_losses(&self) -> bool {
        true
    }

    fn encode_lost(&self, lost: &Lost, out: &mut Frames<'_>) {
        out.text(|out| encode::lost(lost, out));
    }

    /// In how many sessions a user is it does not tell.
    fn encode_presence(&self, channel: &ChannelId, change: &PresenceChange, out: &mut Frames<'_>) {
        if !change.joined.is_empty() || !change.left.is_empty() {
            out.text(|out| encode::presence(channel, change, out));
        }
    }
}

/// One session's side.
struct Spoken {
    depth: usize,
    /// The bound of a message, if clients have to be told.
    message_bytes: Option<usize>,
}

impl Talk for Spoken {
    fn decode(&mut self, message: Message<'_>, requests: &mut Vec<Result<Request, BadRequest>>) {
        requests.push(decode::request(message, self.depth));
    }

    fn encode_reply(&mut self, reply: &Reply, out: &mut Frames<'_>) {
        out.text(|out| encode::reply(reply, self.message_bytes, out));
        if let Answer::Connected(connected) = &reply.answer {
            connected.subscriptions.iter().for_each(|one| out.text(|out| encode::subscribed(None, one, out)));
        }
    }
}

/// Any value that serde knows, as content.
///
/// # Errors
/// What serde_json refuses: a map whose keys are no strings, or the value's own error.
pub fn payload(value: &(impl Serialize + ?Sized)) -> serde_json::Result<Payload> {
    serde_json::to_string(value).map(Payload::json)
}
