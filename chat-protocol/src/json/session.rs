//! Remembers of one session no more than the bounds under which it reads.

use chat_core::Limits;
use chat_core::protocol::{Answer, Frames, Message, Reply, Requests, SessionCodec};

use super::{decode, encode};

/// Bounds the bytes of a message where the client gets no other bound.
const MESSAGE_BYTES: usize = 64 * 1024;

/// Reads the requests of one session and writes its replies.
#[derive(Debug)]
pub(super) struct Session {
    /// Bounds the levels of arrays and objects in a request.
    depth: usize,
    /// Bounds the bytes of a message, if that is not the bound that clients assume.
    message_bytes: Option<usize>,
}

impl Session {
    pub(super) fn new(limits: &Limits) -> Self {
        let bound = limits.message_bytes;
        Self { depth: limits.json_depth, message_bytes: (bound != MESSAGE_BYTES).then_some(bound) }
    }
}

impl SessionCodec for Session {
    fn decode(&mut self, message: Message<'_>, requests: &mut Requests) {
        requests.push(decode::request(message, self.depth));
    }

    fn encode_reply(&mut self, reply: &Reply, out: &mut Frames<'_>) {
        out.text(|out| encode::reply(reply, self.message_bytes, out));
        if let Answer::Connected(connected) = &reply.answer {
            connected.subscriptions.iter().for_each(|one| out.text(|out| encode::subscribed(one, out)));
        }
    }
}
