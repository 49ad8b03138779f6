//! Defines what clients and server send to each other, in bytes.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use super::{Frames, Requests};
use crate::model::setters::setters;
use crate::model::{
    ChannelId, Close, Connect, Gap, Limits, Message, PresenceChange, Publication, Refusal, Reply, Request,
    SessionId,
};

/// Defines a wire format: how a client is accepted, and how the messages to all subscribers are encoded. It
/// knows no transport.
///
/// The requests and answers of one session are encoded by its [`SessionCodec`].
///
/// ```
/// use std::sync::Arc;
///
/// use chat_core::testkit::{Way, World};
/// use chat_core::{Connect, Hub, Limits};
/// use chat_core::protocol::{Answer, BadRequest, Command, Credentials, Frames, Message};
/// use chat_core::{OpenChat, Payload, Publication, Publish, Refusal};
/// use chat_core::protocol::{Protocol, Reply, Request, Requests};
/// use chat_core::{SessionId, Subscribe};
/// use chat_core::protocol::SessionCodec;
///
/// /// Joins the one room with `join`, and publishes any other text in it.
/// #[derive(Clone, Copy)]
/// struct OneRoom;
///
/// impl Protocol for OneRoom {
///     fn name(&self) -> &'static str {
///         "one-room"
///     }
///
///     fn session_codec(&self, _: SessionId, _: &Limits) -> Box<dyn SessionCodec> {
///         Box::new(*self)
///     }
///
///     fn encode_publication(&self, publication: &Publication, out: &mut Frames<'_>) {
///         out.text(|out| out.extend_from_slice(publication.message.content.as_bytes()));
///     }
/// }
///
/// impl SessionCodec for OneRoom {
///     fn decode(&mut self, message: Message<'_>, requests: &mut Requests) {
///         let room = "room".parse().expect("a name");
///         requests.push(match message {
///             Message::Text("join") => Ok(Request::new(Command::Subscribe(Subscribe::to(room)))),
///             Message::Text(text) => match Payload::parse(text) {
///                 Ok(content) => Ok(Request::new(Command::Publish(Publish::to(room, content)))),
///                 Err(error) => Err(BadRequest::new(None, Refusal::bad_request(error.to_string()))),
///             },
///             Message::Binary(_) => Err(BadRequest::new(None, Refusal::bad_request("not text"))),
///         });
///     }
///
///     fn encode_reply(&mut self, reply: &Reply, out: &mut Frames<'_>) {
///         if let Answer::Error(refusal) = &reply.answer {
///             out.text(|out| out.extend_from_slice(refusal.message.as_bytes()));
///         }
///     }
/// }
///
/// let world = World::new();
/// let hub = Hub::builder(OpenChat::default()).build(world.clone());
/// let ann = Credentials::Now(Connect::named(Some("ann".parse()?)));
/// let client = world.connect(&hub, Arc::new(OneRoom), ann, Way::Bytes);
/// client.say("join");
/// client.say("\"hello\"");
/// client.say("hello");
/// assert_eq!(client.heard(), ["\"hello\"", "no JSON at byte 0"]);
/// # Ok::<(), chat_core::NameError>(())
/// ```
pub trait Protocol: Any + Send + Sync {
    /// Names the format. A publication is encoded once for all subscribers whose protocols are of one type
    /// and one name, so two values of a type that write different bytes must have different names.
    fn name(&self) -> &'static str;

    /// Accepts the opening of a transport; returns none if the client is not one of this format, and the
    /// transport refuses it (HTTP: 403).
    fn accept(&self, opening: &Handshake<'_>) -> Option<Accepted> {
        let _ = opening;
        Some(Accepted::default())
    }

    /// Returns whether clients send a connect of their own where a transport has admitted them already
    /// ([`Credentials::Now`]), and how it is handled. A connect with a token of its own is refused with 107.
    fn greeting(&self) -> Greeting {
        Greeting::None
    }

    /// Returns whether a client that is not admitted has to be told so before its transport is open
    /// ([`Permit::ask`](crate::transport::Permit::ask); HTTP: 403), since a client whose transport was open
    /// reconnects at once.
    fn refuses_early(&self) -> bool {
        false
    }

    /// Returns the bytes that a client's message may have: those of a request, or more if one message holds
    /// several requests.
    fn message_bytes(&self, limits: &Limits) -> usize {
        limits.message_bytes
    }

    /// Returns the codec of one session, which is about to begin.
    fn session_codec(&self, session: SessionId, limits: &Limits) -> Box<dyn SessionCodec>;

