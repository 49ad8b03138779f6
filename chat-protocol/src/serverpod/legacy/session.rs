//! Remembers of one session whether a message has named its sender, and decides what a refusal costs.

use chat_core::protocol::{Answer, Command, Cost, Frames, Message, Reply, Request, Requests, SessionCodec};
use chat_core::{Close, Reason};

use super::context::ReplyContext;
use super::{decode, encode};

/// Reads the frames of one session, and writes what it gets.
#[derive(Debug)]
pub(super) struct Session {
    /// Bounds the levels of arrays and objects in JSON.
    depth: usize,
    /// Tells that a message has named its sender: the first one names the session.
    named: bool,
}

impl Session {
    pub(super) fn new(depth: usize) -> Self {
        Self { depth, named: false }
    }
}

impl SessionCodec for Session {
    fn decode(&mut self, message: Message<'_>, requests: &mut Requests) {
        let decoded = decode::read(message, self.depth);
        if let Ok((_, Some(name))) = &decoded
            && !std::mem::replace(&mut self.named, true)
        {
            requests.push(Ok(Request::new(Command::Rename(name.clone()))));
        }
        requests.push(decoded.map(|(request, _)| request));
    }

    fn encode_reply(&mut self, reply: &Reply, out: &mut Frames<'_>) {
        match &reply.answer {
            Answer::Pong => encode::pong(out),
            Answer::Error(_) => {
                if let Some(ReplyContext::Join(channel)) = ReplyContext::of(reply) {
                    encode::membership(&channel, false, out);
                }
            }
            Answer::Unsubscribed { channel, why: Some(_), .. } => encode::membership(channel, false, out),
            Answer::Subscribed(subscribed) if reply.id.is_none() => {
                encode::membership(&subscribed.channel, true, out);
            }
            Answer::Connected(connected) => {
                connected.subscriptions.iter().for_each(|one| encode::membership(&one.channel, true, out));
            }
            _ => {}
        }
    }

    /// Makes a refusal that cannot be sent a strike, unless the server failed.
    fn cost(&self, refused: &Reply, usual: Cost) -> Cost {
        let Answer::Error(refusal) = &refused.answer else { return usual };
        match (usual, ReplyContext::of(refused)) {
            (Cost::Nothing, Some(ReplyContext::Auth)) if refusal.reason == Reason::NotAvailable => {
                Cost::Nothing
            }
            (Cost::Nothing, Some(ReplyContext::Auth)) => {
                Cost::End(Close::new(4001, "come back as who you are now"))
            }
            (Cost::Nothing, None) if refusal.reason != Reason::Internal => Cost::Strike,
            (usual, _) => usual,
        }
    }
}
