//! The same protocol in Protobuf: for the clients that know nothing else.
//!
//! A frame is one message of bytes, of commands or replies one after the other, each behind its length.

mod decode;
mod encode;
mod schema;
mod stream;

use chat_core::{
    Answer, BadRequest, ChannelId, Frames, Greeting, Kind, Limits, Message, PresenceChange, Protocol,
    Publication, Reply, Request, SessionId, Talk,
};
use prost::Message as _;

pub(super) use stream::{disconnect, read_beside};

use super::encode::reply;
use super::{Centrifuge, Conversation, malformed};

/// The protocol for clients that want it so; [`Centrifuge`] welcomes them.
#[derive(Clone, Debug, Default)]
pub(super) struct Protobuf(pub(super) Centrifuge);

impl Protocol for Protobuf {
    fn name(&self) -> &'static str {
        "centrifuge-protobuf"
    }

    fn greeting(&self) -> Greeting {
        Greeting::First
    }

    fn message_bytes(&self, limits: &Limits) -> usize {
        limits.batch_bytes()
    }

    fn talk(&self, session: SessionId, limits: &Limits) -> Box<dyn Talk> {
        Box::new(Spoken(Conversation::new(session, self.0.clone(), limits)))
    }

    fn encode_publication(&self, publication: &Publication, out: &mut Frames<'_>) {
        write(Some(encode::publication(publication)), out);
    }

    fn presence_by_session(&self) -> bool {
        true
    }

    fn encode_presence(&self, channel: &ChannelId, change: &PresenceChange, out: &mut Frames<'_>) {
        change.departed.iter().for_each(|who| write(Some(encode::moved(channel, who, false)), out));
        change.arrived.iter().for_each(|who| write(Some(encode::moved(channel, who, true)), out));
    }
}

/// One session's side.
struct Spoken(Conversation);

impl Talk for Spoken {
    fn decode(&mut self, message: Message<'_>, requests: &mut Vec<Result<Request, BadRequest>>) {
        let mut bytes = match message {
            Message::Binary(bytes) => bytes,
            Message::Text(text) => text.as_bytes(),
        };
        if bytes.is_empty() {
            return requests.push(Err(malformed("a frame has a command")));
        }
        while !bytes.is_empty() {
            let read =
                self.0.fits(decode::length(bytes)).and_then(|()| decode::read(&mut bytes, self.0.depth));
            let heard = read.and_then(|heard| self.0.hear(heard));
            if !super::take(heard, requests) {
                return;
            }
        }
    }

    fn encode_reply(&mut self, reply: &Reply, out: &mut Frames<'_>) {
        write(
            match (&reply.id, &reply.answer) {
                (Some(id), Answer::Connected(connected)) => {
                    encode::connected(id, connected, &self.0.greeting())
                }
                (Some(id), answer) if reply::has_words(id, answer) => {
                    encode::reply(id, self.0.session, answer)
                }
                (Some(_), _) => None,
                (None, answer) => encode::unasked(answer),
            },
            out,
        );
    }

    /// An empty reply.
    fn encode_ping(&mut self, out: &mut Frames<'_>) {
        if self.0.ping > 0 {
            write(Some(schema::Reply::default()), out);
        }
    }
}

fn write(reply: Option<schema::Reply>, out: &mut Frames<'_>) {
    if let Some(reply) = reply {
        out.write(Kind::Binary, |out| {
            reply.encode_length_delimited(out).expect("a Vec takes it");
        });
    }
}