    /// Writes a publication, the same for every subscriber, as one frame or as several that are delivered
    /// together or not at all.
    fn encode_publication(&self, publication: &Publication, out: &mut Frames<'_>);

    /// Writes joins and leaves, for subscribers of presence; writes nothing if the protocol cannot express
    /// them.
    fn encode_presence(&self, channel: &ChannelId, change: &PresenceChange, out: &mut Frames<'_>) {
        let _ = (channel, change, out);
    }

    /// Returns whether an answer about presence writes a user's data once for each of its sessions. The data
    /// then counts as often against the bytes of that answer.
    fn presence_by_session(&self) -> bool {
        false
    }

    /// Writes the gap that a subscriber is told in place of publications that it does not get.
    fn encode_gap(&self, lost: &Gap, out: &mut Frames<'_>) {
        let _ = (lost, out);
    }

    /// Returns whether [`encode_gap`](Self::encode_gap) can express a gap. If not, a session that is too
    /// slow is closed whatever its subscription chose, so that no gap goes unreported.
    fn reports_gaps(&self) -> bool {
        false
    }
}

/// Decides how a client's own connect is handled where its transport has admitted the client already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Greeting {
    /// Expects no connect: one is refused with 107.
    #[default]
    None,
    /// Expects a connect of each client, and answers it with the session's identity.
    Answered,
    /// Expects a connect of each client, which must receive nothing before the connect is answered. The
    /// session opens with the connect, unless the transport already knows the client's positions and so all
    /// there is to know. The client adds its positions, and its data if the transport has none.
    First,
}

/// Encodes one session's side of a protocol: it decodes requests, encodes answers, and may keep state
/// between them.
pub trait SessionCodec: Send {
    /// Reads the requests of one message in their order, each as a request or as the reason why it is none.
    /// Once [`Requests::is_full`], no more are read, and the session closes with 3013.
    ///
    /// The message may be any input of at most [`message_bytes`](Protocol::message_bytes); the method must
    /// not panic. A message without a request counts as one request.
    fn decode(&mut self, message: Message<'_>, requests: &mut Requests);

    /// Writes an answer; writes nothing if the protocol cannot express it.
    fn encode_reply(&mut self, reply: &Reply, out: &mut Frames<'_>);

    /// Returns the cost of a refusal besides its answer; `usual` is the cost where the protocol has no rule
    /// of its own. The method is called once the refusal is written.
    ///
    /// A protocol that cannot express a refusal gives it a cost, so that it does not go unnoticed; a
    /// protocol in which a call fails alone lets the session live.
    fn cost(&self, refused: &Reply, usual: Cost) -> Cost {
        let _ = refused;
        usual
    }

    /// Appends requests that the protocol held back until a request was answered. The session handles them
    /// after all that was requested before; only a ping is answered at once.
    fn follow_up(&mut self, requests: &mut Vec<Request>) {
        let _ = requests;
    }

    /// Writes the protocol's own ping. It writes nothing if the protocol has none, and the transport's ping
    /// is used.
    fn encode_ping(&mut self, out: &mut Frames<'_>) {
        let _ = out;
    }

    /// Returns the protocol that encodes this session's publications, if they differ from those of other
    /// sessions. It is called once, before anything else.
    fn session_encoder(&self) -> Option<Arc<dyn Protocol>> {
        None
    }
}

/// Decides the cost of a refusal for its session.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cost {
    /// Costs the session nothing.
    Nothing,
    /// Costs one of [`Limits::strikes`].
    Strike,
    /// Closes the session with this close, once all earlier output is written.
    End(Close),
}

/// Holds what a client sent to open its transport.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct Handshake<'a> {
    /// Holds the query of the URL.
    pub query: Option<&'a str>,
    /// Lists the subprotocols that the client offers, in its order.
    pub subprotocols: &'a [String],
}

impl<'a> Handshake<'a> {
    /// Returns the handshake of a client with this query in its URL, and these subprotocols.
    pub fn new(query: Option<&'a str>, subprotocols: &'a [String]) -> Self {
        Self { query, subprotocols }
    }
}

/// Holds the outcome of an accepted handshake.
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct Accepted {
    /// Holds the identity that the client claims.
    pub credentials: Credentials,
    /// Holds the subprotocol that was chosen.
    pub subprotocol: Option<&'static str>,
    /// Holds the protocol that is used from now on, if that is another than the one that accepted the
    /// handshake.
    pub protocol: Option<Arc<dyn Protocol>>,
}

/// Holds the identity that a client claims before its first message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Credentials {
    /// Claims nothing yet: the client sends a connect later.
    #[default]
    Later,
    /// Claims this identity. The session opens with it and without an answer; where clients [connect
    /// first](Greeting::First), it opens once they do.
    Now(Connect),
    /// Claims this identity by a login of the server's own that the request showed, such as a cookie. It is
    /// handled as [`Now`](Self::Now); besides, a client that sends a connect of its own, without a token, is
    /// answered with its identity, whatever the protocol's [`Greeting`].
    Known(Connect),
    /// Claims an invalid identity: the client is told so and closed.
    Wrong(Refusal),
}

impl fmt::Debug for Accepted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let protocol = self.protocol.as_ref().map(|protocol| protocol.name());
        let mut shown = f.debug_struct("Accepted");
        shown
            .field("hello", &self.credentials)
            .field("subprotocol", &self.subprotocol)
            .field("protocol", &protocol);
        shown.finish()
    }
}

setters! {
    Accepted:
    with_credentials credentials: Credentials,
    with_subprotocol subprotocol: impl Into<Option<&'static str>>,
    with_protocol protocol: impl Into<Option<Arc<dyn Protocol>>>,
}
