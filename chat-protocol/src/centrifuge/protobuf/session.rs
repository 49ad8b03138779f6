//! Reads the commands of one session in Protobuf and writes its replies, with the state that JSON has.

use chat_core::protocol::{Answer, Frames, Message, Reply, Requests, SessionCodec};

use super::{decode, encode};
use crate::centrifuge::decode::malformed;
use crate::centrifuge::encode::reply;
use crate::centrifuge::session::State;

/// Reads the commands of one session in Protobuf, and writes its replies.
#[derive(Debug)]
pub(super) struct Session(State);

impl Session {
    pub(super) fn new(state: State) -> Self {
        Self(state)
    }
}

impl SessionCodec for Session {
    fn decode(&mut self, message: Message<'_>, requests: &mut Requests) {
        let mut bytes = match message {
            Message::Binary(bytes) => bytes,
            Message::Text(text) => text.as_bytes(),
        };
        if bytes.is_empty() {
            return requests.push(Err(malformed("a frame has a command")));
        }
        while !bytes.is_empty() {
            let fits = self.0.check_length(decode::length(bytes));
            let decoded = fits.and_then(|()| decode::read(&mut bytes, self.0.depth));
            if !self.0.push(decoded, requests) {
                return;
            }
        }
    }

    fn encode_reply(&mut self, reply: &Reply, out: &mut Frames<'_>) {
        let message = match (&reply.id, &reply.answer) {
            (Some(id), Answer::Connected(connected)) => {
                encode::connected(id, connected, &self.0.connect_context())
            }
            (Some(id), answer) if reply::is_sent(id, answer) => encode::reply(id, self.0.session, answer),
            (Some(_), _) => None,
            (None, answer) => encode::unasked(answer),
        };
        message.iter().for_each(|message| encode::frame(message, out));
    }

    fn encode_ping(&mut self, out: &mut Frames<'_>) {
        if self.0.pings() {
            encode::ping(out);
        }
    }
}
