//! What clients and server say to each other, in bytes.

use std::fmt;
use std::sync::Arc;

use super::{Frames, Requests};
use crate::model::{
    ChannelId, Close, Connect, Gap, Limits, Message, PresenceChange, Publication, Refusal, Reply, Request,
    SessionId,
};

/// A wire format: how a client comes in, and what all subscribers hear alike. Knows no transport.
///
/// What one session says and is answered is its [`SessionCodec`]'s.
pub trait Protocol: Send + Sync + 'static {
    /// Names the format. A publication is encoded once for all subscribers of one name, so two protocols of one name must write the same.
    fn name(&self) -> &'static str;

    /// What comes of the opening of a transport; none if this is no client of this format, and the transport refuses it (HTTP: 403).
    fn accept(&self, opening: &Handshake<'_>) -> Option<Accepted> {
        let _ = opening;
        Some(Accepted::default())
    }

    /// Returns whether clients say a connect of their own where a transport has let them in already ([`Credentials::Now`]), and what is made of it. One that shows a
    /// token of its own is refused with 107.
    fn greeting(&self) -> Greeting {
        Greeting::None
    }

    /// Returns whether a client that may not come in is to be told so before its transport is open ([`Permit::ask`](crate::Permit::ask); HTTP: 403), since
    /// one whose transport was open comes back at once.
    fn refuses_early(&self) -> bool {
        false
    }

    /// Bytes that a message of a client may have: a request's, or more if one message holds several requests.
    fn message_bytes(&self, limits: &Limits) -> usize {
        limits.message_bytes
    }

    /// Begins to talk with one session.
    fn session_codec(&self, session: SessionId, limits: &Limits) -> Box<dyn SessionCodec>;

    /// Writes a publication, the same for every subscriber: one frame, or several that stand and fall together.
    fn encode_publication(&self, publication: &Publication, out: &mut Frames<'_>);

    /// Writes who came and went, for subscribers that want to know; nothing if the protocol has no words for it.
    fn encode_presence(&self, channel: &ChannelId, change: &PresenceChange, out: &mut Frames<'_>) {
        let _ = (channel, change, out);
    }

    /// Returns whether an answer about presence writes a user's data once for each of its sessions. Then it counts as often against the bytes of that answer.
    fn presence_by_session(&self) -> bool {
        false
    }

    /// Writes what a subscriber is told in place of publications that it does not get.
    fn encode_gap(&self, lost: &Gap, out: &mut Frames<'_>) {
        let _ = (lost, out);
    }

    /// Whether [`encode_gap`](Self::encode_gap) has words for it. If not, a session that is too slow is closed whatever its subscription chose:
    /// nothing is lost in silence.
    fn reports_gaps(&self) -> bool {
        false
    }
}

/// What becomes of a client's own connect where its transport has let it in already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Greeting {
    /// None is needed: it is refused with 107.
    #[default]
    None,
    /// Each client says one: it is answered with who the session is.
    Answered,
    /// Each client says one, and is to hear nothing before that is answered: the session opens with it, unless the transport knows where its client was and
    /// so all there is to know. The client adds where it was, and the data that it has to say if the transport has none.
    First,
}

/// One session's side of a protocol: reads requests, writes answers, and may remember what is between them.
pub trait SessionCodec: Send {
    /// Reads the requests of one message, in their order, each as itself or as what is wrong with it. Once [`Requests::is_full`], no more are read: the
    /// session closes with 3013.
    ///
    /// Gets any input whatever, at most [`message_bytes`](Protocol::message_bytes) of it, and must not panic. A message without a request counts as one.
    fn decode(&mut self, message: Message<'_>, requests: &mut Requests);

    /// Writes an answer; nothing if the protocol has no words for it.
    fn encode_reply(&mut self, reply: &Reply, out: &mut Frames<'_>);

    /// What a refusal costs, beside its answer; `usual` is what it costs where the protocol has no rule of its own. Asked once it is written.
    ///
    /// A protocol that cannot say a refusal makes it cost something, so that it does not go unnoticed; one in which a call fails alone lets the session live.
    fn cost(&self, refused: &Reply, usual: Cost) -> Cost {
        let _ = refused;
        usual
    }

    /// What the session is to ask next, now that something was answered: what the protocol held back until then. It comes after all that was asked before,
    /// but for a ping, which is answered at once.
    fn follow_up(&mut self, requests: &mut Vec<Request>) {
        let _ = requests;
    }

    /// Writes the protocol's own question whether the client is there. Nothing if it has none: then the transport's ping asks.
    fn encode_ping(&mut self, out: &mut Frames<'_>) {
        let _ = out;
    }

    /// What writes this session's publications, if they differ from what others get. It is asked once, before anything else.
    fn session_encoder(&self) -> Option<Arc<dyn Protocol>> {
        None
    }
}

/// What a refusal costs a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cost {
    /// Nothing.
    Nothing,
    /// One of [`Limits::strikes`].
    Strike,
    /// The session ends so, once what was said before is written.
    End(Close),
}

/// What a client said in opening its transport.
#[derive(Clone, Copy, Debug, Default)]
pub struct Handshake<'a> {
    /// The query of its URL.
    pub query: Option<&'a str>,
    /// The subprotocols that it offers, in its order.
    pub subprotocols: &'a [String],
}

/// What comes of it.
#[derive(Clone, Default)]
pub struct Accepted {
    /// Who it says it is.
    pub credentials: Credentials,
    /// The subprotocol that is chosen.
    pub subprotocol: Option<&'static str>,
    /// What is spoken from now on, if that is another format than the one that welcomes.
    pub protocol: Option<Arc<dyn Protocol>>,
}

/// What was known of a client before its first message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Credentials {
    /// Nothing: it will say.
    #[default]
    Later,
    /// Who it is. Its session is opened by that, without an answer; but where clients are to [greet first](Greeting::First), once they do.
    Now(Connect),
    /// Who it is, by a login of the server's own that its request showed, such as a cookie. As [`Now`](Self::Now); and a client that says a connect of its
    /// own, without a token, is answered with who it is, whatever the protocol's [`Greeting`].
    Known(Connect),
    /// It says who it is, but that is none. It is told so, and closed.
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
