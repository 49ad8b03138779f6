//! The method streams of Serverpod 2.1 and on: calls that return and take streams, many of them over one socket.

mod frame;
mod session;

use std::sync::Arc;

use chat_core::{
    Answer, BadRequest, Cost, Frames, Greeting, Limits, Message, Protocol, Publication, Reply, Request,
    RequestId, SessionId, Talk,
};

use self::session::calls::{AUTH, Calls};
use self::session::subscriptions::Streams;
use super::classes::{is_told, message};
use crate::read::text;

/// The protocol of `/v1/websocket`.
///
/// `chat.subscribe(channelId)` returns a stream of `ChatMessage`; `chat.publish(channelId, messages)` takes one, each said in the channel that the call
/// names, and ends when all of them are. The first call that shows who it is opens the session, one that shows something else refreshes it.
/// A socket speaks for one user: a call of another gets `authenticationFailed`.
///
/// What the client cannot know is told as it knows it: 103 and the endpoint's own refusals as `authorizationDeclined`, 101, 109 and 110 as
/// `authenticationFailed`, 102 and 107 as `invalidArguments`, 104 as `endpointNotFound`; of any other the call ends with an error after it opened.
#[derive(Clone, Debug, Default)]
pub struct MethodStreams {
    /// The streams of the one session that this writes for; none if it is nobody's.
    streams: Arc<Streams>,
}

/// One session's calls.
struct Conversation {
    streams: Arc<Streams>,
    calls: Calls,
}

impl Protocol for MethodStreams {
    fn name(&self) -> &'static str {
        "serverpod"
    }

    /// The first call says who its client is.
    fn greeting(&self) -> Greeting {
        Greeting::Answered
    }

    fn talk(&self, _: SessionId, limits: &Limits) -> Box<dyn Talk> {
        let streams = Arc::<Streams>::default();
        let calls = Calls::new(streams.clone(), limits);
        Box::new(Conversation { streams, calls })
    }

    /// One frame for each stream on the channel.
    fn encode_publication(&self, publication: &Publication, out: &mut Frames<'_>) {
        if !is_told(publication) {
            return;
        }
        let mut object = Vec::new();
        self.streams.each(&publication.message.channel_id, |head| {
            if object.is_empty() {
                object.reserve(publication.message.content.as_bytes().len() + 240);
                message(&publication.message, &mut object);
            }
            out.text(|out| {
                out.reserve(head.len() + object.len() + 2);
                [head, &object, b"}}"].iter().for_each(|part| out.extend_from_slice(part));
            });
        });
    }
}

impl Talk for Conversation {
    fn decode(&mut self, message: Message<'_>, requests: &mut Vec<Result<Request, BadRequest>>) {
        let heard = match text(message) {
            Some(text) => self.calls.hear(text),
            None => Err(self.calls.bad("no UTF-8")),
        };
        match heard {
            Ok(()) => requests.extend(self.calls.take_next().into_iter().map(Ok)),
            Err(bad) => requests.push(Err(bad)),
        }
    }

    fn encode_reply(&mut self, reply: &Reply, out: &mut Frames<'_>) {
        self.learn(reply);
        self.calls.take_words().iter().for_each(|word| out.text(|out| word.write(out)));
    }

    /// A call that is not let in ends no other, nor the session.
    fn cost(&self, refused: &Reply, usual: Cost) -> Cost {
        let is_auth = id_of(refused) == Some(AUTH);
        if is_auth && matches!(usual, Cost::End(_)) { Cost::Strike } else { usual }
    }

    fn follow_up(&mut self, requests: &mut Vec<Request>) {
        requests.extend(self.calls.take_next());
    }

    fn voice(&self) -> Option<Arc<dyn Protocol>> {
        Some(Arc::new(MethodStreams { streams: self.streams.clone() }))
    }
}

impl Conversation {
    fn learn(&mut self, reply: &Reply) {
        let id = id_of(reply);
        match &reply.answer {
            Answer::Connected(connected) => {
                self.calls.granted();
                connected.subscriptions.iter().for_each(|one| self.calls.joined(None, &one.channel));
            }
            Answer::Refreshed { .. } => self.calls.granted(),
            Answer::Subscribed(subscribed) => self.calls.joined(id, &subscribed.channel),
            Answer::Unsubscribed { channel, why, .. } => self.calls.left(why.is_none(), channel),
            Answer::Published { .. } => id.into_iter().for_each(|id| self.calls.said(id)),
            Answer::Error(refusal) => id.into_iter().for_each(|id| self.calls.refused(id, refusal)),
            _ => {}
        }
    }
}

fn id_of(reply: &Reply) -> Option<&str> {
    reply.id.as_ref().map(|RequestId(id)| &**id)
}
