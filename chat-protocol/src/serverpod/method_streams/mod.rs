//! Speaks the method streams of Serverpod 2.1 and on: calls that return and take streams, many of them over
//! one socket.
//!
//! ```text
//!   decode   ──▶  session  ──▶  encode       a frame ──▶ requests;  a reply or a publication ──▶ frames
//!      └──▶ frame ◀──┼────────────┘          the frames of both sides
//!                    ▼
//!                 context                    the call for which a request is
//! ```

mod context;
mod decode;
mod encode;
mod frame;
mod session;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use chat_core::protocol::{Frames, Greeting, Protocol, SessionCodec};
use chat_core::{Limits, Publication, SessionId};

use super::classes::is_sent;
use session::Session;
use session::subscriptions::OpenStreams;

/// Speaks the protocol of `/v1/websocket`.
///
/// `chat.subscribe(channelId)` returns a stream of `ChatMessage`; `chat.publish(channelId, messages)` takes
/// one, whose messages go to the channel that the call names, and ends when all of them are published. The
/// first call that shows credentials opens the session, one that shows others refreshes it. A socket speaks
/// for one user: a call of another gets `authenticationFailed`.
///
/// Refusals become answers that the client knows: 103 and the endpoint's own `authorizationDeclined`, 101,
/// 109 and 110 `authenticationFailed`, 102 and 107 `invalidArguments`, 104 `endpointNotFound`; upon any other
/// the call ends with an error after it opened.
///
/// ```
/// use std::sync::Arc;
///
/// use chat_core::testkit::{Way, World};
/// use chat_core::{Hub, OpenChat};
/// use chat_core::protocol::Credentials;
/// use chat_protocol::serverpod::MethodStreams;
///
/// let world = World::new();
/// let hub = Hub::builder(OpenChat::default()).build(world.clone());
/// let ann = world.connect(&hub, Arc::new(MethodStreams::default()), Credentials::Later, Way::Bytes);
/// ann.say(r#"{"type":"ping"}"#);
/// assert_eq!(ann.heard(), [r#"{"type":"pong"}"#]);
/// ```
#[derive(Clone, Debug, Default)]
pub struct MethodStreams {
    /// Holds the streams of the one session for which this writes; none if it is of no session.
    streams: Arc<OpenStreams>,
}

impl MethodStreams {
    fn of(streams: Arc<OpenStreams>) -> Self {
        Self { streams }
    }
}

impl Protocol for MethodStreams {
    fn name(&self) -> &'static str {
        "serverpod"
    }

    /// Answers the first call, which gives the client's credentials.
    fn greeting(&self) -> Greeting {
        Greeting::Answered
    }

    fn session_codec(&self, _: SessionId, limits: &Limits) -> Box<dyn SessionCodec> {
        let streams = Arc::<OpenStreams>::default();
        let encoder = Arc::new(Self::of(streams.clone()));
        Box::new(Session::new(streams, encoder, limits))
    }

    /// Writes one frame for each stream on the channel.
    fn encode_publication(&self, publication: &Publication, out: &mut Frames<'_>) {
        if !is_sent(publication) {
            return;
        }
        let message = &publication.message;
        let mut object = None;
        self.streams.each(&message.channel_id, |head| {
            encode::value(head, object.get_or_insert_with(|| encode::object(message)), out);
        });
    }
}
