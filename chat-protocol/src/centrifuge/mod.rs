//! Speaks the client protocol of Centrifugo and Centrifuge, version 2, with their clients as they are.
//!
//! ```text
//!   decode   ──▶  session  ──▶  encode       a line ──▶ a request;  a reply or a publication ──▶ a line
//!      └────────▶ context ◀────────┘         a command's number and method, which its reply needs
//!
//!   protobuf      the same in Protobuf: it shares the session's state, the commands and the context
//!   http          frames within HTTP streams and server-sent events, and commands beside them
//! ```

mod context;
mod decode;
mod encode;
mod http;
mod protobuf;
mod session;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use chat_core::protocol::{Accepted, Frames, Greeting, Handshake, PresenceChange, Protocol, SessionCodec};
use chat_core::{ChannelId, Limits, Publication, SessionId};

pub use context::Stream;
use encode::push;
pub use encode::reply::{no_history, result};
pub use http::{Beside, ByteStream, EventStream, HttpStream, first_commands};
use protobuf::Protobuf;
use session::{Options, Session, State};

/// Speaks the protocol in JSON. Its pings are `{}`, which clients answer with the same.
///
/// The clients' `name` says which library they are, so it names no user; a client without a token may send
/// `{"name":"ann"}` as `data` of its connect.
///
/// ```
/// use std::sync::Arc;
///
/// use chat_core::testkit::{Way, World};
/// use chat_core::{Hub, OpenChat};
/// use chat_core::protocol::Credentials;
/// use chat_protocol::centrifuge::Centrifuge;
///
/// let world = World::new();
/// let hub = Hub::builder(OpenChat::default()).build(world.clone());
/// let ann = world.connect(&hub, Arc::new(Centrifuge::default()), Credentials::Later, Way::Bytes);
/// ann.say(r#"{"id":1,"connect":{"data":{"name":"ann"}}}"#);
/// ann.say(r#"{"id":2,"subscribe":{"channel":"news"}}"#);
/// assert!(ann.heard()[1].starts_with(r#"{"id":2,"subscribe":{"#));
/// ```
#[derive(Clone, Debug, Default)]
pub struct Centrifuge {
    options: Options,
}

impl Centrifuge {
    /// Speaks with a client that reads a stream of HTTP, and sends its commands in requests beside it.
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use chat_core::testkit::{Way, World};
    /// use chat_core::{Hub, OpenChat};
    /// use chat_core::protocol::Credentials;
    /// use chat_protocol::centrifuge::{Centrifuge, Stream};
    ///
    /// let world = World::new();
    /// let hub = Hub::builder(OpenChat::default()).build(world.clone());
    /// let stream = Stream { key: "k-1".into(), node: "n-1".into() };
    /// let protocol = Arc::new(Centrifuge::beside(stream));
    /// let client = world.connect(&hub, protocol, Credentials::Later, Way::Bytes);
    /// client.say(r#"{"id":1,"connect":{}}"#);
    /// assert!(client.heard()[0].contains(r#""session":"k-1","node":"n-1""#));
    /// ```
    pub fn beside(stream: Stream) -> Self {
        Self { options: Options { stream: Some(stream), frame_pings: false } }
    }

    /// Speaks the same in Protobuf.
    ///
    /// ```
    /// use chat_protocol::centrifuge::Centrifuge;
    ///
    /// assert_eq!(Centrifuge::default().in_protobuf().name(), "centrifuge-protobuf");
    /// ```
    pub fn in_protobuf(self) -> Arc<dyn Protocol> {
        Arc::new(Protobuf::new(self.options))
    }
}

impl Protocol for Centrifuge {
    fn name(&self) -> &'static str {
        "centrifuge"
    }

    /// Chooses Protobuf if the client asks for it, by subprotocol or by query.
    ///
    /// Tools that answer no pings but WebSocket's own ask for those with `cf_ws_frame_ping_pong=true`.
    fn accept(&self, opening: &Handshake<'_>) -> Option<Accepted> {
        let offers = |name: &str| opening.subprotocols.iter().any(|offered| offered == name);
        let query = opening.query.unwrap_or_default();
        let asks = |pair: &str| query.split('&').any(|each| each == pair);
        let chosen = ["centrifuge-protobuf", "centrifuge-json"].into_iter().find(|name| offers(name));
        let bytes =
            chosen == Some("centrifuge-protobuf") || asks("format=protobuf") || asks("cf_protocol=protobuf");
        let frame_pings = asks("cf_ws_frame_ping_pong=true");
        let asked = Self { options: Options { frame_pings, ..self.options.clone() } };
        let protocol = match bytes {
            true => Some(asked.in_protobuf()),
            false => frame_pings.then(|| Arc::new(asked) as Arc<dyn Protocol>),
        };
        Some(Accepted::default().with_subprotocol(chosen).with_protocol(protocol))
    }

    fn greeting(&self) -> Greeting {
        Greeting::First
    }

    fn message_bytes(&self, limits: &Limits) -> usize {
        limits.batch_bytes()
    }

    fn session_codec(&self, session: SessionId, limits: &Limits) -> Box<dyn SessionCodec> {
        Box::new(Session::new(State::new(session, self.options.clone(), limits)))
    }

    fn encode_publication(&self, publication: &Publication, out: &mut Frames<'_>) {
        out.text(|out| push::publication(publication, out));
    }

    fn presence_by_session(&self) -> bool {
        true
    }

    /// Writes one frame a session; nothing for a user who is present and changes its name or data.
    fn encode_presence(&self, channel: &ChannelId, change: &PresenceChange, out: &mut Frames<'_>) {
        change.departed.iter().for_each(|who| out.text(|out| push::moved(channel, "leave", who, out)));
        change.arrived.iter().for_each(|who| out.text(|out| push::moved(channel, "join", who, out)));
    }
}
