//! Reads and writes the frames of one session, and hands what they say to its calls.

pub(super) mod admission;
pub(super) mod calls;
pub(super) mod subscriptions;

use std::sync::Arc;

use chat_core::Limits;
use chat_core::protocol::{Answer, Cost, Frames, Message, Protocol, Reply, Request, Requests, SessionCodec};

use super::context::ReplyContext;
use super::encode;
use crate::read::text;
use calls::Calls;
use subscriptions::OpenStreams;

/// Reads the frames of one session's calls, and writes what they get.
pub(super) struct Session {
    calls: Calls,
    /// Writes publications for the streams of this session alone.
    encoder: Arc<dyn Protocol>,
}

impl Session {
    pub(super) fn new(streams: Arc<OpenStreams>, encoder: Arc<dyn Protocol>, limits: &Limits) -> Self {
        Self { calls: Calls::new(streams, limits), encoder }
    }

    fn receive(&mut self, reply: &Reply) {
        let context = context_of(reply);
        match &reply.answer {
            Answer::Connected(connected) => {
                self.calls.granted();
                connected.subscriptions.iter().for_each(|one| self.calls.subscribed(&one.channel));
            }
            Answer::Refreshed { .. } => self.calls.granted(),
            Answer::Subscribed(subscribed) => match context {
                Some(ReplyContext::Join(key)) => self.calls.joined(key, &subscribed.channel),
                _ => self.calls.subscribed(&subscribed.channel),
            },
            Answer::Unsubscribed { channel, why: None, .. } => self.calls.left(channel),
            Answer::Unsubscribed { channel, why: Some(_), .. } => self.calls.removed(channel),
            Answer::Published { .. } => {
                if let Some(ReplyContext::Publish { number, key }) = context {
                    self.calls.published(number, key);
                }
            }
            Answer::Error(refusal) => match context {
                Some(ReplyContext::Auth) => self.calls.denied(refusal),
                Some(ReplyContext::Join(key)) => self.calls.join_refused(key, refusal),
                Some(ReplyContext::Publish { number, key }) => self.calls.publish_refused(number, key),
                Some(ReplyContext::Leave) | None => {}
            },
            _ => {}
        }
    }
}

impl SessionCodec for Session {
    fn decode(&mut self, message: Message<'_>, requests: &mut Requests) {
        let received = match text(message) {
            Some(text) => self.calls.receive(text),
            None => Err(self.calls.bad("no UTF-8")),
        };
        match received {
            Ok(()) => requests.extend(self.calls.take_requests().into_iter().map(Ok)),
            Err(bad) => requests.push(Err(bad)),
        }
    }

    fn encode_reply(&mut self, reply: &Reply, out: &mut Frames<'_>) {
        self.receive(reply);
        self.calls.take_frames().iter().for_each(|frame| out.text(|out| encode::frame(frame, out)));
    }

    /// Makes a refusal of credentials a strike: a call that is not let in ends neither another call nor the
    /// session.
    fn cost(&self, refused: &Reply, usual: Cost) -> Cost {
        let is_auth = context_of(refused) == Some(ReplyContext::Auth);
        if is_auth && matches!(usual, Cost::End(_)) { Cost::Strike } else { usual }
    }

    fn follow_up(&mut self, requests: &mut Vec<Request>) {
        requests.extend(self.calls.take_requests());
    }

    fn session_encoder(&self) -> Option<Arc<dyn Protocol>> {
        Some(self.encoder.clone())
    }
}

fn context_of(reply: &Reply) -> Option<ReplyContext<'_>> {
    reply.id.as_ref().and_then(ReplyContext::of)
}
